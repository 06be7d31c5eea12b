"""The card of a stage: one piece per event, in order."""

import pytest

from omc_agent.events import (
    Act,
    CellFinished,
    CellStarted,
    Observe,
    Progressed,
    Reason,
    RequestDecided,
    RequestOpened,
    Said,
    StageFinished,
    StageStarted,
    Warned,
)
from omc_agent.panels.stage import StageCard
from omc_agent.panels.story import Story


@pytest.fixture
def card():
    story = Story(run_id="7f3a")
    start = StageStarted(at=1000.0, stage="data_analysis", title="Analysis")
    story.handle(start)
    card = StageCard(story, "data_analysis")
    card.handle(start)
    return card


def tell(card, *events):
    for event in events:
        card.story.handle(event)
        card.handle(event)
    return card.html(None), card.text(None)


def test_the_plan_comes_first_and_code_is_folded(card):
    code = "for x in [1]:  # why\n    print('a')"
    html, text = tell(
        card, Reason(stage="data_analysis", text="Look first."), CellFinished(stage="data_analysis", n=3, code=code)
    )
    assert html.index("Look first.") < html.index("<details><summary>Code of cell 3")
    assert "<details open" not in html
    assert '<span class="omc-k">for</span>' in html
    assert '<span class="omc-c"># why</span>' in html
    assert "for x in [1]:" in text


def test_a_running_cell_is_replaced_by_its_result(card):
    html, _ = tell(card, CellStarted(stage="data_analysis", n=3, code="x = 1"))
    assert "Cell 3 is running" in html
    html, text = tell(card, CellFinished(stage="data_analysis", n=3, code="x = 1", text="done"))
    assert "is running" not in html + text


def test_outputs_are_text_tables_and_pictures(card, made):
    outputs = [
        {"image/png": made.png(), "text/plain": "<Figure>"},
        {"text/html": "<table><tr><td>1</td></tr></table>", "text/plain": "1"},
        {"text/plain": "a < b"},
    ]
    html, text = tell(
        card,
        Reason(stage="data_analysis", text="Plot the close. Then more."),
        CellFinished(stage="data_analysis", n=1, code="plot()", outputs=outputs),
    )
    assert '<img src="data:image/png;base64,' in html
    assert 'alt="Plot of cell 1: Plot the close"' in html
    assert '<div class="omc-table"><table>' in html
    assert "<pre>a &lt; b</pre>" in html
    assert "a < b" in text


@pytest.mark.parametrize(
    ("status", "said"),
    [("error", "Error"), ("memory", "Out of memory"), ("timeout", "Out of time"), ("refused", "Refused")],
)
def test_a_cell_that_ended_badly_says_why(card, status, said):
    html, text = tell(
        card, CellFinished(stage="data_analysis", n=1, code="x", status=status, reason=f"{status}: limit")
    )
    assert f"<b>{said}:</b> limit" in html
    assert f"✕ {said}: limit" in text


def test_a_warning_says_where_and_colours_the_card(card):
    html, text = tell(card, Warned(stage="data_analysis", code="c", text="Odd.", column="rsi", cell=4, line_no=3))
    assert "omc-warned" in html
    assert "! Odd (column rsi, cell 4, line 3)." in text


def test_a_leak_is_named_with_column_cell_line_and_size(card, made):
    html, text = tell(card, made.leak())
    assert "<code>smooth_close</code>" in html
    said = "(at 20 of 20 cuts, by up to 1.8 %). It comes from cell 4, line 3: it looks ahead."
    assert said in html
    assert said in text
    assert "The other 26 columns stay the same." in text


def test_a_question_gives_its_line_to_type_until_it_is_answered(card):
    opened = RequestOpened(
        stage="data_analysis",
        request_id="q1",
        gate="code",
        question="Run it?",
        effect="1 s",
        options=["approve", "reject"],
    )
    html, text = tell(card, opened)
    assert "omc-gate" in html
    assert "%agent approve 7f3a" in text
    assert "Options: approve / reject." in text
    decided = RequestDecided(
        stage="data_analysis", request_id="q1", gate="code", decision="approve", decided_by="policy", why="never asks"
    )
    html, text = tell(card, decided)
    assert "omc-gate" not in html
    assert "Run it? approve, by policy: never asks" in text


def test_a_choice_by_default_is_said_in_words_and_without_repeating_itself(card):
    opened = RequestOpened(stage="data_analysis", request_id="q1", gate="selection", question="Which?")
    decided = RequestDecided(
        stage="data_analysis", request_id="q1", gate="selection", decision="random_forest", decided_by="default",
        why="the stated default",
    )  # fmt: skip
    assert "Which? random forest, by default." in tell(card, opened, decided)[1]


def test_a_clarification_is_answered_with_a_value(card):
    opened = RequestOpened(stage="data_analysis", request_id="q1", gate="clarification", question="Which coin?")
    assert "%agent answer 7f3a VALUE" in tell(card, opened)[1]


def test_a_host_step_is_folded_and_a_cells_step_is_not_told_twice(card):
    act = Act(stage="data_analysis", tool="coins", args={"table": "t"})
    html, _ = tell(card, act, Observe(stage="data_analysis", tool="coins", text="BTC, ETH"))
    assert "coins(table=&#x27;t&#x27;)" in html
    assert "BTC, ETH" in html
    run = Act(stage="data_analysis", tool="run", args={})
    html, _ = tell(
        card,
        run,
        CellFinished(stage="data_analysis", n=1, code="x"),
        Observe(stage="data_analysis", tool="run", text="told"),
    )
    assert "told" not in html


def test_progress_shows_only_while_the_stage_runs(card):
    html, _ = tell(card, Progressed(stage="data_analysis", done=1, total=5, text="fold 1 of 5"))
    assert "fold 1 of 5" in html
    html, _ = tell(card, StageFinished(stage="data_analysis", status="ok", seconds=1.0, cells=1))
    assert "fold 1 of 5" not in html
    assert "1 cell · 1.0 s" in html


def test_words_of_the_person_are_theirs(card):
    assert "You: <b>stop</b>" in tell(card, Said(stage="data_analysis", text="<b>stop</b>"))[1]
    assert "<b>You:</b> &lt;b&gt;stop&lt;/b&gt;" in card.html(None)


def test_a_table_is_set_aside_in_rows_without_a_span():
    from omc_agent.events import HoldoutSealed
    from omc_agent.panels import steps

    event = HoldoutSealed(stage="data_retrieval", rows=30, development_rows=120, start="", end="",
                          development_start="", development_end="", at=0.0)  # fmt: skip
    assert steps.sealed(event).text == "Set aside until scoring: 30 rows. To work with: 120 rows."
