"""What the columns of any table hold: numbers, times or sentences in text, names of rows; what a target asks for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_datetime64_any_dtype, is_numeric_dtype

from omc_agent.tools.stored_time import parse_times

Kinds = dict[str, str]
_MOST_CLASSES, _ROWS_A_CLASS, _SHARE_OF_ROWS = 20, 10, 0.05
# Below this many rows a column that never changes, or never repeats, says little.
LEAST_ROWS = 20
LARGEST = 1e30
_DENSE = 0.6
_MISSING = frozenset({"", "?", "-", "na", "n/a", "nan", "null", "none"})
_NUMBER = r"[-+]?[$€£]?\s?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?(?:[eE][-+]?\d+)?\s?%?"
_DATE = r"(?:\d{4}-\d{1,2}-\d{1,2}|\d{1,2}[/.]\d{1,2}[/.]\d{2,4}).*"
_NAMES_ROWS = r"(?:.*[_ ])?(?:id|uuid|guid|key|index|nr|no|rownames|row|unnamed: 0)"


def task_of_column(column: pd.Series[Any]) -> tuple[str, str]:
    """The task that a target column asks for, and why where that is an assumption.

    Parameters
    ----------
    column : Series (rows,)
        The target.

    Returns
    -------
    task, assumed : str
        ``classification`` for text, categories, booleans, two distinct values, and whole numbers that are few: at
        most 20, each in 10 rows on average, and either 0, 1, 2, ... or under 5 % of the rows. Else ``regression``.
        `assumed` is a sentence for few whole numbers, otherwise empty.

    Examples
    --------
    >>> task_of_column(pd.Series([0.5, 1.5, 2.5]))
    ('regression', '')
    >>> task_of_column(pd.Series([0, 1, 2] * 50))[0]
    'classification'
    """
    known = column.dropna()
    if is_bool_dtype(column) or known.nunique() == 2:
        return "classification", ""
    values = as_numbers(known)
    if values is None:
        return "classification", ""
    distinct = np.unique(values.to_numpy(dtype=np.float64))
    count, rows = len(distinct), len(values)
    whole = bool((distinct == np.round(distinct)).all()) and count > 2
    few = count <= _MOST_CLASSES and rows >= _ROWS_A_CLASS * count
    codes = bool((distinct == np.arange(count)).all())
    if whole and few and (codes or count < _SHARE_OF_ROWS * rows):
        said = f"{column.name} holds {count} whole numbers and is taken for classes"
        return "classification", f"{said}; the word regression in the goal has it predicted as a number."
    return "regression", ""


def as_numbers(column: pd.Series[Any]) -> pd.Series[Any] | None:
    """The column as float64 where every known value reads as a number, also in text; None otherwise.

    In text thousands may have commas, and a currency sign or a per cent sign is left out. Codes with a leading zero
    are no numbers. Empty text and words such as ``NA`` or ``?`` are missing. Infinite values become NaN.

    Examples
    --------
    >>> as_numbers(pd.Series(["1,234", "12 %", "$3.50", "NA"])).tolist()
    [1234.0, 12.0, 3.5, nan]
    >>> as_numbers(pd.Series(["01234", "99999"])) is None
    True
    """
    if is_datetime64_any_dtype(column):
        return None
    if is_numeric_dtype(column):
        return finite(column)
    if isinstance(column.dtype, pd.CategoricalDtype):
        return None
    known = column.notna()
    if not column[known].map(lambda value: isinstance(value, str)).any():
        plain = pd.to_numeric(column, errors="coerce").astype("float64")
        return finite(plain) if plain.notna().eq(known).all() and known.any() else None
    known &= ~column.astype("str").str.strip().str.lower().isin(_MISSING)
    read = numbers_in_text(column)
    return read if known.any() and read.notna().eq(known).all() and 2 * known.sum() >= len(column) else None


def finite(column: pd.Series[Any]) -> pd.Series[Any]:
    """Numbers as float64; NaN for those that are infinite, or beyond 1e30, where squares and trees overflow.

    Examples
    --------
    >>> finite(pd.Series([1.0, float("inf"), -1e300])).tolist()
    [1.0, nan, nan]
    """
    numbers = column.astype("float64")
    return numbers.where(numbers.abs() <= LARGEST)


def numbers_in_text(column: pd.Series[Any]) -> pd.Series[Any]:
    """Each value as a number by itself; NaN where it does not read as one.

    Examples
    --------
    >>> numbers_in_text(pd.Series(["1,234", "unknown"])).tolist()
    [1234.0, nan]
    """
    text = column.astype("str").str.strip()
    plain = text.str.fullmatch(_NUMBER) & text.str.contains(r"\d") & ~text.str.match(r"[-+]?0\d")
    bare = text.where(plain.fillna(False).astype(bool)).str.replace(r"[,$€£%\s]", "", regex=True)
    return finite(pd.to_numeric(bare, errors="coerce"))


def as_times(column: pd.Series[Any]) -> pd.Series[Any] | None:
    """The column as UTC times where every known value reads as a date; None otherwise.

    Examples
    --------
    >>> as_times(pd.Series(["2024-01-31", None])).dt.day.tolist()
    [31.0, nan]
    """
    if is_datetime64_any_dtype(column):
        return pd.to_datetime(column, utc=True).astype("datetime64[us, UTC]")
    known = column.dropna()
    if not len(known) or is_numeric_dtype(column) or isinstance(column.dtype, pd.CategoricalDtype):
        return None
    if not known.astype("str").str.strip().str.fullmatch(_DATE).all():
        return None
    times = parse_times(column)
    return times if times.notna().eq(column.notna()).all() else None


def is_free_text(column: pd.Series[Any]) -> bool:
    """Whether a column of words is sentences, mostly different ones, rather than names of categories.

    Examples
    --------
    >>> is_free_text(pd.Series(["a red house", "the blue car there", "one more text"] * 20 + ["x y z"]))
    False
    >>> is_free_text(pd.Series([f"the house number {n} is red" for n in range(60)]))
    True
    """
    known = column.dropna().astype("str")
    if len(known) < LEAST_ROWS:
        return False
    return bool(known.nunique() > max(50, 0.5 * len(known)) and known.str.count(r"\S+").mean() >= 3)


def read_columns(frame: pd.DataFrame, target: str, time: str | None = None, group: str | None = None) -> Kinds:
    """Which columns are not what they look like, for `prepare_table` to read later rows the same way.

    Parameters
    ----------
    frame : DataFrame (rows, columns)
        Development rows.
    target, time, group : str
        Columns that are no features.

    Returns
    -------
    dict
        Column to ``number`` (in text), ``time``, ``text`` (sentences), ``constant``, ``empty`` or ``name`` (one
        value a row, so it names rows); other columns are not in it. The last three are left out as features.

    Examples
    --------
    >>> rows = pd.DataFrame({"id": range(30), "price": ["$1", "$2", "$3"] * 10, "one": 1, "y": [0, 1] * 15})
    >>> read_columns(rows, "y")
    {'id': 'name', 'price': 'number', 'one': 'constant'}
    """
    found: Kinds = {}
    for name in frame.columns:
        if name in (target, time, group, "timestamp"):
            continue
        kind = _kind(frame[name], str(name))
        if kind:
            found[str(name)] = kind
    return found


def _kind(column: pd.Series[Any], name: str) -> str:
    known, many = column.dropna(), len(column) >= LEAST_ROWS
    if many and not len(known):
        return "empty"
    if many and known.nunique() == 1 and len(known) == len(column):
        return "constant"
    if as_times(column) is not None:
        return "time"
    numbers = as_numbers(column)
    unique = many and len(known) == len(column) and known.is_unique
    if numbers is not None:
        if unique and names_rows(numbers, name):
            return "name"
        return "" if is_numeric_dtype(column) else "number"
    if is_free_text(column):
        return "text"
    return "name" if unique else ""


def names_rows(numbers: pd.Series[Any], name: str) -> bool:
    """Whether whole numbers that never repeat are names of rows: by the column's name, or as they count the rows.

    Examples
    --------
    >>> names_rows(pd.Series([7.0, 8.0, 9.0]), "x"), names_rows(pd.Series([7.0, 9.0]), "order_id")
    (True, True)
    >>> names_rows(pd.Series([7.0, 90.0]), "price")
    False
    """
    if not bool((numbers == numbers.round()).all()):
        return False
    step = numbers.diff().dropna()
    # Rows that were sealed leave holes in the count.
    counts = bool((step > 0).all()) and len(numbers) > _DENSE * (numbers.max() - numbers.min())
    return bool(pd.Series([name.lower()]).str.fullmatch(_NAMES_ROWS).all() or counts)


def column_notes(frame: pd.DataFrame, kinds: Kinds, target: str) -> list[dict[str, Any]]:
    """What to tell of the columns: left out, and infinite values, each with its column.

    Examples
    --------
    >>> rows = pd.DataFrame({"x": [1.0, float("inf")], "one": 1, "y": [0, 1]})
    >>> [note["code"] for note in column_notes(rows, {"one": "constant"}, "y")]
    ['left_out', 'infinite']
    """
    why = {
        "constant": "never changes",
        "empty": "holds no value",
        "name": "has another value in every row, so it names rows and says nothing of new ones",
    }
    notes = [
        {"code": "left_out", "column": name, "text": f"{name} {why[kind]}; it is no feature."}
        for name, kind in kinds.items()
        if kind in why
    ]
    for name in frame.columns:
        if name != target and is_numeric_dtype(frame[name]) and not is_bool_dtype(frame[name]):
            values = np.abs(frame[name].to_numpy(dtype=np.float64, na_value=np.nan))
            count = int((values > LARGEST).sum())
            if count:
                what = "infinite values" if np.isinf(values[values > LARGEST]).all() else "values beyond 1e30"
                text = f"{name}: {count:,} {what} are taken for missing."
                notes.append({"code": "infinite", "column": str(name), "text": text})
    return notes
