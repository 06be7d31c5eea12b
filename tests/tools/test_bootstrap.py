"""Intervals of dependent rows are as wide as the dependence asks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter
from scipy.stats import t

from omc_agent.errors import DataError
from omc_agent.tools.bootstrap import block_interval, block_length, block_means, horizon_bars, mean_by_time


def moving_average(seed: int, n: int, window: int) -> np.ndarray:
    draws = np.random.default_rng(seed).normal(size=n + window - 1)
    return np.convolve(draws, np.ones(window) / window, "valid")


def test_block_length_follows_the_dependence():
    white = np.random.default_rng(1).normal(size=4000)
    assert block_length(white) < 6
    lengths = [block_length(moving_average(2, 8000, window)) for window in (6, 24, 96)]
    assert lengths == sorted(lengths)
    assert 20 < lengths[1] < 150
    assert block_length(np.full(100, 3.0)) == 1.0


def test_block_length_of_an_ar1_is_near_its_theory():
    draws = (np.random.default_rng(seed).normal(size=20_000) for seed in range(15))
    lengths = [block_length(lfilter([1.0], [1.0, -0.7], shocks)) for shocks in draws]
    # G / g(0) = 2 rho / (1 - rho^2) for an AR(1).
    theory = (1.5 * (2 * 0.7 / (1 - 0.7**2)) ** 2) ** (1 / 3) * 20_000 ** (1 / 3)
    assert np.median(lengths) == pytest.approx(theory, rel=0.1)


@settings(max_examples=15, deadline=None)
@given(st.integers(2, 30), st.integers(1, 40), st.integers(0, 99))
def test_block_means_are_means_of_circular_blocks(n, block, seed):
    x = np.random.default_rng(seed).normal(size=n)
    starts = np.random.default_rng(seed).integers(0, n, size=(5, -(-n // block)))
    expected = []
    for row in starts:
        picked = [x[(start + i) % n] for start in row for i in range(block)][:n]
        expected.append(np.mean(picked))
    assert block_means(x, block, draws=5, seed=seed)[:, 0] == pytest.approx(np.array(expected))


def test_columns_are_resampled_with_the_same_blocks():
    x = moving_average(0, 300, 5)
    both = block_means(np.column_stack([x, 2 * x + 1]), 10, draws=50)
    assert both[:, 1] == pytest.approx(2 * both[:, 0] + 1)


def test_interval_follows_the_rule():
    x = moving_average(3, 2000, 12)
    found = block_interval(x, horizon_bars=12, alpha=0.025, seed=1)
    assert found.wanted_block == max(60, int(np.ceil(block_length(x))))
    assert found.block == min(found.wanted_block, 100)
    assert found.blocks == 2000 // found.block
    assert found.high - found.mean == pytest.approx(t.ppf(0.975, found.blocks - 1) * found.se)
    assert found.mean == pytest.approx(x.mean())
    assert found.upper(0.05) < found.high
    assert found == block_interval(x, 12, 0.025, seed=1)
    assert found.se != block_interval(x, 12, 0.025, seed=2).se


def test_short_series_cap_the_block_and_say_so():
    found = block_interval(moving_average(3, 400, 12), horizon_bars=12)
    assert (found.block, found.blocks, found.enough) == (20, 20, False)
    assert block_interval(moving_average(3, 2000, 12), horizon_bars=12).enough


def test_independent_rows_get_the_textbook_standard_error():
    x = np.random.default_rng(0).normal(size=900)
    found = block_interval(x, horizon_bars=None)
    assert found.block == 1
    assert found.se == pytest.approx(x.std() / 30, rel=0.05)


def test_overlapping_labels_widen_the_interval():
    x = moving_average(5, 3000, 12)
    naive = x.std() / np.sqrt(len(x))
    assert block_interval(x, horizon_bars=12).se > 2.5 * naive


def test_the_interval_covers_about_as_often_as_it_says():
    missed = sum(block_interval(moving_average(s, 1500, 12), 12, 0.05, draws=400).low > 0 for s in range(80))
    assert missed <= 10


def test_one_value_is_no_interval():
    with pytest.raises(DataError) as caught:
        block_interval([1.0], 1)
    assert caught.value.code == "data.too_few_rows"


def test_mean_by_time_averages_coins_and_keeps_the_mean_of_rows():
    time = pd.Series([3, 1, 1, 2, 3, 3])
    values = [4.0, 1.0, 3.0, 5.0, np.nan, 8.0]
    series = mean_by_time(values, time)
    assert len(series) == 3
    assert series.mean() == pytest.approx(np.nanmean(values))
    assert np.diff(series) == pytest.approx([3.0, 1.0])
    assert mean_by_time(values, None).tolist() == [4.0, 1.0, 3.0, 5.0, 8.0]


def test_horizon_bars_counts_bars_of_the_median_length():
    times = pd.Series(pd.date_range("2024-01-01", periods=50, freq="5min", tz="UTC")).drop(index=[7, 8])
    assert horizon_bars(times, pd.Timedelta("1h")) == 12
    assert horizon_bars(pd.concat([times, times]), pd.Timedelta("62min")) == 13
    assert horizon_bars(None, pd.Timedelta("1h")) is None
    assert horizon_bars(times, None) == 0
