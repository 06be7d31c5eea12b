"""Targets by label time, and naive rules that are known at the decision."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import bars_of

from omc_agent.errors import DataError, UsageError
from omc_agent.tools.analysis import clean_data
from omc_agent.tools.bars import Bars
from omc_agent.tools.targets import fit_median_volatility, make_target, parse_horizon


def walk(rows, seed=0, coin="BTC"):
    steps = np.random.default_rng(seed).normal(0, 0.001, rows)
    return bars_of(100 * np.exp(np.cumsum(steps)), coin)


def same(left, right):
    return np.array_equal(np.asarray(left, float), np.asarray(right, float), equal_nan=True)


@pytest.mark.parametrize(
    "text", ["1h", "1H", "60min", "PT1H", "pt60m", pd.Timedelta(hours=1), pd.Timedelta("1h").to_pytimedelta()]
)
def test_horizons_are_read_in_every_form(text):
    assert parse_horizon(text) == pd.Timedelta(hours=1)


@pytest.mark.parametrize("text", ["", "soon", "0min", "-1h", "nan", "P", 5, None])
def test_a_horizon_that_is_none_is_a_usage_error(text):
    with pytest.raises(UsageError) as caught:
        parse_horizon(text)
    assert caught.value.code == "usage.value"


def test_direction_is_one_only_for_a_rise():
    made = make_target(bars_of([1, 2, 2, 1, 3]), "direction", "5min")
    assert same(made["target"], [1, 0, 0, 1, np.nan])
    assert made["label_end"].isna().tolist() == [False] * 4 + [True]
    assert made["label_end"].iloc[0] == pd.Timestamp("2024-01-01 00:05", tz="UTC")
    assert str(made["label_end"].dtype) == "datetime64[us, UTC]"
    assert same(made["naive_last"], [np.nan, 1, 0, -0.5, 2])


def test_a_missing_bar_is_no_label_and_never_the_next_row():
    prices = bars_of([1, 2, 3, 4, 5, 6]).drop(index=3)
    made = make_target(prices, "price", "5min")
    assert made.index.tolist() == [0, 1, 2, 4, 5]
    assert same(made["target"], [2, 3, np.nan, 6, np.nan])


def test_coins_never_mix():
    both = pd.concat([walk(300, 1, "BTC"), walk(300, 2, "ETH")], ignore_index=True)
    for target, threshold in [("direction", None), ("threshold", 0.002), ("return", None), ("volatility", None)]:
        together = make_target(both, target, "1h", threshold)
        alone = make_target(both[both["coin"] == "ETH"], target, "1h", threshold)
        pd.testing.assert_frame_equal(together[both["coin"] == "ETH"], alone)


def test_threshold_is_touched_within_the_horizon_by_high_or_low():
    flat = np.full(6, 100.0)
    prices = bars_of(flat, high=[100, 100, 101, 100, 100, 100.0], low=[100, 100, 100, 98, 100, 100.0])
    assert same(make_target(prices, "threshold", "10min", 0.01)["target"], [1, 1, 0, 0, np.nan, np.nan])
    down = make_target(prices, "threshold", "10min", -0.02)
    assert same(down["target"], [0, 1, 1, 0, np.nan, np.nan])
    # Higher favours 1.0: the fall of bar 3 shows from then on, until it has left the window.
    assert same(down["naive_last"], [np.nan, np.nan, 0, 0.02, 0.02, 0])
    assert same(make_target(bars_of(flat), "threshold", "10min", 0.01)["target"], [0, 0, 0, 0, np.nan, np.nan])


def test_a_touch_window_with_a_missing_bar_is_unknown():
    prices = bars_of(np.linspace(1, 2, 8)).drop(index=3)
    made = make_target(prices, "threshold", "10min", 0.01)["target"]
    assert made.isna().tolist() == [False, True, True, False, False, True, True]


def test_return_and_volatility_are_what_the_formula_says():
    prices = walk(60, 3)
    made = make_target(prices, "volatility", "30min")
    logs = np.diff(np.log(prices["close"]))
    assert made["target"].iloc[10] == pytest.approx(np.std(logs[10:16], ddof=1), rel=1e-9)
    assert made["naive_last"].iloc[10] == pytest.approx(np.std(logs[4:10], ddof=1), rel=1e-9)
    ahead = make_target(prices, "return", "30min")["target"]
    assert ahead.iloc[10] == pytest.approx(prices["close"].iloc[16] / prices["close"].iloc[10] - 1)


def test_volatility_above_the_fitted_median_is_one_for_half_of_development():
    prices = walk(3000, 4)
    median = fit_median_volatility(prices, "1h")
    high = make_target(prices, "volatility", "1h", median)["target"]
    assert high.mean() == pytest.approx(0.5, abs=0.01)
    assert set(high.dropna()) == {0.0, 1.0}


@pytest.mark.parametrize(("horizon", "days"), [("1h", 1), ("1d", 1), ("25h", 2)])
def test_naive_day_is_the_label_of_whole_days_before_and_already_known(horizon, days):
    prices = bars_of(np.random.default_rng(5).uniform(1, 2, 200), freq="1h")
    made = make_target(prices, "return", horizon)
    lag = 24 * days
    assert same(made["naive_day"].iloc[lag:150], made["target"].iloc[: 150 - lag])
    part = make_target(prices.head(120), "return", horizon)
    pd.testing.assert_series_equal(part["naive_day"], made["naive_day"].head(120))


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf])
def test_a_label_is_not_made_of_a_bad_price(bad):
    prices = bars_of([1, 2, bad, 4, 5])
    assert same(make_target(prices, "return", "5min")["target"], [1, np.nan, np.nan, 0.25, np.nan])
    assert make_target(prices, "price", "5min")["target"].isna().tolist() == [False, True, True, False, True]


@pytest.mark.parametrize("target", ["direction", "threshold", "return", "price", "volatility"])
def test_cleaning_does_not_change_a_label(target):
    prices = walk(200, 6).assign(high=lambda f: f["close"] * 1.001, low=lambda f: f["close"] * 0.999)
    prices.loc[[0, 20, 21, 90], "close"] = [0, np.nan, -1, 0]
    prices.loc[50, "high"] = prices.loc[50, "low"] / 2
    raw = make_target(prices, target, "30min", 0.001 if target == "threshold" else None)
    cleaned = make_target(clean_data(prices), target, "30min", 0.001 if target == "threshold" else None)
    pd.testing.assert_frame_equal(raw, cleaned)


@given(st.lists(st.integers(1, 4), min_size=4, max_size=40), st.integers(1, 5), st.integers(1, 30))
@settings(max_examples=40, deadline=None)
def test_what_is_known_at_a_cut_does_not_change_with_the_future(steps, horizon, cut):
    times = pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(np.cumsum([1, 1, 1, *steps]), unit="h")
    close = np.random.default_rng(sum(steps)).uniform(1, 2, len(times))
    prices = pd.DataFrame({"coin": "BTC", "timestamp": times.as_unit("us"), "close": close})
    if Bars.of(prices).step != 3_600_000_000:
        return
    cut = min(cut, len(prices))
    whole, part = (make_target(frame, "return", f"{horizon}h") for frame in (prices, prices.head(cut)))
    for name in ("naive_last", "naive_day"):
        assert same(whole[name].head(cut), part[name])
    known = part["target"].notna()
    assert same(whole["target"].head(cut)[known], part["target"][known])
    ends = whole["label_end"].head(cut)
    assert known.tolist() == (ends <= prices["timestamp"].iloc[cut - 1]).tolist()


@pytest.mark.parametrize(
    ("target", "horizon", "threshold"),
    [
        ("colour", "1h", None),
        ("threshold", "1h", None),
        ("threshold", "1h", 0.0),
        ("direction", "7min", None),
        ("volatility", "5min", None),
    ],
)
def test_targets_that_cannot_be_are_named(target, horizon, threshold):
    with pytest.raises(UsageError) as caught:
        make_target(walk(20), target, horizon, threshold)
    assert caught.value.code == "usage.value"
    assert caught.value.try_


def test_frames_that_are_no_prices_are_refused():
    prices = walk(20)
    with pytest.raises(DataError, match="sorted"):
        make_target(prices.iloc[::-1])
    with pytest.raises(DataError, match="sorted"):
        make_target(pd.concat([prices, prices]))
    with pytest.raises(DataError) as caught:
        make_target(prices.drop(columns="close"))
    assert caught.value.code == "data.no_price"
    with pytest.raises(DataError) as caught:
        make_target(prices.drop(columns="timestamp"))
    assert caught.value.code == "data.no_time"


def test_one_bar_and_no_bar_are_all_unknown():
    for rows in (0, 1):
        made = make_target(walk(20).head(rows), "volatility", "1h")
        assert len(made) == rows
        assert made["target"].isna().all()
    with pytest.raises(DataError) as caught:
        fit_median_volatility(walk(5), "1h")
    assert caught.value.code == "data.too_few_rows"
