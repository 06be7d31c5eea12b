"""A span of time that was asked for: UTC, start inclusive, end exclusive."""

from __future__ import annotations

import numpy as np
import pandas as pd

from omc_agent.errors import DataError


def as_span(
    start: str | pd.Timestamp | None, end: str | pd.Timestamp | None
) -> tuple[pd.Timestamp | None, pd.Timestamp | None]:
    """Both ends in UTC, None for an open one.

    Raises
    ------
    DataError
        ``data.empty_span`` for what is no time, and for an end that is not after the start.
    """
    first = None if start is None else as_utc(start)
    last = None if end is None else as_utc(end)
    if first is not None and last is not None and first >= last:
        raise DataError(
            "data.empty_span",
            given=f"The span was {told(first, last)}.",
            have="It ends before it starts." if first > last else "It ends where it starts.",
            try_="Try an end after the start; the end is exclusive.",
        )
    return first, last


def as_utc(moment: str | pd.Timestamp) -> pd.Timestamp:
    """A time in UTC, which is what a naive one is taken for.

    Raises
    ------
    DataError
        ``data.empty_span`` when it cannot be read.

    Examples
    --------
    >>> as_utc("2024-01-31T12:00+02:00")
    Timestamp('2024-01-31 10:00:00+0000', tz='UTC')
    """
    try:
        found = pd.Timestamp(moment)
    except (ValueError, TypeError):
        found = pd.NaT  # type: ignore[assignment]
    if pd.isna(found):
        raise DataError(
            "data.empty_span",
            given=f"The time was {moment!r}.",
            have="Times are ISO 8601, UTC where no zone is named.",
            try_="Try 2024-01-31 or 2024-01-31T12:00.",
        )
    return found.tz_localize("UTC") if found.tz is None else found.tz_convert("UTC")


def within(prices: pd.DataFrame, first: pd.Timestamp | None, last: pd.Timestamp | None) -> pd.DataFrame:
    """The rows whose `timestamp` lies within the span, and those without one."""
    # Rows without a readable time stay until they are counted.
    keep = np.ones(len(prices), dtype=bool)
    if first is not None:
        keep &= ~(prices["timestamp"] < first).to_numpy(dtype=bool)
    if last is not None:
        keep &= ~(prices["timestamp"] >= last).to_numpy(dtype=bool)
    return prices[keep]


def told(first: pd.Timestamp | None, last: pd.Timestamp | None) -> str:
    """The span in words.

    Examples
    --------
    >>> told(None, pd.Timestamp("2024-02-01"))
    'the first bar to 2024-02-01 00:00 UTC'
    """
    begin = "the first bar" if first is None else stamp(first)
    return f"{begin} to {'the last bar' if last is None else stamp(last)} UTC"


def stamp(moment: pd.Timestamp) -> str:
    """A time to the minute, as messages show it."""
    return f"{moment:%Y-%m-%d %H:%M}"
