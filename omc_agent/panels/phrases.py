"""How a panel says a number: durations, counts, money, sizes, spans of time, scores.

All figures are said the same way in a card, in a terminal and in a list of runs. What is missing or NaN
is said as ``n/a``; nothing here raises on odd input, since an event may hold anything.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from omc_agent.naming import metric_name as metric
from omc_agent.naming import model_name, plain_name

__all__ = ["metric", "model_name", "plain_name"]

NOT_KNOWN = "n/a"
_ORDINALS = {1: "st", 2: "nd", 3: "rd"}


def number(value: Any) -> float | None:
    """`value` as a finite float, or None where it is missing, NaN, infinite or no number."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if math.isfinite(found) else None


def duration(seconds: Any, *, whole: bool = False) -> str:
    """Seconds in the words of a person; `whole` leaves out tenths, as a running clock does.

    Examples
    --------
    >>> duration(0.42), duration(23.61), duration(72), duration(3_900), duration(14.2, whole=True)
    ('0.4 s', '23.6 s', '1 min 12 s', '1 h 5 min', '14 s')
    """
    found = number(seconds)
    if found is None:
        return NOT_KNOWN
    found = max(found, 0.0)
    if found == 0:
        return "0 s"
    if round(found, 1) < 60:
        # A clock counts what has passed: 59.9 s are not yet a minute.
        return f"{int(found)} s" if whole else f"{found:.1f} s"
    total = int(found) if whole else round(found)
    for size, big, part, small in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s")):
        if total >= size:
            rest = total % size // part
            return f"{total // size:,} {big}" + (f" {rest} {small}" if rest else "")
    return f"{total} s"


def thousands(value: Any) -> str:
    """A whole number with separators.

    Examples
    --------
    >>> thousands(25920)
    '25,920'
    """
    found = number(value)
    return NOT_KNOWN if found is None else f"{found:,.0f}"


def count(value: Any, noun: str, plural: str = "") -> str:
    """A count with its noun, singular or plural.

    Examples
    --------
    >>> count(1, "cell"), count(3, "cell"), count(2, "repository", "repositories")
    ('1 cell', '3 cells', '2 repositories')
    """
    one = number(value) == 1
    return f"{thousands(value)} {noun if one else plural or noun + 's'}"


def ordinal(value: int) -> str:
    """A place in a row.

    Examples
    --------
    >>> ordinal(2), ordinal(11), ordinal(23)
    ('2nd', '11th', '23rd')
    """
    ending = "th" if value % 100 in (11, 12, 13) else _ORDINALS.get(value % 10, "th")
    return f"{value}{ending}"


def times(value: Any) -> str:
    """How often: once, twice, 3 times."""
    found = number(value)
    return {None: NOT_KNOWN, 1.0: "once", 2.0: "twice"}.get(found) or f"{thousands(found)} times"


def usd(value: Any) -> str:
    """US dollars; under one cent, as many digits as show it.

    Examples
    --------
    >>> usd(0), usd(1234.5), usd(0.0042)
    ('$0.00', '$1,234.50', '$0.004')
    """
    found = number(value)
    if found is None:
        return NOT_KNOWN
    return f"${found:.1g}" if 0.0001 <= found < 0.005 else f"${found:,.2f}"


def size(value: Any) -> str:
    """Bytes in decimal units.

    Examples
    --------
    >>> size(812), size(18_400), size(2_500_000)
    ('812 bytes', '18 kB', '2.5 MB')
    """
    found = number(value)
    if found is None:
        return NOT_KNOWN
    for unit, step, digits in (("GB", 1e9, 1), ("MB", 1e6, 1), ("kB", 1e3, 0)):
        if found >= step:
            return f"{found / step:.{digits}f} {unit}"
    return count(found, "byte")


def score(value: Any) -> str:
    """A metric to three decimals, or to three digits where it is large or tiny.

    Examples
    --------
    >>> score(0.5171), score(1532.7), score(0.00042), score(float("nan"))
    ('0.517', '1,533', '0.00042', 'n/a')
    """
    found = number(value)
    if found is None:
        return NOT_KNOWN
    if abs(found) >= 100:
        return _minus(f"{found:,.0f}")
    return _minus(f"{found:.2g}" if 0 < abs(found) < 0.0095 else f"{found:.3f}")


def signed(value: Any) -> str:
    """A difference of metrics with its sign.

    Examples
    --------
    >>> signed(0.005), signed(-0.0131), signed(-0.0003)
    ('+0.005', '−0.013', '−0.0003')
    """
    found = number(value)
    if found is None:
        return NOT_KNOWN
    if 0.00005 <= abs(found) < 0.0005:  # it is not zero, so it does not look like it
        return _minus(f"{found:+.4f}")
    return _minus(f"{found:+,.3f}" if abs(found) < 100 else f"{found:+,.0f}")


def moment(text: Any) -> datetime | None:
    """An ISO 8601 time as UTC, or None."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def from_epoch(seconds: Any) -> datetime | None:
    """Seconds since the epoch as UTC, or None."""
    found = number(seconds)
    # The calendar of datetime ends with the year 9999.
    return None if found is None or not 0 <= found < 253_402_300_800 else datetime.fromtimestamp(found, tz=UTC)


def clock(seconds: Any) -> str:
    """A moment as the clock shows it, UTC.

    Examples
    --------
    >>> clock(1_725_633_120)
    '14:32 UTC'
    """
    at = from_epoch(seconds)
    return NOT_KNOWN if at is None else f"{at:%H:%M} UTC"


def value(found: Any) -> str:
    """A setting's value: a list by commas, nothing as ``none``.

    Examples
    --------
    >>> value(["rsi", "macd"]), value(None), value(0.05)
    ('rsi, macd', 'none', '0.05')
    """
    if isinstance(found, (list, tuple)):
        return ", ".join(map(str, found)) or "none"
    return "none" if found in (None, "") else str(found)


def span(start: Any, end: Any) -> str:
    """Two ISO 8601 times as a span of days, or of minutes where it lies within one day (UTC).

    Examples
    --------
    >>> span("2024-06-08T00:00:00Z", "2024-09-06T04:40:00Z")
    '8 June to 6 September 2024'
    """
    first, last = moment(start), moment(end)
    if first is None or last is None:
        return f"{start} to {end}" if start and end else ""
    if first.date() == last.date():
        return f"{_day(first)} {first:%Y}, {first:%H:%M} to {last:%H:%M} UTC"
    year = f" {first:%Y}" if first.year != last.year else ""
    return f"{_day(first)}{year} to {_day(last)} {last:%Y}"


def length(start: Any, end: Any) -> str:
    """How long it is between two ISO 8601 times: whole days, or hours under two days."""
    first, last = moment(start), moment(end)
    if first is None or last is None:
        return ""
    hours = (last - first).total_seconds() / 3600
    return count(round(hours / 24), "day") if hours >= 48 else count(round(hours), "hour")


def _day(at: datetime) -> str:
    return f"{at.day} {at:%B}"


def _minus(text: str) -> str:
    return text.replace("-", "−")
