"""What is asked before the plan: what the goal leaves open or contradicts, and never what it holds."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from omc_agent.llm.draft import Draft
from omc_agent.llm.grammar import read_goal
from omc_agent.llm.questions import MOST, offer
from omc_agent.llm.words import Words
from tests.llm.goals import CUSTOMERS, GOALS, MARKET

ASKED = {
    # nothing is named
    "Predict direction": ["coins", "horizon"],
    "Will it rise by 3% within a day?": ["coins"],
    "Predict the direction over 4 hours": ["coins"],
    "Predict BTC": ["target", "horizon"],
    "Predict BTC over 4 hours": ["target"],
    "Explore volatility": ["coins"],
    # it may mean two things
    "Predict litcoin direction over 1h": ["coins"],
    "Predict volatility of SOL in 2 hours": ["task"],
    "Will BTC move by 2% in 24h": ["threshold"],
    # wishes that clash
    "Predict BTC direction in 1h with only xgboost, without xgboost": ["models"],
    "Predict BTC direction in 1h with RSI and EMA, without RSI": ["indicators"],
    "Predict BTC direction over 1h by regression": ["target"],
    "Classification of the BTC price in 1h": ["target"],
    "Predict BTC volatility and return in 1h": ["target", "task"],
    "Predict BTC direction over 1h and 4h": ["horizon"],
    "Predict whether BTC rises 2% or falls 1% in 1h": ["threshold"],
    "Explore BTC from 2024-06-01 to 2024-03-01": ["start"],
    "Predict BTC direction in 1h since 2030": ["start"],
    "Predict whether BTC rises in 1h, by RMSE": ["metric"],
    # three at most, what decides most first
    "Predict by RMSE over 1h and 4h with xgboost, without xgboost": ["coins", "horizon", "models"],
}
OPEN = {
    "Predict volatility of SOL",
    "Predict FOOCOIN",
    "can you please tell me if dogecoin will go to the moon",
}


@pytest.mark.parametrize(("goal", "fields"), ASKED.items(), ids=list(ASKED))
def test_what_is_open_is_asked(goal: str, fields: list[str]) -> None:
    reading = read_goal(goal, MARKET)
    assert [question.field for question in reading.questions] == fields
    held = {name: _shown(value) for name, value in reading.brief.model_dump().items()}
    for question in reading.questions:
        assert question.default in question.options
        assert question.default == held[question.field], "the brief holds the default"
        assert question.question.endswith("?")
        assert question.field in reading.brief.assumed or reading.unknown_coins or question.field == "horizon"


def _shown(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)


@pytest.mark.parametrize("goal", [goal for goal, _ in GOALS if goal not in OPEN])
def test_a_clear_goal_asks_nothing(goal: str) -> None:
    assert read_goal(goal, MARKET).questions == []


def test_the_goals_that_are_open_ask_something() -> None:
    assert all(read_goal(goal, MARKET).questions for goal in OPEN)


COINS = ("", "BTC ", "bitcoin and ETH ")
TARGETS = ("", "direction ", "return ", "volatility level ")
HORIZONS = ("", "over the next 4 hours ")
SPANS = ("", "using the last 30 days ")
MODELS = ("", "with xgboost ", "without random forest ")
METRICS = ("", "by RMSE", "by accuracy")


def test_never_more_than_three_and_never_what_the_goal_states() -> None:
    for parts in product(COINS, TARGETS, HORIZONS, SPANS, MODELS, METRICS):
        goal = "Predict " + "".join(parts)
        reading = read_goal(goal, MARKET)
        fields = [question.field for question in reading.questions]
        assert len(fields) <= MOST
        assert len(set(fields)) == len(fields)
        stated = {
            name for name, said in zip(("coins", "target", "horizon", "start", "models"), parts, strict=False) if said
        }
        assert not stated & set(fields), goal
        assert "horizon" not in fields or len(fields) > 1, goal
        assert "metric" not in fields or parts[-1], goal


def test_the_context_says_what_the_data_offers() -> None:
    (asked,) = read_goal("Predict the direction over 4 hours", MARKET).questions
    assert "BTC, 105,000 bars from 2023-09-06 to 2024-09-06" in asked.context
    assert "2 more coins" in asked.context
    (asked,) = read_goal("Predict ETH direction over 1h and 4h", MARKET).questions
    assert "ETH, 104,000 bars" in asked.context
    assert "BTC" not in asked.context
    assert all("the columns customer_id, age" in q.context for q in read_goal("Predict it", CUSTOMERS).questions)


def test_without_a_market_nothing_is_offered() -> None:
    assert offer(Draft(Words("x"), {}, False), ["BTC"]) == "No data is at hand yet."
