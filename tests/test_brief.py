"""The goal as it was read: durations, checks, and the half line that says it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from omc_agent.brief import Brief, PlanStep, format_duration, parse_duration


@given(st.integers(min_value=0, max_value=10_000_000))
@settings(max_examples=100)
def test_a_duration_comes_back_as_it_was_written(seconds):
    span = timedelta(seconds=seconds)
    text = format_duration(span)
    assert text.startswith("P")
    assert parse_duration(text) == span


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("PT1H", timedelta(hours=1)),
        ("P1D", timedelta(days=1)),
        ("P2DT3H4M5S", timedelta(days=2, hours=3, minutes=4, seconds=5)),
        ("PT90M", timedelta(minutes=90)),
    ],
)
def test_durations_are_iso_8601(text, span):
    assert parse_duration(text) == span


@pytest.mark.parametrize("text", ["", "P", "PT", "1h", "P1M", "PT1.5H", "-PT1H", "PT1H ", "P1W"])
def test_what_is_no_duration_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match="PT1H or P1D"):
        parse_duration(text)


@pytest.mark.parametrize("horizon", ["PT0S", "P0D", "soon", ""])
def test_a_horizon_is_longer_than_nothing(horizon):
    with pytest.raises(ValidationError):
        Brief(horizon=horizon)


def test_defaults_are_those_of_the_contract():
    brief = Brief()
    assert (brief.task, brief.horizon, brief.target, brief.metric) == (
        "classification",
        "PT1H",
        "direction",
        "roc_auc",
    )
    assert brief.table == "price_data_5min"
    assert (brief.start, brief.end, brief.threshold) == (None, None, None)
    assert (
        brief.coins == brief.models == brief.avoid_models == brief.indicators == brief.assumed == brief.unread == []
    )
    assert brief.horizon_span == timedelta(hours=1)


def test_coins_are_upper_case_and_json_comes_back():
    brief = Brief(coins=["btc", "Eth"], horizon="PT4H", target="threshold", threshold=-0.01)
    assert brief.coins == ["BTC", "ETH"]
    assert Brief.model_validate_json(brief.model_dump_json()) == brief


@pytest.mark.parametrize(
    "wrong", [{"task": "guess"}, {"metric": "luck"}, {"models": ["oracle"]}, {"colour": "red"}, {"coins": "BTC"}]
)
def test_a_brief_takes_nothing_it_does_not_know(wrong):
    with pytest.raises(ValidationError):
        Brief(**wrong)


@pytest.mark.parametrize(
    ("given_values", "title"),
    [
        ({"coins": ["BTC"]}, "Direction of BTC, one hour ahead"),
        ({"coins": ["BTC", "ETH"], "horizon": "P1D"}, "Direction of BTC and ETH, one day ahead"),
        ({"coins": ["A", "B", "C"], "horizon": "PT90M"}, "Direction of A, B and C, 90 minutes ahead"),
        ({"coins": ["BTC"], "target": "threshold", "threshold": 0.01}, "Whether BTC moves +1 % within one hour"),
        ({"coins": ["BTC"], "target": "threshold", "threshold": -0.005}, "Whether BTC moves -0.5 % within one hour"),
        ({"coins": ["BTC"], "target": "return", "horizon": "PT30S"}, "Return of BTC, 30 seconds ahead"),
        ({"coins": ["BTC"], "target": "volatility", "horizon": "PT2H"}, "Volatility of BTC over the next 2 hours"),
        ({"coins": ["BTC"], "target": "price"}, "Price of BTC, one hour ahead"),
        ({"table": "loans", "target": "paid"}, "paid from loans"),
        ({"coins": ["BTC"], "task": "analysis"}, "Exploration of BTC"),
    ],
)
def test_the_title_says_the_goal_in_half_a_line(given_values, title):
    assert Brief(**given_values).title() == title


def test_a_price_target_is_made_from_bars_and_a_column_is_not():
    assert Brief(target="volatility").is_price_target
    assert not Brief(target="paid").is_price_target


def test_a_plan_step_takes_nothing_it_does_not_know():
    with pytest.raises(ValidationError):
        PlanStep(stage="scoring", title="Scoring", detail="x", magic=1)
