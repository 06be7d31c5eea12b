"""The cut that seals the holdout: the last stretch of time, or a seeded sample of a table without time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from omc_agent.tools.column_kinds import read_columns
from omc_agent.tools.grouping import seal_groups
from omc_agent.tools.repeats import Positions, count_repeats, repeated_rows, sample_whole
from omc_agent.tools.split_checks import bad_value, span_of, too_few


def seal_cut(times: pd.Series[Any] | pd.DatetimeIndex, fraction: float = 0.2) -> pd.Timestamp:
    """The time from which bars are sealed: the (1 - fraction) quantile of the unique timestamps.

    Parameters
    ----------
    times : Series or DatetimeIndex
        Open times of the bars of all coins, UTC; repeats count once.
    fraction : float
        Share of the unique timestamps to seal, between 0 and 1.

    Returns
    -------
    Timestamp
        UTC; the first sealed time.

    Raises
    ------
    UsageError
        ``usage.value`` for a fraction outside (0, 1).
    DataError
        ``data.too_few_rows`` for fewer than two times.

    Examples
    --------
    >>> seal_cut(pd.date_range("2024-01-01", periods=10, freq="1D", tz="UTC"))
    Timestamp('2024-01-09 00:00:00+0000', tz='UTC')
    """
    if not 0 < fraction < 1:
        raise bad_value("fraction", fraction, "It is the sealed share of the rows, between 0 and 1.")
    unique = pd.DatetimeIndex(pd.Series(times).dropna().unique()).sort_values()
    if len(unique) < 2:
        raise too_few(len(unique), 1)
    # The epsilon keeps 0.2 of 10 at two sealed times, whatever the rounding of 1 - 0.2.
    first = min(max(int(np.ceil(len(unique) * (1 - fraction) - 1e-9)), 1), len(unique) - 1)
    return unique[first]


def seal(
    frame: pd.DataFrame,
    fraction: float = 0.2,
    horizon: str | timedelta | None = None,
    seed: int = 0,
    target: str = "target",
    group: str | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split off the holdout: one cut in time for all coins, or a seeded sample of a table without time.

    Parameters
    ----------
    frame : DataFrame (rows, ...)
        Prices, features, or any table. With `timestamp` the cut is in time.
    fraction : float
        Share to seal.
    horizon : str or timedelta, optional
        From decision to label; used where the frame has a target but no `label_end`.
    seed : int
        Seed of the sample, for a table without time.
    target : str
        The target column, where the frame has one.
    group : str, optional
        A column of a table without time whose groups stay whole; see `grouping.seal_groups`.

    Returns
    -------
    development, sealed : DataFrame
        Both keep the frame's index, order and columns; together they hold every row once. A development row
        whose label would be made of a sealed bar keeps its place and loses its label (NaN; `label_end` NaT). Rows
        of a table without time that repeat each other lie on one side.

    Raises
    ------
    UsageError, DataError
        As `seal_cut`.

    Examples
    --------
    >>> times = pd.date_range("2024-01-01", periods=10, freq="1h", tz="UTC")
    >>> bars = pd.DataFrame({"coin": "BTC", "timestamp": times, "close": 1.0})
    >>> [len(part) for part in seal(bars)]
    [8, 2]
    """
    if group is not None:
        return seal_groups(frame, group, fraction, seed, target)
    if "timestamp" not in frame.columns:
        return _seal_table(frame, fraction, seed, target)
    cut = seal_cut(frame["timestamp"], fraction)
    before = frame["timestamp"] < cut
    development, sealed = frame[before].copy(), frame[~before].copy()
    if target in frame.columns and ("label_end" in frame.columns or horizon is not None):
        _blank_unknown(development, cut, horizon, target)
    return development, sealed


def _blank_unknown(rows: pd.DataFrame, cut: pd.Timestamp, horizon: str | timedelta | None, target: str) -> None:
    if "label_end" in rows.columns:
        end = rows["label_end"]
    else:
        end = rows["timestamp"] + span_of("horizon", "0h" if horizon is None else horizon)
    unknown = end >= cut
    rows.loc[unknown, target] = np.nan
    if "label_end" in rows.columns:
        rows.loc[unknown, "label_end"] = pd.NaT


def _seal_table(frame: pd.DataFrame, fraction: float, seed: int, target: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    if not 0 < fraction < 1:
        raise bad_value("fraction", fraction, "It is the sealed share of the rows, between 0 and 1.")
    if len(frame) < 2:
        raise too_few(len(frame), 1)
    code = repeats_of(frame, target)
    classes = np.zeros(len(frame), dtype=np.int64)
    if target in frame.columns:
        codes, known = pd.factorize(frame[target], use_na_sentinel=False)
        small = len(known) <= 20 and np.bincount(codes).min() >= 2
        sealed_rows = int(np.ceil(len(frame) * fraction))
        if small and len(known) <= min(sealed_rows, len(frame) - sealed_rows):
            classes = codes.astype(np.int64)
    if count_repeats(code):
        sealed = sample_whole(code, classes, fraction, seed)
        return frame[~sealed].copy(), frame[sealed].copy()
    kept, held = train_test_split(
        np.arange(len(frame)),
        test_size=fraction,
        random_state=seed,
        shuffle=True,
        stratify=classes if classes.any() else None,
    )
    return frame.iloc[np.sort(kept)].copy(), frame.iloc[np.sort(held)].copy()


def repeats_of(frame: pd.DataFrame, target: str) -> Positions:
    """A number for each row of a table without time, equal where the features are.

    Columns that name rows, or never change, do not count.

    Examples
    --------
    >>> rows = pd.DataFrame({"id": range(100), "size": [*range(98), 0, 1], "sold": [0, 1] * 50})
    >>> count_repeats(repeats_of(rows, "sold"))
    2
    """
    kinds = read_columns(frame, target)
    idle = [name for name in frame.columns if kinds.get(str(name)) in ("name", "constant", "empty")]
    return repeated_rows(frame, [target, *idle])
