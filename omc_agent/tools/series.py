"""Whether a table in time is one series, whose past is what is known, or rows that each stand for themselves."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from omc_agent.errors import DataError
from omc_agent.tools.bars import DAY, Floats, epoch_us

_LEAST_DISTINCT = 0.95
# Months differ by a tenth, and a week of business days has one step in five that is longer.
_NEAR, _LEAST_REGULAR = 0.15, 0.70
_LEAST_ROWS = 20
# So many standard errors of an autocorrelation are no chance of a few looks.
_SURE = 3.5
# Less memory than this is drift, such as a rate that changes over the years, rather than a series.
_LEAST_MEMORY = 0.2
# Rows in which a lag must fit so many times, so that the first rows, which lack it, are few.
_LAG_SHARE, _SEASON_SHARE = 12, 5
_MOST_LAGS, _LONGEST_CYCLE = 12, 40
_ID = re.compile(r"(^|_)(id|uuid|guid|key)$", re.IGNORECASE)


@dataclass(frozen=True)
class Series:
    """How the rows of a table in time hang together.

    Attributes
    ----------
    lags : tuple of int
        How many times back the features look, ascending; empty for rows that each stand for themselves.
    season : int
        Times in a season: 12 of months, 4 of quarters, 52 of weeks, 7 (or 5) of days, a day of anything
        shorter; of years and other steps the cycle that the target shows, 1 where it shows none.
    step : Timedelta or None
        The usual distance of two times; None for fewer than two.
    cycle : str
        ``day``, ``week`` or ``year`` where the season is that of the calendar, else empty.
    why : str
        A sentence that says which was taken, and what it rests on.
    """

    lags: tuple[int, ...]
    season: int
    step: pd.Timedelta | None
    why: str
    cycle: str = ""


def find_series(frame: pd.DataFrame, target: str, series: str = "auto") -> Series:
    """Whether the rows are one series, and how far back its features should look (kind: fit).

    A series has nearly distinct times at regular steps, and a target that remembers: its own past says something
    of it (an autocorrelation beyond 0.2 and 3.5 standard errors), or there is no other column to learn from. Rows of
    customers with the day they signed up have a time too, but are no series.

    Parameters
    ----------
    frame : DataFrame (rows, ...)
        Development rows with `timestamp` (UTC), sorted by it.
    target : str
        The column to predict.
    series : str
        ``yes`` or ``no`` decide it; ``auto`` looks.

    Returns
    -------
    Series

    Raises
    ------
    DataError
        ``data.no_time`` for ``yes`` without `timestamp`.

    Examples
    --------
    >>> months = pd.date_range("2000-01-01", periods=120, freq="MS", tz="UTC")
    >>> found = find_series(pd.DataFrame({"timestamp": months, "sales": np.arange(120.0)}), "sales")
    >>> found.season, found.lags
    (12, (1, 2, 3, 12))
    """
    if "timestamp" not in frame.columns:
        if series == "yes":
            raise DataError(
                "data.no_time",
                given="The rows are to be read as one series.",
                have=f"No column of times was found among {', '.join(map(str, frame.columns[:30]))}.",
                try_="Name it with --time.",
            )
        return Series((), 1, None, "The rows have no time.")
    step = _step(frame["timestamp"])
    values = _past(frame, target)
    if series == "no":
        return Series((), 1, step, "By your word each row stands for itself: no lags.")
    if values is None or step is None:
        return Series((), 1, step, "Each row stands for itself: the target has no numbers to look back on.")
    season = _season(frame["timestamp"], step, values)
    against = "" if series == "yes" else _against(frame, target, values, season)
    if against:
        return Series((), 1, step, f"Each row stands for itself, so its own columns are its features: {against}.")
    calendar = _calendar_season(frame["timestamp"], step) > 0
    cycle = _named_cycle(step, season) if calendar else ""
    return Series(_lags(len(values), season, calendar), season, step, _why(step, season, frame, target), cycle)


def _against(frame: pd.DataFrame, target: str, values: Floats, season: int) -> str:
    """Why the rows are no series; empty when they are one."""
    others = [str(name) for name in frame.columns if name not in ("timestamp", target)]
    if frame["timestamp"].nunique() < _LEAST_DISTINCT * len(frame):
        return "several rows share a time, and no column says which belong together"
    if named := [name for name in others if _ID.search(name) and frame[name].nunique() > 0.9 * len(frame)]:
        return f"{named[0]} names each of them"
    if not others:
        return ""
    steps = np.diff(np.unique(epoch_us(frame["timestamp"]))).astype(np.float64)
    usual = float(np.median(steps))
    if np.mean(np.abs(steps - usual) <= _NEAR * usual) < _LEAST_REGULAR:
        return "their times come at no regular step"
    seen = autocorrelation(values, max(season, 2))
    strongest = max(abs(seen[1]), abs(seen[2]), abs(seen[season]))
    if len(values) < _LEAST_ROWS or strongest < max(_SURE / np.sqrt(len(values)), _LEAST_MEMORY):
        return "the target does not depend on what it was before"
    return ""


def autocorrelation(values: Floats, most: int) -> Floats:
    """Correlation of a series with itself `k` rows before, for k from 0 to `most` (most + 1,); 0 where too short.

    Examples
    --------
    >>> autocorrelation(np.array([1.0, -1.0] * 50), 2).round(2).tolist()
    [1.0, -0.99, 0.98]
    """
    x = values - values.mean()
    power = float(x @ x)
    found = np.zeros(most + 1)
    for k in range(min(most + 1, len(x))):
        found[k] = float(x[k:] @ x[: len(x) - k]) / power if power > 0 else 0.0
    return found


def _past(frame: pd.DataFrame, target: str) -> Floats | None:
    """The target's known values in time order as numbers, two classes as 0 and 1; None where it has neither."""
    if target not in frame.columns:
        return None
    column = frame.sort_values("timestamp", kind="stable")[target].dropna()
    number = pd.to_numeric(column, errors="coerce") if column.dtype == object else column
    if pd.api.types.is_numeric_dtype(number) and number.notna().all():
        values = number.astype("float64")
    elif column.nunique() == 2:
        values = pd.Series(pd.factorize(column)[0], dtype="float64")
    else:
        return None
    return np.asarray(values, dtype=np.float64) if len(values) > 2 else None


def _step(times: pd.Series[Any]) -> pd.Timedelta | None:
    unique = np.unique(epoch_us(times.dropna()))
    return pd.Timedelta(int(np.median(np.diff(unique))), unit="us") if len(unique) > 1 else None


def _season(times: pd.Series[Any], step: pd.Timedelta, values: Floats) -> int:
    found = _calendar_season(times, step)
    if found and found * _SEASON_SHARE <= len(values):
        return found
    return 1 if found else _cycle(values)


def _calendar_season(times: pd.Series[Any], step: pd.Timedelta) -> int:
    """Times in the season that the step names; 0 where it names none."""
    days = step / DAY
    calendar = {(80, 100): 4, (27, 32): 12, (6, 8): 52}
    found = next((season for (low, high), season in calendar.items() if low <= days <= high), 0)
    if 0.9 <= days <= 1.1:
        steps = np.diff(np.unique(epoch_us(times.dropna()))).astype(np.float64)
        found = 5 if np.mean(steps > 1.5 * (DAY / pd.Timedelta(1, unit="us"))) > 0.1 else 7
    elif days < 0.9:
        found = round(1 / days)
    return found


def _named_cycle(step: pd.Timedelta, season: int) -> str:
    days = step / DAY
    if season == 1:
        return ""
    return "year" if days > 2 else "week" if days > 0.9 else "day"


def _cycle(values: Floats) -> int:
    """Where the autocorrelation, once it has fallen, peaks for certain; 1 where it does not."""
    most = min(_LONGEST_CYCLE, len(values) // _SEASON_SHARE)
    if most < 3:
        return 1
    seen = autocorrelation(values, most + 1)
    fallen = next((k for k in range(1, most) if seen[k] < 0), most)
    peaks = [k for k in range(max(fallen, 2), most + 1) if seen[k] == seen[max(fallen, 2) :].max()]
    sure = bool(peaks) and seen[peaks[0]] > _SURE / np.sqrt(len(values))
    return peaks[0] if sure and peaks[0] <= most else 1


def _lags(rows: int, season: int, calendar: bool) -> tuple[int, ...]:
    """1, 2, 3 and the season; where no calendar names the season, all up to twelve that the rows allow."""
    most = 3 if calendar else max(3, min(_MOST_LAGS, rows // _LAG_SHARE))
    return tuple(sorted({*range(1, most + 1), season}))


def _why(step: pd.Timedelta, season: int, frame: pd.DataFrame, target: str) -> str:
    others = frame.shape[1] - 2
    said = (
        f"The rows are one series, a step is about {spoken(step)}: each value of {target} is forecast one step ahead,"
        f" from values before it"
    )
    said += f", {season} steps are a season" if season > 1 else ""
    beside = " The other columns are read one row late, as they may be published with the target." if others else ""
    return f"{said}.{beside} Models learn the change from the last value."


def spoken(step: pd.Timedelta) -> str:
    """A length of time in words.

    Examples
    --------
    >>> spoken(pd.Timedelta(days=365)), spoken(pd.Timedelta(days=7)), spoken(pd.Timedelta(minutes=5))
    ('one year', '7 days', '5 minutes')
    """
    days = step / DAY
    for low, high, word in ((360, 370, "one year"), (80, 100, "one quarter"), (27, 32, "one month")):
        if low <= days <= high:
            return word
    seconds = int(step.total_seconds())
    for size, word in ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")):
        if seconds >= size:
            count = round(seconds / size)
            return f"one {word}" if count == 1 else f"{count} {word}s"
    return f"{step.total_seconds():g} seconds"
