"""A fingerprint of what a frame holds: the same rows give the same, whatever file or version of pandas holds them."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pandas as pd

# How long a fit took is no part of what came out of it.
TIMINGS = ("fit_seconds", "predict_seconds")


def fingerprint(frame: pd.DataFrame) -> str:
    """SHA-256 over labels, names and values of a frame.

    Parameters
    ----------
    frame : DataFrame (rows, columns)
        Numbers count as float64, times as microseconds UTC (naive is UTC), text and categories as text. Columns
        `fit_seconds` and `predict_seconds` are left out.

    Returns
    -------
    str
        64 hex digits. Every NaN is the same NaN, and -0.0 is 0.0; nothing is rounded.

    Examples
    --------
    >>> one = pd.DataFrame({"size": [1, 2]})
    >>> fingerprint(one) == fingerprint(one.astype("float64")), fingerprint(one) == fingerprint(one + 1)
    (True, False)
    """
    digest = hashlib.sha256()
    _add(digest, "", frame.index.to_series())
    for position, name in enumerate(frame.columns):
        if name not in TIMINGS:
            _add(digest, str(name), frame.iloc[:, position])
    return digest.hexdigest()


def _add(digest: Any, name: str, column: pd.Series[Any]) -> None:
    kind, content = _content(column)
    digest.update(f"{len(name)}:{name}:{kind}:{len(column)}:".encode())
    digest.update(content)


def _content(column: pd.Series[Any]) -> tuple[str, bytes]:
    if pd.api.types.is_datetime64_any_dtype(column):
        aware = column.dt.tz_localize("UTC") if column.dt.tz is None else column
        return "time", aware.dt.as_unit("us").astype("int64").to_numpy().tobytes()
    if pd.api.types.is_numeric_dtype(column):
        values = column.to_numpy(dtype=np.float64, na_value=np.nan) + 0.0  # -0.0 becomes 0.0
        return "number", np.where(np.isnan(values), np.nan, values).tobytes()
    texts = [b"" if pd.isna(value) else b"=" + str(value).encode() for value in column.astype(object)]
    return "text", b"".join(f"{len(text)}:".encode() + text for text in texts)
