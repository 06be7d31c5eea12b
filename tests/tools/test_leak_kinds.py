"""Every planted leak of the table in the notes is found, by each kind of cell; no causal kind is accused."""

from __future__ import annotations

import os

import numpy as np
import pandas as pd
import pytest
from scipy.signal import fftconvolve, lfilter
from synthetic import candles

from omc_agent.tools.features import create_features
from omc_agent.tools.leakage import compare, cut_points, merge, scramble, truncate

HORIZON = "1h"
# More seeds than one are a matter of minutes: LEAK_SEEDS=20 runs the table on twenty markets.
SEEDS = range(int(os.environ.get("LEAK_SEEDS", "1")))


def bars(seed: int) -> pd.DataFrame:
    """A fortnight of 5-minute bars, with a few runs of missing volume."""
    prices = candles(4000, 7919 * seed + 11)
    rng = np.random.default_rng(seed)
    for begin in rng.choice(np.arange(300, 3900, 40), 5, replace=False):
        prices.loc[begin : begin + rng.integers(3, 9), "volume"] = np.nan
    return prices


def base(prices: pd.DataFrame) -> pd.DataFrame:
    return create_features(prices, lags=[1], windows=[12], indicators=[], horizon=HORIZON)


def found_in(prices: pd.DataFrame, make, seed: int, k: int = 8):
    reference, found = make(prices), []
    for number, cut in enumerate(cut_points(prices, k=k, seed=seed)):
        found.append(compare(reference, make(truncate(prices, cut)), cut, HORIZON))
        found.append(compare(reference, make(scramble(prices, cut, seed=number)), cut, HORIZON))
    return {finding.column: finding for finding in merge(found)}


def _close(prices):
    return prices["close"]


def _hourly(prices, values, direction):
    """An hourly table made of the bars, joined by its time."""
    events = prices.loc[prices["timestamp"].dt.minute == 0, ["timestamp"]].assign(seen=values)
    joined = pd.merge_asof(prices[["timestamp"]], events, on="timestamp", direction=direction)
    return joined["seen"].set_axis(prices.index)


def _resampled(prices):
    hours = prices.set_index("timestamp")["close"].resample("1h").mean()
    return prices["timestamp"].dt.floor("h").map(hours)


def _pca(prices):
    inputs = np.column_stack([_close(prices).pct_change(n).fillna(0.0) for n in (1, 3, 12)])
    inputs = inputs - inputs.mean(axis=0)
    _, _, axes = np.linalg.svd(inputs, full_matrices=False)
    return pd.Series(np.abs(inputs @ axes[0]), index=prices.index)


def _fft(prices):
    spectrum = np.fft.rfft(np.log(_close(prices)))
    spectrum[20:] = 0
    return pd.Series(np.fft.irfft(spectrum, len(prices)), index=prices.index)


def _target_encoded(prices):
    label = base(prices)["target"]
    return label.groupby(prices["timestamp"].dt.hour).transform("mean")


SHORT = {
    "centred mean": lambda p: _close(p).rolling(25, center=True).mean(),
    "shift(-1)": lambda p: _close(p).shift(-1),
    "shift(-12)": lambda p: _close(p).shift(-12),
    "resample, left label": _resampled,
    "target copied": lambda p: base(p)["target"],
    "target rolled": lambda p: base(p)["target"].rolling(24).mean(),
    "target lagged less than the horizon": lambda p: base(p)["target"].shift(11),
    "merge_asof forward": lambda p: _hourly(p, _close(p), "forward"),
    "merge_asof nearest": lambda p: _hourly(p, _close(p), "nearest"),
}
WHOLE = {
    "full z-score": lambda p: (_close(p) - _close(p).mean()) / _close(p).std(),
    "rank": lambda p: _close(p).rank(pct=True),
    "qcut": lambda p: pd.qcut(_close(p), 10, labels=False).astype(float),
    "clip by quantile": lambda p: _close(p).clip(_close(p).quantile(0.01), _close(p).quantile(0.99)),
    "PCA": _pca,
    "target encoding": _target_encoded,
    "FFT smoothing": _fft,
    "reversed EWM": lambda p: _close(p)[::-1].ewm(span=12).mean()[::-1],
    "daily high": lambda p: p.groupby(p["timestamp"].dt.date)["high"].transform("max"),
    "row number": lambda p: pd.Series(np.arange(len(p)) / len(p), index=p.index),
    "length": lambda p: pd.Series(float(len(p)), index=p.index),
    "bfill": lambda p: p["volume"].bfill(),
    "interpolate": lambda p: p["volume"].interpolate(),
}
CAUSAL = {
    "EWM span 5000": lambda p: _close(p).ewm(span=5000).mean(),
    "expanding z": lambda p: (_close(p) - _close(p).expanding().mean()) / _close(p).expanding().std(),
    "rolling skew": lambda p: _close(p).pct_change().rolling(96).skew(),
    "rolling kurt": lambda p: _close(p).pct_change().rolling(96).kurt(),
    "rolling skew of prices": lambda p: _close(p).rolling(96).skew(),
    "rolling corr": lambda p: _close(p).rolling(96).corr(p["volume"].fillna(1.0)),
    "rolling rank": lambda p: _close(p).rolling(96).rank(),
    "rolling median": lambda p: _close(p).rolling(96).median(),
    "lfilter": lambda p: pd.Series(lfilter([0.1], [1, -0.9], _close(p)), index=p.index),
    "fftconvolve": lambda p: pd.Series(fftconvolve(_close(p), np.ones(50) / 50)[: len(p)], index=p.index),
    "target.shift(h)": lambda p: base(p)["target"].shift(12),
    "merge_asof backward": lambda p: _hourly(p, _close(p), "backward"),
    "ffill": lambda p: p["volume"].ffill(),
    "daily high so far": lambda p: p.groupby(p["timestamp"].dt.date)["high"].cummax(),
    "row number from the start": lambda p: pd.Series(np.arange(len(p), dtype=float), index=p.index),
}
# What truncation alone cannot see once the cell drops its last rows, and the row count, which scrambling keeps.
KEPT = {**SHORT, **WHOLE}
DROPPED = {name: how for name, how in KEPT.items() if name not in ("row number", "length", "bfill", "interpolate")}


def keeping(how):
    return lambda prices: base(prices).assign(planted=how(prices))


def dropping(how):
    """The cell drops rows without a value or a target, as many notebooks do."""
    return lambda prices: keeping(how)(prices).drop(columns="naive_day").dropna()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", KEPT)
def test_a_planted_leak_is_found_and_it_alone(name, seed):
    assert list(found_in(bars(seed), keeping(KEPT[name]), seed)) == ["planted"]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", DROPPED)
def test_a_cell_that_drops_its_last_rows_hides_nothing(name, seed):
    found = found_in(bars(seed), dropping(DROPPED[name]), seed)
    assert "planted" in found
    assert "(rows)" in found, "rows that vanish below the cut are a finding of their own"


@pytest.mark.parametrize("seed", SEEDS)
def test_no_causal_kind_is_accused(seed):
    prices = bars(seed)
    reference = {name: how(prices) for name, how in CAUSAL.items()}
    assert all(values.notna().any() for values in reference.values())
    assert found_in(prices, lambda p: base(p).assign(**{n: how(p) for n, how in CAUSAL.items()}), seed) == {}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_median_of_the_whole_frame_is_a_leak_of_the_target(seed):
    def make(prices):
        volatility = _close(prices).pct_change().rolling(12).std().shift(-12)
        return base(prices).assign(target=(volatility > volatility.median()).astype(float).where(volatility.notna()))

    found = found_in(bars(seed), make, seed)
    assert list(found) == ["target"]
    assert found["target"].cuts >= 8


@pytest.mark.parametrize("days", [4, 6])
def test_a_join_to_the_nearest_hour_is_found_on_few_days_too(days):
    for seed in range(5):
        prices = candles(288 * days, seed + 40)
        assert "planted" in found_in(prices, keeping(SHORT["merge_asof nearest"]), seed)
