"""How far a goal looks back."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omc_agent.llm.span_reader import read_span
from omc_agent.llm.words import Words
from tests.llm.test_spans import MARKET

NOW = "2024-09-06T04:45"


def resolved(text: str, *, exploring: bool = False) -> tuple[str | None, str | None] | None:
    span, _ = read_span(Words(text), exploring=exploring)
    if span is None:
        return None
    start, end = span.resolve(MARKET)
    return start and start[:16], end and end[:16]


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("the last 90 days", "2024-06-08T04:45", NOW),
        ("last 12 hours", "2024-09-05T16:45", NOW),
        ("past 45 minutes", "2024-09-06T04:00", NOW),
        ("the most recent two weeks", "2024-08-23T04:45", NOW),
        ("over the past year", "2023-09-07T04:45", NOW),
        ("the last month", "2024-08-07T04:45", NOW),
        ("last month", "2024-08-01T00:00", "2024-09-01T00:00"),
        ("last week", "2024-08-26T00:00", "2024-09-02T00:00"),
        ("last quarter", "2024-04-01T00:00", "2024-07-01T00:00"),
        ("last year", "2023-01-01T00:00", "2024-01-01T00:00"),
        ("using this year", "2024-01-01T00:00", "2025-01-01T00:00"),
        ("yesterday", "2024-09-05T00:00", "2024-09-06T00:00"),
        ("since yesterday", "2024-09-05T00:00", NOW),
        ("since March", "2024-03-01T00:00", NOW),
        ("since November", "2023-11-01T00:00", NOW),
        ("since 2024-03-01", "2024-03-01T00:00", NOW),
        ("since the beginning of 2024", "2024-01-01T00:00", NOW),
        ("since 30 days ago", "2024-08-07T04:45", NOW),
        ("from 2024-03-01 on", "2024-03-01T00:00", NOW),
        ("starting in June 2024", "2024-06-01T00:00", NOW),
        ("after 1 June 2024", "2024-06-02T00:00", NOW),
        ("until June 2024", "2021-01-01T00:00", "2024-07-01T00:00"),
        ("up to 2024-06-01", "2021-01-01T00:00", "2024-06-02T00:00"),
        ("before 2024-06-01", "2021-01-01T00:00", "2024-06-01T00:00"),
        ("from Jan to March 2024", "2024-01-01T00:00", "2024-04-01T00:00"),
        ("Jan-Mar 2024", "2024-01-01T00:00", "2024-04-01T00:00"),
        ("from Nov to Feb 2024", "2023-11-01T00:00", "2024-03-01T00:00"),
        ("from Nov 2023 to Feb", "2023-11-01T00:00", "2024-03-01T00:00"),
        ("between 1 June and 15 July 2024", "2024-06-01T00:00", "2024-07-16T00:00"),
        ("between 1 June and 15 July", "2024-06-01T00:00", "2024-07-16T00:00"),
        ("from 1 to 15 June 2024", "2024-06-01T00:00", "2024-06-16T00:00"),
        ("1-15 June 2024", "2024-06-01T00:00", "2024-06-16T00:00"),
        ("2024-01-01 to 2024-01-31", "2024-01-01T00:00", "2024-02-01T00:00"),
        ("for 2022-2023", "2022-01-01T00:00", "2024-01-01T00:00"),
        ("between 2024-01-01 12:00 and 2024-02-01T06:30+02:00", "2024-01-01T12:00", "2024-02-01T04:30"),
        ("in July 2024", "2024-07-01T00:00", "2024-08-01T00:00"),
        ("in December", "2023-12-01T00:00", "2024-01-01T00:00"),
        ("in 2023", "2023-01-01T00:00", "2024-01-01T00:00"),
        ("during Q2 2024", "2024-04-01T00:00", "2024-07-01T00:00"),
        ("on 29 February", "2024-02-29T00:00", "2024-03-01T00:00"),
        ("60 days of data", "2024-07-08T04:45", NOW),
        ("90-day history", "2024-06-08T04:45", NOW),
        ("trained on 30 days", "2024-08-07T04:45", NOW),
        ("a lookback of 30 days", "2024-08-07T04:45", NOW),
        ("the last 30-60 days", "2024-07-08T04:45", NOW),
        ("since 1-2 weeks ago", "2024-08-23T04:45", NOW),
        ("the last 12 bars", "2024-09-06T03:45", NOW),
        ("the last 30 days before 2024-06-01", "2024-05-02T00:00", "2024-06-01T00:00"),
        ("since 2024-01-01 until 2024-01-31", "2024-01-01T00:00", "2024-02-01T00:00"),
    ],
)
def test_spans_resolve_against_the_newest_bar(text: str, start: str, end: str) -> None:
    assert resolved(text) == (start, end)


@pytest.mark.parametrize(
    "text",
    [
        "in 4h",
        "over the next 30 days",
        "4 hours ahead",
        "tomorrow",
        "rises this week",
        "may rise",
        "march on",
        "next month",
        "two hours from now",
        "from now on",
    ],
)
def test_what_looks_ahead_is_no_span(text: str) -> None:
    assert resolved(text) is None


def test_a_bare_duration_is_history_only_when_exploring() -> None:
    assert resolved("30 days") is None
    assert resolved("30 days", exploring=True) == ("2024-08-07T04:45", NOW)


def test_a_second_span_is_refused_and_said() -> None:
    words = Words("in 2022 using the last 30 days")
    span, notes = read_span(words)
    assert span is not None
    assert span.words == "2022"
    assert notes == ["Only one span can be taken: 'the last 30 days' was left out."]
    assert words.left() == ["the", "last", "30", "days"]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 3000), st.sampled_from(["minutes", "hours", "days", "weeks"]))
def test_counting_back_gives_exactly_that_length(count: int, unit: str) -> None:
    span, _ = read_span(Words(f"using the last {count} {unit}"))
    assert span is not None
    start, end = span.resolve(MARKET)
    assert start is not None
    assert end is not None
    assert datetime.fromisoformat(end) - datetime.fromisoformat(start) == timedelta(**{unit: count})
    assert span.days == timedelta(**{unit: count}) / timedelta(days=1)
