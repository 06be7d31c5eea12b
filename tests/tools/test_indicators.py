"""Indicators follow their formulas after an honest warm-up, coin by coin."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from synthetic import candles

from omc_agent.errors import UsageError
from omc_agent.tools.indicators import WARM_UP, calculate_technical_indicators, indicator_columns


def panel(rows=600):
    return pd.concat([candles(rows, 1, "BTC"), candles(rows, 2, "ETH")], ignore_index=True)


def test_indicators_agree_with_their_formulas_after_warm_up():
    prices = candles(700, 3)
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
    made = calculate_technical_indicators(candles(400).assign(close=5.0), ["rsi"])
    assert set(made["rsi_14"].dropna()) == {50.0}


def test_only_what_was_asked_is_computed_and_windows_name_the_columns():
    made = calculate_technical_indicators(candles(60), ["sma"], sma=5)
    assert [name for name in made if name not in candles(2)] == ["sma_5"]
    assert indicator_columns(made, "sma") == ["sma_5"]
    with pytest.raises(UsageError, match="vwap"):
        calculate_technical_indicators(candles(60), ["vwap"])
