"""The graph of stages with a run in it: what is done, where it is, what was passed over."""

from __future__ import annotations

import re

from omc_agent.events import Branched, RequestOpened, RunFinished, RunStarted, StageFinished, StageStarted
from omc_agent.panels.graph_view import GraphView
from omc_agent.panels.spine import STAGES

WAYS = {stage: (following,) for stage, following in zip(STAGES, (*STAGES[1:], ""), strict=True)}
WAYS["leak_test"] = ("feature_engineering", "model_training")
WAYS["circuit_breaker"] = ("selection", "")
PICTURE = "graph TD;\n" + "".join(f"\t{stage}({stage})\n" for stage in WAYS)


def run(*stages, end=None, more=()):
    """A run that went through `stages`; `end` is status and stage."""
    events = [RunStarted(run_id="r1", goal="<b>Predict</b>", model="offline")]
    for stage in stages:
        events.append(StageStarted(stage=stage, title=""))
        if stage != (end[1] if end and end[0] != "finished" else None):
            events.append(StageFinished(stage=stage, status="ok", seconds=1.0, cells=0))
    events += more
    return [*events, RunFinished(status=end[0], stage=end[1], seconds=3.0)] if end else events


def view(events=()):
    return GraphView(PICTURE, WAYS, events)


def test_without_a_run_the_graph_alone_is_shown():
    shown = view()
    assert shown.marks() == {}
    assert shown.mermaid() == PICTURE
    assert "✓" not in shown.text()
    assert "back to Features while columns leak" in shown.text()


def test_a_run_that_ended_has_done_and_passed_over_stages():
    shown = view(run("understanding", "planning", "data_retrieval", "reporting", end=("finished", "reporting")))
    marks = shown.marks()
    assert marks["understanding"] == marks["reporting"] == "done"
    assert marks["model_training"] == marks["clarification"] == "skipped"
    assert "here" not in marks.values()
    assert "circuit_breaker" not in marks
    assert "Run r1: finished" in shown.text()


def test_a_run_that_waits_is_where_it_waits_and_what_comes_later_is_open():
    asked = RequestOpened(stage="model_training", request_id="q", gate="code", question="Run it?")
    events = run(*STAGES[:8], end=("parked", "model_training"), more=[asked])
    marks = view(events).marks()
    assert marks["model_training"] == "here"
    assert marks["leak_test"] == "done"
    assert "model_evaluation" not in marks
    assert re.search(r"● Training +the run is here", view(events).text())


def test_a_run_under_way_and_one_that_failed():
    events = run("understanding")
    assert view([*events, StageStarted(stage="clarification", title="")]).marks()["clarification"] == "here"
    assert "under way" in view(events).text()
    failed = run("understanding", end=("failed", "understanding"))
    assert view(failed).marks()["understanding"] == "failed"


def test_a_restart_opens_the_later_stages_again():
    again = Branched(stage="planning", new_branch="r1.2", parent="r1", overrides={"coins": ["BTC"]})
    events = [*run("understanding", "planning", "data_retrieval"), again, StageStarted(stage="planning", title="")]
    marks = view(events).marks()
    assert marks["planning"] == "here"
    assert "data_retrieval" not in marks


def test_mermaid_colours_the_stages_and_names_only_what_is_in_the_picture():
    text = view(run(*STAGES[:3], end=("parked", "planning"))).mermaid()
    assert text.startswith(PICTURE)
    assert "class planning omc_here" in text
    for stage, colour in re.findall(r"class (\w+) (omc_\w+)", text):
        assert stage in STAGES
        assert f"classDef {colour} fill:" in text


def test_the_notebook_gets_mermaid_and_a_card_without_scripts_or_addresses():
    bundle = view(run("understanding", end=("parked", "understanding")))._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/vnd.mermaid", "text/html"}
    assert "<script" not in bundle["text/html"]
    assert "http" not in bundle["text/html"]
    assert "<b>Predict" not in bundle["text/html"]
    assert repr(view()) == view().text()
