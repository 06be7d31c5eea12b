"""Technical indicators of `close`, coin by coin: a transform, causal and row for row, with honest warm-up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from omc_agent.errors import UsageError
from omc_agent.tools.bars import Bars, Ints

INDICATORS = ("sma", "ema", "rsi", "macd", "bollinger")
# Bars after which a recursive indicator no longer shows how it was seeded: `ta` and TA-Lib agree to 1e-6.
WARM_UP = 250
# A recursive indicator bridges shorter gaps than this many bars; after longer ones it warms up again.
LONG_GAP = 12
Recipe = tuple[str, int | None, Callable[["pd.Series[Any]"], "pd.Series[Any]"]]


def calculate_technical_indicators(
    prices: pd.DataFrame,
    indicators: Sequence[str] = INDICATORS,
    *,
    sma: int = 20,
    ema: int = 20,
    rsi: int = 14,
    macd: tuple[int, int, int] = (12, 26, 9),
    bollinger: tuple[int, float] = (20, 2.0),
) -> pd.DataFrame:
    """Prices with technical indicators of `close`, coin by coin (kind: transform).

    Parameters
    ----------
    prices : DataFrame (rows, ...)
        Bars with `coin`, `timestamp` (UTC) and `close`; bad prices should be cleaned first.
    indicators : sequence of str
        Of ``sma``, ``ema``, ``rsi``, ``macd``, ``bollinger``.
    sma, ema, rsi : int
        Windows in bars.
    macd : (int, int, int)
        Fast, slow and signal spans in bars.
    bollinger : (int, float)
        Window in bars, width in standard deviations (population).

    Returns
    -------
    DataFrame, rows and index of `prices`
        Its columns and, for what was asked, `sma_20`, `ema_20`, `rsi_14` (0 to 100; 50 while the price has
        never moved), `macd`, `macd_signal`, `macd_diff`, `bb_high`, `bb_mid`, `bb_low` (in quote currency).
        Warm-up is NaN: windows that reach over a missing bar for SMA and Bollinger; 250 bars for EMA, RSI and
        MACD, at the start of a coin and after a gap of more than 12 bars.

    Raises
    ------
    UsageError
        ``usage.value`` for an indicator that is not offered.
    DataError
        When the frame is not a prices frame.

    Notes
    -----
    Computed by the `ta` package. RSI: Wilder, "New Concepts in Technical Trading Systems" (1978).

    Examples
    --------
    >>> times = pd.date_range("2024-01-01", periods=4, freq="5min", tz="UTC")
    >>> bars = pd.DataFrame({"coin": "BTC", "timestamp": times, "close": [1.0, 2.0, 3.0, 4.0]})
    >>> calculate_technical_indicators(bars, ["sma"], sma=2)["sma_2"].tolist()
    [nan, 1.5, 2.5, 3.5]
    """
    unknown = [name for name in indicators if name not in INDICATORS]
    if unknown:
        raise UsageError(
            "usage.value",
            given=f"The indicators asked for hold {', '.join(map(repr, unknown))}.",
            have=f"There are {', '.join(INDICATORS)}.",
            try_="Try some of these.",
        )
    bars = Bars.of(prices)
    close = prices["close"].to_numpy(dtype=np.float64, na_value=np.nan)
    unbroken, warm = _since(bars.run_start), _since(_warm_start(bars))
    made = prices.copy()
    for name, reach, column in _recipes(indicators, sma, ema, rsi, macd, bollinger):
        value = np.full(len(close), np.nan)
        for begin, end in bars.blocks():
            value[begin:end] = column(pd.Series(close[begin:end])).to_numpy(dtype=np.float64)
        made[name] = np.where(warm >= WARM_UP if reach is None else unbroken >= reach - 1, value, np.nan)
    return made


def indicator_columns(prices: pd.DataFrame, indicator: str) -> list[str]:
    """The columns of that indicator which the frame holds.

    Examples
    --------
    >>> indicator_columns(pd.DataFrame(columns=["close", "rsi_14", "bb_mid"]), "rsi")
    ['rsi_14']
    """
    if indicator == "bollinger":
        return [name for name in ("bb_high", "bb_mid", "bb_low") if name in prices.columns]
    if indicator == "macd":
        return [name for name in ("macd", "macd_signal", "macd_diff") if name in prices.columns]
    names = [str(name) for name in prices.columns]
    return [name for name in names if name.startswith(f"{indicator}_") and name.rpartition("_")[2].isdigit()]


def _recipes(
    indicators: Sequence[str],
    sma: int,
    ema: int,
    rsi: int,
    macd: tuple[int, int, int],
    bollinger: tuple[int, float],
) -> list[Recipe]:
    """Column, bars it reaches back (None: for ever), and how it is computed from one coin's close."""
    from ta.momentum import RSIIndicator
    from ta.trend import MACD, EMAIndicator, SMAIndicator
    from ta.volatility import BollingerBands

    def relative_strength(close: pd.Series[Any]) -> pd.Series[Any]:
        # `ta` answers 100 for a price that has never moved; nothing rose more than it fell.
        moved = close.diff().abs().cumsum().ffill() > 0
        strength: pd.Series[Any] = RSIIndicator(close, rsi).rsi()
        return strength.where(moved, 50.0)

    def lines(close: pd.Series[Any]) -> Any:
        return MACD(close, window_fast=macd[0], window_slow=macd[1], window_sign=macd[2])

    def bands(close: pd.Series[Any]) -> Any:
        return BollingerBands(close, bollinger[0], bollinger[1])

    offered: dict[str, list[Recipe]] = {
        "sma": [(f"sma_{sma}", sma, lambda close: SMAIndicator(close, sma).sma_indicator())],
        "ema": [(f"ema_{ema}", None, lambda close: EMAIndicator(close, ema).ema_indicator())],
        "rsi": [(f"rsi_{rsi}", None, relative_strength)],
        "macd": [
            ("macd", None, lambda close: lines(close).macd()),
            ("macd_signal", None, lambda close: lines(close).macd_signal()),
            ("macd_diff", None, lambda close: lines(close).macd_diff()),
        ],
        "bollinger": [
            ("bb_high", bollinger[0], lambda close: bands(close).bollinger_hband()),
            ("bb_mid", bollinger[0], lambda close: bands(close).bollinger_mavg()),
            ("bb_low", bollinger[0], lambda close: bands(close).bollinger_lband()),
        ],
    }
    return [recipe for name in dict.fromkeys(indicators) for recipe in offered[name]]


def _since(start: Ints) -> Ints:
    return np.arange(len(start), dtype=np.int64) - start


def _warm_start(bars: Bars) -> Ints:
    """Position of the bar from which a recursive indicator warms up: after a coin's start or a long gap."""
    rows = len(bars.time)
    delta = np.diff(bars.time, prepend=bars.time[:1])
    breaks = (bars.coin_start == np.arange(rows)) | (delta > (LONG_GAP + 1) * (bars.step or 0))
    return np.maximum.accumulate(np.where(breaks, np.arange(rows, dtype=np.int64), 0))
