"""One goal from its sentence to its verdict, and what stays when it goes wrong."""

from __future__ import annotations

import json
import time

import numpy as np
import pandas as pd
import pytest

import omc_agent
from omc_agent import face
from omc_agent.branching import Turn
from omc_agent.config import settings_with
from omc_agent.errors import (
    ApprovalNeeded,
    DataError,
    GoalError,
    ModelError,
    RunError,
    RunStopped,
    SandboxError,
    UsageError,
)
from omc_agent.graph.state import STAGES
from omc_agent.request import Decision
from tests.conftest import QUICK

GOAL = "Predict whether ETH rises over the next hour with logistic regression, using the last 40 days"


def test_every_stage_is_walked_in_order(finished):
    names = [stage["name"] for stage in finished.stages]
    assert list(dict.fromkeys(names)) == [name for name in STAGES if name in names]
    assert set(names) == set(STAGES)
    assert {stage["status"] for stage in finished.stages} <= {"ok", "skipped"}


def test_the_holdout_never_enters_the_frames(finished):
    from omc_agent.tools.data import fetch_price_data

    cut = pd.Timestamp(finished._row["summary"]["things"]["sealed"]["start"])
    everything = fetch_price_data(["ETH"], finished.brief["start"], finished.brief["end"], finished._settings.db)
    assert (everything["timestamp"] >= cut).sum() == round(0.2 * len(everything))
    for name in finished.frames:
        frame = finished.frames[name]
        if "timestamp" in frame:
            assert frame["timestamp"].max() < cut, name
    assert finished.frames["features"]["label_end"].max() < cut


def test_the_verdict_has_the_contract_and_baselines_are_scored_first(finished):
    assert set(finished.verdict) == {
        "call", "reason", "metric", "score", "reference", "reference_score", "low", "high", "alpha", "delta", "block",
        "blocks", "smallest_edge", "claimed", "claimed_deflated", "trials", "opened", "beats",
    }  # fmt: skip
    assert finished.verdict["opened"] == 1
    assert [c["name"] for c in finished.candidates][:4] == ["constant", "last", "reversal", "seasonal"]
    assert finished.metrics["baseline"].tolist()[:5] == [True] * 4 + [False]


def test_artifacts_are_there_and_the_report_is_self_contained(finished):
    names = {a["name"] for a in finished.artifacts}
    assert {"report.html", "report.md", "metrics.json", "candidates.csv", "model_card.md", "model.skops"} <= names
    page = finished.report.path.read_text()
    assert "<script" not in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "create_features" in page


def test_the_result_as_json_has_the_contract(finished):
    told = json.loads(json.dumps(finished.to_dict()))
    assert {"id", "status", "reason", "brief", "stages", "candidates", "verdict", "artifacts", "cost", "warnings",
            "requests", "error", "seconds"} <= set(told)  # fmt: skip
    assert set(told["candidates"][0]) == {
        "name", "model", "params", "score", "low", "high", "folds", "fit_seconds", "baseline"
    }  # fmt: skip
    assert set(told["cost"]) == {"tokens_in", "tokens_out", "usd", "calls"}


def test_predict_runs_in_a_child_and_gives_the_scored_probabilities(finished, market):
    from omc_agent.tools.data import fetch_price_data

    bars = fetch_price_data(["ETH"], db=market).tail(700)
    predicted = finished.predict(bars)
    assert predicted.index.equals(bars.index)
    assert predicted["probability"].between(0, 1).all()  # history is carried from the run's own rows


def test_load_model_only_knowingly(finished):
    with pytest.raises(omc_agent.errors.RunError):
        finished.load_model()
    assert hasattr(finished.load_model(trust=True), "predict_proba")


def test_export_as_notebook_script_and_record(finished, tmp_path):
    import nbformat

    notebook = nbformat.read(finished.export(tmp_path / "run.ipynb"), as_version=4)
    assert any("create_features" in cell.source for cell in notebook.cells)
    assert "cross_validate_model" in finished.export(tmp_path / "run.py").read_text()
    assert json.loads(finished.export(tmp_path / "run.json").read_text())["id"] == finished.id


@pytest.mark.long
def test_two_runs_with_one_seed_are_identical(market, tmp_path, finished):
    again = omc_agent.run(GOAL, db=market, home=str(tmp_path), **QUICK)
    assert again.verdict == finished.verdict
    assert again.metrics.drop(columns="fit_seconds").equals(finished.metrics.drop(columns="fit_seconds"))
    mine = again._row["summary"]["things"]["frames"]
    theirs = finished._row["summary"]["things"]["frames"]
    # The table of trials holds how long each fit took; everything else is the same to the last bit.
    assert {n: r["sha"] for n, r in mine.items() if not n.endswith("_trials")} == {
        n: r["sha"] for n, r in theirs.items() if not n.endswith("_trials")
    }


@pytest.mark.long
def test_opening_the_same_rows_again_is_counted_and_costs_confidence(market, tmp_path):
    quick = {**QUICK, "tuning_rounds": 0}
    first = omc_agent.run(GOAL, db=market, home=str(tmp_path), **quick)
    second = omc_agent.run(GOAL, db=market, home=str(tmp_path), **quick)
    assert (first.verdict["opened"], second.verdict["opened"]) == (1, 2)
    assert second.verdict["alpha"] == pytest.approx(first.verdict["alpha"] / 3)
    assert second.verdict["high"] - second.verdict["low"] > first.verdict["high"] - first.verdict["low"]
    assert second.verdict["score"] == first.verdict["score"]


def test_an_exploration_trains_nothing_and_seals_nothing(market):
    result = omc_agent.run("Explore DOGE volatility over the last 10 days", db=market, **QUICK)
    assert result.status == "finished"
    assert result.verdict is None
    assert result.candidates == []
    assert [stage["name"] for stage in result.stages][-3:] == ["data_retrieval", "data_analysis", "reporting"]
    assert len(result.frames["prices"]) == 2880


def test_a_frame_of_ones_own_with_a_target():
    rng = np.random.default_rng(0)
    size = rng.normal(size=400)
    frame = pd.DataFrame({"size": size, "kind": rng.choice(["a", "b"], 400), "sold": (size > 0).astype(int)})
    result = omc_agent.run("Predict sold with logistic regression", data=frame, target="sold", **QUICK)
    assert result.verdict["call"] == "edge"
    assert result.verdict["reference"] == "constant"


@pytest.mark.parametrize(
    ("goal", "change", "kind", "code"),
    [
        ("Predict FOOCOIN", {}, DataError, "data.unknown_coin"),
        ("hello there", {}, GoalError, "goal.unread"),
        ("   ", {}, GoalError, "goal.empty"),
        ("Predict BTC since 2030-01-01", {}, DataError, "data.outside_span"),
        ("Predict BTC", {"db": "sqlite:////no/such/file.db"}, DataError, "data.no_database"),
        ("Predict BTC", {"table": "nothing"}, DataError, "data.no_table"),
        ("Predict BTC", {"model": "nosuch:thing"}, ModelError, "model.unknown"),
        ("Predict BTC over the last 2 hours", {}, DataError, "data.too_few_rows"),
    ],
)
def test_bad_input_is_one_sentence_in_three_parts_and_the_ledger_keeps_it(market, goal, change, kind, code):
    with pytest.raises(kind) as caught:
        omc_agent.run(goal, **{"db": market, **QUICK, **change})
    error = caught.value
    assert error.code == code
    assert error.given
    assert error.try_
    assert error._render_traceback_() == [error.line()]
    assert "\n" not in error.line()
    store = face.orchestrator_for(settings_with(None, warm_spare=False)).store
    (row,) = store.list()
    assert row["status"] == "failed"
    assert row["summary"]["error"]["code"] == code
    assert store.events(row["id"])[-1].error["code"] == code


def stopped_in_training(settings):
    """A run that somebody stopped while it trained."""
    handle = face.start(GOAL, settings=settings)
    for _ in range(1200):
        if handle.stage == "model_training":
            break
        time.sleep(0.05)
    handle.stop()
    with pytest.raises(RunStopped):
        handle.wait()
    return handle


def test_stop_ends_the_run_and_keeps_what_was_done(market):
    settings = settings_with(None, db=market, approve="never", **QUICK)
    handle = stopped_in_training(settings)
    store = handle.session.shared.store
    assert store.read(handle.id)["status"] == "stopped"
    assert any(cell["stage"] == "feature_engineering" for cell in store.cells(handle.id))


def test_a_stopped_run_goes_on_where_it_was(market):
    settings = settings_with(None, db=market, approve="never", **QUICK)
    handle = stopped_in_training(settings)
    before = handle.session.shared.store.cells(handle.id)
    result = face.resume(handle.id, settings=settings).wait()
    assert result.status == "finished"
    numbers = [cell["n"] for cell in result.cells]
    assert numbers == sorted(set(numbers))
    assert [c["code"] for c in result.cells][: len(before)] == [row["code"] for row in before]


def parked_at_the_plan(settings):
    """A run that waits at the scope gate, with nobody there."""
    handle = face.start(GOAL, settings=settings, plan_only=True)
    with pytest.raises(ApprovalNeeded) as parked:
        handle.wait()
    assert parked.value.exit_code == 3
    assert "omc-agent decide" in parked.value.try_
    return handle


def test_a_run_that_waits_for_a_person_parks_and_goes_on_with_the_answer(market):
    settings = settings_with(None, db=market, approve="always", **QUICK)
    handle = parked_at_the_plan(settings)
    store = handle.store
    assert (store.read(handle.id)["status"], store.read(handle.id)["reason"]) == ("parked", "scope")
    assert store.read(handle.id)["owner"] is None
    (row,) = handle.requests
    with pytest.raises(ApprovalNeeded):
        face.resume(handle.id, settings=settings).wait()
    assert [again["id"] for again in handle.requests] == [row["id"]], "it is not asked twice"
    steps = [{**step, "detail": "As it was."} for step in row["payload"]["plan"]]
    assert handle.decide(handle.id, Decision(type="edit", plan=steps), "ann").first
    result = face.resume(handle.id, settings=settings).wait()
    assert result.status == "finished"
    assert {step["detail"] for step in result.plan} == {"As it was."}
    decided = [event for event in store.events(handle.id) if event.kind == "request_decided"]
    assert [(event.gate, event.decided_by) for event in decided] == [("scope", "ann")]


def test_a_rejected_plan_stops_the_run_and_says_how_to_go_on(market):
    settings = settings_with(None, db=market, approve="always", on_timeout="reject", **QUICK)
    handle = face.start(GOAL, settings=settings, plan_only=True)
    with pytest.raises(RunStopped) as stopped:
        handle.wait()
    assert stopped.value.code == "run.rejected"
    assert handle.store.read(handle.id)["status"] == "stopped"
    (row,) = handle.store.requests(handle.id, status="decided")
    assert row["decided_by"] == "nobody is there: --on-timeout reject"


def test_a_stop_that_came_while_nobody_drove_does_not_stop_a_later_resume(market):
    settings = settings_with(None, db=market, approve="always", **QUICK)
    handle = parked_at_the_plan(settings)
    handle.store.send(handle.id, "stop", {})
    handle.decide(handle.id, Decision(), "ann")
    assert face.resume(handle.id, settings=settings).wait().status == "finished"


def test_a_policy_file_answers_for_somebody_who_is_not_there(market, tmp_path):
    path = tmp_path / "policy.yaml"
    path.write_text("gates: {scope: approve}")
    settings = settings_with(None, db=market, approve="always", policy=str(path), **QUICK)
    handle = face.start(GOAL, settings=settings, plan_only=True)
    assert handle.wait().status == "finished"
    (row,) = handle.store.requests(handle.id, status="decided")
    assert (row["gate"], row["decided_by"]) == ("scope", "policy file")


def test_a_restart_from_a_stage_that_was_not_reached_leaves_the_run_as_it_was(market):
    settings = settings_with(None, db=market, approve="never", **QUICK)
    handle = face.start(GOAL, settings=settings, plan_only=True)
    handle.wait()
    with pytest.raises(RunError) as refused:
        face.resume(handle.id, settings=settings, turn=Turn("scoring", by="ann")).wait()
    assert refused.value.code == "run.not_finished"
    assert handle.store.read(handle.id)["status"] == "finished"
    assert handle.store.branches(handle.id) == [handle.id]
    assert handle.store.read(handle.id)["owner"] is None


def test_a_restart_with_another_coin_is_a_branch_and_the_first_stays_readable(market):
    settings = settings_with(None, db=market, approve="never", **QUICK)
    handle = face.start(GOAL, settings=settings, plan_only=True)
    first = handle.wait()
    told = handle.store.story(handle.id)
    again = face.change(handle.id, Turn("planning", {"coins": ["BTC"]}, "ann"), settings=settings, override=True)
    second = again.wait()
    assert (first.brief["coins"], second.brief["coins"]) == (["ETH"], ["BTC"])
    assert handle.store.read(handle.id)["branch"] == f"{handle.id}.2"
    assert handle.store.story(handle.id, handle.id) == told
    (branch,) = [event for event in handle.store.events(handle.id) if event.kind == "branched"]
    assert (branch.stage, branch.overrides, branch.decided_by) == ("planning", {"coins": ["BTC"]}, "ann")
    assert handle.store.find_branch(f"{handle.id}.1") == (handle.id, handle.id)


def test_plan_only_runs_nothing(market):
    settings = settings_with(None, db=market, approve="never", **QUICK)
    result = face.start(GOAL, settings=settings, plan_only=True).wait()
    assert result.plan[0]["stage"] == "data_retrieval"
    assert result.cells == []


@pytest.mark.long
def test_openings_of_a_frame_of_ones_own_are_counted_whatever_its_span(market):
    from omc_agent.tools.data import fetch_price_data

    bars = fetch_price_data(["ETH"], db=market)
    quick = {**QUICK, "tuning_rounds": 0}
    goal = "Predict whether ETH rises over the next hour with logistic regression, using the last {} days"
    opened = [omc_agent.run(goal.format(days), data=bars, **quick).verdict["opened"] for days in (40, 30)]
    assert opened == [1, 2]


def test_a_price_is_predicted_from_its_level(market):
    result = omc_agent.run("Predict the ETH price with ridge, using the last 40 days", db=market, **QUICK)
    assert "level" in result.frames["features"]
    # On relative features alone the skill against the last price was below -10.
    assert result.verdict["score"] > -0.5


def test_two_runs_wait_side_by_side_and_each_gets_its_own_answer(market):
    settings = settings_with(None, db=market, approve="always", **QUICK)
    runs = [face.start(GOAL, settings=settings, interactive=True) for _ in range(2)]
    for run in runs:
        while not (run.requests and run.status == "awaiting_user"):
            assert not run.done()
            time.sleep(0.02)
    first, second = runs
    first.decide(first.requests[0]["id"], {"type": "reject", "why": "not this one"})
    with pytest.raises(RunStopped, match="not this one"):
        first.wait()
    assert [row["gate"] for row in second.requests] == ["scope"]
    second.decide(second.requests[0]["id"], {"type": "approve"})
    while not any(row["gate"] == "features" for row in second.requests):
        assert not second.done()
        time.sleep(0.02)
    second.stop()
    with pytest.raises(RunStopped):
        second.wait()


def test_what_is_asked_last_is_the_plan_that_a_person_left(market):
    """The plan is edited at its gate: what runs and what is shown is the edited one."""
    settings = settings_with(None, db=market, approve="always", **QUICK)
    run = face.start("Explore ETH over the last 10 days", settings=settings, interactive=True)
    while not run.requests:
        assert not run.done()
        time.sleep(0.02)
    asked = run.requests[0]
    plan = [{**step, "detail": "As I want it."} for step in asked["payload"]["plan"]]
    with pytest.raises(UsageError, match="leaves out"):
        run.decide(asked["id"], {"type": "edit", "plan": plan[1:]})
    run.decide(asked["id"], {"type": "edit", "plan": plan})
    result = run.wait()
    assert {step["detail"] for step in result.plan} == {"As I want it."}
    made = [event for event in run.store.events(run.id) if event.kind == "plan_made"]
    assert made[-1].steps[0]["detail"] == "As I want it."


def test_a_person_takes_tuning_out_of_the_plan_and_nothing_is_tuned(market):
    settings = settings_with(None, db=market, approve="always", **{**QUICK, "tuning_rounds": 1})
    run = face.start(GOAL, settings=settings, interactive=True)
    while not run.done():
        time.sleep(0.02)
        for asked in run.requests:
            plan = [step for step in asked["payload"]["plan"] if step["stage"] != "hyperparameter_tuning"]
            for step in plan:
                if step["stage"] == "feature_engineering":
                    step["detail"] = "only momentum"
            edit = {"type": "edit", "plan": plan}
            run.decide(asked["id"], edit if asked["gate"] == "scope" else {"type": "approve"})
    result = run.wait()
    assert "hyperparameter_tuning" not in [stage["name"] for stage in result.stages]
    assert result.verdict is not None
    made = next(cell["code"] for cell in result.cells if cell["stage"] == "feature_engineering")
    assert "indicators=['rsi', 'macd']" in made


def test_a_restart_makes_frames_again_whose_files_are_gone_and_no_stage_before_it_runs(market):
    settings = settings_with(None, db=market, approve="never", **{**QUICK, "tuning_rounds": 0})
    first = face.start(GOAL, settings=settings).wait()
    refs = first._row["summary"]["things"]["frames"]
    for name in ("features", "bars"):
        (first.workspace / "frames" / f"{refs[name]['sha']}.arrow").unlink()
    turn = Turn("model_training", {"models": ["random_forest"]}, "me")
    again = face.resume(first.id, settings=settings, turn=turn).wait()
    assert again.frames["features"].shape == (refs["features"]["rows"], len(refs["features"]["columns"]))
    made = [cell["n"] for cell in again.cells if cell["stage"] == "feature_engineering"]
    assert made == [cell["n"] for cell in first.cells if cell["stage"] == "feature_engineering"]
    assert again.choice["name"] == "random_forest"


def test_a_frame_that_came_from_the_database_is_missed_by_name(market):
    settings = settings_with(None, db=market, approve="never", **{**QUICK, "tuning_rounds": 0})
    first = face.start("Explore ETH over the last 10 days", settings=settings).wait()
    sha = first._row["summary"]["things"]["frames"]["prices"]["sha"]
    (first.workspace / "frames" / f"{sha}.arrow").unlink()
    with pytest.raises(SandboxError, match="is gone"):
        face.resume(first.id, settings=settings, turn=Turn("data_analysis", {}, "me")).wait()
