"""Where test blocks begin when they follow the calendar: at midnight, on Mondays, on the first of a month (UTC)."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from omc_agent.errors import UsageError

Ints = NDArray[np.int64]

# Multiples ("2W") are counted from here, a Monday, so that the same bar always falls into the same block.
_FIRST = pd.Timestamp("1970-01-05")
_ALIASES = {"W": "W-MON", "M": "MS", "Q": "QS", "Y": "YS"}


def calendar_offset(calendar: str) -> Any:
    """A calendar period by its pandas alias, one whose blocks begin at its own beginning.

    Parameters
    ----------
    calendar : str
        ``"1h"``, ``"1D"``, ``"1W"`` (weeks begin on Monday), ``"1MS"`` (months), ``"1QS"``, ``"1YS"``, or a multiple.

    Raises
    ------
    UsageError
        ``usage.value`` for what is no such period.

    Examples
    --------
    >>> calendar_offset("1W")
    <Week: weekday=0>
    """
    found = re.fullmatch(r"(\d*)([A-Za-z]+(?:-[A-Z]+)?)", str(calendar))
    count, alias = found.groups() if found else ("0", "D")
    try:
        offset = pd.tseries.frequencies.to_offset(f"{count or 1}{_ALIASES.get(alias, alias)}")
    except (ValueError, TypeError):
        offset = None
    begins = isinstance(offset, pd.offsets.Tick | pd.offsets.Day | pd.offsets.Week) or (
        offset is not None and type(offset).__name__ in ("MonthBegin", "QuarterBegin", "YearBegin")
    )
    if offset is None or not begins or offset.n < 1:
        raise UsageError(
            "usage.value",
            given=f"calendar was {calendar!r}.",
            have="Test blocks begin where a period of the calendar begins, in UTC.",
            try_='Try "1D", "1W" (weeks begin on Monday) or "1MS" (months).',
        )
    return offset


def period_starts(times: Ints, calendar: str) -> Ints:
    """The beginnings of the periods that hold one of the times, ascending.

    Parameters
    ----------
    times : int64 array (n,)
        Ascending microseconds since the epoch, UTC.
    calendar : str
        See `calendar_offset`.

    Returns
    -------
    int64 array (periods,)
        Microseconds since the epoch; a period without a time is left out.

    Examples
    --------
    >>> days = pd.date_range("2024-01-30", periods=4, freq="1D").as_unit("us").asi8
    >>> [str(pd.Timestamp(start, unit="us").date()) for start in period_starts(days, "1MS")]
    ['2024-01-01', '2024-02-01']
    """
    offset = calendar_offset(calendar)
    if not len(times):
        return times
    last = pd.Timestamp(int(times[-1]), unit="us")
    if isinstance(offset, pd.offsets.Tick):
        # Hours and minutes are plain arithmetic: a list of them since 1970 would be long.
        length = int(pd.Timedelta(offset) // pd.Timedelta(1, unit="us"))
        return np.unique(times // length * length)
    starts = np.asarray(pd.date_range(_before(times, offset), last, freq=offset).as_unit("us").asi8)
    return np.unique(starts[np.searchsorted(starts, times, side="right") - 1])


def _before(times: Ints, offset: Any) -> pd.Timestamp:
    """A beginning at or before the first time; months, quarters and years count from January 1970."""
    first = pd.Timestamp(int(times[0]), unit="us")
    counted = isinstance(offset, pd.offsets.Day | pd.offsets.Week)
    origin = _FIRST if counted else pd.Timestamp("1970-01-01")
    return origin if first >= origin else offset.rollback(first.normalize()) - 2 * offset
