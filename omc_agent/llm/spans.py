"""How far back to look: `Span`, a stretch of history in the person's terms.

A span stays in terms such as "since March" until the newest bar is known; `Span.resolve` then gives dates. All times
are UTC. A day, month, quarter or year named as an end is included.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

Market = dict[str, Any]
BAR = timedelta(minutes=5)


@dataclass(frozen=True)
class Date:
    """A day, month, quarter or year; without a `year` the latest one not after the newest bar."""

    year: int | None = None
    month: int | None = None
    day: int | None = None
    quarter: int | None = None

    def bounds(self, newest: datetime, limit: datetime) -> tuple[datetime, datetime]:
        """First moment, and the first moment after."""
        if self.year is not None:
            return self._in_year(self.year)
        for year in range(newest.year, newest.year - 9, -1):  # nine years always hold a 29 February
            if self.is_in(year) and self._in_year(year)[0] <= newest:
                return self._in_year(year)
        return self._in_year(newest.year - 1)

    def is_in(self, year: int) -> bool:
        """Whether `year` has such a day."""
        try:
            self._in_year(year)
        except ValueError:
            return False
        return True

    def _in_year(self, year: int) -> tuple[datetime, datetime]:
        month = 3 * self.quarter - 2 if self.quarter else self.month or 1
        start = datetime(year, month, self.day or 1, tzinfo=UTC)
        if self.day:
            return start, start + timedelta(days=1)
        return start, _add_months(start, 3 if self.quarter else 1 if self.month else 12)


@dataclass(frozen=True)
class Moment:
    """A date with a time of day."""

    at: datetime

    def bounds(self, newest: datetime, limit: datetime) -> tuple[datetime, datetime]:
        """The moment, twice."""
        return self.at, self.at


@dataclass(frozen=True)
class Shift:
    """A calendar unit, `count` units from the one that holds the newest bar: yesterday is day, -1."""

    unit: str
    count: int

    def bounds(self, newest: datetime, limit: datetime) -> tuple[datetime, datetime]:
        """First moment, and the first moment after."""
        today = newest.replace(hour=0, minute=0, second=0, microsecond=0)
        if self.unit in ("day", "week"):
            step = timedelta(days=7 if self.unit == "week" else 1)
            start = today - timedelta(days=today.weekday() if self.unit == "week" else 0) + self.count * step
            return start, start + step
        months = {"month": 1, "quarter": 3, "year": 12}[self.unit]
        first = today.replace(day=1, month=(today.month - 1) // months * months + 1)
        start = _add_months(first, self.count * months)
        return start, _add_months(start, months)


@dataclass(frozen=True)
class Ago:
    """A stretch of time before the end of the newest bar: "30 days ago"; nothing is now."""

    back: timedelta

    def bounds(self, newest: datetime, limit: datetime) -> tuple[datetime, datetime]:
        """The moment, twice."""
        return limit - self.back, limit - self.back


Point = Date | Moment | Shift | Ago


@dataclass(frozen=True)
class Edge:
    """One end of a span: the first moment of a point, or the first moment after it."""

    point: Point
    side: Literal["first", "after"]

    def at(self, newest: datetime, limit: datetime) -> datetime:
        """The moment, given the newest bar and its end."""
        return self.point.bounds(newest, limit)[self.side == "after"]


@dataclass(frozen=True)
class Span:
    """A stretch of history in the person's terms.

    Parameters
    ----------
    words : str
        The span as it was typed.
    start, end : Edge or None
        The ends; without an end it runs to the newest bar, without a start from the oldest.
    back : timedelta or None
        How far to count back from the end, instead of a start.

    Examples
    --------
    >>> market = {"newest": "2024-09-06T04:40:00Z", "bar_minutes": 5}
    >>> Span("the last 90 days", back=timedelta(days=90)).resolve(market)
    ('2024-06-08T04:45:00+00:00', '2024-09-06T04:45:00+00:00')
    """

    words: str = field(compare=False)
    start: Edge | None = None
    end: Edge | None = None
    back: timedelta | None = None

    def bounds(self, newest: datetime, limit: datetime) -> tuple[datetime | None, datetime]:
        """Start (None: from the oldest bar) and exclusive end."""
        start, end = self._with_years(newest, limit)
        stop = end.at(newest, limit) if end else limit
        if self.back is not None:
            return stop - self.back, stop
        return start.at(newest, limit) if start else None, stop

    def _with_years(self, newest: datetime, limit: datetime) -> tuple[Edge | None, Edge | None]:
        # "from Jan to March 2024": the year of one end is the year of the other, or its neighbour.
        start, end = self.start, self.end
        if start is None or end is None:
            return start, end
        if _lacks_year(start) and not _lacks_year(end):
            last = end.at(newest, limit) - timedelta(seconds=1)
            start = Edge(_dated(start.point, last, limit), start.side)
        elif _lacks_year(end):
            first = start.at(newest, limit)
            assert isinstance(end.point, Date)
            years = [year for year in range(first.year, first.year + 9) if end.point.is_in(year)]
            for year in years:
                if replace(end.point, year=year).bounds(newest, limit)[0] >= first:
                    end = Edge(replace(end.point, year=year), end.side)
                    break
        return start, end

    def ends(self, newest: datetime | None, limit: datetime | None) -> tuple[datetime | None, datetime]:
        """As `bounds`; without a newest bar only for an absolute span."""
        ages = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
        return self.bounds(newest or ages[0], limit or ages[1])

    @property
    def is_absolute(self) -> bool:
        """Whether both ends are dates that need no newest bar."""
        points = [edge.point for edge in (self.start, self.end) if edge is not None]
        known = [isinstance(p, Moment) or (isinstance(p, Date) and p.year is not None) for p in points]
        return all(known) and self.end is not None and (self.back is not None or self.start is not None)

    @property
    def days(self) -> float | None:
        """Length in days, where it needs no newest bar, else None."""
        if self.back is not None:
            return self.back / timedelta(days=1)
        if not self.is_absolute:
            return None
        start, end = self.ends(None, None)
        assert start is not None
        return (end - start) / timedelta(days=1)

    def turned(self) -> Span:
        """The same two points in the other order."""
        start = Edge(self.end.point, "first") if self.end else None
        return replace(self, start=start, end=Edge(self.start.point, "after") if self.start else None)

    def resolve(self, market: Market, coins: list[str] | None = None) -> tuple[str | None, str | None]:
        """Dates for the span.

        Parameters
        ----------
        market : dict
            With `newest` (ISO 8601, the open time of the newest bar; taken as UTC where it names no zone),
            `bar_minutes` (default 5) and `coins` (each with `start`).
        coins : list of str, optional
            The coins whose oldest bar an open start means; by default all.

        Returns
        -------
        tuple of str or None
            Start (inclusive) and end (exclusive), ISO 8601 in UTC; both None where the market has no time.
        """
        newest = newest_bar(market, coins)
        if newest is None:
            return None, None
        start, end = self.bounds(newest, newest + bar_length(market))
        if start is not None and self.end is None and start >= end:
            # It begins after the newest bar: keep what was asked, retrieval says what there is.
            end = start + bar_length(market)
        start = start or oldest_bar(market, coins)
        return (start.isoformat() if start else None), end.isoformat()


DEFAULT_SPAN = Span("the last 90 days", back=timedelta(days=90))


def newest_bar(market: Market | None, coins: list[str] | None = None) -> datetime | None:
    """The open time of the newest bar (UTC), of `coins` where some are named and known, or None."""
    if not market:
        return None
    facts = {coin.upper(): fact for coin, fact in (market.get("coins") or {}).items()}
    ends = [as_utc(facts[coin].get("end")) for coin in coins or [] if coin in facts]
    known = [end for end in ends if end is not None]
    return max(known) if known else as_utc(market.get("newest"))


def oldest_bar(market: Market, coins: list[str] | None = None) -> datetime | None:
    """The open time of the oldest bar (UTC) of `coins`, or None."""
    facts = {coin.upper(): fact for coin, fact in (market.get("coins") or {}).items()}
    starts = [as_utc(facts[coin].get("start")) for coin in (coins or facts) if coin in facts]
    return min((start for start in starts if start is not None), default=None)


def bar_length(market: Market | None) -> timedelta:
    """The length of a bar; five minutes where it is not said."""
    minutes = (market or {}).get("bar_minutes")
    return timedelta(minutes=float(minutes)) if minutes else BAR


def as_utc(text: object) -> datetime | None:
    """ISO 8601 or a datetime in UTC, which it is taken for where it names no zone; None of nothing."""
    if not text:
        return None
    at = text if isinstance(text, datetime) else datetime.fromisoformat(str(text).upper())
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _add_months(start: datetime, months: int) -> datetime:
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    return start.replace(year=year, month=month + 1)


def _lacks_year(edge: Edge) -> bool:
    return isinstance(edge.point, Date) and edge.point.year is None


def _dated(point: Point, newest: datetime, limit: datetime) -> Point:
    assert isinstance(point, Date)
    return replace(point, year=point.bounds(newest, limit)[0].year)
