"""The simulated market is repeatable, and true to its stated truths."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from omc_agent.simulation import MOMENTUM, bayes_accuracy, simulate_market
from omc_agent.tools.analysis import clean_data, perform_eda
from omc_agent.tools.features import create_features
from omc_agent.tools.targets import make_target


@pytest.fixture(scope="module")
def market():
    return simulate_market(days=120, seed=7)[0]


def best_forecast(prices):
    """The sign of the best linear forecast of the next hour, by the planted coefficients."""
    returns = np.log(prices["close"]).diff().fillna(0).to_numpy()
    state = np.stack([np.roll(returns, lag) for lag in range(len(MOMENTUM))])
    total = np.zeros(len(returns))
    for _ in range(12):
        ahead = MOMENTUM @ state
        total += ahead
        state = np.vstack([ahead, state[:-1]])
    return total


def test_the_simulation_is_deterministic_and_coins_do_not_depend_on_each_other():
    one, _ = simulate_market(days=2, seed=5)
    pd.testing.assert_frame_equal(one, simulate_market(days=2, seed=5)[0])
    assert not one["close"].equals(simulate_market(days=2, seed=6)[0]["close"])


def test_the_stated_accuracy_of_eth_is_the_one_that_the_best_forecast_has(market):
    stated = bayes_accuracy(MOMENTUM)
    assert 0.56 <= stated <= 0.58
    hits = []
    for seed in range(6):
        bars = simulate_market(days=60, seed=seed)[0] if seed else market
        prices = bars[bars["coin"] == "ETH"]
        target = make_target(prices)["target"].to_numpy()
        forecast = best_forecast(prices)
        known = ~np.isnan(target)
        known[:100] = False
        hits.append(((forecast > 0) == target)[known].mean())
    assert np.mean(hits) == pytest.approx(stated, abs=0.012)


def test_naive_rules_do_not_see_the_signal_of_eth_and_features_do(market):
    made = create_features(market[market["coin"] == "ETH"]).dropna()
    target = made["target"] - made["target"].mean()
    for rule in ("naive_last", "naive_day"):
        assert abs(np.corrcoef(target, made[rule])[0, 1]) < 0.05
    signal = made["mean_48"] * 48 - made["ret_12"]
    assert np.corrcoef(target, signal)[0, 1] > 0.10


def test_doge_has_the_signal_in_its_first_half_only(market):
    prices = market[market["coin"] == "DOGE"]
    target = make_target(prices)["target"].to_numpy()
    forecast, half = best_forecast(prices), len(prices) // 2
    first, second = slice(100, half - 12), slice(half + 100, len(prices) - 12)
    assert ((forecast > 0) == target)[first].mean() > 0.55
    assert ((forecast > 0) == target)[second].mean() < 0.53


def test_btc_and_xrp_have_no_linear_memory_but_xrp_remembers_its_size(market):
    look = perform_eda(market, plots=False)
    assert look.loc[["BTC", "XRP"], "autocorrelation_1"].abs().max() < 0.03
    size = {}
    for coin in ("BTC", "ETH", "XRP"):
        move = np.log(market.loc[market["coin"] == coin, "close"]).diff().abs()
        size[coin] = move.autocorr(12)
    assert size["XRP"] > 0.15 > size["BTC"] > size["ETH"]
    assert size["ETH"] < 0.03


def test_ltc_is_spoiled_and_can_be_cleaned(market):
    prices = market[market["coin"] == "LTC"]
    look = perform_eda(prices, plots=False).loc["LTC"]
    assert look["gaps"] >= 10
    assert look["bad_bars"] >= 50
    assert (prices["close"] == 0).any()
    assert (prices["high"] < prices["low"]).any()
    cleaned = clean_data(prices)
    assert (cleaned["close"] > 0).all()
    assert len(cleaned) == len(prices)
    other = market[market["coin"] != "LTC"]
    assert (other["high"] >= other[["open", "close"]].max(axis=1)).all()
    assert (other["low"] <= other[["open", "close"]].min(axis=1)).all()
