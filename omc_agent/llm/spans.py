"""The times in a goal: how far back to look (`Span`) and how far ahead (the horizon).

A span stays in the person's terms, such as "since March", until the newest bar is known; `Span.resolve`
then gives dates. All times are UTC. A day, month, quarter or year named as an end is included. A month counted
back is 30 days, a quarter 90, a year 365.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from omc_agent.llm.lexicon import MONTHS, Words, stem

Market = dict[str, Any]
BAR = timedelta(minutes=5)
LONGEST = timedelta(days=100 * 365)
YEARS = range(2009, 2101)  # Bitcoin's first block is of 2009

SECONDS = {
    **dict.fromkeys(("s", "sec", "second"), 1),
    **dict.fromkeys(("m", "min", "minute"), 60),
    **dict.fromkeys(("h", "hr", "hrs", "hour"), 3_600),
    **dict.fromkeys(("d", "day"), 86_400),
    **dict.fromkeys(("w", "wk", "wks", "week"), 7 * 86_400),
    "fortnight": 14 * 86_400,
    **dict.fromkeys(("mo", "month"), 30 * 86_400),
    **dict.fromkeys(("quarter", "qtr"), 90 * 86_400),
    **dict.fromkeys(("y", "yr", "yrs", "year"), 365 * 86_400),
}
_ONE_TO_TWELVE = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_TENS = {"fifteen": 15, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "ninety": 90}
NUMBERS = {word: number for number, word in enumerate(_ONE_TO_TWELVE, start=1)} | _TENS
ADJECTIVES = {"hourly": 3_600, "daily": 86_400, "weekly": 7 * 86_400, "monthly": 30 * 86_400}
BAR_NOUNS = {"bar", "candle", "candlestick", "kline", "interval", "resolution", "timeframe", "granularity"}
DATA_NOUNS = {"data", "history", "price", "bar", "candle", "lookback", "window", "sample", "worth", "record", "back"}
CALENDAR = ("day", "week", "month", "quarter", "year")


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
    ends = [_utc(facts[coin].get("end")) for coin in coins or [] if coin in facts]
    known = [end for end in ends if end is not None]
    return max(known) if known else _utc(market.get("newest"))


def oldest_bar(market: Market, coins: list[str] | None = None) -> datetime | None:
    """The open time of the oldest bar (UTC) of `coins`, or None."""
    facts = {coin.upper(): fact for coin, fact in (market.get("coins") or {}).items()}
    starts = [_utc(facts[coin].get("start")) for coin in (coins or facts) if coin in facts]
    return min((start for start in starts if start is not None), default=None)


def bar_length(market: Market | None) -> timedelta:
    """The length of a bar; five minutes where it is not said."""
    minutes = (market or {}).get("bar_minutes")
    return timedelta(minutes=float(minutes)) if minutes else BAR


def _utc(text: object) -> datetime | None:
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


# --- reading -------------------------------------------------------------------------------------------------


def duration_at(words: Words, i: int, bar: timedelta = BAR) -> tuple[int, timedelta] | None:
    """The duration that free tokens spell from `i` on, and the token after it.

    Examples
    --------
    >>> duration_at(Words("4h30m ahead"), 0)
    (4, datetime.timedelta(seconds=16200))
    >>> duration_at(Words("half an hour"), 0)
    (3, datetime.timedelta(seconds=1800))
    """
    part = _part_at(words, i, bar)
    if part is None:
        return None
    stop, count, unit = part
    seconds = count * unit
    while more := _part_after(words, stop, unit, bar):
        stop, count, unit = more
        seconds += count * unit
    if not 0.5 <= seconds <= LONGEST.total_seconds():
        return None
    return stop, timedelta(seconds=round(seconds))


def _part_at(words: Words, i: int, bar: timedelta) -> tuple[int, float, float] | None:
    """Stop, count and seconds of a unit: "90 days", "an hour and a half", "half a day", "a couple of weeks"."""
    low = words.low
    if low(i) == "half" or (low(i) == "a" and low(i + 1) == "half"):
        k = i + 1 + (low(i) == "a")
        k += low(k) in ("a", "an")
        return (k + 1, 0.5, unit) if (unit := _unit(words, k, bar)) else None
    if low(i) in ("a", "an") and low(i + 1) == "couple":
        k = i + 2 + (low(i + 2) == "of")
        return (k + 1, 2.0, unit) if (unit := _unit(words, k, bar)) else None
    count = 1.0 if low(i) in ("a", "an") else count_at(words, i)
    if count is None or (low(i) in ("a", "an") and len(low(i + 1)) < 3):
        return None
    k = i + 1
    if words.text(k, k + 3).lower() == "and a half" and all(words.is_free(n) for n in (k, k + 1, k + 2)):
        count, k = count + 0.5, k + 3
    unit = _unit(words, k, bar)
    if unit is None:
        return None
    if words.text(k + 1, k + 4).lower() == "and a half":
        return k + 4, count + 0.5, unit
    return k + 1, count, unit


def _part_after(words: Words, i: int, unit: float, bar: timedelta) -> tuple[int, float, float] | None:
    # "4h30m", "1 hour and 30 minutes", "1 hour 30 minutes"; but "90d 1h" is two durations.
    joined = words.low(i) == "and"
    k = i + joined
    part = _part_at(words, k, bar) if count_at(words, k) else None
    if part is None or part[2] >= unit:
        return None
    glued = words.tokens[k].glued
    return part if glued or (joined and unit <= 86_400) or unit == 3_600 else None


def count_at(words: Words, i: int) -> float | None:
    """The count at free token `i`, in digits or in words (up to twelve, and 15, 20, 30, 40, 50, 60, 90)."""
    if not words.is_free(i):
        return None
    count = words.tokens[i].number if words.tokens[i].kind == "number" else NUMBERS.get(words.low(i))
    return count if count is not None and 0 < count < 1e9 else None


def _unit(words: Words, i: int, bar: timedelta) -> float | None:
    if not words.is_free(i):
        return None
    text = words.tokens[i].text
    if text == "M" and words.tokens[i].glued:  # exchanges write 1m for a minute and 1M for a month
        return 30 * 86_400.0
    if stem(text) in ("bar", "candle"):
        return bar.total_seconds()
    return SECONDS.get(stem(text))


def point_at(words: Words, i: int) -> tuple[int, Point] | None:
    """The date, or the day told relative to the newest bar, that starts at free token `i`; and where it stops.

    Examples
    --------
    >>> point_at(Words("June 1st, 2024"), 0)
    (5, Date(year=2024, month=6, day=1, quarter=None))
    """
    i += words.low(i) == "the" and words.is_free(i + 1)
    if words.low(i) in ("start", "beginning") and words.low(i + 1) == "of":
        i += 2
    for reader in (_iso_at, _day_month_at, _month_at, _quarter_at, _year_at, _relative_at):
        if found := reader(words, i):
            return found
    return None


def _iso_at(words: Words, i: int) -> tuple[int, Point] | None:
    if not words.is_free(i) or words.tokens[i].kind != "date":
        return None
    text = words.tokens[i].text.upper().replace("/", "-")
    try:
        if ":" in text:
            at = _utc(text)
            return (i + 1, Moment(at)) if at and at.year in YEARS else None
        parts = [int(part) for part in text.split("-")]
        date = Date(parts[0], parts[1], parts[2] if len(parts) > 2 else None)
    except (ValueError, OverflowError):
        return None
    return (i + 1, date) if date.year in YEARS and date.is_in(parts[0]) else None


def _day_month_at(words: Words, i: int) -> tuple[int, Point] | None:
    """1 June 2024, the 1st of June."""
    day = _whole(words, i, range(1, 32))
    if day is None:
        return None
    k = i + 1 + (words.low(i + 1) in ("st", "nd", "rd", "th"))
    k += words.low(k) == "of"
    month = MONTHS.get(words.low(k).rstrip("."))
    return _with_year(words, k + 1, month, day) if month else None


def _month_at(words: Words, i: int) -> tuple[int, Point] | None:
    """June 2024, June 1st, 2024, June."""
    month = MONTHS.get(words.low(i).rstrip("."))
    if month is None:
        return None
    day = _whole(words, i + 1, range(1, 32))
    if day is None or _unit(words, i + 2, BAR):
        return _with_year(words, i + 1, month, None)
    return _with_year(words, i + 2 + (words.low(i + 2) in ("st", "nd", "rd", "th")), month, day)


def _with_year(words: Words, k: int, month: int, day: int | None) -> tuple[int, Point] | None:
    skip = k + (words.low(k) in (",", "of", "."))
    year = _whole(words, skip, YEARS)
    date = Date(year, month, day)
    if not date.is_in(year or 2024):
        return None
    return (skip + 1 if year else k), date


def _quarter_at(words: Words, i: int) -> tuple[int, Point] | None:
    low = words.low(i)
    if low not in ("q1", "q2", "q3", "q4"):
        return None
    k = i + 1 + (words.low(i + 1) == "of")
    year = _whole(words, k, YEARS)
    return (k + 1 if year else i + 1), Date(year, quarter=int(low[1]))


def _year_at(words: Words, i: int) -> tuple[int, Point] | None:
    year = _whole(words, i, YEARS)
    if year is None or _unit(words, i + 1, BAR) or words.said(i + 1) == "%":
        return None
    if words.low(i + 1) in ("q1", "q2", "q3", "q4"):
        return i + 2, Date(year, quarter=int(words.low(i + 1)[1]))
    return i + 1, Date(year)


def _relative_at(words: Words, i: int) -> tuple[int, Point] | None:
    """yesterday, today, now, last month, this year, 30 days ago."""
    low = words.low(i)
    if low in ("yesterday", "today", "now"):
        return i + 1, Ago(timedelta(0)) if low == "now" else Shift("day", -1 if low == "yesterday" else 0)
    unit = words.low(i + 1)
    # "last month" is the calendar month, "the last month" the 30 days before now
    if low == "this" or (low in ("last", "previous") and words.said(i - 1) not in ("the", "its")):
        if unit not in CALENDAR:
            return None
        return i + 2, Shift(unit, 0 if low == "this" else -1)
    duration = duration_at(words, i)
    if duration and words.low(duration[0]) == "ago":
        return duration[0] + 1, Ago(duration[1])
    return None


def _whole(words: Words, i: int, allowed: range) -> int | None:
    if not words.is_free(i) or words.tokens[i].kind != "number" or not words.tokens[i].text.isdecimal():
        return None
    number = float(words.tokens[i].text)
    return int(number) if number in allowed else None


_LAST = {"last", "past", "previous", "recent", "trailing", "latest", "prior", "preceding"}
_OPEN_START = {"since": "first", "from": "first", "after": "after", "starting": "first", "beginning": "first"}
_OPEN_END = {"until": "after", "till": "after", "through": "after", "before": "first", "ending": "after"}
_WITHIN = {"in", "during", "for", "of", "on", "over", "throughout", "using", "with", "within", "at"}
_TO = {"to", "until", "till", "through", "-", "and", "thru"}

Found = tuple[int, Span]


def read_span(words: Words, *, bar: timedelta = BAR, exploring: bool = False) -> tuple[Span | None, list[str]]:
    """Take the span out of the goal.

    Parameters
    ----------
    words : Words
        The goal; the tokens of the span become used, those of a second one refused.
    bar : timedelta
        What "the last 500 bars" counts in.
    exploring : bool
        Whether the task looks back only, so that a bare "30 days" or "this week" is history, no horizon.

    Returns
    -------
    tuple of (Span or None, list of str)
        The span, and sentences about what was not taken.
    """
    found: list[tuple[int, int, Span]] = []
    i = 0
    while i < len(words):
        hit = next((hit for read in _FORMS if (hit := read(words, i, bar))), None)
        hit = hit or (_bare_at(words, i, bar) if exploring else None)
        if hit and (exploring or not _looks_ahead(words, i, hit)):
            found.append((i, *hit))
            i = hit[0]
        else:
            i += 1
    span: Span | None = None
    notes = []
    for start, stop, more in found:
        joined = more if span is None else _join(span, more)
        if joined is None:
            words.refuse(start, stop)
            notes.append(f"Only one span can be taken: '{words.text(start, stop)}' was left out.")
        else:
            span = joined
            words.take(start, stop)
    return span, notes


def _join(span: Span, more: Span) -> Span | None:
    """Halves of one span in one: "since March" and "until May", "the last 30 days" and "before June"."""
    if span.end is None and more.end is not None and more.start is None and more.back is None:
        return replace(span, words=f"{span.words} {more.words}", end=more.end)
    if span.start is None and span.back is None and more.end is None:
        return replace(more, words=f"{span.words} {more.words}", end=span.end)
    return span if span == more else None


def _looks_ahead(words: Words, i: int, hit: Found) -> bool:
    # "will BTC rise this week", "rise today": no history, a horizon.
    first, last = words.low(hit[0] - 2), words.low(hit[0] - 1)
    only_now = last == "today" or (first == "this" and last in ("day", "week", "month"))
    return only_now and words.low(i) not in (*_OPEN_START, *_OPEN_END, *_WITHIN, "between", "up")


def _range_at(words: Words, i: int, bar: timedelta) -> Found | None:
    """Read from X to Y, between X and Y, X - Y."""
    low = words.low(i)
    opener = low in ("from", "between")
    k = i + (opener or low in _WITHIN)
    first = point_at(words, k) or _day_number_at(words, k)
    if first is None:
        return None
    k, start = first
    if words.low(k) not in _TO or (words.low(k) == "and" and low != "between"):
        return None
    k += 1 + (words.low(k + 1) == "to")
    last = point_at(words, k)
    if last is None or (not opener and not (_is_dated(start) or _is_dated(last[1]))):
        return None
    stop, end = last
    if isinstance(start, int):
        if not (isinstance(end, Date) and end.day):
            return None
        start = replace(end, day=start)
    return stop, Span(words.text(i, stop), Edge(start, "first"), Edge(end, "after"))


def _day_number_at(words: Words, i: int) -> tuple[int, int] | None:
    day = _whole(words, i, range(1, 32))
    if day is None:
        return None
    return i + 1 + (words.low(i + 1) in ("st", "nd", "rd", "th")), day


def _is_dated(point: Point | int) -> bool:
    return isinstance(point, Moment) or (isinstance(point, Date) and point.year is not None)


def _open_at(words: Words, i: int, bar: timedelta) -> Found | None:
    """Read since X, from X on, after X, until X, before X, up to X."""
    low = words.low(i)
    k = i + 1
    if low == "up" and words.low(k) in ("to", "until", "till"):
        low, k = "until", k + 1
    k += low in ("starting", "beginning", "ending") and words.low(k) in ("in", "on", "from", "at")
    side = _OPEN_START.get(low) or _OPEN_END.get(low)
    found = point_at(words, k) if side else None
    if found is None or side is None:
        return None
    stop, point = found
    edge = Edge(point, "after" if side == "after" else "first")
    if low in _OPEN_END:
        return stop, Span(words.text(i, stop), end=edge)
    stop += words.low(stop) in ("on", "onwards", "onward")
    return stop, Span(words.text(i, stop), start=edge)


def _back_at(words: Words, i: int, bar: timedelta) -> Found | None:
    """Read the last 90 days, past month, 90 days of data, using 90 days, a lookback of 30 days."""
    k = i + (words.low(i) == "the")
    k += words.low(k) == "most" and words.low(k + 1) == "recent"
    if words.low(k) in _LAST:
        found = duration_at(words, k + 1, bar)
        unit = _unit(words, k + 1, bar)
        if found is None and unit and (k > i or words.low(k) not in ("last", "previous")):
            found = k + 2, timedelta(seconds=unit)
    elif words.low(k) in ("lookback", "history", "window") and words.low(k + 1) == "of":
        found = duration_at(words, k + 2, bar)
    else:
        found = _data_at(words, i, bar)
    if found is None:
        return None
    stop = found[0]
    i += words.low(i) in ("on", "using", "use")
    if words.low(stop) == "of" and stem(words.low(stop + 1)) in DATA_NOUNS:
        stop += 2
    return stop, Span(words.text(i, found[0]), back=found[1])


def _data_at(words: Words, i: int, bar: timedelta) -> tuple[int, timedelta] | None:
    """90 days of data, 90-day history, using 90 days, trained on 30 days."""
    using = words.low(i) in ("using", "use") or (words.low(i) == "on" and words.said(i - 1).startswith("train"))
    found = duration_at(words, i + using, bar)
    if found is None:
        return None
    stop, back = found
    noun = stop + (words.low(stop) == "of")
    if stem(words.low(noun)) in DATA_NOUNS and words.low(noun) != "":
        return noun + 1, back
    # "using 4h candles" is the size of a bar, "using a 4h horizon" a horizon
    return found if using and words.low(stop) in ("", "of", ",", ".", "and", "to", "for") else None


def _within_at(words: Words, i: int, bar: timedelta) -> Found | None:
    """Read in 2023, during July 2024, last month, yesterday, a bare July 2024."""
    k = i + (words.low(i) in _WITHIN)
    found = point_at(words, k)
    if found is None:
        return None
    stop, point = found
    if isinstance(point, Ago | Moment):
        return None
    bare_month = isinstance(point, Date) and point.year is None
    if bare_month and k == i and not words.tokens[k].text[0].isupper():
        return None
    if bare_month and words.tokens[k].text.lower() in ("may", "march") and k == i:
        return None
    if words.low(stop) in ("onward", "onwards"):
        return stop + 1, Span(words.text(k, stop + 1), Edge(point, "first"))
    return stop, Span(words.text(k, stop), Edge(point, "first"), Edge(point, "after"))


def _bare_at(words: Words, i: int, bar: timedelta) -> Found | None:
    k = i + (words.low(i) in ("over", "for", "across"))
    found = duration_at(words, k, bar)
    if found is None or words.low(found[0]) in ("ahead", "volatility", "return", "returns", "horizon"):
        return None
    return found[0], Span(words.text(k, found[0]), back=found[1])


_FORMS = (_range_at, _open_at, _back_at, _within_at)


_AHEAD = {"next", "coming", "following", "upcoming"}
_LEADS = {"in", "within", "over", "after", "for", "by", "inside", "of"}
_TRAILS = {"ahead", "later", "out", "forward", "horizon", "away", "hence", "advance"}


def read_bar_size(words: Words, bar: timedelta = BAR) -> tuple[str, timedelta] | None:
    """Take the size of a bar that the goal names, such as "5-minute candles" or "hourly data"; refuse any but `bar`.

    Returns
    -------
    tuple of (str, timedelta) or None
        The size as it was typed, and its length.
    """
    for i in range(len(words)):
        found = duration_at(words, i)
        if words.low(i) in ADJECTIVES:
            found = i + 1, timedelta(seconds=ADJECTIVES[words.low(i)])
        if found is None:
            continue
        stop, size = found
        noun = stem(words.low(stop))
        is_single = words.said(stop - 1) == stem(words.said(stop - 1))
        if noun in BAR_NOUNS or (noun in ("data", "ohlc", "ohlcv") and is_single and size <= timedelta(days=1)):
            (words.take if size == bar else words.refuse)(i, stop)
            words.take(stop)
            return words.text(i, stop + 1), size
    return None


def read_horizon(words: Words, *, bar: timedelta = BAR) -> tuple[list[timedelta], Span | None]:
    """Take the horizons out of the goal, after the span was.

    Returns
    -------
    tuple of (list of timedelta, Span or None)
        The different horizons named, the one to take first; and a bare longer duration next to a horizon
        ("1h, 90 days"), which can only be history.
    """
    cued: list[timedelta] = []
    bare: list[tuple[int, int, timedelta]] = []
    i = 0
    while i < len(words):
        if found := _ahead_at(words, i, bar):
            words.take(i, found[0])
            cued.append(found[1])
            i = found[0]
        elif plain := duration_at(words, i, bar):
            bare.append((i, *plain))
            i = plain[0]
        else:
            i += 1
    rest = sorted(bare, key=lambda hit: hit[2])
    if not cued and rest:
        start, stop, shortest = rest.pop(0)
        words.take(start, stop)
        cued.append(shortest)
    span = _history(words, rest, cued)
    return list(dict.fromkeys(cued)), span


def _history(words: Words, rest: list[tuple[int, int, timedelta]], cued: list[timedelta]) -> Span | None:
    span: Span | None = None
    for start, stop, length in rest:
        if length in cued:
            words.take(start, stop)
        elif span is None and length >= timedelta(days=1) and length > max(cued):
            span = Span(words.text(start, stop), back=length)
            words.take(start, stop)
        else:
            words.take(start, stop)
            cued.append(length)
    return span


def _ahead_at(words: Words, i: int, bar: timedelta) -> tuple[int, timedelta] | None:
    """Read next hour, in 4h, within a day, an hour ahead, horizon of 15 minutes, tomorrow, hourly."""
    low = words.low(i)
    k = i + (low in _LEADS)
    k += words.low(k) == "the"
    if low in ("tomorrow", "today") or words.low(k) == "tomorrow":
        return k + 1, timedelta(days=1)
    if low in ADJECTIVES:
        return i + 1, timedelta(seconds=ADJECTIVES[low])
    if (
        words.low(k) in _AHEAD
        or (words.low(k) == "this" and words.low(k + 1) in ("day", "week", "month"))
        or (k - i == 2 and low != "of")
    ):
        k += words.low(k) in (*_AHEAD, "this")
        unit = _unit(words, k, bar)
        if unit and words.low(k) not in ("bar", "candle"):
            half = words.text(k + 1, k + 4).lower() == "and a half"
            return _with_trail(words, k + 1 + 3 * half), timedelta(seconds=round(unit * (1.5 if half else 1)))
    elif low == "horizon":
        k = i + 1 + (words.low(i + 1) in ("of", ":", "=", "is"))
    elif k > i or (found := duration_at(words, k, bar)) is None or _with_trail(words, found[0]) == found[0]:
        k = k if low in _LEADS - {"of"} else len(words)
    found = duration_at(words, k, bar)
    return (_with_trail(words, found[0]), found[1]) if found else None


def _with_trail(words: Words, k: int) -> int:
    """Past "ahead", "later", "from now", "into the future", "time"."""
    two = f"{words.low(k)} {words.low(k + 1)}"
    if two in ("from now", "in advance", "time horizon", "look ahead"):
        return k + 2
    if two == "into the" and words.low(k + 2) == "future":
        return k + 3
    return k + 1 if words.low(k) in _TRAILS | {"time"} else k
