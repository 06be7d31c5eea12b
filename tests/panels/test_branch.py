"""A run that is changed, and a run that is resumed: what the panel forgets, and what it keeps."""

import pytest

from omc_agent.events import (
    Branched,
    RequestDecided,
    RequestOpened,
    RunFinished,
    RunStarted,
    Said,
    StageFinished,
    StageStarted,
)
from omc_agent.graph.state import STAGES as ORDER
from omc_agent.panels import Panel, PlainPanel
from omc_agent.panels.spine import STAGES, is_redone
from omc_agent.panels.story import Story

LINE = "Changed from Features on: indicators rsi, macd — by ann, 14:32 UTC"


def branched(stage="feature_engineering", **overrides):
    overrides = overrides or {"indicators": ["rsi", "macd"]}
    return Branched(at=1_725_633_120.0, stage=stage, new_branch="2", parent="", overrides=overrides, decided_by="ann")


def told(events):
    story = Story()
    for event in events:
        story.handle(event)
    return story


def test_the_spine_is_that_of_the_graph():
    assert STAGES == ORDER


@pytest.mark.parametrize("start", STAGES)
def test_stages_from_the_start_on_are_forgotten_and_the_others_kept(made, start):
    before = told(made.whole_run())
    story = told([*made.whole_run(), branched(start)])
    assert set(story.stages) == {name for name in before.stages if not is_redone(name, start)}
    late = STAGES.index(start)
    assert (story.sealed is None) == (late <= STAGES.index("data_retrieval"))
    assert (not story.candidates) == (late <= STAGES.index("model_training"))
    assert (story.choice is None) == (late <= STAGES.index("selection"))
    assert (story.verdict is None) == (late <= STAGES.index("scoring"))
    assert story.finished is None
    assert story.artifacts == []
    assert story.brief is not None
    assert story.started is not None


def test_a_stage_that_is_not_known_forgets_itself_alone():
    assert is_redone("mine", "mine")
    assert not is_redone("mine", "planning")
    assert not is_redone("planning", "mine")


def test_the_brief_follows_what_was_changed(made):
    story = told([*made.whole_run(), branched("model_training", metric="f1", trials=9)])
    assert story.metric() == "f1"
    assert "as the metric" not in story.assumed_sentence()
    assert "trials" not in story.brief.brief


def test_cards_begin_anew_in_their_place(made, shown):
    panel = Panel(shown, interactive=True, run_id="7f3a")
    for event in made.whole_run():
        panel.handle(event)
    seen = len(shown.calls)
    panel.handle(branched())
    again = shown.calls[seen:]
    assert [i for _, i, update in again if not update] == ["omc-7f3a-stage-feature_engineering"]
    changed = {display_id.removeprefix("omc-7f3a-") for _, display_id, _ in again}
    assert changed >= {"header", "stage-leak_test", "stage-model_training", "candidates", "verdict", "report"}
    assert "stage-data_retrieval" not in changed
    assert "smooth_close" not in shown.last("leak_test")
    assert "to be done again" in shown.last("model_training")
    assert shown.last("candidates", "text/plain") == "The candidates are scored again."
    assert shown.last("verdict", "text/plain") == "The verdict is called again."
    assert shown.last("report", "text/plain") == "The run goes on."
    assert LINE in shown.last("header", "text/plain")
    assert "branch 2" in shown.last("header", "text/plain")
    assert "omc-report" not in shown.last("report")


def test_the_line_opens_the_card_of_the_stage_that_is_changed(made, shown):
    panel = Panel(shown, interactive=True, run_id="7f3a")
    for event in [*made.opening(), branched()]:
        panel.handle(event)
    panel.handle(StageStarted(stage="feature_engineering", title="Features"))
    panel.close()
    text = shown.last("feature_engineering", "text/plain")
    assert text.splitlines()[:2] == ["Features · running", f"  {LINE}"]


def test_a_replay_shows_the_newest_branch_in_the_order_of_the_work(made, shown):
    panel = Panel(shown, interactive=True, run_id="7f3a")
    stage = "model_training"
    rest = [
        branched("leak_test", folds=4),
        StageStarted(stage="leak_test", title="Leak test"),
        StageFinished(stage="leak_test", status="ok", seconds=1.0, cells=0),
        StageStarted(stage=stage, title="Training"),
        RunFinished(status="parked", reason="budget", seconds=3.0),
    ]
    panel.replay([*made.whole_run(), *rest])
    keys = [display_id.removeprefix("omc-7f3a-") for _, display_id, _ in shown.calls]
    assert keys == ["header", "stage-data_retrieval", "stage-leak_test", "stage-model_training", "report"]
    assert "smooth_close" not in panel.static_html()


def test_a_restart_without_changes_says_so():
    again = Branched(at=1_725_633_120.0, stage="scoring", new_branch="2", parent="", decided_by="ann")
    lines = []
    PlainPanel(lines.append).handle(again)
    assert "".join(lines) == "\nDone again from Scoring on — by ann, 14:32 UTC\n"


def test_a_resumed_run_keeps_goal_and_header_and_is_under_way(made, shown):
    parked = RunFinished(at=1009.0, status="parked", reason="waits", seconds=9.0)
    again = RunStarted(at=2000.0, run_id="7f3a", goal="", model="offline")
    panel = Panel(shown, interactive=True, run_id="7f3a", show_goal=True)
    for event in [*made.opening(), parked, again]:
        panel.handle(event)
    assert "Will BTC rise" in shown.last("header")
    assert made.note in shown.last("header")
    assert shown.last("report", "text/plain") == "The run goes on."
    panel.handle(RunFinished(at=2009.0, status="stopped", seconds=3.0))
    assert "The run was stopped." in shown.last("report")


def test_an_end_earlier_in_a_replay_is_no_end_when_events_go_on(made, shown):
    parked = RunFinished(at=1009.0, status="parked", reason="waits", seconds=9.0)
    panel = Panel(shown, interactive=True, run_id="7f3a")
    panel.replay([*made.opening(), parked, StageStarted(at=2001.0, stage="data_retrieval", title="Data")])
    assert panel.story.finished is None
    assert "parked" not in panel.static_text()
    assert [display_id for _, display_id, _ in shown.calls] == ["omc-7f3a-header", "omc-7f3a-stage-data_retrieval"]


def test_what_a_parked_run_had_asked_is_open_again_once_it_is_resumed(made):
    asked = RequestOpened(stage="data_analysis", request_id="q1", gate="code", question="Run it?")
    parked = RunFinished(status="parked", seconds=1.0)
    again = RunStarted(run_id="7f3a", goal="", model="offline")
    assert told([asked, parked]).requests == {}
    assert set(told([asked, parked, again]).requests) == {"q1"}
    decided = RequestDecided(request_id="q1", gate="code", decision="approve", decided_by="ann")
    assert told([asked, parked, decided, again]).requests == {}
    assert told([asked, parked, again, branched()]).requests == {}


def test_a_terminal_hears_of_a_resume_in_one_line_and_of_a_change(made):
    lines = []
    panel = PlainPanel(lines.append)
    for event in [made.opening()[0], made.opening()[0], branched()]:
        panel.handle(event)
    text = "".join(lines)
    assert text.count("Goal:") == 1
    assert "Run 7f3a goes on · offline\n" in text
    assert f"\n{LINE}\n" in text


def test_words_between_two_stages_stand_where_the_work_stood_last(made, shown):
    panel = Panel(shown, interactive=True, run_id="7f3a")
    done = StageFinished(stage="data_retrieval", status="ok", seconds=1.0, cells=0)
    start = StageStarted(stage="data_retrieval", title="Data")
    for event in [*made.opening(), start, done, Said(text="go on")]:
        panel.handle(event)
    panel.close()
    assert "You: go on" in shown.last("data_retrieval", "text/plain")
