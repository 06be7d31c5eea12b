"""Frames whose truth is known: bars, features of walks with or without a planted signal, and a table."""

from __future__ import annotations

import numpy as np
import pandas as pd

HORIZON = 12
DAY = 288


def walk(seed: int = 0, bars: int = 2500, signal: float = 0.0, coins: tuple[str, ...] = ("BTC",)) -> pd.DataFrame:
    """A features frame of log-price walks, direction one hour on; `signal` moves the next bar by `edge`."""
    parts = [_coin(seed + 1000 * place, bars, signal).assign(coin=coin) for place, coin in enumerate(coins)]
    return pd.concat(parts, ignore_index=True)


def returns(seed: int = 0, bars: int = 2500, signal: float = 0.0) -> pd.DataFrame:
    """The same with the return as target."""
    frame = walk(seed, bars, signal)
    return frame.assign(target=frame["change"].where(frame["target"].notna()))[
        [*frame.columns.drop(["change", "target"]), "target"]
    ]


def direction(
    seed: int = 0, bars: int = 2500, signal: float = 0.0, coins: tuple[str, ...] = ("BTC",)
) -> pd.DataFrame:
    """`walk` without the true change."""
    return walk(seed, bars, signal, coins).drop(columns="change")


def table(seed: int = 0, rows: int = 300) -> pd.DataFrame:
    """A table without time: numbers with gaps, words, a two-class target that depends on both."""
    rng = np.random.default_rng(seed)
    size = rng.normal(size=rows)
    city = rng.choice(["Bergen", "Oslo", "Tromso"], rows)
    target = (size + (city == "Oslo") + rng.normal(size=rows) > 0.3).astype(float)
    frame = pd.DataFrame({"size": size, "age": rng.normal(size=rows), "city": city, "target": target})
    frame.loc[::17, "age"] = np.nan
    return frame


def bars_of(close, coin="BTC", freq="5min", start="2024-01-01", **columns) -> pd.DataFrame:
    """Bars of one coin with just these closing prices."""
    times = pd.date_range(start, periods=len(close), freq=freq, tz="UTC", unit="us")
    return pd.DataFrame({"coin": coin, "timestamp": times, "close": np.asarray(close, dtype=float), **columns})


def candles(rows: int = 2500, seed: int = 0, coin: str = "BTC", freq: str = "5min") -> pd.DataFrame:
    """A walk of prices with high, low and volume."""
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.001, rows)))
    times = pd.date_range("2024-01-01", periods=rows, freq=freq, tz="UTC", unit="us")
    frame = pd.DataFrame({"coin": coin, "timestamp": times, "close": close})
    return frame.assign(high=close * 1.001, low=close * 0.999, volume=rng.uniform(1, 2, rows))


def panel(bars: int, coins: int, horizon: int, late: int, rng: np.random.Generator) -> pd.DataFrame:
    """Coins of different length with missing bars and missing labels."""
    parts = []
    for coin in range(coins):
        start = pd.Timestamp("2024-01-01", tz="UTC") + pd.Timedelta(minutes=5 * late * coin)
        times = pd.date_range(start, periods=bars, freq="5min", unit="us")
        times = times[rng.random(bars) > 0.1]
        ends = pd.Series(times + pd.Timedelta(minutes=5 * horizon)).where(rng.random(len(times)) > 0.05)
        parts.append(pd.DataFrame({"coin": f"C{coin}", "timestamp": times, "label_end": ends.to_numpy()}))
    frame = pd.concat(parts)
    frame["label_end"] = pd.to_datetime(frame["label_end"], utc=True)
    return frame.set_axis(rng.permutation(len(frame)), axis=0)


def _coin(seed: int, bars: int, signal: float) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    edge = np.convolve(rng.normal(size=bars + 49), np.ones(50) / np.sqrt(50), "valid")
    moves = rng.standard_t(5, size=bars) * 0.001
    moves[1:] += signal * 0.001 * edge[:-1]
    price = np.cumsum(moves)
    change = _shift(price, -HORIZON) - price
    past = price - _shift(price, HORIZON)
    times = pd.date_range("2024-01-01", periods=bars, freq="5min", tz="UTC", unit="us")
    ends = pd.Series(times + pd.Timedelta("1h")).where(~np.isnan(change))
    return pd.DataFrame(
        {
            "coin": "BTC",
            "timestamp": times,
            "label_end": ends,
            "edge": edge,
            "past": past,
            "noise": rng.normal(size=bars),
            "naive_last": past,
            "naive_day": _shift(change, DAY),
            "change": change,
            "target": np.where(np.isnan(change), np.nan, (change > 0).astype(float)),
        }
    )


def _shift(values: np.ndarray, rows: int) -> np.ndarray:
    return pd.Series(values).shift(rows).to_numpy()
