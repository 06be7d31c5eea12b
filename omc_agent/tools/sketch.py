"""A small record of which rows a frame holds, to know some of them again in another frame."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from omc_agent.tools.bars import is_number

Hashes = NDArray[np.uint64]
SIZE = 4096  # hashes kept: every row of a month of 5-minute bars, one in ten of a large table
_CHANCE = 0.01  # a share of rows that may be alike by chance
_EVERYTHING = np.uint64(np.iinfo(np.uint64).max)


def sketch_rows(frame: pd.DataFrame, size: int = SIZE) -> str:
    """The smallest hashes of a frame's rows, as text.

    Parameters
    ----------
    frame : DataFrame (rows, ...)
        Any rows. Order, index and names of columns do not count; numbers are compared as float64, times in UTC, other
        values as text. A column more or less makes other rows.
    size : int
        Hashes to keep at most.

    Returns
    -------
    str
        Base64 of little-endian 64-bit hashes, ascending; 11 characters a row, 44,000 at most.

    Notes
    -----
    A bottom-k sketch: Cohen and Kaplan (2007), Summarizing data using bottom-k sketches. Rows that are equal in every
    column are one row.

    Examples
    --------
    >>> rows = pd.DataFrame({"size": [1, 2], "kind": ["a", "b"]})
    >>> sketch_rows(rows) == sketch_rows(rows.iloc[::-1].astype({"size": float}))
    True
    """
    kept = np.unique(hash_rows(frame))[:size]
    return base64.b64encode(kept.astype("<u8").tobytes()).decode("ascii")


def hash_rows(frame: pd.DataFrame) -> Hashes:
    """A 64-bit hash of each row's values, whatever the index and the names of the columns.

    Examples
    --------
    >>> one, other = hash_rows(pd.DataFrame({"a": [1, 1], "b": [2, 3]})).tolist()
    >>> one == other
    False
    """
    total = np.zeros(len(frame), dtype=np.uint64)
    for place in range(frame.shape[1]):
        with np.errstate(over="ignore"):
            total += pd.util.hash_array(_plain(frame.iloc[:, place]))
    return np.asarray(pd.util.hash_array(total), dtype=np.uint64)  # sums of small hashes are not small: mixed again


def _plain(column: pd.Series[Any]) -> NDArray[Any]:
    if is_number(column):
        numbers = column.to_numpy(dtype=np.float64, na_value=np.nan) + 0.0  # -0.0 is 0.0
        return np.where(np.isnan(numbers), np.nan, numbers)
    if pd.api.types.is_datetime64_any_dtype(column):
        utc = column.dt.tz_localize("UTC") if column.dt.tz is None else column.dt.tz_convert("UTC")
        return np.asarray(utc.dt.tz_localize(None).to_numpy(dtype="datetime64[us]").view(np.int64))
    return np.asarray(column.astype(object).where(column.notna(), None).map(str), dtype=object)


def share_rows(one: str, other: str) -> bool:
    """Whether two sketches are of frames that have more than 1 % of the rows of either in common.

    Parameters
    ----------
    one, other : str
        From `sketch_rows`, of the same size.

    Returns
    -------
    bool
        Exact for up to 4,096 different rows. Of larger frames a common sample is compared: an overlap of 5 % of the
        larger has 200 rows in it and is found; one that is small beside the larger frame may be missed. Columns that
        take few values make rows alike that are not the same; those count as the same.

    Examples
    --------
    >>> parts = [pd.DataFrame({"size": range(start, start + 100)}) for start in (0, 90, 100)]
    >>> first, second, third = (sketch_rows(part) for part in parts)
    >>> share_rows(first, second), share_rows(first, third)
    (True, False)
    """
    a, b = _hashes(one), _hashes(other)
    if not len(a) or not len(b):
        return False
    # Below this both hold every hash that they have.
    limit = min(a[-1] if len(a) >= SIZE else _EVERYTHING, b[-1] if len(b) >= SIZE else _EVERYTHING)
    a, b = a[a <= limit], b[b <= limit]
    common = len(np.intersect1d(a, b, assume_unique=True))
    return common > _CHANCE * min(len(a), len(b))


def _hashes(text: str) -> Hashes:
    return np.frombuffer(base64.b64decode(text), dtype="<u8").astype(np.uint64)
