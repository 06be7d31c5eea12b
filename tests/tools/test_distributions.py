"""Quantiles and correlations are those of numpy, and their pictures are small and labelled."""

from __future__ import annotations

import io

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from synthetic import candles

mpl.use("agg")
import matplotlib.pyplot as plt

from omc_agent.tools.distributions import show_correlations, show_distributions


@pytest.fixture(autouse=True)
def _close_figures():
    plt.close("all")
    yield
    plt.close("all")


def both(rows=500):
    return pd.concat([candles(rows, 1, "BTC"), candles(rows, 2, "ETH")], ignore_index=True)


def png_of_the_only_figure():
    (number,) = plt.get_fignums()
    png = io.BytesIO()
    plt.figure(number).savefig(png)
    return png.getvalue()


def test_quantiles_are_those_of_the_returns():
    found = show_distributions(both())
    move = np.diff(np.log(candles(500, 2, "ETH")["close"]))
    assert found.loc["ETH", "bars"] == 499
    assert found.loc["ETH", "q0.05"] == pytest.approx(np.quantile(move, 0.05))
    assert found.loc["ETH", "beyond_3_sd"] == pytest.approx((np.abs(move - move.mean()) > 3 * move.std()).mean())
    assert len(png_of_the_only_figure()) < 80_000
    assert plt.gcf().axes[0].get_xlabel().endswith("(%)")


def test_coins_are_correlated_by_time_and_not_by_row():
    one, other = candles(400, 1, "BTC"), candles(400, 1, "ETH").iloc[50:]
    found = show_correlations(pd.concat([one, other], ignore_index=True))
    assert found.loc["BTC", "ETH"] == pytest.approx(1.0)
    assert "between coins" in plt.gcf().axes[0].get_title(loc="left")
    assert len(png_of_the_only_figure()) < 80_000


def test_one_coin_is_correlated_with_its_own_past():
    prices = candles(400)
    move = pd.Series(np.log(prices["close"])).diff()
    found = show_correlations(prices, plots=False)
    assert found.loc["return", "return 1 before"] == pytest.approx(move.corr(move.shift(1)))
    assert {"size", "volume", "range"} <= set(found.columns)
    assert not plt.get_fignums()


@pytest.mark.parametrize(
    "prices", [candles(2), candles(60).assign(close=2.0, high=2.0, low=2.0)], ids=["few", "still"]
)
def test_too_little_to_see_is_nan_without_a_warning(prices):
    assert np.isnan(show_distributions(prices)["beyond_3_sd"]).all()
    assert np.isnan(show_correlations(prices).loc["return", "return 1 before"])
