"""What counts as an outlier: limits learned from development rows, kept as state, and applied to any rows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from omc_agent.errors import UsageError
from omc_agent.tools.bars import Bars, Flags, Floats, good_bars

Limits = Mapping[str, Any]
_ALL = ""  # the group of a frame without coins
_KEYS = frozenset({"coin", "timestamp", "label_end", "target", "level", "filled"})


def fit_limits(frame: pd.DataFrame, k: float = 10.0) -> dict[str, Any]:
    """Learn from development rows what an outlier is (kind: fit).

    Parameters
    ----------
    frame : DataFrame (rows, ...)
        Bars (with `coin`, `timestamp`, `close`), or a features frame.
    k : float
        How many robust standard deviations are still usual, at least 3.

    Returns
    -------
    dict
        ``k``; ``returns``: the largest usual log return of a bar, by coin (bars only); ``columns``: ``[low, high]``
        by column and coin: `volume` for bars, every numeric feature for features. Ready for JSON, so for
        `save_state`. A column that hardly moves has no limits.

    Raises
    ------
    UsageError
        ``usage.value`` for a `k` below 3.

    Notes
    -----
    Robust: median, and 1.4826 times the median absolute deviation, which a few outliers cannot move. Volume is
    measured on a log scale, for it is never below zero and leans to the right. Prices have no limits of their own:
    only how far they move from bar to bar has.

    Examples
    --------
    >>> limits = fit_limits(pd.DataFrame({"size": [1.0, 2.0, 3.0, 4.0, 5.0], "target": 0.0}))
    >>> [round(end, 3) for end in limits["columns"]["size"][""]]
    [-11.826, 17.826]
    """
    if not k >= 3:
        raise UsageError(
            "usage.value",
            given=f"k was {k!r}.",
            have="Outliers are counted in robust standard deviations; below 3 they would be usual rows.",
            try_="Try k=10.",
        )
    is_bars = "close" in frame.columns
    names = ["volume"] if is_bars and "volume" in frame.columns else [] if is_bars else _numeric(frame)
    groups = _groups(frame)
    columns: dict[str, dict[str, list[float]]] = {}
    for name in names:
        value = _numbers(frame[name])
        found = {coin: ends for coin, rows in groups.items() if (ends := _ends(value[rows], k, log=name == "volume"))}
        columns |= {str(name): found} if found else {}
    made: dict[str, Any] = {"k": float(k), "columns": columns}
    if is_bars:
        moves = returns_of(frame)
        spread = {coin: _spread(moves[rows])[1] for coin, rows in groups.items()}
        made["returns"] = {coin: k * sd for coin, sd in spread.items() if sd > 0}
    return made


def clip_outliers(frame: pd.DataFrame, limits: Limits) -> pd.DataFrame:
    """The frame with its columns held within limits that were learned before (kind: transform).

    Only columns that `fit_limits` gave limits are touched: features, or the volume of bars. Prices and targets never
    are: a crash is not an error.

    Parameters
    ----------
    frame : DataFrame (rows, ...)
        Rows of the kind that `fit_limits` saw.
    limits : mapping
        What `fit_limits` gave. A coin or column without limits stays as it is, and so does NaN.

    Returns
    -------
    DataFrame, rows and index of `frame`
        ``attrs["changes"]`` counts per column what was clipped; see `count_changes`.

    Examples
    --------
    >>> limits = fit_limits(pd.DataFrame({"size": [1.0, 2.0, 3.0, 4.0, 5.0]}))
    >>> clip_outliers(pd.DataFrame({"size": [2.0, 99.0]}), limits)["size"].round(3).tolist()
    [2.0, 17.826]
    """
    made, groups = frame.copy(), _groups(frame)
    changes: dict[str, dict[str, int]] = {}
    for name, ends in limits.get("columns", {}).items():
        if name not in frame.columns or name in _KEYS:
            continue
        value = _numbers(frame[name])
        held = value.copy()
        for coin, rows in groups.items():
            if coin in ends:
                held[rows] = np.clip(value[rows], *ends[coin])
        made[name] = held
        changes[name] = {"clipped": int((held != value)[~np.isnan(value)].sum())}
    made.attrs = {**frame.attrs, "changes": changes}
    return made


def outside(frame: pd.DataFrame, limits: Limits) -> tuple[Flags, Flags]:
    """Bars that moved further than is usual, and bars whose volume is beyond its limits; each causal (rows,)."""
    moves, far, much = returns_of(frame), np.zeros(len(frame), dtype=bool), np.zeros(len(frame), dtype=bool)
    for coin, rows in _groups(frame).items():
        usual = limits.get("returns", {}).get(coin)
        if usual:
            far[rows] = np.abs(np.nan_to_num(moves[rows])) > usual
        ends = limits.get("columns", {}).get("volume", {}).get(coin)
        if ends and "volume" in frame.columns:
            value = _numbers(frame["volume"])[rows]
            much[rows] = (value < ends[0]) | (value > ends[1])
    return far, much


def spikes(frame: pd.DataFrame, limits: Limits) -> Flags:
    """Bars whose *predecessor* jumped further than is usual and was taken back at once (rows,).

    Known at the bar after, so the flag stands there: at the jump itself nobody can tell a spike from a crash.
    """
    moves = returns_of(frame)
    before = np.concatenate([[np.nan], moves[:-1]])
    far, _ = outside(frame, limits)
    jumped = np.concatenate([[False], far[:-1]])
    # Back by three quarters at least; a bar after a gap, or of another coin, has no return to compare.
    back = np.abs(before + moves) <= np.abs(before) / 4
    return np.asarray(jumped & back & np.isfinite(moves) & np.isfinite(before), dtype=bool)


def returns_of(prices: pd.DataFrame) -> Floats:
    """Log returns between neighbouring good bars; NaN at the start of a run (rows,)."""
    bars = Bars.of(prices)
    close = np.where(good_bars(prices, bars), _numbers(prices["close"]), np.nan)
    return bars.log_returns(close)


def _ends(value: Floats, k: float, *, log: bool) -> list[float] | None:
    value = value[np.isfinite(value)]
    if log:
        value = np.log(value[value > 0])
    middle, spread = _spread(value)
    if not spread > 0:
        return None
    low, high = middle - k * spread, middle + k * spread
    return [0.0, math.exp(high)] if log else [low, high]


def _spread(value: Floats) -> tuple[float, float]:
    """Median and robust standard deviation; the plain one where more than half of the values are alike."""
    value = value[np.isfinite(value)]
    if len(value) < 3:
        return 0.0, 0.0
    middle = float(np.median(value))
    robust = 1.4826 * float(np.median(np.abs(value - middle)))
    return middle, robust if robust > 0 else float(value.std())


def _groups(frame: pd.DataFrame) -> dict[str, Flags]:
    if "coin" not in frame.columns:
        return {_ALL: np.ones(len(frame), dtype=bool)}
    coin = frame["coin"].astype(str).to_numpy()
    return {str(name): coin == name for name in pd.unique(coin)}


def _numeric(frame: pd.DataFrame) -> list[str]:
    return [
        str(name)
        for name in frame.columns
        if name not in _KEYS and not str(name).startswith("naive_") and pd.api.types.is_float_dtype(frame[name])
    ]


def _numbers(column: pd.Series[Any]) -> Floats:
    return column.to_numpy(dtype=np.float64, na_value=np.nan)
