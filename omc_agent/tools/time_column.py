"""The time of a table's rows: found by name and by content, or named by a person; and the rows put in its order."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from omc_agent.errors import DataError
from omc_agent.tools.prices_table import ROLES
from omc_agent.tools.stored_time import parse_times

YEARS = (1500, 2200)
# One value in twenty may be no time (a footer, a typo); with more the column holds something else.
_MOST_UNREADABLE = 0.05
# A column of years orders a table only where hardly a time repeats: the year a car was built is a feature.
_LEAST_DISTINCT = 0.95
# Seconds since 1970 from 1973 on: smaller numbers below a name like `time` are lengths, not moments.
_LEAST_EPOCH = 1e8
_YEAR = re.compile(r"(obs|calendar|fiscal|the)?_?(year|years|yr|yyyy)$")
_PART = {"quarter": re.compile(r"(quarter|qtr|qrt|q)$"), "month": re.compile(r"(month|mon|mm)$")}
_ISO = re.compile(r"\s*\d{4}-\d\d(-\d\d([ T]\d\d(:\d\d){0,2}.*)?)?\s*$")
_QUARTER = re.compile(r"\s*(\d{4})[ -]?Q([1-4])\s*$", re.IGNORECASE)
# Moments of a life or of a deadline: they say nothing of when the row was known.
_NOT_OF_ROW = re.compile(r"birth|born|\bdob\b|expir|(^|_)due|valid_until", re.IGNORECASE)


@dataclass(frozen=True)
class TimeColumn:
    """The time of each row.

    Attributes
    ----------
    columns : tuple of str
        The columns that it was read from; empty for an index of times.
    times : Series (rows,)
        datetime64[us, UTC], the frame's index; NaT where a value is no time. A period is its first moment.
    """

    columns: tuple[str, ...]
    times: pd.Series[Any]


def find_time(frame: pd.DataFrame, target: str | None = None, time: str | None = None) -> TimeColumn | None:
    """The time of the rows, or None for a table without one.

    Looked for in this order: the column that is named; an index of times; a column named like a time
    (`timestamp`, `date`, ...); a column of times, of periods, or of ISO text (``2024-01-31``, ``2024-01``,
    ``2024Q1``); whole-number years from 1500 to 2200 in a column named like a year, joined with a month or a
    quarter beside it, where hardly a time repeats.

    Parameters
    ----------
    frame : DataFrame (rows, ...)
        Any table.
    target : str, optional
        Never taken for the time.
    time : str, optional
        The column that holds it, by a person's word.

    Returns
    -------
    TimeColumn or None

    Raises
    ------
    DataError
        ``data.no_time`` when the named column is not there or holds no times, or a column that is called a time
        holds text that is none.

    Examples
    --------
    >>> found = find_time(pd.DataFrame({"YEAR": [1700, 1701, 1702], "spots": [5.0, 11.0, 16.0]}))
    >>> found.columns, found.times.dt.year.tolist()
    (('YEAR',), [1700, 1701, 1702])
    >>> find_time(pd.DataFrame({"time": [4.5, 7.1], "sold": [0, 1]})) is None
    True
    """
    if time:
        return _named(frame, time)
    if isinstance(frame.index, pd.DatetimeIndex | pd.PeriodIndex):
        return TimeColumn((), _read(pd.Series(frame.index, index=frame.index)))
    others = [str(name) for name in frame.columns if name != target]
    for find in (_by_role, _by_content, _by_years):
        found = find(frame, others)
        if found is not None:
            return found
    return None


def order_in_time(frame: pd.DataFrame, target: str | None = None, time: str | None = None) -> pd.DataFrame:
    """A table in the order of its time, which becomes the column `timestamp`; a table without time as it is.

    Parameters
    ----------
    frame : DataFrame (rows, ...)
        Any table; an index of times counts as a column.
    target, time : str, optional
        As in `find_time`. A target that is called `timestamp` stays what it is.

    Returns
    -------
    DataFrame
        `timestamp` (datetime64[us, UTC]) in place of the columns that it was read from, rows sorted by it
        (stable), labels 0..rows-1. Rows without a readable time are left out; ``attrs["timeless"]`` counts them,
        ``attrs["repeated"]`` the rows whose time another row has, ``attrs["time"]`` lists the columns.

    Raises
    ------
    DataError
        As `find_time`.

    Examples
    --------
    >>> frame = pd.DataFrame({"year": [2001, 2000, 2000], "quarter": [1, 4, 3], "gdp": [3.0, 2.0, 1.0]})
    >>> made = order_in_time(frame, target="gdp")
    >>> made["timestamp"].dt.strftime("%Y-%m").tolist(), made["gdp"].tolist()
    (['2000-07', '2000-10', '2001-01'], [1.0, 2.0, 3.0])
    """
    found = find_time(frame, target, time)
    if found is None or "timestamp" in (target, *(() if "timestamp" in found.columns else frame.columns)):
        return frame.reset_index(drop=True)
    known = found.times.notna().to_numpy()
    rest = frame.drop(columns=[name for name in frame.columns if str(name) in found.columns])
    at = 0 if not found.columns else [str(name) for name in frame.columns].index(found.columns[0])
    rest = rest.reset_index(drop=True)
    rest.insert(min(at, rest.shape[1]), "timestamp", found.times.reset_index(drop=True))
    timed = rest[known].sort_values("timestamp", kind="stable", ignore_index=True)
    timed.attrs = {
        "time": list(found.columns),
        "timeless": int((~known).sum()),
        "repeated": int(timed["timestamp"].duplicated(keep=False).sum()),
    }
    return timed


def with_time(frame: pd.DataFrame, target: str | None = None, time: str | None = None) -> pd.DataFrame:
    """`order_in_time` for rows that are to be told apart later: order and labels stay as they are.

    Examples
    --------
    >>> frame = pd.DataFrame({"y": [2.0, 1.0], "date": ["2024-01-02", "2024-01-01"]}, index=["b", "a"])
    >>> with_time(frame, target="y")["timestamp"].dt.day.to_dict()
    {'b': 2, 'a': 1}
    """
    found = find_time(frame, target, time)
    if found is None or ("timestamp" in frame.columns and "timestamp" not in found.columns):
        return frame
    rest = frame.drop(columns=[name for name in frame.columns if str(name) in found.columns])
    return rest.assign(timestamp=found.times)


def _named(frame: pd.DataFrame, time: str) -> TimeColumn:
    there = [str(name) for name in frame.columns]
    if time not in there:
        if frame.index.name == time and isinstance(frame.index, pd.DatetimeIndex | pd.PeriodIndex):
            return TimeColumn((), _read(pd.Series(frame.index, index=frame.index)))
        raise DataError(
            "data.no_time",
            given=f"The time column {time!r} is not in the table.",
            have=f"It has {', '.join(there[:30])}.",
            try_="Name one of these with --time.",
        )
    column = _column(frame, time)
    if _are_years(column):
        return _years(frame, time, there)
    times = _read(column)
    if times.isna().all() or _share_unread(column, times) > _MOST_UNREADABLE or _are_lengths(column):
        raise no_times(time, column)
    return TimeColumn((time,), times)


def _by_role(frame: pd.DataFrame, names: list[str]) -> TimeColumn | None:
    """A column that is called a time. Text in it that is none is an error: its order would be lost unsaid."""
    spelled = {name.strip().lower().replace(" ", "_"): name for name in names}
    for role in ROLES["timestamp"]:
        if role not in spelled:
            continue
        name = spelled[role]
        column = _column(frame, name)
        if _are_lengths(column) or _are_years(column) or column.isna().all():
            continue
        times = _read(column)
        if _share_unread(column, times) > _MOST_UNREADABLE:
            raise no_times(name, column)
        return TimeColumn((name,), times)
    return None


def _by_content(frame: pd.DataFrame, names: list[str]) -> TimeColumn | None:
    """A column of times, periods or ISO text; of several the one that says when the row was made, else the first."""
    hits = [name for name in names if not _NOT_OF_ROW.search(name) and _holds_times(_column(frame, name))]
    if not hits:
        return None
    made = [name for name in hits if re.search(r"creat|observ|event|date|time|period|month|week|day", name.lower())]
    name = (made or hits)[0]
    return TimeColumn((name,), _read(_column(frame, name)))


def _by_years(frame: pd.DataFrame, names: list[str]) -> TimeColumn | None:
    for name in names:
        if _YEAR.match(name.strip().lower()) and _are_years(_column(frame, name)):
            found = _years(frame, name, names)
            if found.times.nunique() >= _LEAST_DISTINCT * len(frame):
                return found
    return None


def _years(frame: pd.DataFrame, name: str, names: list[str]) -> TimeColumn:
    """First moments of the years, or of the months or quarters where a column beside numbers these."""
    year = pd.to_numeric(_column(frame, name)).astype("float64")
    month = pd.Series(1.0, index=frame.index)
    columns: tuple[str, ...] = (name,)
    for part, most in (("month", 12), ("quarter", 4)):
        beside = next((other for other in names if _PART[part].match(other.strip().lower())), None)
        number = None if beside is None else pd.to_numeric(_column(frame, beside), errors="coerce").astype("float64")
        if number is not None and number.dropna().isin(range(1, most + 1)).all() and number.notna().any():
            month = number if part == "month" else 3 * number - 2
            columns = (name, str(beside))
            break
    known = (year.notna() & month.notna()).to_numpy()
    filled = {"year": year.where(known, 2000).astype("int64"), "month": month.where(known, 1).astype("int64")}
    text = filled["year"].astype(str) + "-" + filled["month"].astype(str).str.zfill(2) + "-01"
    # Text, because nanoseconds reach from 1677 to 2262 only.
    times = pd.to_datetime(text, format="%Y-%m-%d", utc=True).astype("datetime64[us, UTC]")
    return TimeColumn(columns, times.where(known))


def _read(column: pd.Series[Any]) -> pd.Series[Any]:
    """Times of any kind; a period is its first moment, ``2024Q1`` one of three months, 20240131 a day."""
    if isinstance(column.dtype, pd.PeriodDtype):
        return parse_times(column.dt.to_timestamp())
    if _are_dates(column):
        text = pd.to_numeric(column).map(lambda number: None if pd.isna(number) else f"{number:.0f}")
        return pd.to_datetime(text, format="%Y%m%d", utc=True, errors="coerce").astype("datetime64[us, UTC]")
    if _is_text(column):
        quarter = column.astype("str").str.extract(_QUARTER.pattern, flags=re.IGNORECASE)
        hit = quarter[1].notna()
        if hit.any():
            month = (pd.to_numeric(quarter[1]) * 3 - 2).fillna(1).astype("int64").astype(str).str.zfill(2)
            column = column.astype(object).where(~hit, quarter[0].astype(object) + "-" + month + "-01")
    return parse_times(column)


def _holds_times(column: pd.Series[Any]) -> bool:
    if pd.api.types.is_datetime64_any_dtype(column) or isinstance(column.dtype, pd.PeriodDtype):
        return bool(column.notna().any())
    if not _is_text(column):
        return False
    text = column.dropna()
    like = text.astype("str").map(lambda value: bool(_ISO.match(value) or _QUARTER.match(value)))
    if not len(text) or like.mean() < 1 - _MOST_UNREADABLE:
        return False
    return _share_unread(column, _read(column)) <= _MOST_UNREADABLE


def _are_years(column: pd.Series[Any]) -> bool:
    if pd.api.types.is_bool_dtype(column) or not (pd.api.types.is_numeric_dtype(column) or _is_text(column)):
        return False
    number = pd.to_numeric(column, errors="coerce").dropna().to_numpy(dtype=np.float64)
    whole = len(number) == int(column.notna().sum()) and bool((number == np.round(number)).all())
    return bool(len(number)) and whole and bool(((number >= YEARS[0]) & (number <= YEARS[1])).all())


def _are_dates(column: pd.Series[Any]) -> bool:
    """Whole numbers such as 20240131 that are all days of the calendar."""
    if pd.api.types.is_bool_dtype(column) or not pd.api.types.is_numeric_dtype(column):
        return False
    number = column.dropna().to_numpy(dtype=np.float64)
    if not len(number) or (number != np.round(number)).any():
        return False
    year, month, day = number // 10_000, number // 100 % 100, number % 100
    inside = (year >= YEARS[0]) & (year <= YEARS[1]) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
    return bool(inside.all())


def _are_lengths(column: pd.Series[Any]) -> bool:
    """Numbers too small to be seconds since 1970: how long something took, or a count of rows."""
    if not pd.api.types.is_numeric_dtype(column):
        return pd.api.types.is_timedelta64_dtype(column)
    if _are_dates(column):
        return False
    size = column.dropna().abs()
    return pd.api.types.is_bool_dtype(column) or not len(size) or float(size.max()) < _LEAST_EPOCH


def _is_text(column: pd.Series[Any]) -> bool:
    return bool(column.dtype == object or pd.api.types.is_string_dtype(column))


def _column(frame: pd.DataFrame, name: str) -> pd.Series[Any]:
    place = [str(each) for each in frame.columns].index(name)
    return frame.iloc[:, place]


def _share_unread(column: pd.Series[Any], times: pd.Series[Any]) -> float:
    return float((times.isna() & column.notna()).sum() / max(int(column.notna().sum()), 1))


def no_times(name: str, column: pd.Series[Any]) -> DataError:
    """The sentence for a column of times that holds none."""
    shown = ", ".join(repr(str(value)) for value in column.dropna().unique()[:3])
    return DataError(
        "data.no_time",
        given=f"The column {name!r} could not be read as times.",
        have=f"It holds values such as {shown}." if shown else "It holds no value.",
        try_="Name another column with --time, use pandas.to_datetime on it first, or drop it.",
    )
