"""English goals and the briefs they are read into."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omc_agent.brief import Brief
from omc_agent.errors import GoalError
from omc_agent.llm.grammar import Reading, nearest, read_goal
from tests.llm.goals import CUSTOMERS, GOALS, MARKET, seen


@pytest.mark.parametrize(("goal", "wanted"), GOALS, ids=[goal for goal, _ in GOALS])
def test_a_goal_is_read(goal: str, wanted: dict[str, Any]) -> None:
    fields = seen(read_goal(goal, MARKET))
    assert {name: fields[name] for name in wanted} == wanted


def test_there_are_enough_goals() -> None:
    assert len(GOALS) >= 80


@pytest.mark.parametrize("goal", ["", "   \n", "?!", "...", "123 %", "\u200b"])
def test_a_goal_without_words_is_empty(goal: str) -> None:
    with pytest.raises(GoalError) as caught:
        read_goal(goal, MARKET)
    assert caught.value.code == "goal.empty"


@pytest.mark.parametrize("goal", ["hello there", "tomorrow", "xgboost", "in 2023", "Guten Morgen", "tell me a joke"])
def test_a_goal_without_coin_target_and_task_is_unread(goal: str) -> None:
    with pytest.raises(GoalError) as caught:
        read_goal(goal, MARKET)
    assert caught.value.code == "goal.unread"


def test_what_is_to_be_predicted_is_never_swapped_for_a_coin() -> None:
    with pytest.raises(GoalError, match="'weather' is no coin"):
        read_goal("Predict the weather in Paris", MARKET)


def test_a_complete_goal_asks_nothing() -> None:
    assert read_goal("Predict whether BTC rises over the next hour, using the last 90 days", MARKET).questions == []


@pytest.mark.parametrize(
    ("goal", "name", "options", "default"),
    [
        ("Predict BTC", "target", ["direction", "return", "price", "volatility"], "direction"),
        ("Will BTC move by 2% in 24h", "threshold", ["0.02", "-0.02"], "0.02"),
        ("Will BTC rise or fall by 2% in 24h", "threshold", ["0.02", "-0.02"], "0.02"),
        ("Predict BTC direction over 1h and 4h", "horizon", ["PT1H", "PT4H"], "PT1H"),
        (
            "Predict whether BTC rises, by RMSE",
            "metric",
            ["roc_auc", "accuracy", "precision", "recall", "f1", "pr_auc", "brier", "log_loss"],
            "roc_auc",
        ),
        (
            "Predict BTC direction with xgboost, ridge, without xgboost",
            "models",
            ["logistic_regression", "xgboost, logistic_regression"],
            "logistic_regression",
        ),
        (
            "Explore BTC from 2024-06-01 to 2024-03-01",
            "start",
            ["2024-03-01T00:00:00+00:00", "2024-03-04T00:00:00+00:00"],
            "2024-03-01T00:00:00+00:00",
        ),
    ],
)
def test_what_is_open_is_asked_and_the_default_taken(goal: str, name: str, options: list[str], default: str) -> None:
    reading = read_goal(goal, MARKET)
    question = reading.questions[0]
    assert (question.field, question.options, question.default) == (name, options, default)
    value = getattr(reading.brief, name)
    assert (", ".join(value) if isinstance(value, list) else str(value)) == default
    assert name in reading.brief.assumed


def test_there_are_at_most_three_questions_and_the_coin_comes_first() -> None:
    reading = read_goal("Will it move by 2% over 1h and 4h, by RMSE, with xgboost, without xgboost", MARKET)
    assert [question.field for question in reading.questions] == ["coins", "threshold", "horizon"]
    assert {"models", "metric"} <= set(reading.brief.assumed)


@pytest.mark.parametrize(
    ("goal", "note"),
    [
        ("Predict whether BTC falls", "a fall is the same model read as 0"),
        ("Predict BTC direction with catboost", "There is no catboost here; the algorithms are logistic_regression"),
        ("Predict BTC direction with ATR", "There is no ATR here; the indicators are sma"),
        ("Predict BTC volatility and return", "One run has one target; return was left out."),
        ("Predict BTC direction with 20-day SMA", "The window 20-day was left out"),
        ("Predict BTC rises 2% or falls 1%", "1% was not read as a threshold."),
        ("Predict BTC direction using hourly data", "'hourly data' was left out: the bars are of 5 minutes."),
        ("Explore BTC from 2024-06-01 to 2024-03-01", "the two dates are taken the other way round"),
        ("Explore BTC in 2024-13", "'2024-13' was not read as a date"),
        ("Predict bitcion direction", "'bitcion' is taken as BTC."),
    ],
)
def test_what_was_taken_how_is_said(goal: str, note: str) -> None:
    assert any(note in sentence for sentence in read_goal(goal, MARKET).notes)


def test_a_span_that_ends_where_it_starts_stays_empty_so_that_the_fetch_can_say_it() -> None:
    reading = read_goal("Predict BTC direction between 2024-06-01 06:00 and 2024-06-01 06:00", MARKET)
    assert reading.brief.start == reading.brief.end == "2024-06-01T06:00:00+00:00"
    assert reading.questions == []
    assert any("holds no time" in sentence for sentence in reading.notes)


def test_nearest_is_at_hand_here_too() -> None:
    assert nearest("bitcoin", ["BTC", "ETH"]) == ["BTC"]


PIECES = """
predict whether will explore BTC eth FOO NEAR near all coins rises falls by 2 % 90 0 999999999 - , .
/ ( ) ' $ days hour m the last next in since from to between and until before June 2024 2024-06-01
2024-13-99 Q2 30 half a without no with xgboost ridge linear RSI SMA 14 f1 rmse return price
volatility level not or all except column table churn target 1INCH bars ahead horizon of 5-minute
candles how much what this week yesterday ago double halves now
"""
GOALISH = st.lists(st.sampled_from(PIECES.split()), max_size=14).map(" ".join)


@settings(max_examples=250, deadline=None)
@given(st.one_of(GOALISH, st.text(max_size=60)), st.sampled_from([None, MARKET, CUSTOMERS]))
def test_any_text_is_read_or_refused_and_always_alike(goal: str, market: dict[str, Any] | None) -> None:
    def attempt() -> Reading | tuple[str, str]:
        try:
            return read_goal(goal, market)
        except GoalError as error:
            return error.code, error.line()

    first = attempt()
    assert first == attempt()
    if isinstance(first, Reading):
        assert Brief.model_validate(first.brief.model_dump()) == first.brief
        assert len(first.questions) <= 3
        assert all(question.default in question.options for question in first.questions)
        if first.brief.start and first.brief.end:
            assert first.brief.start < first.brief.end
        assert set(first.brief.assumed) <= set(Brief.model_fields)
