"""The header card: the brief in words, the live line, the spine."""

from bs4 import BeautifulSoup

from omc_agent.events import RequestOpened, RunFinished, StageFinished, StageStarted
from omc_agent.panels.header import HeaderCard, live_line, plan_html, plan_text
from omc_agent.panels.story import Story


def story_of(events):
    story = Story(run_id="7f3a")
    for event in events:
        story.handle(event)
    return story


def states(story, now=None):
    items = BeautifulSoup(plan_html(story, now), "html.parser").select("li")
    return [(item["class"][0], item.select_one(".omc-mark").text) for item in items]


def test_the_spine_tells_each_state_by_mark_as_well_as_class(made):
    events = made.opening()
    story = story_of(events)
    assert states(story) == [("omc-waiting", "○")] * 4
    story.handle(StageStarted(at=1002.0, stage="data_retrieval", title="Data"))
    assert states(story)[0] == ("omc-now", "●")
    story.handle(StageFinished(at=1002.4, stage="data_retrieval", status="ok", seconds=0.4, cells=1))
    for stage, status in (("leak_test", "back"), ("model_training", "failed"), ("reporting", "skipped")):
        story.handle(StageFinished(at=1003.0, stage=stage, status=status, seconds=1.0, cells=0))
    assert states(story) == [("omc-ok", "✓"), ("omc-back", "↺"), ("omc-failed", "✕"), ("omc-skipped", "–")]
    lines = ["✓ Data · 0.4 s", "↺ Leak test · sent back, 1.0 s", "✕ Training · failed, 1.0 s", "– Report · skipped"]
    assert plan_text(story, None).splitlines() == lines


def test_the_spine_counts_the_seconds_of_the_running_step_and_the_fits_of_a_waiting_one(made):
    story = story_of([*made.opening(), StageStarted(at=1002.0, stage="data_retrieval", title="Data")])
    html = plan_html(story, 1011.9)
    assert "9 s so far" in html
    assert "15 fits" in html


def test_no_plan_no_spine():
    assert plan_html(Story(), None) == ""


def test_the_brief_says_rows_span_seal_assumptions_and_unread_words(made):
    story = story_of(made.whole_run())
    text = HeaderCard(story).text(None)
    assert "25,920 bars, 8 June to 6 September 2024. The last 18 days were sealed until scoring." in text
    assert "Assumed: ROC-AUC as the metric, horizon 1 h. Not used of the goal: “pronto”." in text
    assert "offline model · walled: namespaces" in text


def test_live_line_names_stage_time_cost_and_waiting(made):
    story = story_of(made.opening())
    assert live_line(story, 1003.0) == "starting · 3 s"
    story.handle(StageStarted(at=1002.0, stage="model_training", title="Training"))
    story.usd = 0.0
    assert live_line(story, 1072.0) == "training · 1 min 12 s · $0.00"
    story.handle(RequestOpened(at=1073.0, stage="model_training", request_id="q", gate="models", question="Go?"))
    assert live_line(story, 1074.0) == "waits for you · 1 min 14 s · $0.00"
    story.handle(RunFinished(status="finished", seconds=80.0, cost={"usd": 0.5}))
    assert live_line(story, None) == "finished · 1 min 20 s · $0.50"


def test_the_goal_is_repeated_only_where_no_cell_shows_it(made):
    story = story_of(made.opening())
    assert "Goal:" not in HeaderCard(story).html(None)
    assert "Goal:" in HeaderCard(story, show_goal=True).html(None)


def test_before_the_brief_nothing_is_said_of_it(made):
    assert "udged by" not in HeaderCard(story_of(made.opening()[:1])).text(None)
