"""Cleaning is causal and keeps every row; the first look counts what there is."""

from __future__ import annotations

import io

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from synthetic import candles

from omc_agent.tools.analysis import clean_data, perform_eda

mpl.use("agg")


def panel(rows=600):
    return pd.concat([candles(rows, 1, "BTC"), candles(rows, 2, "ETH")], ignore_index=True)


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
    "prices",
    [panel(3000), candles(30000), candles(400, freq="1D"), candles(3)],
    ids=["panel", "long", "daily", "tiny"],
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
    look = perform_eda(candles(50).assign(close=2.0, high=2.0, low=2.0), plots=False)
    assert look.loc["BTC", "return_sd"] == 0.0
    assert np.isnan(look.loc["BTC", "autocorrelation_1"])
