"""The same story for a terminal."""

from omc_agent.events import BriefRead, CellFinished, Observe, RequestOpened, RunFinished, RunStarted
from omc_agent.panels import PlainPanel


def written(events, **kwargs):
    out = []
    panel = PlainPanel(out.append, **kwargs)
    for event in events:
        panel.handle(event)
    return "".join(out)


def test_the_whole_story_in_order_and_in_few_lines(made):
    text = written(made.whole_run(), out="agent_run")
    parts = [
        "Run 7f3a", made.note, "Direction of BTC", "Plan: Data > Leak test > Training > Report", "\nData\n",
        "Fetch the bars.", "! 12 bars are missing (", "Set aside until scoring", "done · 1 cell · 0.4 s",
        "! smooth_close",
        "sent back", "Leak test, 2nd round", "Train them? approve, by you", "last direction (baseline)", "XGBoost",
        "✕ KeyError in cell 2, line 1", "goes to scoring", "You: fine with me", "failed · 1 cell",
        "\nNo edge found\n",
        "Files: report.html", "Bound to agent_run", "9.0 s · 0 tokens · $0.00",
    ]  # fmt: skip
    places = [text.index(part) for part in parts]
    assert places == sorted(places)
    assert "prices = fetch" not in text
    assert max(map(len, text.splitlines())) <= 100
    assert text.endswith("\n")


def test_code_and_second_thoughts_are_left_to_the_notebook(made):
    assert written(made.whole_run()).count("KeyError") == 1


def test_a_failure_without_a_cell_is_told():
    assert "✕ no such table" in written([Observe(tool="query", text="no such table\nmore", ok=False)])


def test_a_shell_is_told_its_own_verbs(made):
    asked = RequestOpened(stage="s", request_id="q1", gate="code", question="Run it?")
    parked = RunFinished(status="parked", reason="budget", seconds=1)
    start = made.opening()[0]
    assert "omc-agent decide q1 approve" in written([start, asked], shell=True)
    assert "omc-agent resume 7f3a" in written([start, parked], shell=True)
    assert "%agent approve 7f3a" in written([start, asked])


def test_nothing_that_steers_a_terminal_gets_through():
    evil = "\x1b]0;title\x07\x1b[2Jgoal"
    assert "\x1b" not in written([RunStarted(run_id="r", goal=evil, model=evil)])


def test_an_exploration_shows_its_figures_and_a_span_without_its_exclusive_end():
    brief = {"task": "analysis", "start": "2024-06-01T00:00:00+00:00", "end": "2024-07-16T00:00:00+00:00"}
    look = CellFinished(
        stage="data_analysis", n=3, code="summary.T", where="sandbox", status="ok", seconds=0.1,
        outputs=[{"text/plain": "rows  12960\nskew  -7.4"}, {"text/plain": "<Figure>", "image/png": "iVBORw0KGgo="}],
    )  # fmt: skip
    text = written([BriefRead(stage="understanding", title="Exploration of DOGE", brief=brief), look])
    assert "1 June to 15 July 2024." in text
    assert "  rows  12960\n  skew  -7.4\n" in text
    assert "<Figure>" not in text
    predicting = BriefRead(stage="understanding", title="Direction", brief={**brief, "task": "classification"})
    assert "12960" not in written([predicting, look])
