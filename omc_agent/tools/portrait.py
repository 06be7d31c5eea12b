"""The portrait of a frame: what a model is told of it, never the whole. Schema, a few rows, and statistics.

A portrait is made on the host, of a person's own objects: nothing of theirs is called. Columns that hold anything but
plain values are told by the name of the type.
"""

from __future__ import annotations

import datetime as dt
import decimal
import math
from collections.abc import Collection
from typing import Any, Literal

import numpy as np
import pandas as pd

from omc_agent.errors import DataError
from omc_agent.tools.sealing import seal_cut
from omc_agent.tools.secret_columns import is_secret, withhold
from omc_agent.tools.time_column import find_time

Part = Literal["first", "all", "schema"]
MOST_COLUMNS, MOST_ROWS, HEAD = 40, 1_000_000, 3
CELL, NAME = 80, 60
LARGEST = 6_000  # characters of JSON, about 1,500 tokens
_PLAIN: frozenset[type] = frozenset({
    str, int, float, bool, type(None), decimal.Decimal, dt.date, dt.datetime, dt.time, dt.timedelta,
    pd.Timestamp, pd.Timedelta, type(pd.NaT), type(pd.NA), np.bool_, np.int8, np.int16, np.int32, np.int64,
    np.uint8, np.uint16, np.uint32, np.uint64, np.float16, np.float32, np.float64, np.str_, np.datetime64,
})  # fmt: skip


def portrait(
    frame: pd.DataFrame,
    *,
    part: Part = "first",
    holdout: float = 0.2,
    more: Collection[str] = (),
    allowed: Collection[str] = (),
) -> dict[str, Any]:
    """What may be told of a frame.

    Parameters
    ----------
    frame : DataFrame (rows, columns)
        Any; it is not changed.
    part : str
        ``first``: rows and statistics of the first ``1 - holdout`` of its times, which are never sealed, and none
        where there is no time, as it is not known yet which rows will be. ``all``: of every row (development rows).
        ``schema``: names, types and counts only.
    holdout : float
        Share that is sealed.
    more, allowed
        As in `secret_columns.is_secret`: columns that are named as a secret are only named.

    Returns
    -------
    dict, ready for JSON
        ``rows``; ``columns``: name -> type; ``withheld``: names; ``shown``: which rows the rest is of; ``head``: the
        first rows; ``statistics``: column -> ``missing`` and, of numbers, ``min``, ``mean``, ``max`` (of those that
        are finite), of times ``first``, ``last``, of words ``distinct`` and ``most``. At most 40 columns and 6,000
        characters.

    Examples
    --------
    >>> times = pd.date_range("2024-01-01", periods=10, freq="1D", tz="UTC")
    >>> made = portrait(pd.DataFrame({"date": times, "sold": range(10), "email": "a@b.example"}))
    >>> made["rows"], made["withheld"], made["statistics"]["sold"]["max"]
    (10, ['email'], 7)
    >>> "head" in portrait(pd.DataFrame({"sold": range(10)}))
    False
    """
    named = pd.DataFrame(frame.set_axis(_names(frame), axis=1))
    if type(named.index) not in (pd.DatetimeIndex, pd.PeriodIndex):  # other labels may be anybody's objects
        named = named.reset_index(drop=True)
    kept, withheld = withhold(named, more, allowed)
    columns = {name: _type_of(kept.iloc[:, place]) for place, name in enumerate(kept.columns[:MOST_COLUMNS])}
    made: dict[str, Any] = {"rows": len(kept), "columns": columns}
    if kept.shape[1] > MOST_COLUMNS:
        made["more_columns"] = kept.shape[1] - MOST_COLUMNS
    if withheld:
        made["withheld"] = withheld
    plain = kept.iloc[:, [place for place, kind in enumerate(columns.values()) if not kind.startswith("objects")]]
    rows, made["shown"] = _shown(plain, part, holdout)
    if rows is not None and len(rows):
        first = {str(name): [_cell(value) for value in rows[name].head(HEAD)] for name in rows}
        made["head"] = [{name: values[n] for name, values in first.items()} for n in range(min(HEAD, len(rows)))]
        made["statistics"] = {str(name): _statistics(rows[name]) for name in rows}
    return _fitting(made)


def is_plain(value: Any) -> bool:
    """Whether a value is of a type whose text can be made without calling anybody's code.

    Examples
    --------
    >>> is_plain(3), is_plain(object())
    (True, False)
    """
    return type(value) in _PLAIN


def type_name(value: Any) -> str:
    """The name of a value's type, read past whatever its class makes of it.

    Examples
    --------
    >>> type_name([1])
    'list'
    """
    return str(type.__dict__["__name__"].__get__(type(value)))[:NAME]


def _names(frame: pd.DataFrame) -> list[str]:
    """Names as text, each its own."""
    made: list[str] = []
    for place, name in enumerate(frame.columns):
        parts: tuple[Any, ...] = name if isinstance(name, tuple) else (name,)
        text = "_".join(str(part) for part in parts) if all(map(is_plain, parts)) else f"column {place}"
        text = text[:NAME]
        made.append(text if text not in made else f"{text} ({place})")
    return made


def _type_of(column: pd.Series[Any]) -> str:
    kind = column.dtype
    if isinstance(kind, np.dtype) and kind != np.dtype(object):
        return str(kind)
    if isinstance(kind, pd.CategoricalDtype):
        foreign = {type_name(value) for value in kind.categories if not is_plain(value)}
        return f"objects: {', '.join(sorted(foreign))}" if foreign else "category"
    if not isinstance(kind, np.dtype):
        known = type(kind).__module__.split(".")[0] == "pandas"
        return str(kind)[:NAME] if known else f"objects: {type_name(kind)}"
    types = set(map(type, column.to_numpy()))
    strange = sorted(str(type.__dict__["__name__"].__get__(each))[:NAME] for each in types - _PLAIN)
    if strange:
        return f"objects: {', '.join(strange[:3])}"
    missing = {type(None), float, type(pd.NaT), type(pd.NA)}
    return "text" if types - missing <= {str, np.str_} and types - missing else "mixed"


def _shown(plain: pd.DataFrame, part: Part, holdout: float) -> tuple[pd.DataFrame | None, str]:
    """The rows that may be shown, and what is said of them."""
    if part == "schema":
        return None, "no values before the seal; rows and statistics of the development part come with the analysis"
    if part == "all":
        return plain.head(MOST_ROWS), "development rows"
    try:
        found = find_time(plain)
        cut = seal_cut(found.times, holdout) if found is not None else None
    except DataError:
        found = cut = None
    if found is None or cut is None:
        return None, "no values: no column holds times, so which rows will be sealed is not known yet"
    before = (found.times < cut).to_numpy()
    return plain[before].head(MOST_ROWS), f"rows before {cut.isoformat()}, the first {1 - holdout:.0%} of the times"


def _statistics(column: pd.Series[Any]) -> dict[str, Any]:
    known = column.dropna()
    made: dict[str, Any] = {"missing": int(column.isna().sum())}
    if known.empty:
        return made
    if pd.api.types.is_datetime64_any_dtype(known.dtype):
        return {**made, "first": _cell(known.min()), "last": _cell(known.max())}
    if pd.api.types.is_numeric_dtype(known.dtype) and not pd.api.types.is_complex_dtype(known.dtype):
        values = known.to_numpy(dtype=np.float64)
        values = values[np.isfinite(values)]
        if not len(values):
            return made
        return {**made, "min": _number(values.min()), "mean": _number(values.mean()), "max": _number(values.max())}
    text = known.astype(object).map(str)
    counts = text.value_counts().head(3)
    most = {str(name)[:CELL]: int(count) for name, count in counts.items() if count > 1}
    return {**made, "distinct": int(text.nunique()), **({"most": most} if most else {})}


def _cell(value: Any) -> Any:
    if not is_plain(value):
        return type_name(value)
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (float, np.floating)):
        return _number(float(value))
    if isinstance(value, (int, np.integer)):
        return _number(int(value)) if -(10**15) < int(value) < 10**15 else "a long whole number"
    if isinstance(value, (pd.Timestamp, dt.datetime, dt.date)):
        return value.isoformat()
    return str(value)[:CELL]


def _number(value: float | int) -> float | int | None:
    """Six digits of a fraction, a whole number as it is; None where it is not finite."""
    if not math.isfinite(value):
        return None
    if isinstance(value, int):
        return value
    short = float(f"{value:.6g}")
    return int(short) if short.is_integer() and abs(short) < 1e15 else short


def _fitting(made: dict[str, Any]) -> dict[str, Any]:
    """Within the cap: later statistics go first, then the rows, then types of later columns."""
    from json import dumps

    while len(dumps(made)) > LARGEST:
        if made.get("statistics"):
            made["statistics"] = dict(list(made["statistics"].items())[: len(made["statistics"]) // 2])
        elif len(made.get("head", [])) > 0:
            made["head"] = made["head"][:-1]
        elif len(made["columns"]) > 1:
            half = len(made["columns"]) // 2
            made["more_columns"] = made.get("more_columns", 0) + len(made["columns"]) - half
            made["columns"] = dict(list(made["columns"].items())[:half])
        else:
            break
    return {name: value for name, value in made.items() if value not in ({}, [])}


__all__ = ["Part", "is_plain", "is_secret", "portrait", "type_name"]
