"""Other futures for the leak test: the rows after a cut taken away, or replaced by others as plausible."""

from __future__ import annotations

import numpy as np
import pandas as pd

from omc_agent.tools.bars import PRICE_COLUMNS, Flags, Floats, Ints, is_number

# Scrambling moves blocks, so that the other future keeps the short-term pattern of the real one.
_BLOCK = 12
_RECENT = 48


def truncate(frame: pd.DataFrame, cut: pd.Timestamp) -> pd.DataFrame:
    """The rows with `timestamp` at or below the cut; index labels are kept.

    Examples
    --------
    >>> times = pd.date_range("2024-01-01", periods=3, freq="1h", tz="UTC")
    >>> truncate(pd.DataFrame({"timestamp": times}), times[1]).index.tolist()
    [0, 1]
    """
    return frame[upto(frame, cut)].copy()


def scramble(frame: pd.DataFrame, cut: pd.Timestamp, seed: int) -> pd.DataFrame:
    """All rows, with the numbers after the cut replaced by another plausible future.

    Prices are moved together: the log returns after the cut are dealt anew in blocks of 12 bars, turned round and
    blurred, and applied to the coin's last price, the first of them a
    jump back over the range of the last 48 bars; open, high, low, bid and ask keep their distance to close,
    missing and unusable prices stay so. Other numbers are dealt in the same order and stretched by a random
    factor between 0.5 and 1.5. Times stay; so do text and flags of bars. In any other table text, flags and numbers
    of two values (a target may be one) are dealt in that order too, as they are.

    Parameters
    ----------
    frame : DataFrame (rows, ...)
        With `timestamp` (UTC), and optionally `coin` and `close`.
    cut : Timestamp
        The last time that stays.
    seed : int
        Of the other future.

    Returns
    -------
    DataFrame, rows, index, columns and dtypes of `frame`

    Examples
    --------
    >>> times = pd.date_range("2024-01-01", periods=4, freq="1h", tz="UTC")
    >>> other = scramble(pd.DataFrame({"timestamp": times, "close": [1.0, 2.0, 3.0, 4.0]}), times[1], seed=0)
    >>> other["close"].head(2).tolist(), bool((other["close"].tail(2) == [3.0, 4.0]).any())
    ([1.0, 2.0], False)
    """
    other, rng = frame.copy(), np.random.default_rng(seed)
    after = ~upto(frame, cut)
    code = pd.factorize(frame["coin"])[0] if "coin" in frame.columns else np.zeros(len(frame), dtype=np.int64)
    numeric = [name for name in frame.columns if is_number(frame[name])]
    priced = [name for name in PRICE_COLUMNS if name in numeric] if "close" in numeric else []
    whole_values = [] if "coin" in frame.columns else _kept_values(frame, numeric)
    places = np.arange(len(frame), dtype=np.int64)
    future = {name: frame[name].to_numpy(dtype=np.float64, na_value=np.nan).copy() for name in numeric}
    for one in np.unique(code[after]):
        rows = np.flatnonzero(after & (code == one))
        known = np.flatnonzero(~after & (code == one))
        deal = _deal(len(rows), rng)
        if priced:
            _other_prices(future, priced, known, rows, deal, rng)
        for name in (name for name in numeric if name not in priced):
            future[name][rows] = future[name][rows[deal]] * rng.uniform(0.5, 1.5, len(rows))
        places[rows] = rows[deal]
    for name, values in future.items():
        whole = pd.api.types.is_integer_dtype(frame[name])
        changed = pd.Series(np.where(after, values.round() if whole else values, np.nan), index=frame.index)
        other.loc[after, name] = changed[after].astype(frame[name].dtype)
    for name in whole_values:
        other[name] = frame[name].array.take(places)
    return other


def _kept_values(frame: pd.DataFrame, numeric: list[str]) -> list[str]:
    """Columns of a table whose values are moved but not made up: text, flags, numbers of two values."""
    names = [name for name in frame.columns if not pd.api.types.is_datetime64_any_dtype(frame[name])]
    return [name for name in names if name not in numeric or frame[name].nunique() <= 2]


def upto(frame: pd.DataFrame, cut: pd.Timestamp | None) -> Flags:
    """Which rows lie at or below the cut; all of them without a cut or without times (rows,)."""
    if cut is None or "timestamp" not in frame.columns:
        return np.ones(len(frame), dtype=bool)
    return (frame["timestamp"] <= cut).to_numpy(dtype=bool)


def _deal(rows: int, rng: np.random.Generator) -> Ints:
    """Positions 0..rows-1 in blocks whose order is random (turned, where there are two or three)."""
    starts = np.arange(0, rows, min(_BLOCK, max(rows // 2, 1)))
    order = np.roll(starts, 1) if len(starts) < 4 else rng.permutation(starts)
    size = starts[1] - starts[0] if len(starts) > 1 else rows
    return np.concatenate([np.arange(begin, min(begin + size, rows)) for begin in order])


def _other_prices(
    future: dict[str, Floats],
    priced: list[str],
    known: Ints,
    rows: Ints,
    deal: Ints,
    rng: np.random.Generator,
) -> None:
    """Write another path of one coin's prices into `future` at `rows`."""
    close = future["close"]
    line = pd.Series(np.where(_usable(close), close, np.nan)[np.concatenate([known, rows])])
    line = line.ffill().bfill().fillna(1.0)
    log = np.log(line.to_numpy())
    returns = np.diff(log, prepend=log[:1])[len(known) :]
    blur = max(float(np.std(returns)), 1e-4)
    moved = -returns[deal] + rng.normal(0.0, blur / 2, len(rows))
    moved[0] = _jump(log[max(len(known) - _RECENT, 0) : max(len(known), 1)], blur)
    level = np.exp(log[max(len(known) - 1, 0)] + np.cumsum(moved))
    own = close[rows[deal]]
    usable = _usable(own)
    for name in priced:
        value = future[name][rows[deal]]
        safe = np.where(usable, own, 1.0)
        future[name][rows] = np.where(usable & _usable(value), level * value / safe, value)


def _jump(recent: Floats, blur: float) -> float:
    """A first move that undoes all of the last bars: labels that end right behind the cut turn over."""
    rose = recent[-1] >= recent[max(len(recent) - _BLOCK - 1, 0)]
    size = 1.2 * float(np.ptp(recent)) + 3 * blur
    return -size if rose else size


def _usable(values: Floats) -> Flags:
    return np.isfinite(values) & (values > 0)
