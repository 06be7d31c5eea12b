"""The offline plan: stages in their order, with effects that follow from the market's row counts."""

from __future__ import annotations

import pytest

from omc_agent.brief import CLASSIFIERS, REGRESSORS, Brief, PlanStep
from omc_agent.graph.state import STAGES
from omc_agent.llm.planning import (
    DEFAULT_CLASSIFIERS,
    DEFAULT_REGRESSORS,
    SECONDS_PER_10K,
    candidate_models,
    expected_rows,
    plan_steps,
)

MARKET = {
    "bar_minutes": 5,
    "coins": {"BTC": {"rows": 28_800}, "ETH": {"rows": 1_000}},
}
WORK = {"folds": 5, "trials": 8, "rounds": 1}
TEN_DAYS = {"start": "2024-08-01T00:00:00+00:00", "end": "2024-08-11T00:00:00+00:00"}


def test_a_plan_names_stages_of_the_house_in_their_order():
    steps = plan_steps(Brief(coins=["BTC"], **TEN_DAYS), MARKET, WORK)
    stages = [step["stage"] for step in steps]
    assert stages == [stage for stage in STAGES if stage in stages]
    assert stages[0] == "data_retrieval"
    assert stages[-1] == "reporting"
    assert {"leak_test", "scoring", "hyperparameter_tuning"} <= set(stages)
    for step in steps:
        assert PlanStep.model_validate(step).detail


def test_an_exploration_plans_no_model_and_seals_nothing():
    steps = plan_steps(Brief(task="analysis", coins=["BTC"], **TEN_DAYS), MARKET, WORK)
    assert [step["stage"] for step in steps] == ["data_retrieval", "data_analysis", "reporting"]
    assert "seal" not in steps[0]["detail"]


def test_effects_count_rows_and_fits():
    brief = Brief(coins=["BTC", "ETH"], models=["ridge", "lasso"], task="regression", target="return", **TEN_DAYS)
    steps = {step["stage"]: step for step in plan_steps(brief, MARKET, WORK)}
    assert steps["data_retrieval"]["rows"] == 10 * 288 + 1_000
    assert steps["model_training"]["fits"] == 3 * 5  # small trees stand beside what was named
    assert steps["hyperparameter_tuning"]["fits"] == 8 * 5
    assert "ridge, lasso" in steps["model_training"]["detail"]
    assert steps["model_training"]["minutes"] >= 0


@pytest.mark.parametrize(
    ("coins", "market", "span", "rows"),
    [
        (["BTC"], MARKET, TEN_DAYS, 2_880),
        (["ETH"], MARKET, TEN_DAYS, 1_000),
        (["NOPE"], MARKET, TEN_DAYS, None),
        (["BTC"], {}, TEN_DAYS, None),
        (["BTC"], MARKET, {}, None),
        (["BTC"], {**MARKET, "bar_minutes": 60}, TEN_DAYS, 240),
    ],
)
def test_rows_are_those_of_the_span_or_nothing(coins, market, span, rows):
    assert expected_rows(Brief(coins=coins, **span), market) == rows


@pytest.mark.parametrize(
    ("given", "chosen"),
    [
        ({}, list(DEFAULT_CLASSIFIERS)),
        ({"models": ["xgboost", "random_forest"]}, ["logistic_regression", "xgboost", "random_forest"]),
        ({"models": ["ridge"]}, list(DEFAULT_CLASSIFIERS)),
        ({"avoid_models": ["xgboost"]}, [name for name in DEFAULT_CLASSIFIERS if name != "xgboost"]),
        ({"task": "regression"}, list(DEFAULT_REGRESSORS)),
        ({"task": "regression", "avoid_models": list(DEFAULT_REGRESSORS)}, ["linear", "lasso"]),
        ({"avoid_models": list(CLASSIFIERS)}, [CLASSIFIERS[0]]),
    ],
)
def test_candidates_are_those_asked_for_else_the_defaults_without_those_to_avoid(given, chosen):
    assert candidate_models(Brief(**given)) == chosen


def test_every_algorithm_has_a_time():
    assert set(SECONDS_PER_10K) == set(CLASSIFIERS) | set(REGRESSORS)


def test_the_plan_lists_only_what_is_walked():
    table = [step["stage"] for step in plan_steps(Brief(target="churn", table="customers"), {}, WORK)]
    assert "data_analysis" not in table
    assert "hyperparameter_tuning" in table
    no_search = plan_steps(Brief(coins=["BTC"], **TEN_DAYS), MARKET, {**WORK, "rounds": 0})
    assert "hyperparameter_tuning" not in [step["stage"] for step in no_search]
