"""A frame as it came, made of what files, sandboxes and models can hold: plain columns under names of their own."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
from pandas.api.types import infer_dtype

from omc_agent.errors import DataError, UsageError

LEFT_OUT = "left_out"
_WORDS = (str, int, float, bool, np.generic, Decimal, UUID)
_NUMBERS = (int, float, np.integer, np.floating, Decimal)
_ASIS = frozenset({"string", "boolean", "floating", "datetime", "datetime64", "date", "empty"})
_MOST_WHOLE = 2**63 - 1


def plain_frame(frame: Any) -> pd.DataFrame:
    """The frame with text for names and plain values in its columns; the frame itself where that is so already.

    Parameters
    ----------
    frame : DataFrame (rows, columns)
        Any frame that a person has.

    Returns
    -------
    DataFrame, rows and index of `frame`
        Names are text (parts of a name joined by ``_``). Lengths of time are seconds, periods their first moment,
        intervals and columns of mixed types text; halves and sparse columns are float64 or dense. Columns of lists,
        dicts, bytes, complex numbers or other objects are left out: ``attrs["left_out"]`` says what each held.

    Raises
    ------
    UsageError
        ``usage.value`` for what is no DataFrame.
    DataError
        ``data.unreadable`` when two columns have the same name.

    Examples
    --------
    >>> made = plain_frame(pd.DataFrame({0: [1, "a"], "pairs": [[1], [2]]}))
    >>> made.to_dict("list"), made.attrs["left_out"]
    ({'0': ['1', 'a']}, {'pairs': 'list'})
    """
    if not isinstance(frame, pd.DataFrame):
        raise UsageError(
            "usage.value",
            given=f"The data was a {type(frame).__name__}.",
            have="Rows are handed in as a pandas DataFrame.",
            try_="Try pandas.DataFrame(data), or its to_pandas() where it has one.",
        )
    names = [name if isinstance(name, str) else _as_text(name) for name in frame.columns]
    _check_names(names)
    changed: dict[str, pd.Series[Any]] = {}
    left: dict[str, str] = {}
    for place, name in enumerate(names):
        column = frame.iloc[:, place]
        found = _plain_column(column)
        if isinstance(found, str):
            left[name] = found
        elif found is not column:
            changed[name] = found
    if not changed and not left and names == list(frame.columns):
        return frame
    made = frame.set_axis(names, axis=1).assign(**changed).drop(columns=list(left))
    made.attrs = {**frame.attrs, **({LEFT_OUT: left} if left else {})}
    return made


def left_out_notes(left: dict[str, str]) -> list[dict[str, Any]]:
    """A warning for each column that `plain_frame` left out.

    Examples
    --------
    >>> left_out_notes({"pairs": "list"})[0]["text"]
    'pairs holds values of the type list, which cannot be learned from; it is left out.'
    """
    text = "{} holds values of the type {}, which cannot be learned from; it is left out."
    return [{"code": "left_out", "column": name, "text": text.format(name, kind)} for name, kind in left.items()]


def _as_text(name: Any) -> str:
    return "_".join(map(str, name)) if isinstance(name, tuple) else str(name)


def _check_names(names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise DataError(
            "data.unreadable",
            given=f"More than one column is called {', '.join(map(repr, twice[:5]))}.",
            have=f"The columns are {', '.join(names[:30])}.",
            try_="Try again with a name of its own for each, or without those that repeat another.",
        )


def _plain_column(column: pd.Series[Any]) -> pd.Series[Any] | str:
    """The column itself where it is plain, a plain one, or the type of what cannot be held."""
    kind = column.dtype
    if isinstance(kind, pd.CategoricalDtype):
        held = infer_dtype(kind.categories, skipna=True)
        return column if held in ("string", "integer", "empty") else _plain_object(column.astype(object), _text)
    if isinstance(kind, pd.PeriodDtype):
        return pd.Series(column.dt.to_timestamp())
    if isinstance(kind, pd.IntervalDtype):
        return _text(column)
    if isinstance(kind, pd.SparseDtype):
        return _plain_column(pd.Series(column.array.to_dense(), index=column.index, name=column.name))
    if pd.api.types.is_timedelta64_dtype(kind):
        return pd.Series(column.dt.total_seconds())
    if pd.api.types.is_complex_dtype(kind):
        return "complex"
    if isinstance(kind, np.dtype) and kind.kind == "f" and kind.itemsize not in (4, 8):
        return column.astype("float64")
    return _plain_object(column, _text) if kind == np.dtype(object) else column


def _plain_object(column: pd.Series[Any], text: Callable[[pd.Series[Any]], pd.Series[Any]]) -> pd.Series[Any] | str:
    held = infer_dtype(column, skipna=True)
    known = column[column.notna()]
    if held == "integer" and all(-_MOST_WHOLE <= value <= _MOST_WHOLE for value in known):
        return column
    if (
        held != "floating"
        and len(known)
        and all(isinstance(value, _NUMBERS) for value in known)
        and held != "boolean"
    ):
        return column.map(_number, na_action="ignore").astype("float64")
    if held == "timedelta" or held == "timedelta64":
        return pd.to_timedelta(column).dt.total_seconds()
    if held == "period":
        return column.map(lambda value: value.to_timestamp(), na_action="ignore")
    if held in _ASIS:
        return column
    if held in ("time", "interval"):
        return text(column)
    foreign = next((value for value in known if not isinstance(value, _WORDS) or isinstance(value, complex)), None)
    if foreign is None:
        return text(column)
    # Dates beside text or numbers read as text; what else there is has no meaning that a model could learn.
    if all(isinstance(value, (*_WORDS, pd.Timestamp, pd.Interval)) or hasattr(value, "isoformat") for value in known):
        return text(column)
    return type(foreign).__name__


def _number(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _text(column: pd.Series[Any]) -> pd.Series[Any]:
    return column.astype(object).map(str, na_action="ignore")
