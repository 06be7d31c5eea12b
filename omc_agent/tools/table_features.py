"""A features frame of any table that already holds its target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from omc_agent.errors import DataError
from omc_agent.tools.bars import DAY
from omc_agent.tools.column_kinds import as_numbers, as_times, finite, numbers_in_text, read_columns, task_of_column
from omc_agent.tools.grouping import GROUP, group_names
from omc_agent.tools.series import find_series
from omc_agent.tools.stored_time import parse_times
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
    task: str | None = None,
    kinds: Mapping[str, str] | None = None,
    group: str | None = None,
) -> pd.DataFrame:
    """A features frame of any table that already holds its target.

    Parameters
    ----------
    frame : DataFrame (rows, columns)
        Any table. Booleans, whole numbers, Decimals and numbers in text become float64, infinite values and those
        beyond 1e30 NaN. Times, also in text, become days since 1970 (UTC), their month and their day of the week
        (Monday is 0). Text and categories stay as they are. Columns that never change, hold nothing or name rows
        are left out.
    target : str
        The column to predict; with `kinds` it may be missing, as in rows to be predicted. A target of text,
        categories or booleans, with exactly two distinct values, or with few whole numbers (see
        `column_kinds.task_of_column`), is a classification target: its classes in sorted order become 0.0, 1.0,
        ... (so ``no`` is 0.0 and ``yes`` 1.0). Other numbers stay. NaN stays NaN.
    time : str, optional
        A column of times (naive is UTC) or of years, see `time_column.find_time`. It becomes `timestamp`, the rows
        are sorted by it (labels kept), and `label_end` is `timestamp`: the label is taken to be known at its row's
        time.
    classes : sequence, optional
        The classes in order, when a part of a table must be coded as the whole was. A value that is none of them
        becomes NaN. An empty list: the target is a value, however few of its values the part holds.
    lags : sequence of int, optional
        For rows in time: how many times back the features look. Then the rows are one series, and the features of
        a row are what was known before it, see `table_lags.lag_columns`. An empty list: each row stands for
        itself, its own columns are its features. None: as `series.find_series` says of this frame; give what it
        said where parts of a table must be read as the whole was.
    season : int
        Times in a season of the series; 1 for none.
    cycle : str
        ``day``, ``week`` or ``year``, when that is the season; empty for another.
    task : str, optional
        ``classification`` or ``regression``, where the target alone should not decide.
    kinds : mapping, optional
        What `column_kinds.read_columns` found on development rows, when later rows must be read the same way.
    group : str, optional
        A column whose equal values belong together: it becomes `row_group`, no feature, and folds keep it whole.

    Returns
    -------
    DataFrame, rows and index of `frame`
        [`timestamp`, `label_end`,] the features, for a series `naive_last`, `naive_before`, `naive_day`, `target`
        last. ``attrs["classes"]`` lists the classes, or is
        None for regression.

    Raises
    ------
    DataError
        ``data.no_target`` when the target is not there, or holds no numbers for a regression; ``data.no_time`` when
        the time cannot be read.

    Examples
    --------
    >>> made = prepare_table(pd.DataFrame({"sold": ["yes", "no"], "size": [3, 4]}), "sold")
    >>> made.to_dict("list"), made.attrs["classes"]
    ({'size': [3.0, 4.0], 'target': [1.0, 0.0]}, ['no', 'yes'])
    """
    if kinds is not None and target not in frame.columns:
        frame = frame.assign(**{target: np.nan})  # rows to be predicted
    _check_table(frame, target, time)
    label, found = _code_target(frame[target], classes, task)
    kinds = read_columns(frame, target, time, group) if kinds is None else kinds
    made: dict[str, pd.Series[Any]] = {}
    timed = None if time is None else find_time(frame, target, time)
    used = (target, time, group, *(timed.columns if timed else ()))
    for name in frame.columns:
        if name not in used:
            made |= _features_of(frame[name], str(name), kinds.get(str(name), ""))
    if timed is not None:
        others = pd.DataFrame(made, index=frame.index)
        if lags is None:
            seen = find_series(others.assign(**{"timestamp": timed.times, target: frame[target]}), target)
            lags, season, cycle = seen.lags, seen.season, seen.cycle
        if lags:
            made = dict(lag_columns(timed.times, label.rename(target), others, lags, season, cycle))
        made = {"timestamp": timed.times, "label_end": timed.times.where(label.notna()), **made}
    if group is not None and group in frame.columns:
        made = {GROUP: group_names(frame[group]), **made}
    table = pd.DataFrame(made | {"target": label}, index=frame.index)
    if timed is not None:
        table = table.sort_values("timestamp", kind="stable")
    table.attrs["classes"] = found
    return table


def _check_table(frame: pd.DataFrame, target: str, time: str | None) -> None:
    there = ", ".join(map(str, frame.columns))
    if target not in frame.columns:
        raise DataError(
            "data.no_target",
            given=f"The target column {target!r} is not in it.",
            have=f"The table has {there}.",
            try_="Try the name of one of these.",
        )
    if "target" in frame.columns and target != "target":
        raise DataError(
            "data.no_target",
            given=f'A column is called "target", while {target!r} is to be predicted.',
            have=f"The table has {there}.",
            try_='Try it with another name for "target", or without it.',
        )
    if time is not None and time not in frame.columns:
        raise DataError(
            "data.no_time",
            given=f"The time column {time!r} is not in the table.",
            have=f"It has {there}.",
            try_="Try the name of one of these.",
        )


def _features_of(column: pd.Series[Any], name: str, kind: str) -> dict[str, pd.Series[Any]]:
    """The features that a column gives: none, itself, or its parts."""
    if kind in ("constant", "empty", "name"):
        return {}
    if kind == "time":
        stamp = as_times(column)
        stamp = parse_times(column) if stamp is None else stamp
        days = (stamp - pd.Timestamp(0, tz="UTC")) / DAY
        return {
            name: days,
            f"{name}_month": stamp.dt.month.astype("float64"),
            f"{name}_weekday": stamp.dt.day_of_week.astype("float64"),
        }
    if kind == "number":
        return {name: numbers_in_text(column)}
    if kind == "text":
        return {name: column.astype("str").where(column.notna(), "")}
    return {name: _plain(column)}


def _code_target(
    column: pd.Series[Any], classes: Sequence[Any] | None, task: str | None
) -> tuple[pd.Series[Any], Any]:
    """The target as float64, and the classes that its codes stand for (None for regression)."""
    values = _plain(column) if not pd.api.types.is_bool_dtype(column) else column
    task = task or ("classification" if classes is not None else task_of_column(column)[0])
    if task == "regression":
        numbers = as_numbers(column)
        if numbers is None:
            raise DataError(
                "data.no_target",
                given=f"The target {column.name!r} was to be predicted as a number.",
                have=f"It holds values such as {column.dropna().iloc[0]!r}.",
                try_="Try classification, or a column of numbers.",
            )
        return numbers, None
    distinct = values.dropna().unique()
    if classes is not None and not len(classes):
        return pd.to_numeric(values, errors="coerce").astype("float64"), None
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
        return finite(column)
    if column.dtype == object:
        number = pd.to_numeric(column, errors="coerce")
        if number.notna().eq(column.notna()).all() and not column.map(lambda v: isinstance(v, str)).any():
            return finite(number)
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
