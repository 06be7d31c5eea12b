"""Spans like ``90d`` and times like ``2026-01-31``, as a command line takes them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from omc_agent.errors import UsageError

_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400, "y": 365 * 86_400}
_LONGEST = 100 * 365 * 86_400


def age_of(text: str) -> timedelta:
    """A span: a number with s, m (minutes), h, d, w or y (365 days).

    Raises
    ------
    UsageError
        ``usage.value`` for anything else, and for what is longer than 100 years.

    Examples
    --------
    >>> age_of("90d"), age_of("36 h")
    (datetime.timedelta(days=90), datetime.timedelta(days=1, seconds=43200))
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*", text.lower())
    seconds = float(found[1]) * _UNITS.get(found[2], -1) if found else -1.0
    if not 0 <= seconds <= _LONGEST:
        raise UsageError("usage.value", given=f"{text!r} is no span.", have="It is a number and s, m, h, d, w or y.",
                         try_="For example 90d.")  # fmt: skip
    return timedelta(seconds=seconds)


def moment_of(text: str, now: datetime | None = None) -> datetime:
    """A time in UTC: ISO 8601 (without a zone it is UTC), or a span that is counted back from `now`.

    Raises
    ------
    UsageError
        ``usage.value`` for what is neither.

    Examples
    --------
    >>> moment_of("2026-01-31").isoformat(), moment_of("1d", datetime(2026, 1, 31, tzinfo=UTC)).isoformat()
    ('2026-01-31T00:00:00+00:00', '2026-01-30T00:00:00+00:00')
    """
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        pass
    else:
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    try:
        return (now or datetime.now(UTC)) - age_of(text)
    except UsageError:
        raise UsageError("usage.value", given=f"{text!r} is no time.", have="It is like 2026-01-31, or 7d (ago).",
                         try_="Give it in UTC.") from None  # fmt: skip
