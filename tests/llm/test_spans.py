"""How far a goal looks back and ahead."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omc_agent.llm.lexicon import Words
from omc_agent.llm.spans import (
    DEFAULT_SPAN,
    Date,
    Edge,
    Span,
    bar_length,
    duration_at,
    newest_bar,
    oldest_bar,
    point_at,
    read_bar_size,
    read_horizon,
    read_span,
)

MARKET = {
    "newest": "2024-09-06T04:40:00+00:00",
    "bar_minutes": 5,
    "coins": {
        "BTC": {"rows": 9, "start": "2021-01-01T00:00:00+00:00", "end": "2024-09-06T04:40:00+00:00"},
        "SOL": {"rows": 5, "start": "2023-01-01T00:00:00+00:00", "end": "2024-09-06T04:40:00+00:00"},
    },
}
NOW = "2024-09-06T04:45"


def resolved(text: str, *, exploring: bool = False) -> tuple[str | None, str | None] | None:
    span, _ = read_span(Words(text), exploring=exploring)
    if span is None:
        return None
    start, end = span.resolve(MARKET)
    return start and start[:16], end and end[:16]


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


def test_an_open_start_is_the_oldest_bar_of_the_coins() -> None:
    span = Span("before June", end=Edge(Date(2024, 6), "first"))
    assert span.resolve(MARKET, ["SOL"]) == ("2023-01-01T00:00:00+00:00", "2024-06-01T00:00:00+00:00")


def test_without_a_newest_bar_nothing_resolves_but_the_length_is_kept() -> None:
    assert DEFAULT_SPAN.resolve({"newest": None}) == (None, None)
    assert DEFAULT_SPAN.days == 90
    assert Span("", Edge(Date(2024, 1), "first"), Edge(Date(2024, 1), "after")).days == 31
    assert Span("", Edge(Date(None, 1), "first")).days is None


def test_a_span_turned_round_keeps_both_days() -> None:
    span = Span("", Edge(Date(2024, 6, 1), "first"), Edge(Date(2024, 3, 1), "after")).turned()
    assert span.resolve(MARKET) == ("2024-03-01T00:00:00+00:00", "2024-06-02T00:00:00+00:00")


def test_market_times_are_utc_whatever_their_zone() -> None:
    assert newest_bar({"newest": "2024-09-06T06:40:00+02:00"}) == datetime(2024, 9, 6, 4, 40, tzinfo=UTC)
    assert newest_bar({"newest": "2024-09-06T04:40:00"}) == datetime(2024, 9, 6, 4, 40, tzinfo=UTC)
    assert newest_bar(None) is None
    assert oldest_bar({}) is None
    assert bar_length({"bar_minutes": 60}) == timedelta(hours=1)
    assert bar_length({"bar_minutes": None}) == timedelta(minutes=5)


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


@settings(max_examples=60, deadline=None)
@given(st.dates(datetime(2010, 1, 1).date(), datetime(2099, 12, 31).date()))
def test_every_day_is_read_in_every_spelling(day: object) -> None:
    spellings = [f"{day:%Y-%m-%d}", f"{day:%-d %B %Y}", f"{day:%B %-d, %Y}", f"{day:%-dth of %b %Y}"]
    assert len({point_at(Words(text), 0)[1] for text in spellings}) == 1  # type: ignore[index]
