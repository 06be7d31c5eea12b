"""The words of time: durations such as "4h30m" and points such as "June 1st, 2024" or "last month".

A month is 30 days, a quarter 90, a year 365.
"""

from __future__ import annotations

from datetime import timedelta

from omc_agent.llm.spans import BAR, Ago, Date, Moment, Point, Shift, as_utc
from omc_agent.llm.words import MONTHS, Words, stem

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
CALENDAR = ("day", "week", "month", "quarter", "year")


def duration_at(words: Words, i: int, bar: timedelta = BAR) -> tuple[int, timedelta] | None:
    """The duration that free tokens spell from `i` on, and the token after it.

    Examples
    --------
    >>> duration_at(Words("4h30m ahead"), 0)
    (4, datetime.timedelta(seconds=16200))
    >>> duration_at(Words("half an hour"), 0)
    (3, datetime.timedelta(seconds=1800))

    Of a range, the larger: "1-2 hours" are two hours.

    >>> duration_at(Words("1-2 hours"), 0)
    (4, datetime.timedelta(seconds=7200))
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
        return (k + 1, 0.5, unit) if (unit := unit_at(words, k, bar)) else None
    if low(i) in ("a", "an") and low(i + 1) == "couple":
        k = i + 2 + (low(i + 2) == "of")
        return (k + 1, 2.0, unit) if (unit := unit_at(words, k, bar)) else None
    i = _larger_at(words, i) or i
    count = 1.0 if low(i) in ("a", "an") else count_at(words, i)
    if count is None or (low(i) in ("a", "an") and len(low(i + 1)) < 3):
        return None
    k = i + 1
    if words.text(k, k + 3).lower() == "and a half" and all(words.is_free(n) for n in (k, k + 1, k + 2)):
        count, k = count + 0.5, k + 3
    unit = unit_at(words, k, bar)
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


def ranges(words: Words, bar: timedelta = BAR) -> list[tuple[int, int, int]]:
    """The ranges of durations among the free tokens: the first token, that of the larger count, and the one after.

    Examples
    --------
    >>> ranges(Words("in 1-2 hours, within one to three days"))
    [(1, 3, 5), (7, 9, 11)]
    """
    found = []
    for i in range(len(words)):
        larger = _larger_at(words, i)
        part = _part_at(words, larger, bar) if larger else None
        if larger and part:
            found.append((i, larger, part[0]))
    return found


def _larger_at(words: Words, i: int) -> int | None:
    """The token of the larger count of "1-2", "one to three", "2 or 3", "between 1 and 2"; they ascend, no years."""
    between = words.said(i - 1) == "between"
    if words.low(i + 1) not in ("-", "to", "or") and not (between and words.low(i + 1) == "and"):
        return None
    low, high = count_at(words, i), count_at(words, i + 2)
    return i + 2 if low and high and low < high and low not in YEARS else None


def count_at(words: Words, i: int) -> float | None:
    """The count at free token `i`, in digits or in words (up to twelve, and 15, 20, 30, 40, 50, 60, 90)."""
    if not words.is_free(i):
        return None
    count = words.tokens[i].number if words.tokens[i].kind == "number" else NUMBERS.get(words.low(i))
    return count if count is not None and 0 < count < 1e9 else None


def unit_at(words: Words, i: int, bar: timedelta) -> float | None:
    """The seconds of the unit of time at free token `i`; `bar` is what a bar counts as."""
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
            at = as_utc(text)
            return (i + 1, Moment(at)) if at and at.year in YEARS else None
        parts = [int(part) for part in text.split("-")]
        date = Date(parts[0], parts[1], parts[2] if len(parts) > 2 else None)
    except (ValueError, OverflowError):
        return None
    return (i + 1, date) if date.year in YEARS and date.is_in(parts[0]) else None


def _day_month_at(words: Words, i: int) -> tuple[int, Point] | None:
    """1 June 2024, the 1st of June."""
    day = whole_at(words, i, range(1, 32))
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
    day = whole_at(words, i + 1, range(1, 32))
    if day is None or unit_at(words, i + 2, BAR):
        return _with_year(words, i + 1, month, None)
    return _with_year(words, i + 2 + (words.low(i + 2) in ("st", "nd", "rd", "th")), month, day)


def _with_year(words: Words, k: int, month: int, day: int | None) -> tuple[int, Point] | None:
    skip = k + (words.low(k) in (",", "of", "."))
    year = whole_at(words, skip, YEARS)
    date = Date(year, month, day)
    if not date.is_in(year or 2024):
        return None
    return (skip + 1 if year else k), date


def _quarter_at(words: Words, i: int) -> tuple[int, Point] | None:
    low = words.low(i)
    if low not in ("q1", "q2", "q3", "q4"):
        return None
    k = i + 1 + (words.low(i + 1) == "of")
    year = whole_at(words, k, YEARS)
    return (k + 1 if year else i + 1), Date(year, quarter=int(low[1]))


def _year_at(words: Words, i: int) -> tuple[int, Point] | None:
    year = whole_at(words, i, YEARS)
    if year is None or unit_at(words, i + 1, BAR) or words.said(i + 1) == "%":
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


def whole_at(words: Words, i: int, allowed: range) -> int | None:
    """The whole number at free token `i` where it is within `allowed`."""
    if not words.is_free(i) or words.tokens[i].kind != "number" or not words.tokens[i].text.isdecimal():
        return None
    number = float(words.tokens[i].text)
    return int(number) if number in allowed else None
