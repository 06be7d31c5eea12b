"""Features and target in one frame, aligned to the bars: a transform, causal in every column."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import pandas as pd

from omc_agent.errors import DataError, UsageError
from omc_agent.tools.bars import DAY, PRICE_COLUMNS, Bars, Floats, floats, roll
from omc_agent.tools.indicators import calculate_technical_indicators, indicator_columns
from omc_agent.tools.targets import make_target

_MICROSECONDS_A_DAY = 86_400_000_000


def create_features(
    prices: pd.DataFrame,
    lags: Sequence[int] = (1, 3, 12),
    windows: Sequence[int] = (12, 48),
    indicators: Sequence[str] | None = None,
    target: str = "direction",
    horizon: str | timedelta = "1h",
    threshold: float | None = None,
    changes: Sequence[str] = (),
) -> pd.DataFrame:
    """Features of each bar, known at its close, with the target (kind: transform).

    Parameters
    ----------
    prices : DataFrame (rows, ...)
        Bars sorted by `coin`, then `timestamp` (UTC, open time), with `close` and optionally `open`, `high`,
        `low`, `volume`, `bid`, `ask` and the columns of `calculate_technical_indicators`.
    lags : sequence of int
        Lengths in bars of the log returns `ret_<lag>`.
    windows : sequence of int
        Lengths in bars (at least 2) of rolling statistics.
    indicators : sequence of str, optional
        Of ``sma``, ``ema``, ``rsi``, ``macd``, ``bollinger``: exactly these are used, and computed where they
        are not there. None uses what the frame holds.
    target, horizon, threshold
        As in `make_target`.
    changes : sequence of str
        Further columns of the bars, such as ``volume``, whose relative change over each lag becomes a feature.

    Returns
    -------
    DataFrame, rows and index of `prices`
        `coin`, `timestamp`, `label_end`, the features (float64), `naive_last`, `naive_day`, `target`.

        - `ret_<lag>`: log return over that many bars;
        - `mean_<w>`, `std_<w>`: of the one-bar log returns in the window; `z_<w>`: log close against its
          window, in standard deviations (0 where the price stood still);
        - `range`: (high - low) / close, and `range_ratio_<w>`: it over its window's mean;
        - `volume_ratio_<w>`: volume over its window's mean (1 where nothing was traded);
        - `change_<column>_<lag>`: value over the value that many bars before, minus 1, for `changes` (NaN where that
          value is not positive);
        - `spread`: (ask - bid) / mid;
        - `hour_sin`, `hour_cos`: time of day of the bar's open, UTC, for bars shorter than a day;
        - indicators without a price scale: close/sma - 1, close/ema - 1, rsi/100, macd/close, Bollinger %b
          and width/mid;
        - `level`: the close itself, for the target ``price`` only.

        NaN in warm-up: a window or lag that reaches over a missing bar, a missing price or the start of a
        coin has no value. No row is dropped.

    Raises
    ------
    UsageError
        ``usage.value`` for lags, windows, indicators, changes or targets that cannot be.
    DataError
        When the frame is not a prices frame; ``data.unreadable`` when it holds infinite numbers.

    Notes
    -----
    %b and width: Bollinger, "Bollinger on Bollinger Bands" (2001).

    Examples
    --------
    >>> times = pd.date_range("2024-01-01", periods=5, freq="1h", tz="UTC")
    >>> bars = pd.DataFrame({"coin": "BTC", "timestamp": times, "close": [1.0, 2.0, 4.0, 8.0, 4.0]})
    >>> made = create_features(bars, lags=[1], windows=[2])
    >>> [name for name in made if name not in ("coin", "timestamp")][:4]
    ['label_end', 'ret_1', 'mean_2', 'std_2']
    >>> (made["ret_1"] / np.log(2)).round(6).tolist()
    [nan, 1.0, 1.0, 1.0, -1.0]
    """
    _check_lengths(lags, windows)
    bars = Bars.of(prices)
    _check_finite(prices)
    label = make_target(prices, target, horizon, threshold)
    columns: dict[str, Floats] = {}
    columns |= _returns(prices, bars, lags, windows)
    columns |= _activity(prices, bars, windows)
    columns |= _changes(prices, bars, lags, changes)
    columns |= _time_of_day(bars)
    columns |= _indicators(prices, indicators)
    if target == "price":  # without its level no model could say where a price will be
        columns["level"] = floats(prices, "close")
    head = {"coin": prices["coin"], "timestamp": prices["timestamp"], "label_end": label["label_end"]}
    tail = {name: label[name] for name in ("naive_last", "naive_day", "target")}
    return pd.DataFrame(head | columns | tail, index=prices.index)


def feature_columns(features: pd.DataFrame) -> list[str]:
    """The columns of a features frame that a model may read, in order.

    Examples
    --------
    >>> feature_columns(pd.DataFrame(columns=["coin", "timestamp", "ret_1", "naive_day", "target"]))
    ['ret_1']
    """
    kept = ("coin", "timestamp", "label_end", "row_group", "target")
    return [name for name in features.columns if name not in kept and not str(name).startswith("naive_")]


def check_features(features: pd.DataFrame) -> None:
    """Raise ``data.constant`` where no feature says anything: all are missing in every row, or never change.

    Examples
    --------
    >>> check_features(pd.DataFrame({"size": [1.0, 2.0], "target": [0.0, 1.0]}))
    """
    names = feature_columns(features)
    if any(features[name].nunique() > 1 for name in names):
        return
    empty = [name for name in names if features[name].isna().all()]
    what = "missing" if len(empty) == len(names) else "constant or missing"
    given = f"All {len(names)} features are {what} in every one of {len(features)} rows."
    raise DataError(
        "data.constant",
        given=given if names else "The frame has no feature columns.",
        have="A model learns from columns that change.",
        try_="Try a longer span, shorter windows, or other columns.",
    )


def drop_columns(features: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """The features frame without some of its feature columns, such as those that the leak test named.

    Parameters
    ----------
    features : DataFrame (rows, ...)
        A features frame.
    columns : sequence of str
        Feature columns; a name that is not there, the target, and columns that are no features are left as they are.

    Returns
    -------
    DataFrame, rows and index of `features`

    Examples
    --------
    >>> drop_columns(pd.DataFrame({"size": [1.0], "smooth": [2.0], "target": [0.0]}), ["smooth"]).columns.tolist()
    ['size', 'target']
    """
    return features.drop(columns=[name for name in feature_columns(features) if name in set(columns)])


def _returns(prices: pd.DataFrame, bars: Bars, lags: Sequence[int], windows: Sequence[int]) -> dict[str, Floats]:
    close = floats(prices, "close")
    log = np.log(np.where(close > 0, close, np.nan))
    one = bars.log_returns(np.where(close > 0, close, np.nan))
    position = np.arange(len(log))
    made: dict[str, Floats] = {}
    for lag in lags:
        inside = np.flatnonzero(position - lag >= bars.run_start)
        made[f"ret_{lag}"] = np.full(len(log), np.nan)
        made[f"ret_{lag}"][inside] = log[inside] - log[inside - lag]
    for length in windows:
        window = bars.window(length)
        made[f"mean_{length}"] = roll(one, window, "mean")
        made[f"std_{length}"] = roll(one, window, "std")
        away, scale = log - roll(log, window, "mean"), roll(log, window, "std")
        # Below a relative 1e-12 a standard deviation of logs is rounding, not movement.
        still = scale < 1e-12
        made[f"z_{length}"] = np.where(still, 0.0, away / np.where(still, 1.0, scale))
    return made


def _activity(prices: pd.DataFrame, bars: Bars, windows: Sequence[int]) -> dict[str, Floats]:
    """How wide, how much and how dear: range, volume and spread, where their columns exist."""
    made: dict[str, Floats] = {}
    there = set(prices.columns)
    if {"high", "low"} <= there:
        width = _ratio(floats(prices, "high") - floats(prices, "low"), floats(prices, "close"), np.nan)
        made["range"] = width
        for length in windows:
            made[f"range_ratio_{length}"] = _ratio(width, roll(width, bars.window(length), "mean"), 1.0)
    if "volume" in there:
        volume = floats(prices, "volume")
        for length in windows:
            made[f"volume_ratio_{length}"] = _ratio(volume, roll(volume, bars.window(length), "mean"), 1.0)
    if {"bid", "ask"} <= there:
        bid, ask = floats(prices, "bid"), floats(prices, "ask")
        made["spread"] = _ratio(ask - bid, (ask + bid) / 2, np.nan)
    return made


def _changes(prices: pd.DataFrame, bars: Bars, lags: Sequence[int], names: Sequence[str]) -> dict[str, Floats]:
    missing = [name for name in names if name not in prices.columns]
    if missing:
        raise UsageError(
            "usage.value",
            given=f"changes named {', '.join(missing)}.",
            have=f"The bars have {', '.join(map(str, prices.columns))}.",
            try_='Try changes=["volume"].',
        )
    position = np.arange(len(prices))
    made: dict[str, Floats] = {}
    for name in names:
        value = floats(prices, name)
        for lag in lags:
            inside = np.flatnonzero(position - lag >= bars.run_start)
            before = np.full(len(value), np.nan)
            before[inside] = value[inside - lag]
            made[f"change_{name}_{lag}"] = _ratio(value, np.where(before > 0, before, np.nan), np.nan) - 1
    return made


def _check_finite(prices: pd.DataFrame) -> None:
    read = [name for name in (*PRICE_COLUMNS, "volume") if name in prices.columns]
    counts = {name: int(np.isinf(floats(prices, name)).sum()) for name in read}
    endless = [f"{name} ({count})" for name, count in counts.items() if count]
    if endless:
        raise DataError(
            "data.unreadable",
            given=f"Infinite numbers are in {', '.join(endless)}.",
            have="No return, window or label can be made of them.",
            try_="Try clean_data first, which takes them for missing.",
        )


def _time_of_day(bars: Bars) -> dict[str, Floats]:
    if bars.step is not None and bars.step >= DAY // pd.Timedelta(1, unit="us"):
        return {}
    angle = 2 * np.pi * (bars.time % _MICROSECONDS_A_DAY) / _MICROSECONDS_A_DAY
    return {"hour_sin": np.sin(angle), "hour_cos": np.cos(angle)}


def _indicators(prices: pd.DataFrame, wanted: Sequence[str] | None) -> dict[str, Floats]:
    if wanted is not None:
        missing = [name for name in wanted if not indicator_columns(prices, name)]
        prices = calculate_technical_indicators(prices, missing) if missing else prices
    names = ("sma", "ema", "rsi", "macd", "bollinger") if wanted is None else wanted
    close = floats(prices, "close")
    made: dict[str, Floats] = {}
    for name in names:
        for column in indicator_columns(prices, name):
            value = floats(prices, column)
            if re.match(r"(sma|ema)_", column):
                made[f"close_{column}"] = _ratio(close, value, np.nan) - 1
            elif column.startswith("rsi_"):
                made[f"{column}_share"] = value / 100
            elif column.startswith("macd"):
                made[f"{column}_close"] = _ratio(value, close, np.nan)
    if "bollinger" in names and {"bb_high", "bb_mid", "bb_low"} <= set(prices.columns):
        high, mid, low = (floats(prices, f"bb_{part}") for part in ("high", "mid", "low"))
        made["bb_percent"] = _ratio(close - low, high - low, 0.5)
        made["bb_width"] = _ratio(high - low, mid, np.nan)
    return made


def _ratio(over: Floats, under: Floats, when_zero: float) -> Floats:
    """`over` by `under`; `when_zero` where `under` is zero, NaN where either is unknown."""
    safe = np.where(under == 0, 1.0, under)
    ratio = np.where(under == 0, when_zero, over / safe)
    return np.where(np.isfinite(over) & np.isfinite(under), ratio, np.nan)


def _check_lengths(lags: Sequence[int], windows: Sequence[int]) -> None:
    if all(int(lag) == lag >= 1 for lag in lags) and all(int(size) == size >= 2 for size in windows):
        return
    raise UsageError(
        "usage.value",
        given=f"The lags were {list(lags)}, the windows {list(windows)}.",
        have="Both are whole numbers of bars: lags from 1, windows from 2.",
        try_="Try lags=(1, 3, 12), windows=(12, 48).",
    )
