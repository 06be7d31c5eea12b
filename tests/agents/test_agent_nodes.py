"""Each agent as the node it is: a fixed state goes in, and what it calls and leaves behind is looked at.

The embedded offline model drives them, so the plan of each stage is fixed too. Nodes that are no agents are tested in
tests/graph.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scripted import ScriptedChatModel, in_turn
from worlds import World

from omc_agent.agents.context import Outcome
from omc_agent.brief import Brief
from omc_agent.config import Source
from omc_agent.graph.edges import AGENTS
from omc_agent.graph.state import STAGES
from omc_agent.llm.moves import NAIVE
from omc_agent.llm.offline import OfflineChatModel

BY_STAGE = {agent.stage: agent for agent in AGENTS}
START, END = "2024-06-03T00:00:00+00:00", "2024-09-01T00:00:00+00:00"
BRIEF = Brief(task="classification", coins=["BTC"], start=START, end=END, models=["xgboost"]).model_dump()


def ref(stage, *columns, visit=1):
    return {"sha": f"sha of {stage}", "rows": 100, "columns": list(columns), "stage": stage, "visit": visit}


FRAMES = {
    "prices": ref("data_retrieval", "coin", "timestamp", "close"),
    "bars": ref("data_analysis", "coin", "timestamp", "close", "filled"),
    "features": ref("feature_engineering", "coin", "timestamp", "ret_1", "target"),
}
SEALED = {"frame": "prices", "rows": 20, "development_rows": 80}
STATE = {"goal": "Predict whether BTC rises over the next hour", "brief": BRIEF, "sealed": SEALED, "frames": FRAMES}


def scored(name, score=0.55, baseline=False):
    return {"name": name, "model": name, "params": {}, "metric": "roc_auc", "score": score, "low": score - 0.02,
            "high": score + 0.02, "folds": [score], "fit_seconds": 0.1, "baseline": baseline, "trials": 1,
            "oof": f"{name}_oof"}  # fmt: skip


def scoring(code, into):
    """A cell that scores answers with its claim; its name says whether it is a rule."""
    frames = {name: {"sha": name, "rows": 4, "columns": ["prediction"]} for name in into[1:]}
    return Outcome(n=1, status="ok", frames=frames, values={into[0]: scored(into[0], baseline=into[0] in NAIVE)})


def told(code, into):
    """A cell of the report answers with its text."""
    return Outcome(n=1, status="ok", values={name: f"text of {name}" for name in into})


async def walk(stage, state, *, model=None, **world):
    """The state that a stage leaves, and the world it was in."""
    made = World(**world)
    graph = BY_STAGE[stage]().build(model or OfflineChatModel())
    return await graph.ainvoke(state, context=made.context), made


async def test_understanding_reads_the_goal_into_a_brief():
    left, world = await walk("understanding", {"goal": STATE["goal"]})
    assert (left["brief"]["coins"], left["brief"]["target"], left["brief"]["horizon"]) == (
        ["BTC"],
        "direction",
        "PT1H",
    )
    assert left["brief"]["start"] == START
    assert left["questions"] == []
    assert "brief_read" in world.kinds()
    assert world.cells == []


async def test_planning_lists_the_stages_that_follow_with_their_effects():
    left, world = await walk("planning", {**STATE, "frames": {}, "sealed": {}})
    stages = [step["stage"] for step in left["plan"]]
    assert stages == [stage for stage in STAGES if stage in stages]
    assert {"data_retrieval", "leak_test", "scoring", "reporting"} <= set(stages)
    assert world.kinds().count("plan_made") == 1
    note = next(event.note for event in world.events if event.kind == "plan_made")
    assert note == left["texts"]["span"]
    assert note.startswith("These 90 days hold 432 hours of holdout: the smallest edge they can show")


async def test_planning_an_exploration_trains_nothing():
    left, world = await walk("planning", {"goal": "g", "brief": Brief(task="analysis", coins=["BTC"]).model_dump()})
    assert [event.note for event in world.events if event.kind == "plan_made"] == [""]
    assert [step["stage"] for step in left["plan"]] == ["data_retrieval", "data_analysis", "reporting"]


async def test_data_retrieval_seals_on_the_host_and_leaves_development_rows_only():
    times = pd.date_range("2024-06-03", periods=3000, freq="5min", tz="UTC")
    close = 100 + np.random.default_rng(0).normal(size=3000).cumsum() / 10
    handed = pd.DataFrame({"coin": "BTC", "timestamp": times, "close": close})
    state = {"goal": "g", "brief": {**BRIEF, "start": None, "end": None}}
    left, world = await walk("data_retrieval", state, source=Source(frames={"mine": handed}))
    (cell,) = world.cells
    assert (cell.kind, cell.code) == ("host", "prices = fetch_price_data(['BTC'])")
    assert (left["sealed"]["rows"], left["sealed"]["frame"]) == (600, "prices")
    assert left["frames"]["prices"]["rows"] == 2400
    (sealed,) = [event for event in world.events if event.kind == "holdout_sealed"]
    assert (sealed.rows, sealed.development_rows) == (600, 2400)


async def test_data_analysis_cleans_adds_indicators_and_shows_the_figures():
    left, world = await walk("data_analysis", {**STATE, "frames": {"prices": FRAMES["prices"]}})
    assert [cell.kind for cell in world.cells] == ["transform", "transform", "look"]
    assert world.cells[0].code == "bars = clean_data(prices)\ncount_changes(bars)"
    assert world.cells[2].code == "summary = perform_eda(bars)\nsummary.T"
    assert left["frames"]["bars"]["stage"] == "data_analysis"
    assert left["trouble"] is None


async def test_an_exploration_also_sees_distributions_and_correlations():
    brief = Brief(task="analysis", coins=["BTC"], start=START, end=END).model_dump()
    _, world = await walk("data_analysis", {**STATE, "brief": brief, "frames": {"prices": FRAMES["prices"]}})
    assert [cell.code.splitlines()[0] for cell in world.cells[3:]] == [
        "quantiles = show_distributions(bars)",
        "correlations = show_correlations(bars)",
    ]


async def test_limits_that_were_learned_are_read_by_the_cleaning_that_follows():
    calls = [
        {"name": "fit_limits", "args": {"frame": "prices"}},
        {"name": "clean_data", "args": {"prices": "prices"}},
    ]
    model = ScriptedChatModel(script=in_turn(*[("On.", [each]) for each in calls]))
    _, world = await walk("data_analysis", {**STATE, "frames": {"prices": FRAMES["prices"]}}, model=model)
    assert [cell.kind for cell in world.cells] == ["fit", "transform"]
    assert world.cells[0].code == "save_state('outlier_limits', fit_limits(prices))"
    assert world.cells[1].code.startswith("bars = clean_data(prices, limits=load_state('outlier_limits'))")


async def test_feature_engineering_takes_the_label_from_the_brief():
    left, world = await walk("feature_engineering", STATE)
    (cell,) = world.cells
    assert cell.code.replace("\n", " ").startswith("features = create_features(bars, lags=[1, 3, 12]")
    assert "target='direction'" in cell.code
    assert "horizon='PT1H'" in cell.code
    assert left["frames"]["features"]["sha"] == "sha1"


async def test_feature_engineering_drops_what_the_leak_test_named():
    state = {**STATE, "leaking": ["ret_1"], "visits": {"feature_engineering": 1}}
    left, world = await walk("feature_engineering", state)
    assert world.cells[-1].code == "features = drop_columns(features, columns=['ret_1'])"
    assert left["visits"] == {"feature_engineering": 2}
    assert left["trouble"] is None


async def test_a_class_of_volatility_learns_its_median_in_a_fit_cell_first():
    state = {**STATE, "brief": {**BRIEF, "target": "volatility"}}
    _, world = await walk("feature_engineering", state)
    assert [cell.kind for cell in world.cells] == ["fit", "transform"]
    assert "threshold=load_state('median_volatility')" in world.cells[1].code


async def test_training_scores_the_rules_first_and_then_the_models_of_the_brief():
    left, world = await walk("model_training", STATE, outcome=scoring)
    assert list(left["candidates"]) == [
        "constant", "last", "reversal", "seasonal", "logistic_regression", "random_forest", "xgboost"
    ]  # fmt: skip
    assert all("metric='roc_auc'" in cell.code and cell.kind == "model" for cell in world.cells)
    assert world.kinds().count("candidate_scored") == 7
    assert left["candidates"]["xgboost"]["oof"] == "xgboost_oof"
    assert left["trouble"] is None
    flags = {name: (each["simple"], each["yardstick"]) for name, each in left["candidates"].items()}
    assert flags["xgboost"] == (False, False)
    assert flags["logistic_regression"] == flags["random_forest"] == (True, True)
    assert flags["constant"] == (False, False)


async def test_a_child_cannot_say_that_its_candidate_is_only_a_yardstick():
    def boastful(code, into):
        made = scoring(code, into)
        return Outcome(n=1, status="ok", frames=made.frames,
                       values={into[0]: {**made.values[into[0]], "yardstick": True, "simple": True}})  # fmt: skip

    left, _ = await walk("model_training", STATE, outcome=boastful)
    assert not left["candidates"]["xgboost"]["yardstick"]
    assert not left["candidates"]["xgboost"]["simple"]


def failing(model, **error):
    def outcome(code, into):
        if f"model={model!r}" in code:
            told = {"type": "XGBoostError", "message": "max_depth should be at least 0\nmore", "line": 1, **error}
            return Outcome(n=9, status="error", error=told)
        return scoring(code, into)

    return outcome


async def test_a_candidate_that_fails_is_told_with_its_reason_and_the_others_go_on():
    state = {**STATE, "overrides": {"xgboost.max_depth": -5}}
    left, world = await walk("model_training", state, outcome=failing("xgboost"))
    assert any("'max_depth': -5" in cell.code for cell in world.cells)
    assert list(left["candidates"])[4:] == ["logistic_regression", "random_forest"]
    assert left["trouble"] is None
    (warned,) = [event for event in world.events if event.kind == "warned"]
    assert (warned.code, warned.cell) == ("candidate_failed", 9)
    assert warned.text == "XGBoost could not be scored: max_depth should be at least 0. The others go on."
    assert left["failed"]["xgboost"]["why"] == "max_depth should be at least 0."

    candidates = {**left["candidates"], **CANDIDATES}
    after, world = await walk("model_evaluation", {**STATE, "candidates": candidates, "failed": left["failed"]})
    (start,) = {str(cell.entered["values"]["candidates"][-1]) for cell in world.cells[:1]}
    assert "max_depth should be at least 0." in start
    told = " ".join(event.text for event in world.events if event.kind == "reason")
    assert "XGBoost could not be scored" in told
    assert after["proposal"]["next"] == "tune"


async def test_more_failing_candidates_than_failures_do_not_end_the_stage_and_none_left_is_trouble():
    brief = {**BRIEF, "models": ["random_forest", "gradient_boosting", "xgboost"], "avoid_models": []}

    def only_linear(code, into):
        bad = any(f"model='{name}'" in code for name in brief["models"])
        return failing("xgboost")("model='xgboost'", into) if bad else scoring(code, into)

    left, _ = await walk("model_training", {**STATE, "brief": brief}, outcome=only_linear)
    assert len([each for each in left["failed"].values() if each]) == 3
    assert "logistic_regression" in left["candidates"]
    assert left["trouble"] is None

    def nothing(code, into):
        return Outcome(n=1, status="error", error={"type": "DataError", "message": "no row", "line": 1})

    left, _ = await walk("model_training", STATE, outcome=nothing)
    assert left["trouble"]["missing"] == "a scored candidate"


async def test_a_candidate_that_was_tried_again_is_no_failure_any_more():
    state = {**STATE, "failed": {"xgboost": {"name": "xgboost", "why": "no."}}}
    left, _ = await walk("model_training", state, outcome=scoring)
    assert left["failed"] == {"xgboost": None}


async def test_a_proposal_is_shown_beside_what_the_rule_says():
    state = {**STATE, "candidates": CANDIDATES}
    other = ScriptedChatModel(
        script=in_turn(("On.", [{"name": "propose_next", "args": {"next": "select", "why": "good enough"}}]))
    )
    left, world = await walk("model_evaluation", state, model=other)
    assert left["proposal"]["next"] == "select"
    assert left["proposal"]["rule"]["next"] == "tune"
    assert any("The rule for tuning or accepting would tune XGBoost" in getattr(e, "text", "") for e in world.events)
    odd = ScriptedChatModel(
        script=in_turn(
            ("On.", [{"name": "propose_next", "args": {"next": "tune", "model": "linear", "why": "why not"}}])
        )
    )
    left, world = await walk("model_evaluation", state, model=odd)
    assert left["trouble"]["missing"] == "a proposal"
    assert any("spaces to search" in event.text for event in world.events if event.kind == "observe")


CANDIDATES = {c["name"]: c for c in (scored("xgboost"), scored("last", 0.5, baseline=True))}


async def test_evaluation_proposes_a_search_while_rounds_are_left():
    left, world = await walk("model_evaluation", {**STATE, "candidates": CANDIDATES})
    assert left["proposal"]["next"] == "tune"
    assert left["proposal"]["model"] == "xgboost"
    (cell,) = world.cells
    first, shown = cell.code.splitlines()  # a picture alone tells a language model nothing
    assert first == "comparison = compare_models(candidates)"
    assert shown.startswith("comparison[['name', 'score'")


async def test_evaluation_looks_at_the_best_and_selects_when_no_round_is_left():
    state = {**STATE, "candidates": CANDIDATES, "visits": {"hyperparameter_tuning": 9}}
    left, world = await walk("model_evaluation", state)
    assert left["proposal"]["next"] == "select"
    assert "evaluation = evaluate_model(model, test)" in world.cells[1].code
    assert world.cells[2].code.startswith("importance = calculate_feature_importance(features, model='xgboost'")


async def test_tuning_searches_the_proposed_model_once_in_the_trials_of_the_run():
    left, world = await walk("hyperparameter_tuning", {**STATE, "proposal": {"model": "xgboost"}}, outcome=scoring)
    (cell,) = world.cells
    assert "model='xgboost'" in cell.code
    assert f"trials={world.context.work.trials}" in cell.code
    assert left["candidates"]["xgboost_tuned"]["oof"] == "xgboost_tuned_oof"


async def test_reporting_writes_texts_and_files():
    state = {**STATE, "candidates": CANDIDATES, "verdict": {"call": "no_edge"}}
    left, world = await walk("reporting", state, outcome=told)
    assert [cell.code.split(" = ")[0] for cell in world.cells] == ["summary", "comparison", "advice"]
    assert left["texts"]["advice"] == "text of advice"
    assert left["texts"]["report"] == {"report.html": "the report"}
    assert world.reported[0]["texts"]["summary"] == "text of summary"


OWED = {
    "understanding": "a brief",
    "planning": "a plan",
    "data_retrieval": "the rows",
    "data_analysis": "the cleaned bars",
    "feature_engineering": "the frame `features`",
    "model_training": "a scored candidate",
    "model_evaluation": "a proposal",
    "hyperparameter_tuning": None,
    "reporting": "the report",
}


@pytest.mark.parametrize("stage", BY_STAGE)
async def test_a_node_that_leaves_nothing_says_what_it_owes(stage):
    silent = ScriptedChatModel(script=in_turn())
    state = {"goal": "g"} if stage == "understanding" else {"goal": "g", "brief": BRIEF}
    left, world = await walk(stage, state, model=silent)
    assert (left["trouble"] or {}).get("missing") == OWED[stage]
    assert world.events[-1].status == ("failed" if OWED[stage] else "ok")


async def test_an_exploration_is_not_said_to_assume_what_it_would_have_predicted():
    _, world = await walk("understanding", {"goal": "Explore BTC between 1 June and 15 July 2024"})
    (reason,) = [event.text for event in world.events if event.kind == "reason"][:1]
    assert "Exploration of BTC" in reason
    assert "Assumed" not in reason


def scores(*models):
    """A model that scores only these."""
    calls = [
        {"name": "cross_validate_model", "args": {"features": "features", "model": m, "into": m}} for m in models
    ]
    return ScriptedChatModel(script=in_turn(*[("On.", [each]) for each in calls]))


async def test_simple_models_that_the_chat_model_leaves_out_are_scored_by_the_host():
    left, world = await walk("model_training", STATE, model=scores("xgboost"), outcome=scoring)
    assert list(left["candidates"]) == ["xgboost", "logistic_regression", "random_forest"]
    assert left["candidates"]["random_forest"]["yardstick"]
    assert not left["candidates"]["xgboost"]["yardstick"]
    assert "params={'n_estimators': 25, 'max_depth': 4}" in world.cells[2].code.replace("\n", "")
    assert "metric='roc_auc'" in world.cells[1].code
    assert world.kinds().count("candidate_scored") == 3
    assert left["frames"]["random_forest_oof"]["stage"] == "model_training"
    assert world.events[-1].cells == len(left["cells"])


async def test_simple_models_that_a_person_left_out_stay_out_and_none_is_scored_twice():
    state = {**STATE, "overrides": {"avoid_models": ["random_forest"]}}
    left, _ = await walk("model_training", state, model=scores("logistic_regression"), outcome=scoring)
    assert list(left["candidates"]) == ["logistic_regression"]
    by_hand = {**STATE, "overrides": {"models": ["xgboost"], "logistic_regression.C": 0.5}}
    left, world = await walk("model_training", by_hand, model=scores("xgboost"), outcome=scoring)
    assert list(left["candidates"]) == ["xgboost", "logistic_regression"]
    assert "params={'C': 0.5}" in world.cells[-1].code


async def test_a_simple_model_that_fails_is_told_and_nothing_is_scored_beside_nothing():
    left, _ = await walk("model_training", STATE, model=scores("xgboost"), outcome=failing("random_forest"))
    assert list(left["candidates"]) == ["xgboost", "logistic_regression"]
    assert left["failed"]["random_forest"]["why"] == "max_depth should be at least 0."
    left, world = await walk("model_training", STATE, model=scores(), outcome=scoring)
    assert world.cells == []
    assert left["trouble"]["missing"] == "a scored candidate"
