"""A features frame of any table that already holds its target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from omc_agent.errors import DataError
from omc_agent.tools.bars import DAY
from omc_agent.tools.series import find_series
from omc_agent.tools.table_lags import lag_columns
from omc_agent.tools.time_column import find_time


def prepare_table(
    frame: pd.DataFrame,
    target: str,
    time: str | None = None,
    classes: Sequence[Any] | None = None,
    lags: Sequence[int] | None = None,
    season: int = 1,
    cycle: str = "",
) -> pd.DataFrame:
    """A features frame of any table that already holds its target.

    Parameters
    ----------
    frame : DataFrame (rows, columns)
        Any table. Booleans, whole numbers and Decimals become float64, further times become days since 1970
        (UTC); text and categories stay as they are.
    target : str
        The column to predict. A target of text, categories or booleans, or with exactly two distinct values,
        is a classification target: its classes in sorted order become 0.0, 1.0, ... (so ``no`` is 0.0 and
        ``yes`` 1.0). Other numbers stay. NaN stays NaN.
    time : str, optional
        A column of times (naive is UTC) or of years, see `time_column.find_time`. It becomes `timestamp`, the rows
        are sorted by it (labels kept), and `label_end` is `timestamp`: the label is taken to be known at its row's
        time.
    classes : sequence, optional
        The classes in order, when a part of a table must be coded as the whole was; an empty list: the target is
        a value, however few of its values the part holds.
    lags : sequence of int, optional
        For rows in time: how many times back the features look. Then the rows are one series, and the features of
        a row are what was known before it, see `table_lags.lag_columns`. An empty list: each row stands for
        itself, its own columns are its features. None: as `series.find_series` says of this frame; give what it
        said where parts of a table must be read as the whole was.
    season : int
        Times in a season of the series; 1 for none.
    cycle : str
        ``day``, ``week`` or ``year``, when that is the season; empty for another.

    Returns
    -------
    DataFrame, rows and index of `frame`
        [`timestamp`, `label_end`,] the features, for a series `naive_last`, `naive_before`, `naive_day`, `target`
        last. ``attrs["classes"]`` lists the classes, or is
        None for regression.

    Raises
    ------
    DataError
        ``data.no_target`` when the target is not there; ``data.no_time`` when the time cannot be read.

    Examples
    --------
    >>> made = prepare_table(pd.DataFrame({"sold": ["yes", "no"], "size": [3, 4]}), "sold")
    >>> made.to_dict("list"), made.attrs["classes"]
    ({'size': [3.0, 4.0], 'target': [1.0, 0.0]}, ['no', 'yes'])
    """
    _check_table(frame, target, time)
    label, found = _code_target(frame[target], classes)
    made: dict[str, pd.Series[Any]] = {}
    timed = None if time is None else find_time(frame, target, time)
    used = (target, time, *(timed.columns if timed else ()))
    made |= {str(name): _plain(frame[name]) for name in frame.columns if name not in used}
    if timed is not None:
        others = pd.DataFrame(made, index=frame.index)
        if lags is None:
            found = find_series(others.assign(**{"timestamp": timed.times, target: frame[target]}), target)
            lags, season, cycle = found.lags, found.season, found.cycle
        if lags:
            made = dict(lag_columns(timed.times, label.rename(target), others, lags, season, cycle))
        made = {"timestamp": timed.times, "label_end": timed.times.where(label.notna()), **made}
    table = pd.DataFrame(made | {"target": label}, index=frame.index)
    if timed is not None:
        table = table.sort_values("timestamp", kind="stable")
    table.attrs["classes"] = found
    return table


def _check_table(frame: pd.DataFrame, target: str, time: str | None) -> None:
    there = ", ".join(map(str, frame.columns))
    if target not in frame.columns or ("target" in frame.columns and target != "target"):
        problem = "is not in it" if target not in frame.columns else "cannot be renamed: one has that name"
        raise DataError(
            "data.no_target",
            given=f"The target column {target!r} {problem}.",
            have=f"The table has {there}.",
            try_='Try the name of one of these; a feature must not be called "target".',
        )
    if time is not None and time not in frame.columns:
        raise DataError(
            "data.no_time",
            given=f"The time column {time!r} is not in the table.",
            have=f"It has {there}.",
            try_="Try the name of one of these.",
        )


def _code_target(column: pd.Series[Any], classes: Sequence[Any] | None) -> tuple[pd.Series[Any], Any]:
    """The target as float64, and the classes that its codes stand for (None for regression)."""
    values = _plain(column) if not pd.api.types.is_bool_dtype(column) else column
    distinct = values.dropna().unique()
    if classes is not None and not len(classes):
        return pd.to_numeric(values, errors="coerce").astype("float64"), None
    if classes is None and pd.api.types.is_float_dtype(values) and len(distinct) != 2:
        return values, None
    order = list(classes) if classes is not None else sorted(distinct, key=_sort_key)
    code = pd.Series(pd.Categorical(values, categories=order).codes, index=column.index)
    return code.astype("float64").where(code >= 0), [_scalar(value) for value in order]


def _sort_key(value: Any) -> tuple[bool, Any]:
    return (isinstance(value, str), value)


def _scalar(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _plain(column: pd.Series[Any]) -> pd.Series[Any]:
    """Numbers of any kind as float64, times as days since 1970; text and categories as they are."""
    if pd.api.types.is_datetime64_any_dtype(column):
        stamp = _read_time(column, str(column.name))
        return (stamp - pd.Timestamp(0, tz="UTC")) / DAY
    if pd.api.types.is_numeric_dtype(column):
        return column.astype("float64")
    if column.dtype == object:
        number = pd.to_numeric(column, errors="coerce")
        if number.notna().eq(column.notna()).all() and not column.map(lambda v: isinstance(v, str)).any():
            return number.astype("float64")
    return column


def _read_time(column: pd.Series[Any], name: str) -> pd.Series[Any]:
    try:
        return pd.to_datetime(column, utc=True, format=None if column.dtype != "str" else "ISO8601").astype(
            "datetime64[us, UTC]"
        )
    except (ValueError, TypeError) as problem:
        raise DataError(
            "data.no_time",
            given=f"The column {name!r} could not be read as times.",
            have=f"It holds values such as {column.iloc[0]!r} ({problem.__class__.__name__}).",
            try_="Try pandas.to_datetime on it first.",
        ) from problem
