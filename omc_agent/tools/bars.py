"""The geometry of bars: where a coin begins, where bars are missing, which bars hold a usable price."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.indexers import BaseIndexer

from omc_agent.errors import DataError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
PRICE_COLUMNS = ("open", "high", "low", "close", "bid", "ask")
DAY = pd.Timedelta(days=1)
# The bar length is read from the first steps only, so that cutting the end of a frame cannot change it.
_STEPS_READ = 500


@dataclass(frozen=True)
class Bars:
    """The geometry of a prices frame: where coins begin, where bars are missing.

    Attributes
    ----------
    time : int64 array (rows,)
        Open time of each bar, microseconds since the epoch, UTC.
    coin_start : int64 array (rows,)
        Position of the first bar of the row's coin.
    run_start : int64 array (rows,)
        Position of the first bar of the unbroken run (same coin, no missing bar) that the row is in.
    step : int or None
        Bar length in microseconds; None when no coin has two bars.
    """

    time: Ints
    coin_start: Ints
    run_start: Ints
    step: int | None

    @classmethod
    def of(cls, prices: pd.DataFrame) -> Bars:
        """Read the geometry; the frame must be sorted by coin, then time, without duplicates.

        Raises
        ------
        DataError
            ``data.no_time``, ``data.no_price`` or ``data.unreadable`` when the frame is not a prices frame.
        """
        _check_columns(prices)
        rows = len(prices)
        position = np.arange(rows, dtype=np.int64)
        time = epoch_us(prices["timestamp"])
        code = pd.factorize(prices["coin"])[0]
        begins = np.ones(rows, dtype=bool)
        begins[1:] = code[1:] != code[:-1]
        delta = np.zeros(rows, dtype=np.int64)
        delta[1:] = np.diff(time)
        if begins.sum() > len(np.unique(code)) or (delta[~begins] <= 0).any():
            raise DataError(
                "data.unreadable",
                given="The prices are not sorted by coin and time, or a coin has two bars at one time.",
                have="Every tool here expects one bar per coin and time, sorted.",
                try_='Try prices.drop_duplicates(["coin", "timestamp"]).sort_values(["coin", "timestamp"]).',
            )
        coin_start = last_true(begins, position)
        early = ~begins & (position - coin_start <= _STEPS_READ)
        steps = np.sort(delta[early])
        step = int(steps[(len(steps) - 1) // 2]) if len(steps) else None
        breaks = begins | (delta != step)
        return cls(time, coin_start, last_true(breaks, position), step)

    def at(self, shift: int) -> Ints:
        """For each row, the position of the same coin's bar exactly `shift` microseconds on; -1 if none."""
        found = np.full(len(self.time), -1, dtype=np.int64)
        for begin, end in self.blocks():
            times = self.time[begin:end]
            wanted = times + shift
            spot = np.minimum(np.searchsorted(times, wanted), len(times) - 1)
            hit = times[spot] == wanted
            found[begin:end][hit] = begin + spot[hit]
        return found

    def blocks(self) -> list[tuple[int, int]]:
        """First and past-the-end position of each coin."""
        begins = np.unique(self.coin_start).tolist()
        return list(zip(begins, [*begins, len(self.time)][1:], strict=True))

    def window(self, length: int) -> RunWindow:
        """The last `length` bars, ending at the row, never across a coin border or a missing bar."""
        return RunWindow(length, self.run_start)

    def log_returns(self, close: Floats) -> Floats:
        """Log return of each bar over the bar before; NaN at the start of a run (rows,)."""
        log = np.log(close)
        returns = np.full(len(log), np.nan)
        inside = np.flatnonzero(np.arange(len(log)) > self.run_start)
        returns[inside] = log[inside] - log[inside - 1]
        return returns


class RunWindow(BaseIndexer):
    """Rolling windows that start anew at each run: pandas resets its sums there, so runs never mix."""

    def __init__(self, length: int, run_start: Ints) -> None:
        super().__init__(window_size=length)
        self.length = length
        self.run_start = run_start

    def get_window_bounds(
        self,
        num_values: int = 0,
        min_periods: int | None = None,
        center: bool | None = None,
        closed: str | None = None,
        step: int | None = None,
    ) -> tuple[Ints, Ints]:
        """Start and end of each window, as pandas asks for them."""
        end = np.arange(1, num_values + 1, dtype=np.int64)
        return np.maximum(end - self.length, self.run_start), end


def bar_interval(prices: pd.DataFrame) -> pd.Timedelta:
    """The length of a bar: the median step between bars of one coin.

    Only each coin's first 500 steps are read: the answer is then the same for a frame whose end was cut off.

    Parameters
    ----------
    prices : DataFrame
        Bars, sorted by coin, then timestamp (UTC, open time).

    Raises
    ------
    DataError
        ``data.too_few_rows`` when no coin has two bars.

    Examples
    --------
    >>> times = pd.date_range("2024-01-01", periods=3, freq="5min", tz="UTC")
    >>> bar_interval(pd.DataFrame({"coin": "BTC", "timestamp": times, "close": 1.0}))
    Timedelta('0 days 00:05:00')
    """
    step = Bars.of(prices).step
    if step is None:
        raise DataError(
            "data.too_few_rows",
            given=f"The frame has {len(prices)} bars.",
            have="The length of a bar needs two bars of one coin.",
            try_="Try a longer span.",
        )
    return pd.Timedelta(step, unit="us")


def good_bars(prices: pd.DataFrame, bars: Bars | None = None) -> Flags:
    """Which bars hold a usable price: what `clean_data` keeps, and what a label may be made of.

    A bar is bad where `close` is missing, infinite or not positive, where `high` < `low`, where another price
    column is not positive, or lacks a value that the coin had before; a bar marked `filled` is bad too.

    Returns
    -------
    bool array (rows,)
    """
    bars = bars or Bars.of(prices)
    close = floats(prices, "close")
    good = np.isfinite(close) & (close > 0)
    for name in (name for name in PRICE_COLUMNS if name in prices.columns and name != "close"):
        value = floats(prices, name)
        known = np.isfinite(value)
        last = last_true(known, np.arange(len(value), dtype=np.int64))
        seen = known[last] & (last >= bars.coin_start)
        good &= (known & (value > 0)) | (np.isnan(value) & ~seen)
    if {"high", "low"} <= set(prices.columns):
        good &= ~(floats(prices, "high") < floats(prices, "low"))
    if "filled" in prices.columns:
        good &= ~prices["filled"].to_numpy(dtype=bool)
    return good


def epoch_us(times: pd.Series[Any]) -> Ints:
    """Times as microseconds since the epoch, UTC (naive times are UTC)."""
    aware = times.dt.tz_localize("UTC") if times.dt.tz is None else times
    return np.asarray(aware.dt.as_unit("us").astype("int64"), dtype=np.int64)


def floats(frame: pd.DataFrame, name: str) -> Floats:
    """A column as float64, NaN where it holds nothing (rows,)."""
    return frame[name].to_numpy(dtype=np.float64, na_value=np.nan)


def is_number(column: pd.Series[Any]) -> bool:
    """Whether a column holds numbers; flags are none."""
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def roll(values: Floats, window: RunWindow, what: str) -> Floats:
    """A rolling statistic by its pandas name; NaN until a window is full (rows,)."""
    rolled = pd.Series(values).rolling(window, min_periods=window.length)
    return np.asarray(getattr(rolled, what)(), dtype=np.float64)


def last_true(flags: Flags, position: Ints) -> Ints:
    """For each position the last one up to it with a flag; 0 where there is none yet (rows,)."""
    return np.maximum.accumulate(np.where(flags, position, 0)) if len(position) else position


def _check_columns(prices: pd.DataFrame) -> None:
    there = f"The frame has {', '.join(map(str, prices.columns)) or 'no columns'}."
    missing = [name for name in ("coin", "timestamp", "close") if name not in prices.columns]
    timed = "timestamp" in prices.columns and pd.api.types.is_datetime64_any_dtype(prices["timestamp"])
    if missing or not timed:
        raise DataError(
            "data.no_price" if missing == ["close"] else "data.no_time",
            given=f"The prices lack {' and '.join(missing) or 'a timestamp column that holds times'}.",
            have=there,
            try_="Try fetch_price_data, which names the columns coin, timestamp and close.",
        )
