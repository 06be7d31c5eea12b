"""Simulated 5-minute bars whose truth is known: walks without an edge, and walks with one of a chosen size."""

from __future__ import annotations

import functools
import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import fsolve
from scipy.signal import lfilter

Floats = NDArray[np.float64]
BARS_A_DAY = 288
HORIZON_BARS = 12
SIGMA = 0.0012
START = pd.Timestamp("2024-01-01", tz="UTC")
# GARCH(1,1) with Student t(6) innovations, as in the notes: volatility comes in clusters, direction is a coin.
SHOCK, PERSISTENCE, TAIL = 0.05, 0.93, 6.0
_SETTLE = 2 * BARS_A_DAY
_LAGS = (12, 36)
_IMPULSE = 2_000


def walk(days: int, seed: int) -> pd.DataFrame:
    """A random walk with clustered volatility: no forecast of its direction is right more than half the time."""
    rng = np.random.default_rng([seed, 1])
    return bars_of(garch(days * BARS_A_DAY, rng), rng)


def planted(days: int, seed: int, auc: float) -> pd.DataFrame:
    """A Gaussian walk with momentum whose best possible forecast, one hour ahead, has this ROC-AUC."""
    rng = np.random.default_rng([seed, 2])
    return bars_of(momentum(days * BARS_A_DAY, rng, coefficients_for(auc)), rng)


def broken(days: int, seed: int, auc: float, after: str) -> pd.DataFrame:
    """Momentum in the first four fifths; then it is gone (``vanishes``) or its sign is turned (``reverses``)."""
    rng = np.random.default_rng([seed, 3])
    rows, coefficients = days * BARS_A_DAY, coefficients_for(auc)
    first = math.ceil(rows * 0.8)
    later = rng.normal(0.0, SIGMA, rows - first)
    if after == "reverses":
        later = momentum(rows - first, rng, -coefficients)
    return bars_of(np.concatenate([momentum(first, rng, coefficients), later]), rng)


def garch(rows: int, rng: np.random.Generator) -> Floats:
    """Returns (rows,): mean zero, variance SIGMA squared on average."""
    noise = rng.standard_t(TAIL, rows + _SETTLE) * math.sqrt((TAIL - 2) / TAIL)
    returns, variance = np.empty(len(noise)), SIGMA**2
    for place, innovation in enumerate(noise.tolist()):
        returns[place] = math.sqrt(variance) * innovation
        variance = SIGMA**2 * (1 - SHOCK - PERSISTENCE) + SHOCK * returns[place] ** 2 + PERSISTENCE * variance
    return returns[_SETTLE:]


def momentum(rows: int, rng: np.random.Generator, coefficients: Floats) -> Floats:
    """A Gaussian autoregression (rows,); coefficients are of the last returns, the newest first."""
    noise = rng.normal(0.0, SIGMA, rows + _SETTLE)
    return np.asarray(lfilter([1.0], np.concatenate([[1.0], -coefficients]), noise)[_SETTLE:])


def bars_of(returns: Floats, rng: np.random.Generator, coin: str = "BTC") -> pd.DataFrame:
    """Bars around a path; range and volume follow the size of the move and carry nothing of the next one."""
    rows = len(returns)
    close = 60_000.0 * np.exp(np.cumsum(returns))
    opening = np.concatenate([[60_000.0], close[:-1]])
    reach = np.abs(rng.normal(0.0, 0.5 * SIGMA, (2, rows)))
    spread = 0.0001 * rng.uniform(0.5, 1.5, rows)
    size = np.exp(rng.normal(0.0, 0.4, rows)) * (1 + np.abs(returns) / SIGMA)
    return pd.DataFrame(
        {
            "coin": coin,
            "timestamp": pd.date_range(START, periods=rows, freq="5min", unit="us"),
            "open": opening,
            "high": np.maximum(opening, close) * np.exp(reach[0]),
            "low": np.minimum(opening, close) * np.exp(-reach[1]),
            "close": close,
            "bid": close * (1 - spread),
            "ask": close * (1 + spread),
            "volume": 20.0 * size,
        }
    )


@functools.cache
def _solved(auc: float) -> tuple[float, float]:
    """Weights of the last hour and of the three before it: the wanted AUC, and a last hour that tells nothing."""

    def off(weights: Floats) -> Floats:
        found = _spread(*(weights * 0.01))
        return np.array([bayes_auc(found) - auc, 10 * hour_to_hour(found)])

    weights, _, done, why = fsolve(off, np.array([-1.5, 1.2]), full_output=True, xtol=1e-10)
    if done != 1:
        raise ArithmeticError(f"no momentum gives an AUC of {auc}: {why}")
    return float(weights[0] * 0.01), float(weights[1] * 0.01)


def coefficients_for(auc: float) -> Floats:
    """Coefficients (48,) of an autoregression whose direction one hour ahead has this Bayes AUC.

    The past hour alone is made to say nothing of the next, so that no naive rule does the work.
    """
    return _spread(*_solved(auc))


def _spread(near: float, far: float) -> Floats:
    return np.concatenate([np.full(_LAGS[0], near), np.full(_LAGS[1], far)])


def bayes_auc(coefficients: Floats, bars: int = HORIZON_BARS) -> float:
    """ROC-AUC of the best possible forecast of direction, for a Gaussian autoregression.

    Notes
    -----
    Forecast F and outcome S are jointly normal with correlation rho. For two independent rows, one that rose and one
    that fell, P(F1 > F0 | S1 > 0 > S0) is four times an orthant of (F1 - F0, S1, -S0), whose correlations are
    rho / sqrt 2, rho / sqrt 2 and 0; by Sheppard's formula for three variables AUC = 1/2 + 2/pi asin(rho / sqrt 2).
    """
    return 0.5 + 2 / math.pi * math.asin(best_correlation(coefficients, bars) / math.sqrt(2))


def best_correlation(coefficients: Floats, bars: int = HORIZON_BARS) -> float:
    """Correlation of the sum of the next returns with its best forecast."""
    psi, covariance = _moments(coefficients, bars)
    total = bars * covariance[0] + 2 * sum((bars - lag) * covariance[lag] for lag in range(1, bars))
    error = float((np.cumsum(psi[:bars]) ** 2).sum())
    return math.sqrt(max(1 - error / total, 0.0))


def hour_to_hour(coefficients: Floats, bars: int = HORIZON_BARS) -> float:
    """Correlation of the last hour's return with the next hour's."""
    _, covariance = _moments(coefficients, 2 * bars)
    total = bars * covariance[0] + 2 * sum((bars - lag) * covariance[lag] for lag in range(1, bars))
    return float(sum(covariance[i + j + 1] for i in range(bars) for j in range(bars)) / total)


def _moments(coefficients: Floats, lags: int) -> tuple[Floats, Floats]:
    """Moving-average weights, and the autocovariance at lags below `lags` (unit innovations)."""
    impulse = np.zeros(_IMPULSE)
    impulse[0] = 1.0
    psi = lfilter([1.0], np.concatenate([[1.0], -coefficients]), impulse)
    return psi, np.array([float(psi[: _IMPULSE - lag] @ psi[lag:]) for lag in range(lags)])


def best_forecast(returns: Floats, coefficients: Floats, bars: int = HORIZON_BARS) -> Floats:
    """The best forecast of the sum of the next returns, at each bar (NaN before there are enough of them)."""
    order = len(coefficients)
    past = np.lib.stride_tricks.sliding_window_view(returns, order)[:, ::-1]
    weights = np.zeros(order)
    rows = np.eye(order)
    for _ in range(bars):  # forecast one bar on, as weights of the known returns, and go on from there
        step = coefficients @ rows
        weights += step
        rows = np.vstack([step, rows[:-1]])
    return np.concatenate([np.full(order - 1, np.nan), past @ weights])
