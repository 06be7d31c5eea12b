"""Goals that follow a run: what they do not say stays as it was."""

from __future__ import annotations

from typing import Any

import pytest

from omc_agent.brief import Brief
from omc_agent.errors import GoalError
from omc_agent.llm.followup import as_before
from omc_agent.llm.grammar import read_goal
from tests.llm.goals import CUSTOMERS, MARKET

BASE = Brief(
    coins=["BTC"],
    start="2024-06-01T00:00:00+00:00",
    end="2024-08-01T00:00:00+00:00",
    horizon="PT2H",
    target="threshold",
    threshold=0.02,
    models=["xgboost", "logistic_regression"],
    indicators=["rsi", "macd", "sma"],
    metric="f1",
)
CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("now for ETH", {"coins": ["ETH"]}),
    ("the same for ETH and LTC", {"coins": ["ETH", "LTC"]}),
    ("again", {}),
    ("without RSI", {"indicators": ["macd", "sma"]}),
    ("also with bollinger bands", {"indicators": ["rsi", "macd", "sma", "bollinger"]}),
    ("use random forest instead", {"models": ["random_forest"]}),
    ("also try a random forest", {"models": ["xgboost", "logistic_regression", "random_forest"]}),
    ("without xgboost", {"models": ["logistic_regression"], "avoid_models": ["xgboost"]}),
    ("over 4 hours", {"horizon": "PT4H"}),
    ("optimise accuracy", {"metric": "accuracy"}),
    ("since 2024-07-01", {"start": "2024-07-01T00:00:00+00:00", "end": "2024-09-06T04:45:00+00:00"}),
    ("now the direction", {"target": "direction", "threshold": None}),
    ("with a fall of 3%", {"threshold": -0.03}),
    ("as a regression", {"target": "return", "task": "regression", "threshold": None, "metric": "mae",
                         "models": ["xgboost"], "assumed": ["metric"]}),
    ("explore it", {"task": "analysis"}),
    ("ETH over 1 day without RSI, with ridge and xgboost",
     {"coins": ["ETH"], "horizon": "P1D", "indicators": ["macd", "sma"],
      "models": ["logistic_regression", "xgboost"]}),
]  # fmt: skip


@pytest.mark.parametrize(("goal", "changed"), CHANGES, ids=[goal for goal, _ in CHANGES])
def test_only_what_is_said_changes(goal: str, changed: dict[str, Any]) -> None:
    reading = read_goal(goal, MARKET, base=BASE)
    assert reading.brief.model_dump() == {**BASE.model_dump(), **changed}
    assert reading.questions == []
    assert not set(reading.kept) & set(changed)


def test_what_was_left_open_stays_open() -> None:
    base = read_goal("Predict whether BTC rises over the next hour", MARKET).brief
    assert read_goal("without RSI", MARKET, base=base).brief.indicators == ["sma", "ema", "macd", "bollinger"]
    after = read_goal("now for ETH", MARKET, base=base)
    assert (after.brief.models, after.brief.indicators, after.brief.metric) == ([], [], "roc_auc")
    assert "coins" not in after.brief.assumed
    assert "start" not in after.brief.assumed


def test_an_exploration_stays_one_until_something_is_predicted() -> None:
    base = read_goal("Explore BTC in July 2024", MARKET).brief
    assert read_goal("now for ETH", MARKET, base=base).brief.task == "analysis"
    assert read_goal("the last 30 days", MARKET, base=base).brief.start == "2024-08-07T04:45:00+00:00"
    assert read_goal("now predict its direction", MARKET, base=base).brief.task == "classification"


def test_a_table_keeps_its_column_and_its_task() -> None:
    base = Brief(table="customers", target="income", task="regression", metric="rmse")
    after = read_goal("use ridge instead", CUSTOMERS, base=base)
    assert (after.brief.target, after.brief.task, after.brief.metric) == ("income", "regression", "rmse")
    assert after.brief.models == ["ridge"]
    assert after.questions == []


def test_a_coin_may_be_left_out() -> None:
    both = BASE.model_copy(update={"coins": ["BTC", "ETH"]})
    assert read_goal("without ETH", MARKET, base=both).brief.coins == ["BTC"]


@pytest.mark.parametrize("goal", ["hello there", "tell me a joke", "predict the weather"])
def test_what_says_nothing_is_refused(goal: str) -> None:
    with pytest.raises(GoalError):
        read_goal(goal, MARKET, base=BASE)


def test_what_came_from_the_run_is_said() -> None:
    reading = read_goal("now for ETH", MARKET, base=BASE)
    assert as_before(reading.brief, reading.kept, "calm-fox") == (
        "As in run calm-fox: target threshold; horizon PT2H; indicators rsi, macd, sma; metric f1;"
        " models xgboost, logistic_regression; span 2024-06-01T00:00 to 2024-08-01T00:00."
    )
