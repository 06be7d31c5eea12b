"""The table and the column that a goal names."""

from __future__ import annotations

from typing import Any

import pytest

from omc_agent.llm.grammar import read_goal
from tests.llm.goals import CUSTOMERS, MARKET, TREES, seen


@pytest.mark.parametrize(
    ("goal", "wanted"),
    [
        ("Predict churn from the table customers", {"target": "churn", "task": "classification", "coins": []}),
        ("classify churn", {"target": "churn", "assumed": ["metric", "horizon"], "unread": []}),
        ("predict column churn using age", {"target": "churn", "unread": ["age"]}),
        ("regress income on age", {"target": "income", "task": "regression", "metric": "mae"}),
        ("Predict monthly charges, by RMSE", {"target": "monthly charges", "task": "regression", "metric": "rmse"}),
        ("How much is the income", {"target": "income", "task": "regression"}),
        ("Explore the customers table", {"task": "analysis", "table": "customers", "unread": []}),
        ("predict churned people", {"target": "churn", "unread": ["churned", "people"]}),
        ("predict churn without trees", {"target": "churn", "avoid_models": TREES}),
    ],
)
def test_a_table_without_time_is_read(goal: str, wanted: dict[str, Any]) -> None:
    reading = read_goal(goal, CUSTOMERS)
    fields = seen(reading)
    assert {name: fields[name] for name in wanted} == wanted
    assert (reading.brief.start, reading.brief.end, reading.span, reading.span_days) == (None, None, None, None)


def test_a_target_or_table_given_beside_the_goal_wins() -> None:
    reading = read_goal("Predict what happens in the table cars", table="titanic", target="survived")
    assert (reading.brief.table, reading.brief.target) == ("titanic", "survived")
    assert reading.notes[0] == "The goal names the table cars; titanic was given beside it, and is taken."
    assert read_goal("Predict BTC", MARKET, target="volatility").brief.target == "volatility"
    assert read_goal("Predict BTC", MARKET, target="threshold").brief.threshold == 0.01
    assert read_goal("Predict y", target="y").brief.unread == []


def test_a_named_column_needs_no_market_next_to_its_table() -> None:
    brief = read_goal("Predict churn from the table customers").brief
    assert (brief.target, brief.table, brief.coins) == ("churn", "customers", [])
    assert read_goal("predict column y").brief.target == "y"


def test_a_column_known_to_hold_numbers_is_no_class() -> None:
    kinds = {**CUSTOMERS, "kinds": {"age": "number", "churn": "class"}}
    assert read_goal("Predict age", kinds).brief.task == "regression"
    assert read_goal("Predict churn", kinds).brief.task == "classification"
    assert read_goal("Predict churn", kinds).questions == []
    assert [question.field for question in read_goal("Predict age", CUSTOMERS).questions] == ["task"]


def test_a_column_to_learn_from_is_not_the_target() -> None:
    reading = read_goal("Predict what customers do using age", CUSTOMERS)
    assert reading.questions[0].field == "target"
    assert "age" in reading.brief.unread
