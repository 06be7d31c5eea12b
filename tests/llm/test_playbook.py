"""The next move follows from the bound tools, the facts and the results so far."""

from __future__ import annotations

import pytest

from omc_agent.brief import Brief
from omc_agent.graph.edges import AGENTS
from omc_agent.llm.moves import NAIVE
from omc_agent.llm.playbook import next_move
from omc_agent.llm.situation import Situation

TOOLS = {agent.stage: tuple(tool.name for tool in agent().tools()) for agent in AGENTS}
SPAN = {"start": "2024-08-01T00:00:00+00:00", "end": "2024-08-11T00:00:00+00:00"}
PRICES = {"brief": Brief(coins=["BTC", "ETH"], **SPAN).model_dump(), "sealed": {"frame": "prices"}}
TABLE = {"brief": Brief(table="loans", target="paid").model_dump(), "sealed": {"frame": "rows"}}


def moves(stage, facts):
    """All moves of a stage when each succeeds."""
    results, made = [], []
    while True:
        move = next_move(TOOLS[stage], Situation(facts, list(results)))
        if not move.tool:
            return made
        assert move.reason, "a move says why"
        made.append((move.tool, move.args))
        results.append({"tool": move.tool, "args": move.args, "ok": True})
        assert len(made) < 30


def names(stage, facts):
    return [tool for tool, _ in moves(stage, facts)]


def test_every_move_is_a_tool_that_is_bound():
    candidate = {"name": "x", "model": "xgboost", "params": {}, "metric": "roc_auc", "score": 0.5, "baseline": False}
    facts = {
        **PRICES,
        "goal": "Predict BTC",
        "market": {},
        "work": {"folds": 2, "trials": 1, "rounds": 1},
        "candidates": [candidate],
        "proposal": {"model": "xgboost"},
    }
    for stage, tools in TOOLS.items():
        assert set(names(stage, facts)) <= set(tools), stage
        assert names(stage, facts), stage


def test_a_goal_becomes_a_brief_with_its_notes():
    ((tool, args),) = moves(
        "understanding", {"goal": "Predict whether ETH rises over the next 2 hours", "market": {}}
    )
    assert tool == "submit_brief"
    assert (args["coins"], args["horizon"], args["target"]) == (["ETH"], "PT2H", "direction")
    assert {"notes", "questions"} <= set(args)


def test_a_goal_that_follows_a_run_says_what_stays_as_it_was():
    base = {"id": "calm-fox", "brief": Brief(coins=["BTC"], horizon="PT4H").model_dump()}
    ((_, args),) = moves("understanding", {"goal": "now for ETH", "market": {}, "base": base})
    assert (args["coins"], args["horizon"]) == (["ETH"], "PT4H")
    assert args["notes"][0].startswith("As in run calm-fox: target direction; horizon PT4H")


def test_prices_are_looked_at_then_fetched_within_the_span():
    made = moves("data_retrieval", PRICES)
    assert made == [
        ("get_data_statistics", {"coins": ["BTC", "ETH"]}),
        ("fetch_price_data", {"coins": ["BTC", "ETH"], **SPAN}),
    ]


def test_a_frame_that_was_handed_in_is_not_looked_up_in_a_table():
    assert names("data_retrieval", {**PRICES, "handed_in": ["df"]}) == ["fetch_price_data"]


def test_any_other_table_is_fetched_as_rows_and_prepared():
    assert names("data_retrieval", TABLE) == ["fetch_rows"]
    assert moves("feature_engineering", TABLE) == [("prepare_table", {"frame": "rows"})]


def test_analysis_cleans_adds_the_indicators_asked_for_and_looks():
    asked = {**PRICES, "brief": {**PRICES["brief"], "indicators": ["rsi", "something"]}}
    made = moves("data_analysis", asked)
    assert [tool for tool, _ in made] == ["clean_data", "calculate_technical_indicators", "perform_eda"]
    assert made[1][1]["indicators"] == ["rsi"]
    assert len(moves("data_analysis", PRICES)[1][1]["indicators"]) == 5


def test_a_volatility_class_learns_its_median_first():
    volatile = {**PRICES, "brief": {**PRICES["brief"], "target": "volatility"}}
    assert names("feature_engineering", volatile) == ["fit_median_volatility", "create_features"]
    level = {**PRICES, "brief": {**PRICES["brief"], "target": "volatility", "task": "regression"}}
    assert names("feature_engineering", level) == ["create_features"]


def test_what_the_leak_test_named_is_dropped_after_the_features_are_made_again():
    made = moves("feature_engineering", {**PRICES, "leaks": ["smooth"]})
    assert made[-1] == ("drop_columns", {"features": "features", "columns": ["smooth"]})
    assert made[0][0] == "create_features"


def test_naive_rules_are_scored_before_candidates():
    scored = [args["model"] for _, args in moves("model_training", PRICES)]
    assert scored[:4] == list(NAIVE)
    assert scored[4:] == ["logistic_regression", "random_forest", "gradient_boosting", "xgboost"]
    table = [args["model"] for _, args in moves("model_training", TABLE)]
    assert table[0] == "constant"
    assert not set(table) & set(NAIVE[1:])


def _candidates(metric="roc_auc"):
    facts = [
        ("last", "last", 0.9, True),
        ("line", "logistic_regression", 0.55, False),
        ("tree", "xgboost", 0.5, False),
    ]
    return [
        {"name": name, "model": model, "params": {}, "metric": metric, "score": score, "baseline": baseline}
        for name, model, score, baseline in facts
    ]


def test_evaluation_proposes_a_search_while_rounds_are_left():
    made = moves("model_evaluation", {**PRICES, "candidates": _candidates(), "rounds_left": 1})
    assert [tool for tool, _ in made] == ["compare_models", "propose_next"]
    assert (made[-1][1]["next"], made[-1][1]["model"]) == ("tune", "xgboost")


@pytest.mark.parametrize(("metric", "best"), [("roc_auc", "logistic_regression"), ("mae", "xgboost")])
def test_evaluation_without_rounds_looks_at_the_best_by_its_metric_and_goes_on(metric, best):
    made = moves("model_evaluation", {**PRICES, "candidates": _candidates(metric), "rounds_left": 0})
    assert [tool for tool, _ in made] == [
        "compare_models",
        "evaluate_model",
        "calculate_feature_importance",
        "propose_next",
    ]
    assert made[1][1]["model"] == best
    assert made[-1][1]["next"] == "select"


def test_tuning_searches_the_proposed_model_once():
    made = moves("hyperparameter_tuning", {**PRICES, "proposal": {"model": "xgboost"}})
    assert made == [
        ("tune_hyperparameters", {"features": "features", "model": "xgboost", "into": "xgboost_tuned"}),
    ]


def test_a_report_without_candidates_compares_nothing():
    assert "create_comparison_report" not in names("reporting", {**PRICES, "candidates": []})
    assert names("reporting", {**PRICES, "candidates": ["a"]})[-1] == "write_report"


def test_a_failed_move_ends_the_stage():
    failed = [{"tool": "clean_data", "args": {}, "ok": False}]
    move = next_move(TOOLS["data_analysis"], Situation(PRICES, failed))
    assert move.tool == ""
    assert "clean_data failed" in move.reason


DIED = "The child kernel died. The child kernel was replaced: its variables are lost and must be rebuilt."


def result(tool, args=None, **more):
    return {"tool": tool, "args": args or {}, "status": "ok", "ok": True, **more}


def died(tool, args=None, reason=DIED):
    return result(tool, args, status="killed", ok=False, reason=reason)


def test_a_child_that_died_is_tried_again_with_the_same_arguments_at_most_twice_in_a_stage():
    done, args = result("clean_data"), {"prices": "bars", "indicators": ["rsi"], "into": "bars"}
    lost = died("calculate_technical_indicators", args)
    for results in ([done, lost], [done, lost, lost]):
        move = next_move(TOOLS["data_analysis"], Situation(PRICES, results))
        assert (move.tool, move.args) == ("calculate_technical_indicators", args)
        assert "died" in move.reason
        assert "once more" in move.reason
    assert next_move(TOOLS["data_analysis"], Situation(PRICES, [done, lost, lost, lost])).tool == ""


def test_attempts_that_were_made_again_do_not_count():
    lost = died("clean_data")
    after = [lost, result("clean_data"), result("calculate_technical_indicators")]
    assert next_move(TOOLS["data_analysis"], Situation(PRICES, after)).tool == "perform_eda"


@pytest.mark.parametrize(
    "failure",
    [
        died(
            "clean_data", reason="processes limit: 70 of 64; AgentSettings.processes raises it The child kernel died"
        ),
        result("clean_data", ok=False, status="error", error={"type": "ValueError", "message": "no"}, reason=""),
        result("clean_data", ok=False, status="memory", reason="memory limit: 2 GB"),
    ],
)
def test_any_other_failure_ends_the_stage(failure):
    assert next_move(TOOLS["data_analysis"], Situation(PRICES, [failure])).tool == ""


def test_an_error_that_says_the_child_was_lost_is_tried_again():
    error = {"type": "SandboxError", "message": "sandbox.no_frame: bars cannot be brought out: the child died."}
    lost = result("clean_data", {"prices": "prices"}, ok=False, status="error", error=error)
    assert next_move(TOOLS["data_analysis"], Situation(PRICES, [lost])).tool == "clean_data"


def decided(**overrides):
    return {**PRICES, "overrides": overrides}


def test_lags_windows_and_columns_that_a_person_decided_are_used():
    made = moves("feature_engineering", decided(lags=[1, 2], windows=[24], drop=["range"]))
    assert made == [
        ("create_features", {"prices": "bars", "lags": [1, 2], "windows": [24]}),
        ("drop_columns", {"features": "features", "columns": ["range"]}),
    ]
    both = moves("feature_engineering", {**decided(drop=["range", "smooth"]), "leaks": ["smooth"]})
    assert both[-1][1]["columns"] == ["smooth", "range"]


def test_features_hold_exactly_the_indicators_of_the_brief():
    asked = {**PRICES, "brief": {**PRICES["brief"], "indicators": ["rsi", "macd"]}}
    assert moves("feature_engineering", asked)[0][1]["indicators"] == ["rsi", "macd"]
    assert "indicators" not in moves("feature_engineering", PRICES)[0][1]


def test_a_table_leaves_out_columns_as_well():
    table = {**TABLE, "overrides": {"drop": ["age"]}}
    assert moves("feature_engineering", table)[-1] == ("drop_columns", {"features": "features", "columns": ["age"]})


def test_decided_hyperparameters_go_to_their_model_only():
    made = {args["model"]: args for _, args in moves("model_training", decided(**{"xgboost.max_depth": 4}))}
    assert made["xgboost"]["params"] == {"max_depth": 4}
    assert "params" not in made["random_forest"]


def test_the_search_looks_at_the_model_that_a_person_gave_a_range():
    forest = {**_candidates()[-1], "name": "forest", "model": "random_forest", "score": 0.4}
    facts = {**PRICES, "candidates": [*_candidates(), forest], "rounds_left": 1}
    assert moves("model_evaluation", facts)[-1][1]["model"] == "xgboost"
    facts["overrides"] = {"random_forest.max_features": [0.1, 0.3]}
    assert moves("model_evaluation", facts)[-1][1]["model"] == "random_forest"


def test_tools_that_name_no_stage_have_no_rule():
    move = next_move(("something",), Situation({}, []))
    assert (move.tool, bool(move.reason)) == ("", True)
