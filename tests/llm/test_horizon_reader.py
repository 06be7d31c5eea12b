"""How far a goal looks ahead."""

from __future__ import annotations

from datetime import timedelta

import pytest

from omc_agent.llm.horizon_reader import read_bar_size, read_horizon
from omc_agent.llm.words import Words


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("over the next hour", 60),
        ("next 30 minutes", 30),
        ("in 4h", 240),
        ("within the hour", 60),
        ("within a day", 1440),
        ("15-minute direction", 15),
        ("1h", 60),
        ("tomorrow", 1440),
        ("by tomorrow", 1440),
        ("next week", 7 * 1440),
        ("one day ahead", 1440),
        ("two hours from now", 120),
        ("a horizon of 20 minutes", 20),
        ("20 minute horizon", 20),
        ("hourly", 60),
        ("daily returns", 1440),
        ("the next hour and a half", 90),
        ("the next 12 bars", 60),
        ("the next thirty minutes", 30),
        ("in half an hour", 30),
        ("this week", 7 * 1440),
        ("in 1-2 hours", 120),
        ("1 to 2 hours ahead", 120),
        ("the next 10-15 minutes", 15),
    ],
)
def test_horizons(text: str, minutes: int) -> None:
    words = Words(text)
    assert read_horizon(words) == ([timedelta(minutes=minutes)], None)


def test_of_two_bare_durations_the_longer_is_history() -> None:
    horizons, span = read_horizon(Words("BTC 90d, 1h"))
    assert horizons == [timedelta(hours=1)]
    assert span is not None
    assert span.back == timedelta(days=90)


def test_two_horizons_are_both_returned() -> None:
    assert read_horizon(Words("1h and 4h"))[0] == [timedelta(hours=1), timedelta(hours=4)]


def test_the_size_of_a_bar_is_no_horizon() -> None:
    words = Words("using 5-minute candles")
    assert read_bar_size(words) == ("5-minute candles", timedelta(minutes=5))
    assert words.left() == []
    words = Words("using hourly data")
    assert read_bar_size(words) == ("hourly data", timedelta(hours=1))
    assert words.left() == ["hourly"]
    assert read_bar_size(Words("90 days of data")) is None
