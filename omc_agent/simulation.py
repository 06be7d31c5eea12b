"""Simulated 5-minute bars of five coins whose truth is known.

Every coin answers one question about the agent: does it find an edge that is there (ETH), does it refuse one that is
not (BTC), does it see one that ended (DOGE), does it live with bad data (LTC), does it know volatility from
direction (XRP)?
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.signal import lfilter

Floats = NDArray[np.float64]
END = pd.Timestamp("2024-09-01", tz="UTC")
BAR = pd.Timedelta(minutes=5)
BARS_A_DAY = 288
# Momentum: the next return leans on the 36 returns before the last hour, and against the 12 of the last hour just so
# that the past hour alone tells nothing of the next (the naive rules stay blind). Chosen so that the best possible
# forecast of direction, one hour ahead, is right 57.5 % of the time; `bayes_accuracy` computes it.
MOMENTUM = np.concatenate([np.full(12, -0.01643465), np.full(36, 0.01263508)])
_SETTLE = 2 * BARS_A_DAY
_SIGMA = 0.0012


def simulate_market(days: int = 120, seed: int = 7) -> tuple[pd.DataFrame, dict[str, str]]:
    """The simulated bars in the shape of `prices`, and the truth of each coin.

    Parameters
    ----------
    days : int
        Length; the last bar opens at 2024-08-31 23:55 UTC.
    seed : int
        Each coin has its own generator, so one coin does not depend on the others.

    Returns
    -------
    DataFrame (bars, 9), dict of str to str
        `coin`, `timestamp`, `open`, `high`, `low`, `close`, `bid`, `ask`, `volume`; sorted by coin and time. LTC
        lacks bars and holds zero prices and bad ticks.

    Examples
    --------
    >>> bars, truths = simulate_market(days=2)
    >>> sorted(truths), int((bars["coin"] == "BTC").sum())
    (['BTC', 'DOGE', 'ETH', 'LTC', 'XRP'], 576)
    """
    accuracy = bayes_accuracy(MOMENTUM)
    coins: dict[str, tuple[float, Callable[[int, np.random.Generator], Floats], str]] = {
        "BTC": (60_000.0, _garch_walk, "a random walk with GARCH(1,1) volatility: no edge in direction exists"),
        "DOGE": (
            0.12,
            _broken_momentum,
            f"a regime break: the signal of ETH (best accuracy {accuracy:.3f}) in the first half, none after it, so"
            " what was learned early does not hold at the end",
        ),
        "ETH": (
            3_000.0,
            _momentum,
            "a planted momentum signal: the trend of the three hours before the last hour carries on; the best"
            f" possible accuracy for direction one hour ahead is {accuracy:.3f} (closed form), strong enough that a"
            " run over 90 days should find it",
        ),
        "LTC": (80.0, _random_walk, "a random walk with missing bars, bad ticks and zero prices: no edge exists"),
        "XRP": (
            0.55,
            _clustered_walk,
            "a random walk whose volatility clusters strongly: volatility can be predicted, direction cannot",
        ),
    }
    parts = []
    for place, (coin, (price, make, _)) in enumerate(coins.items()):
        rng = np.random.default_rng([seed, place])
        bars = _bars(coin, price, make(days * BARS_A_DAY, rng), rng)
        parts.append(_spoil(bars, rng) if coin == "LTC" else bars)
    return pd.concat(parts, ignore_index=True), {coin: truth for coin, (_, _, truth) in coins.items()}


def bayes_accuracy(coefficients: Floats, bars: int = 12) -> float:
    """How often the best possible forecast of a Gaussian autoregression has the right sign.

    Parameters
    ----------
    coefficients : array (p,)
        Of the last p returns, the newest first.
    bars : int
        Horizon: the sign of the sum of that many next returns is forecast.

    Returns
    -------
    float
        1/2 + arcsin(rho) / pi, rho being the correlation of that sum with its best forecast.

    Notes
    -----
    Forecast and sum are jointly normal with mean zero, so the chance of equal signs is Sheppard's orthant formula
    (1899). With psi the moving-average weights, the error's variance is that of sum_j e_j sum_{i<=j} psi_i; see
    Hamilton, "Time Series Analysis" (1994), chapter 4.

    Examples
    --------
    >>> bayes_accuracy(np.array([0.0]))
    0.5
    """
    length = 4_000
    impulse = np.zeros(length)
    impulse[0] = 1.0
    psi = lfilter([1.0], np.concatenate([[1.0], -coefficients]), impulse)
    covariance = [float(psi[: length - lag] @ psi[lag:]) for lag in range(bars)]
    total = bars * covariance[0] + 2 * sum((bars - lag) * covariance[lag] for lag in range(1, bars))
    error = float((np.cumsum(psi[:bars]) ** 2).sum())
    return 0.5 + math.asin(math.sqrt(max(1 - error / total, 0.0))) / math.pi


def _garch(bars: int, rng: np.random.Generator, shock: float, persistence: float, tail: float) -> Floats:
    """GARCH(1,1) returns with Student t innovations of unit variance."""
    noise = rng.standard_t(tail, bars + _SETTLE) * math.sqrt((tail - 2) / tail)
    returns = np.empty(len(noise))
    mean = variance = _SIGMA**2
    for place, innovation in enumerate(noise.tolist()):
        returns[place] = math.sqrt(variance) * innovation
        variance = mean * (1 - shock - persistence) + shock * returns[place] ** 2 + persistence * variance
    return returns[_SETTLE:]


def _garch_walk(bars: int, rng: np.random.Generator) -> Floats:
    return _garch(bars, rng, shock=0.05, persistence=0.93, tail=6.0)


def _clustered_walk(bars: int, rng: np.random.Generator) -> Floats:
    """Slow swings of volatility over hours and days, with GARCH on top."""
    slow = lfilter([1.0], [1.0, -0.995], rng.normal(0.0, 0.05, bars + _SETTLE))[_SETTLE:]
    return np.asarray(_garch(bars, rng, shock=0.10, persistence=0.87, tail=8.0) * np.exp(slow))


def _random_walk(bars: int, rng: np.random.Generator) -> Floats:
    return rng.normal(0.0, _SIGMA, bars)


def _momentum(bars: int, rng: np.random.Generator) -> Floats:
    noise = rng.normal(0.0, _SIGMA, bars + _SETTLE)
    return np.asarray(lfilter([1.0], np.concatenate([[1.0], -MOMENTUM]), noise)[_SETTLE:])


def _broken_momentum(bars: int, rng: np.random.Generator) -> Floats:
    half = bars // 2
    return np.concatenate([_momentum(half, rng), _random_walk(bars - half, rng)])


def _bars(coin: str, price: float, returns: Floats, rng: np.random.Generator) -> pd.DataFrame:
    """Bars around a path: the range and the volume follow the size of the move and carry nothing else."""
    close = price * np.exp(np.cumsum(returns))
    opening = np.concatenate([[price], close[:-1]])
    reach = np.abs(rng.normal(0.0, 0.5 * _SIGMA, (2, len(close))))
    spread = 0.0001 * rng.uniform(0.5, 1.5, len(close))
    size = np.exp(rng.normal(0.0, 0.4, len(close))) * (1 + np.abs(returns) / _SIGMA)
    return pd.DataFrame(
        {
            "coin": coin,
            "timestamp": pd.date_range(end=END - BAR, periods=len(close), freq=BAR, unit="us"),
            "open": opening,
            "high": np.maximum(opening, close) * np.exp(reach[0]),
            "low": np.minimum(opening, close) * np.exp(-reach[1]),
            "close": close,
            "bid": close * (1 - spread),
            "ask": close * (1 + spread),
            "volume": 1e6 / price * size,
        }
    )


def _spoil(bars: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Missing stretches, zero prices, and bars whose high and low are swapped or whose close slipped a digit."""
    rows = len(bars)
    spoiled = bars.copy()
    picked = rng.choice(rows, size=max(rows // 300, 6), replace=False)
    zero, swapped, slipped = np.array_split(picked, 3)
    spoiled.loc[zero, ["open", "high", "low", "close", "bid", "ask"]] = 0.0
    spoiled.loc[swapped, ["high", "low"]] = bars.loc[swapped, ["low", "high"]].to_numpy()
    spoiled.loc[slipped, "close"] = bars.loc[slipped, "close"] / 10
    spoiled.loc[slipped, "low"] = spoiled.loc[slipped, "close"]
    missing = np.zeros(rows, dtype=bool)
    for begin in rng.choice(rows, size=max(rows // 1_500, 2), replace=False):
        missing[begin : begin + int(rng.integers(1, 40))] = True
    # The span stays whole at both ends.
    missing[[0, -1]] = False
    return spoiled[~missing]
