"""Cleaning and indicators are causal and keep every row; the first look counts what there is."""

from __future__ import annotations

import io

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from omc_agent.errors import UsageError
from omc_agent.tools.analysis import (
    WARM_UP,
    calculate_technical_indicators,
    clean_data,
    indicator_columns,
    perform_eda,
)

mpl.use("agg")


def walk(rows, seed=0, coin="BTC", freq="5min"):
    steps = np.random.default_rng(seed).normal(0, 0.001, rows)
    close = 100 * np.exp(np.cumsum(steps))
    times = pd.date_range("2024-01-01", periods=rows, freq=freq, tz="UTC", unit="us")
    frame = pd.DataFrame({"coin": coin, "timestamp": times, "close": close})
    return frame.assign(high=close * 1.001, low=close * 0.999, volume=1.0)


def panel(rows=600):
    return pd.concat([walk(rows, 1, "BTC"), walk(rows, 2, "ETH")], ignore_index=True)


def test_bad_bars_take_the_last_good_bar_of_their_own_coin():
    prices = panel(10)
    prices.loc[[3, 4], "close"] = [0.0, np.nan]
    prices.loc[10, "close"] = -5.0
    prices.loc[15, ["high", "low"]] = [1.0, 2.0]
    made = clean_data(prices)
    assert made.index.equals(prices.index)
    assert made.index[made["filled"]].tolist() == [3, 4, 15]
    for name in ("close", "high", "low"):
        assert made.loc[[3, 4], name].tolist() == [prices.loc[2, name]] * 2
        assert made.loc[15, name] == prices.loc[14, name]
        assert np.isnan(made.loc[10, name])
    assert made["volume"].tolist() == prices["volume"].tolist()
    pd.testing.assert_frame_equal(clean_data(made), made)


def test_cleaning_leaves_the_given_frame_and_good_bars_alone():
    prices = panel(50)
    before = prices.copy()
    made = clean_data(prices)
    pd.testing.assert_frame_equal(prices, before)
    pd.testing.assert_frame_equal(made.drop(columns="filled"), before)
    assert not made["filled"].any()


def test_indicators_agree_with_their_formulas_after_warm_up():
    prices = walk(700, 3)
    made = calculate_technical_indicators(prices)
    close = prices["close"]
    np.testing.assert_allclose(made["sma_20"], close.rolling(20).mean(), rtol=1e-9)
    np.testing.assert_allclose(
        made["bb_high"], close.rolling(20).mean() + 2 * close.rolling(20).std(ddof=0), rtol=1e-7
    )
    ema = close.ewm(span=20, adjust=False).mean()
    np.testing.assert_allclose(made["ema_20"][WARM_UP:], ema[WARM_UP:], rtol=1e-12)
    macd = close.ewm(span=12, adjust=False).mean() - close.ewm(span=26, adjust=False).mean()
    np.testing.assert_allclose(made["macd"][WARM_UP:], macd[WARM_UP:], atol=1e-9)
    up, down = close.diff().clip(lower=0), -close.diff().clip(upper=0)
    ratio = up.ewm(alpha=1 / 14, adjust=False).mean() / down.ewm(alpha=1 / 14, adjust=False).mean()
    np.testing.assert_allclose(made["rsi_14"][300:], (100 - 100 / (1 + ratio))[300:], rtol=1e-6)


def test_warm_up_is_masked_for_each_coin_and_after_a_long_gap_only():
    prices = panel(900)
    made = calculate_technical_indicators(prices.drop(index=[*range(300, 303), *range(1400, 1420)]))
    for coin in ("BTC", "ETH"):
        one = made[made["coin"] == coin]
        assert one["sma_20"].isna().head(20).tolist() == [True] * 19 + [False]
        for name in ("ema_20", "rsi_14", "macd", "macd_signal"):
            assert one[name].isna().head(WARM_UP + 1).tolist() == [True] * WARM_UP + [False]
    # A gap of 3 bars breaks windows, not recursions; one of 20 bars breaks both.
    assert made.loc[303:321, "sma_20"].isna().all()
    assert made.loc[322, ["sma_20", "bb_mid"]].notna().all()
    assert made.loc[303:899, "ema_20"].notna().all()
    assert made.loc[1420 : 1420 + WARM_UP - 1, "ema_20"].isna().all()
    assert made.loc[1420 + WARM_UP, ["ema_20", "macd"]].notna().all()


def test_coins_and_the_future_do_not_reach_into_indicators():
    prices = panel()
    made = calculate_technical_indicators(prices)
    alone = calculate_technical_indicators(prices[prices["coin"] == "ETH"])
    pd.testing.assert_frame_equal(made[made["coin"] == "ETH"], alone)
    past = prices[prices["timestamp"] <= prices["timestamp"].iloc[400]]
    pd.testing.assert_frame_equal(calculate_technical_indicators(past), made.loc[past.index])


def test_a_price_that_never_moved_has_a_middling_rsi():
    made = calculate_technical_indicators(walk(400).assign(close=5.0), ["rsi"])
    assert set(made["rsi_14"].dropna()) == {50.0}


def test_only_what_was_asked_is_computed_and_windows_name_the_columns():
    made = calculate_technical_indicators(walk(60), ["sma"], sma=5)
    assert [name for name in made if name not in walk(2)] == ["sma_5"]
    assert indicator_columns(made, "sma") == ["sma_5"]
    with pytest.raises(UsageError, match="vwap"):
        calculate_technical_indicators(walk(60), ["vwap"])


def test_eda_counts_rows_gaps_and_bad_bars():
    prices = panel(500).drop(index=[10, 11, 12, 100])
    prices.loc[200, "close"] = 0.0
    look = perform_eda(prices, plots=False)
    assert look.loc["BTC", ["rows", "gaps", "missing_bars", "bad_bars"]].tolist() == [496, 2, 4, 1]
    assert look.loc["ETH", ["rows", "gaps", "missing_bars", "bad_bars"]].tolist() == [500, 0, 0, 0]
    move = np.diff(np.log(prices.loc[prices["coin"] == "ETH", "close"]))
    assert look.loc["ETH", "return_sd"] == pytest.approx(move.std(ddof=1))
    assert look.loc["ETH", "annual_volatility"] == pytest.approx(move.std(ddof=1) * np.sqrt(365 * 288))
    assert look.loc["ETH", "autocorrelation_1"] == pytest.approx(np.corrcoef(move[1:], move[:-1])[0, 1])


@pytest.mark.parametrize(
    "prices", [panel(3000), walk(30000), walk(400, freq="1D"), walk(3)], ids=["panel", "long", "daily", "tiny"]
)
def test_eda_leaves_two_labelled_small_figures_open(prices):
    import matplotlib.pyplot as plt

    plt.close("all")
    style = dict(mpl.rcParams)
    perform_eda(prices)
    assert dict(mpl.rcParams) == style
    figures = [plt.figure(number) for number in plt.get_fignums()]
    assert len(figures) == 2
    for figure in figures:
        axes = figure.axes[0]
        assert axes.get_xlabel()
        assert "(" in axes.get_ylabel()
        png = io.BytesIO()
        figure.savefig(png)
        assert len(png.getvalue()) < 80_000
        assert figure.dpi <= 110
    plt.close("all")


def test_eda_of_a_still_price_says_so_without_warnings():
    look = perform_eda(walk(50).assign(close=2.0, high=2.0, low=2.0), plots=False)
    assert look.loc["BTC", "return_sd"] == 0.0
    assert np.isnan(look.loc["BTC", "autocorrelation_1"])
