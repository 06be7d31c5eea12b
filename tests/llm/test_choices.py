"""The algorithms, indicators and metric of a brief."""

from __future__ import annotations

import pytest

from omc_agent.llm.choices import read_indicators, read_metrics, read_models, settle_metric, settle_models
from omc_agent.llm.draft import Draft
from omc_agent.llm.grammar import read_goal
from omc_agent.llm.words import Words
from tests.llm.goals import MARKET, TREES


def test_a_clash_of_one_model_leaves_the_others() -> None:
    brief = read_goal("Predict BTC direction with xgboost but without xgboost", MARKET).brief
    assert (brief.models, brief.avoid_models) == (
        ["logistic_regression", "random_forest", "gradient_boosting"],
        ["xgboost"],
    )


def draft(goal: str) -> Draft:
    return Draft(Words(goal), MARKET, True)


def test_algorithms_are_asked_for_and_ruled_out() -> None:
    read = read_models(draft("with ridge and xgboost, without trees"))
    assert (read.asked, read.avoided) == (["ridge", "xgboost"], TREES)
    read = read_models(draft("any interpretable model"))
    assert (read.asked, read.simple, read.every) == ([], True, False)


@pytest.mark.parametrize(
    ("goal", "task", "models", "avoid"),
    [
        ("ridge", "classification", ["logistic_regression"], []),
        ("logit", "regression", ["linear"], []),
        ("without a linear model", "classification", [], ["linear", "logistic_regression"]),
        ("xgboost without xgboost", "regression", ["linear", "ridge", "lasso", *TREES[:2]], ["xgboost"]),
        ("ridge", "analysis", ["ridge"], []),
    ],
)
def test_algorithms_are_made_to_fit_the_task(goal: str, task: str, models: list[str], avoid: list[str]) -> None:
    now = draft(goal)
    settled, left_out = settle_models(now, task, read_models(now))  # type: ignore[arg-type]
    assert (sorted(settled), left_out) == (sorted(models), avoid)


def test_a_window_of_an_indicator_is_left_unread_and_said() -> None:
    now = draft("RSI(14) and 20-day SMA")
    assert read_indicators(now) == ["rsi", "sma"]
    assert now.words.left() == ["14", "20", "day"]
    assert len(now.notes) == 2


def test_indicators_both_wanted_and_ruled_out_are_left_out() -> None:
    now = draft("use RSI and EMA, without RSI")
    assert read_indicators(now) == ["ema"]
    assert now.notes == ["The goal both asks for and rules out rsi; left out."]


def test_one_metric_decides_and_one_that_does_not_fit_is_asked() -> None:
    now = draft("by RMSE, and by recall")
    metrics = read_metrics(now)
    assert (metrics, now.words.left()) == (["rmse"], ["recall"])
    assert settle_metric(now, "regression", metrics) == "rmse"
    assert (now.assumed, now.questions) == ([], [])
    assert settle_metric(now, "classification", metrics) == "roc_auc"
    assert (now.assumed, now.questions[0].field) == (["metric"], "metric")


def test_the_word_regression_overrides_classes_read_from_few_whole_numbers():
    table = {"table": "wine", "columns": ["acid", "stars"], "coins": {}, "newest": None,
             "kinds": {"acid": "number", "stars": "class"}, "classes": {"stars": 5},
             "assumed_classes": {"stars": "stars holds 5 whole numbers and is taken for classes"}}  # fmt: skip
    read = read_goal("predict stars", table)
    assert (read.brief.task, read.brief.target) == ("classification", "stars")
    assert "task" in read.brief.assumed
    said = read_goal("predict stars by regression", table)
    assert (said.brief.task, said.brief.target) == ("regression", "stars")
    assert "task" not in said.brief.assumed
