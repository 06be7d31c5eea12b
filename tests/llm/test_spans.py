"""A stretch of history in the person's terms, and its dates."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from omc_agent.llm.spans import DEFAULT_SPAN, Ago, Date, Edge, Shift, Span, bar_length, newest_bar, oldest_bar

MARKET = {
    "newest": "2024-09-06T04:40:00+00:00",
    "bar_minutes": 5,
    "coins": {
        "BTC": {"rows": 9, "start": "2021-01-01T00:00:00+00:00", "end": "2024-09-06T04:40:00+00:00"},
        "SOL": {"rows": 5, "start": "2023-01-01T00:00:00+00:00", "end": "2024-09-06T04:40:00+00:00"},
    },
}


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


def test_a_point_without_a_year_is_the_latest_not_after_the_newest_bar() -> None:
    newest = datetime(2023, 2, 10, 12, tzinfo=UTC)
    assert Date(month=2, day=29).bounds(newest, newest)[0] == datetime(2020, 2, 29, tzinfo=UTC)
    assert Date(month=3).bounds(newest, newest)[0] == datetime(2022, 3, 1, tzinfo=UTC)
    assert Date(quarter=1).bounds(newest, newest)[0] == datetime(2023, 1, 1, tzinfo=UTC)


def test_points_told_from_the_newest_bar() -> None:
    newest, limit = datetime(2024, 1, 3, 12, tzinfo=UTC), datetime(2024, 1, 3, 12, 5, tzinfo=UTC)
    assert Shift("month", -1).bounds(newest, limit) == (
        datetime(2023, 12, 1, tzinfo=UTC),
        datetime(2024, 1, 1, tzinfo=UTC),
    )
    assert Shift("week", 0).bounds(newest, limit)[0] == datetime(2024, 1, 1, tzinfo=UTC)
    assert Ago(timedelta(hours=1)).bounds(newest, limit)[0] == datetime(2024, 1, 3, 11, 5, tzinfo=UTC)


def test_the_newest_bar_is_that_of_the_coins_asked_for() -> None:
    coins = {"BTC": {"end": "2024-09-06T04:40:00Z"}, "OLD": {"end": "2022-01-01T00:00:00Z"}}
    market = {"newest": "2024-09-06T04:40:00Z", "coins": coins}
    assert newest_bar(market, ["OLD"]) == datetime(2022, 1, 1, tzinfo=UTC)
    assert newest_bar(market, ["OLD", "BTC"]) == newest_bar(market, ["NEW"]) == newest_bar(market)
