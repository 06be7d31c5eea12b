"""The times of a brief: from what the goal says and the market holds."""

from __future__ import annotations

from datetime import timedelta

import pytest

from omc_agent.brief import parse_duration
from omc_agent.llm.grammar import read_goal
from tests.llm.goals import MARKET


def test_every_default_is_listed_and_the_default_span_counts_back() -> None:
    reading = read_goal("Predict Bitcoin price", MARKET)
    assert reading.brief.assumed == ["metric", "start", "end", "horizon"]
    assert (reading.brief.start, reading.brief.end) == ("2024-06-08T04:45:00+00:00", "2024-09-06T04:45:00+00:00")
    note = "No span is named; the last 90 days counts back from the newest bar, 2024-09-06 04:40 UTC."
    assert note in reading.notes
    said = read_goal("Predict Bitcoin price, using the last 90 days", MARKET)
    assert "the last 90 days counts back from the newest bar, 2024-09-06 04:40 UTC." in said.notes


def test_without_a_market_the_span_waits_for_one() -> None:
    reading = read_goal("Predict whether BTC rises, using the last 30 days")
    assert (reading.brief.start, reading.brief.end, reading.span_days) == (None, None, 30)
    assert reading.span is not None
    assert reading.span.resolve(MARKET) == ("2024-08-07T04:45:00+00:00", "2024-09-06T04:45:00+00:00")
    assert read_goal("Predict whether BTC rises", {}) == read_goal("Predict whether BTC rises")


def test_the_span_starts_with_the_coins_of_the_goal() -> None:
    coins = {**MARKET["coins"], "SOL": {"rows": 5, "start": "2024-02-01T00:00:00+00:00", "end": MARKET["newest"]}}
    reading = read_goal("Explore SOL before 2024-06-01", {**MARKET, "coins": coins})
    assert reading.brief.start == "2024-02-01T00:00:00+00:00"
    notes = read_goal("Explore SOL in 2024", {**MARKET, "coins": coins}).notes
    assert "The bars begin only at 2024-02-01 00:00 UTC." in notes
    assert "The newest bar is of 2024-09-06 04:40 UTC, before the span ends." in notes


def test_a_span_after_the_newest_bar_stays_as_asked_and_says_so() -> None:
    reading = read_goal("Explore BTC since 2025-01-01", MARKET)
    assert reading.brief.start == "2025-01-01T00:00:00+00:00"
    assert reading.brief.end == "2025-01-01T00:05:00+00:00"
    assert "'since 2025-01-01' starts after the newest bar." in reading.notes


@pytest.mark.parametrize(
    ("goal", "hours", "said"),
    [
        ("Will BTC rise in 1-2 hours", 2, "'1-2 hours' is a range; the larger, 2 hours, is taken."),
        ("Will BTC rise in the next 1–2h", 2, "'1-2h' is a range; the larger, 2h, is taken."),
        (
            "Will BTC rise over the next one to three days",
            72,
            "'one to three days' is a range; the larger",
        ),
        ("Will BTC rise between 1 and 2 hours from now", 2, "'1 and 2 hours' is a range; the larger, 2 hours"),
        ("Will BTC rise in 1 or 2 days", 48, "'1 or 2 days' is a range; the larger, 2 days"),
        ("Will BTC rise 30-60 minutes ahead", 1, "'30-60 minutes' is a range; the larger, 60 minutes"),
        ("Will BTC rise within 6-12 bars", 1, "'6-12 bars' is a range; the larger, 12 bars"),
    ],
)
def test_of_a_range_of_horizons_the_larger_is_taken_and_said(goal: str, hours: int, said: str) -> None:
    reading = read_goal(goal, MARKET)
    assert parse_duration(reading.brief.horizon) == timedelta(hours=hours)
    assert any(said in note for note in reading.notes)
    assert (reading.brief.unread, reading.questions) == ([], [])


def test_of_a_range_of_history_the_larger_is_taken_and_said() -> None:
    reading = read_goal("Predict whether BTC rises using the last 30-60 days", MARKET)
    assert reading.span_days == 60
    assert "'30-60 days' is a range; the larger, 60 days, is taken." in reading.notes


def test_a_range_that_was_left_out_is_not_said_to_be_taken() -> None:
    reading = read_goal("Predict whether BTC rises using 5-15 minute candles", MARKET)
    assert reading.brief.unread == ["5", "15", "minute"]
    assert not any("is a range" in note for note in reading.notes)


def test_two_horizons_with_units_of_their_own_are_asked_not_ranged() -> None:
    reading = read_goal("Predict BTC direction over 1h and 4h", MARKET)
    assert [question.field for question in reading.questions] == ["horizon"]
    assert not any("is a range" in note for note in reading.notes)


def test_from_now_is_part_of_a_horizon_and_starts_no_span() -> None:
    reading = read_goal("Will BTC rise two hours from now", MARKET)
    assert reading.brief.horizon == "PT2H"
    assert reading.brief.start == "2024-06-08T04:45:00+00:00"
    assert not any("starts after" in note for note in reading.notes)
