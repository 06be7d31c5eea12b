"""How sure a mean over dependent rows is: block length, circular block bootstrap.

Labels that look one horizon ahead overlap, so neighbouring rows say nearly the same thing. An interval that
takes them for independent calls chance an edge one time in four.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm, t

from omc_agent.errors import DataError
from omc_agent.tools.bars import epoch_us

Floats = NDArray[np.float64]
LEAST_BLOCKS = 20
_CHUNK = 4_000_000


@dataclass(frozen=True)
class Interval:
    """A mean over time with its interval.

    Attributes
    ----------
    mean, low, high : float
        The mean and its interval ``mean -+ t(blocks - 1; 1 - alpha) * se``.
    se : float
        Standard deviation of the bootstrapped means.
    block, blocks : int
        Length L of a block in rows, and how many whole ones fit.
    n : int
        Rows of the series.
    wanted_block : int
        L0, the length that the dependence asks for; `block` is smaller where the series is short.
    alpha : float
        One-sided level.
    """

    mean: float
    low: float
    high: float
    se: float
    block: int
    blocks: int
    n: int
    wanted_block: int
    alpha: float

    @property
    def enough(self) -> bool:
        """Whether at least twenty blocks of the wanted length fit."""
        return self.n // self.wanted_block >= LEAST_BLOCKS

    def upper(self, alpha: float) -> float:
        """The upper end at another one-sided level."""
        return self.mean + float(t.ppf(1 - alpha, self.blocks - 1)) * self.se


def block_length(series: ArrayLike) -> float:
    """Block length for the circular block bootstrap of a mean, chosen from the autocorrelation.

    Parameters
    ----------
    series : array (n,)
        In time order, without NaN.

    Returns
    -------
    float
        Rows, at least 1; 1 for a constant series.

    Notes
    -----
    Politis and White (2004), Econometric Reviews 23(1), as corrected by Patton, Politis and White (2009),
    Econometric Reviews 28(4): b = (2 G^2 / D)^(1/3) n^(1/3) with D = 4/3 g(0)^2, where g(0) = sum of
    lambda(k/M) R(k), G = sum of lambda(k/M) |k| R(k), and lambda is the flat-top window. M is twice the lag
    after which K = max(5, sqrt(log10 n)) correlations in a row are within 1.96 sqrt(log10(n) / n).

    Examples
    --------
    >>> block_length([1.0, 1.0, 1.0])
    1.0
    """
    x = np.asarray(series, dtype=np.float64)
    n = len(x)
    x = x - x.mean() if n else x
    variance = float(x @ x) / n if n else 0.0
    if n < 10 or variance <= 1e-300:
        return 1.0
    run = max(5, math.ceil(math.sqrt(math.log10(n))))
    most = min(math.ceil(math.sqrt(n)) + run, n - 1)
    covariance = np.array([float(x[k:] @ x[: n - k]) / n for k in range(most + 1)])
    bandwidth = _bandwidth(covariance / variance, n, run)
    lag = np.arange(1, bandwidth + 1)
    window = np.minimum(1.0, 2 * (1 - lag / bandwidth)) * covariance[1 : bandwidth + 1]
    spread = covariance[0] + 2 * float(window.sum())
    slope = 2 * float((lag * window).sum())
    if abs(spread) <= 1e-12 * variance:
        return 1.0
    longest = math.ceil(min(3 * math.sqrt(n), n / 3))
    length = (1.5 * slope**2 / spread**2) ** (1 / 3) * n ** (1 / 3)
    return float(min(max(length, 1.0), longest))


def _bandwidth(correlation: Floats, n: int, run: int) -> int:
    """M: twice the last lag before a run of correlations that could be zero."""
    limit = float(norm.ppf(0.975)) * math.sqrt(math.log10(n) / n)
    small = np.abs(correlation[1:]) < limit
    most = len(correlation) - 1
    if most >= run:
        runs = np.flatnonzero(np.convolve(small, np.ones(run), "valid") == run)
        if len(runs):
            return min(max(2 * int(runs[0]), 1), most)
    large = np.flatnonzero(~small)
    return min(2 * (int(large[-1]) + 1), most) if len(large) else 1


def block_means(series: ArrayLike, block: int, draws: int = 2000, seed: int = 0) -> Floats:
    """Means of circular block bootstrap resamples.

    Parameters
    ----------
    series : array (n,) or (n, k)
        In time order. All k columns are resampled with the same blocks.
    block : int
        Rows in a block; the last block of a resample is cut so that each resample has n rows.
    draws : int
        Number of resamples.
    seed : int
        Seed of the block starts.

    Returns
    -------
    array (draws, k)
        k is 1 for a one-dimensional series.

    Notes
    -----
    Politis and Romano (1992), "A circular block-resampling procedure for stationary data". Block sums come
    from running sums, so a draw costs n / block additions.

    Examples
    --------
    >>> block_means([2.0, 2.0, 2.0], block=2, draws=2).tolist()
    [[2.0], [2.0]]
    """
    x = np.asarray(series, dtype=np.float64)
    x = x[:, None] if x.ndim == 1 else x
    n, k = x.shape
    centre = x.mean(axis=0)
    running = np.zeros((n + block + 1, k))
    np.cumsum(np.concatenate([x - centre, np.resize(x - centre, (block, k))]), axis=0, out=running[1:])
    count = -(-n // block)
    rest = n - (count - 1) * block
    generator = np.random.default_rng(seed)
    means = np.empty((draws, k))
    chunk = max(1, _CHUNK // count)
    for begin in range(0, draws, chunk):
        starts = generator.integers(0, n, size=(min(chunk, draws - begin), count))
        head, tail = starts[:, :-1], starts[:, -1]
        for column in range(k):
            sums = running[:, column]
            total = (sums[head + block] - sums[head]).sum(axis=1) + sums[tail + rest] - sums[tail]
            means[begin : begin + len(starts), column] = total / n + centre[column]
    return means


def block_interval(
    series_by_time: ArrayLike,
    horizon_bars: int | None,
    alpha: float = 0.025,
    draws: int = 2000,
    seed: int = 0,
) -> Interval:
    """The mean of a dependent series and its interval.

    Parameters
    ----------
    series_by_time : array (n,)
        One value per time, in time order, without NaN.
    horizon_bars : int or None
        Bars from decision to label. None: the rows are no time series, and are taken as independent.
    alpha : float
        One-sided level; 0.025 gives the usual 95 % interval.
    draws : int
        Bootstrap resamples.
    seed : int
        Seed of the resamples.

    Returns
    -------
    Interval

    Raises
    ------
    DataError
        ``data.too_few_rows`` for fewer than two values.

    Notes
    -----
    L0 = max(5 horizons, Politis-White); L = min(L0, n/20); m = floor(n/L); the standard error is the standard
    deviation of the resampled means, and the quantile is Student's with m - 1 degrees of freedom, because with
    few blocks the plain percentile interval is too short.

    Examples
    --------
    >>> found = block_interval([0.0, 0.0, 1.0, 1.0] * 100, horizon_bars=None)
    >>> found.mean, round(found.se, 3), found.blocks
    (0.5, 0.025, 400)
    """
    x = np.asarray(series_by_time, dtype=np.float64)
    n = len(x)
    if n < 2:
        raise DataError(
            "data.too_few_rows",
            given=f"There are {n} values to take a mean of.",
            have="An interval needs at least two.",
            try_="Try a longer span.",
        )
    wanted = 1 if horizon_bars is None else max(5 * horizon_bars, math.ceil(block_length(x)))
    block = max(1, min(wanted, n // LEAST_BLOCKS))
    blocks = n // block
    se = float(block_means(x, block, draws, seed).std(ddof=1))
    mean, reach = float(x.mean()), float(t.ppf(1 - alpha, blocks - 1)) * se
    return Interval(mean, mean - reach, mean + reach, se, block, blocks, n, wanted, alpha)


def mean_by_time(values: ArrayLike, timestamp: pd.Series[Any] | None) -> Floats:
    """One value per time: rows of several coins at one time are averaged; NaN rows are left out.

    The result is shifted so that its mean is the mean over rows, which differs where the number of coins
    varies (3, not 3.5, here). Without times the values come back as they are, NaN left out.

    Examples
    --------
    >>> mean_by_time([1.0, 3.0, 5.0], pd.Series([10, 10, 20])).tolist()
    [1.5, 4.5]
    """
    x = np.asarray(values, dtype=np.float64)
    known = ~np.isnan(x)
    if timestamp is None or not known.any():
        return x[known]
    code, _ = pd.factorize(timestamp[known], sort=True)
    each = np.bincount(code, weights=x[known]) / np.bincount(code)
    return np.asarray(each - each.mean() + x[known].mean(), dtype=np.float64)


def horizon_bars(timestamp: pd.Series[Any] | None, horizon: pd.Timedelta | None) -> int | None:
    """The horizon in bars of the median length, rounded up; None for rows without time.

    Examples
    --------
    >>> times = pd.Series(pd.date_range("2024-01-01", periods=9, freq="5min", tz="UTC"))
    >>> horizon_bars(times, pd.Timedelta("1h"))
    12
    """
    if timestamp is None:
        return None
    unique = np.unique(epoch_us(timestamp))
    if horizon is None or len(unique) < 2:
        return 0
    return math.ceil(horizon / pd.Timedelta(1, unit="us") / float(np.median(np.diff(unique))))
