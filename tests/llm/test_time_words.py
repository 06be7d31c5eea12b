"""Durations and dates, as they are written."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omc_agent.llm.spans import Date
from omc_agent.llm.time_words import duration_at, point_at, ranges
from omc_agent.llm.words import Words


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("1h", 1),
        ("30 minutes", 0.5),
        ("5 min", 1 / 12),
        ("an hour", 1),
        ("half an hour", 0.5),
        ("half a day", 12),
        ("an hour and a half", 1.5),
        ("one and a half hours", 1.5),
        ("1.5 hours", 1.5),
        ("a couple of days", 48),
        ("twelve hrs", 12),
        ("a fortnight", 336),
        ("two weeks", 336),
        ("3 months", 90 * 24),
        ("1M", 720),
        ("1m", 1 / 60),
        ("4h30m", 4.5),
        ("1 hour 30 minutes", 1.5),
        ("2 days and 6 hours", 54),
        ("24-hour", 24),
        ("12 bars", 1),
        ("1,000 hours", 1000),
    ],
)
def test_durations(text: str, hours: float) -> None:
    words = Words(text)
    assert duration_at(words, 0) == (len(words), timedelta(hours=hours))


@pytest.mark.parametrize(
    "text", ["0 hours", "hours", "-3 hours", "1e9 years", "999999999 years", "a", "five", "0.1 s"]
)
def test_what_is_no_duration(text: str) -> None:
    assert duration_at(Words(text), 0) is None


def test_two_durations_side_by_side_are_not_added() -> None:
    assert duration_at(Words("90d 1h"), 0) == (2, timedelta(days=90))


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("2024-03-01", Date(2024, 3, 1)),
        ("2024/03/01", Date(2024, 3, 1)),
        ("2024-03", Date(2024, 3)),
        ("1 June 2024", Date(2024, 6, 1)),
        ("the 1st of June, 2024", Date(2024, 6, 1)),
        ("June 1st, 2024", Date(2024, 6, 1)),
        ("Jun 1", Date(None, 6, 1)),
        ("June 2024", Date(2024, 6)),
        ("Q2 2024", Date(2024, quarter=2)),
        ("2024 Q2", Date(2024, quarter=2)),
        ("2023", Date(2023)),
    ],
)
def test_dates(text: str, date: Date) -> None:
    words = Words(text)
    assert point_at(words, 0) == (len(words), date)


@pytest.mark.parametrize(
    "text", ["2024-13-45", "30 February 2024", "2024-02-30", "1850", "32 June", "01/06/2024", "2024 hours"]
)
def test_what_is_no_date(text: str) -> None:
    assert point_at(Words(text), 0) is None


@settings(max_examples=60, deadline=None)
@given(st.dates(datetime(2010, 1, 1).date(), datetime(2099, 12, 31).date()))
def test_every_day_is_read_in_every_spelling(day: object) -> None:
    spellings = [f"{day:%Y-%m-%d}", f"{day:%-d %B %Y}", f"{day:%B %-d, %Y}", f"{day:%-dth of %b %Y}"]
    assert len({point_at(Words(text), 0)[1] for text in spellings}) == 1  # type: ignore[index]


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("1-2 hours", 2),
        ("1 to 2 hours", 2),
        ("1–2h", 2),
        ("one or two days", 48),
        ("1.5-2.5 hours", 2.5),
        ("30-90 minutes", 1.5),
        ("1-2 and a half hours", 2.5),
        ("1 hour and 15-30 minutes", 1.5),
    ],
)
def test_a_range_lasts_as_long_as_its_larger_end(text: str, hours: float) -> None:
    words = Words(text)
    assert duration_at(words, 0) == (len(words), timedelta(hours=hours))


@pytest.mark.parametrize(
    "text", ["2-1 hours", "1-1 hours", "1 and 2 hours", "2023-2024 hours", "1-2 June", "-1 - 2 hours", "1-2"]
)
def test_what_is_no_range(text: str) -> None:
    assert ranges(Words(text)) == []
    assert duration_at(Words(text), 0) is None


def test_and_makes_a_range_after_between_only() -> None:
    assert ranges(Words("between 1 and 2 hours")) == [(1, 3, 5)]
    assert ranges(Words("over 1 and 2 hours")) == []
