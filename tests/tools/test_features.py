"""Features are aligned, causal and kept apart by coin."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omc_agent.errors import UsageError
from omc_agent.tools.features import create_features, feature_columns
from omc_agent.tools.indicators import calculate_technical_indicators


def walk(rows, seed=0, coin="BTC"):
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.001, rows)))
    times = pd.date_range("2024-01-01", periods=rows, freq="5min", tz="UTC", unit="us")
    frame = pd.DataFrame({"coin": coin, "timestamp": times, "close": close})
    frame = frame.assign(high=close * 1.002, low=close * 0.999, bid=close * 0.9999, ask=close * 1.0001)
    return frame.assign(volume=rng.uniform(1, 2, rows))


def panel(rows=400):
    return pd.concat([walk(rows, 1, "BTC"), walk(rows, 2, "ETH")], ignore_index=True)


def test_the_frame_is_in_the_shape_that_every_tool_expects():
    prices = panel().drop(index=[5, 6, 500])
    made = create_features(prices)
    assert made.index.equals(prices.index)
    assert list(made.columns[:3]) == ["coin", "timestamp", "label_end"]
    assert list(made.columns[-3:]) == ["naive_last", "naive_day", "target"]
    assert set(made[feature_columns(made)].dtypes.astype(str)) == {"float64"}
    assert made["label_end"].isna().equals(made["target"].isna())


def test_features_are_what_their_names_say():
    prices = walk(300, 3)
    made = create_features(prices, lags=[1, 5], windows=[10])
    log = np.log(prices["close"])
    np.testing.assert_allclose(made["ret_5"], log.diff(5))
    np.testing.assert_allclose(made["mean_10"], log.diff().rolling(10).mean(), atol=1e-12)
    np.testing.assert_allclose(made["std_10"], log.diff().rolling(10).std(), rtol=1e-8)
    away = (log - log.rolling(10).mean()) / log.rolling(10).std()
    np.testing.assert_allclose(made["z_10"], away, rtol=1e-6)
    np.testing.assert_allclose(made["range"], 0.003)
    np.testing.assert_allclose(made["range_ratio_10"].dropna(), 1.0)
    volume = prices["volume"]
    np.testing.assert_allclose(made["volume_ratio_10"], volume / volume.rolling(10).mean())
    np.testing.assert_allclose(made["spread"], 0.0002)
    noon = made.set_index("timestamp").loc[pd.Timestamp("2024-01-01 12:00", tz="UTC")]
    assert noon["hour_cos"] == pytest.approx(-1)
    assert noon["hour_sin"] == pytest.approx(0, abs=1e-12)


def test_a_gap_leaves_nan_in_every_window_that_spans_it_and_nowhere_else():
    whole = walk(100, 4)
    made = create_features(whole.drop(index=50), lags=[1, 3], windows=[12])
    full = create_features(whole, lags=[1, 3], windows=[12])
    assert made.index[made["ret_1"].isna()].tolist() == [0, 51]
    assert made.index[made["ret_3"].isna()].tolist() == [0, 1, 2, 51, 52, 53]
    assert made.index[made["mean_12"].isna()].tolist() == [*range(12), *range(51, 63)]
    np.testing.assert_allclose(made.loc[63:, "std_12"], full.loc[63:, "std_12"], rtol=1e-9)


def test_each_coin_is_as_if_it_were_alone_to_the_last_bit():
    prices = calculate_technical_indicators(panel(600))
    both = create_features(prices)
    for coin in ("BTC", "ETH"):
        mine = prices["coin"] == coin
        pd.testing.assert_frame_equal(both[mine], create_features(prices[mine]), check_exact=True)


@given(st.integers(2, 1199), st.sampled_from(["direction", "threshold", "return", "price", "volatility"]))
@settings(max_examples=15, deadline=None)
def test_no_feature_changes_when_the_end_is_cut_off(cut, target):
    prices = panel(600)
    threshold = 0.002 if target == "threshold" else None
    names = ["sma", "macd", "bollinger"]
    past = prices[prices["timestamp"] <= prices["timestamp"].iloc[cut % 600]]
    whole = create_features(prices, target=target, threshold=threshold, indicators=names).loc[past.index]
    part = create_features(past, target=target, threshold=threshold, indicators=names)
    if part["timestamp"].nunique() > 1:
        pd.testing.assert_frame_equal(
            part.drop(columns=["target", "label_end"]), whole.drop(columns=["target", "label_end"])
        )


def test_indicators_lose_their_price_scale():
    prices = calculate_technical_indicators(walk(600, 5))
    scaled = prices.assign(**{name: prices[name] * 1000 for name in ("close", "high", "low", "bid", "ask")})
    scaled = calculate_technical_indicators(scaled)
    one, other = create_features(prices), create_features(scaled)
    names = feature_columns(one)
    assert {"close_sma_20", "close_ema_20", "rsi_14_share", "macd_close", "bb_percent", "bb_width"} <= set(names)
    np.testing.assert_allclose(one[names], other[names], rtol=1e-6, atol=1e-9)
    assert one["rsi_14_share"].dropna().between(0, 1).all()


def test_named_indicators_are_exactly_those():
    prices = calculate_technical_indicators(walk(600, 5), ["sma", "rsi"])

    def indicators(asked):
        made = feature_columns(create_features(prices, indicators=asked))
        return {name for name in made if name.startswith(("close_", "rsi", "macd", "bb_"))}

    assert indicators(None) == {"close_sma_20", "rsi_14_share"}
    assert indicators(["sma", "bollinger"]) == {"close_sma_20", "bb_percent", "bb_width"}
    assert indicators([]) == set()
    with pytest.raises(UsageError, match="vwap"):
        create_features(prices, indicators=["vwap"])


def test_still_prices_and_no_trade_give_numbers_not_infinities():
    prices = walk(100).assign(close=5.0, high=5.0, low=5.0, bid=5.0, ask=5.0, volume=0.0)
    made = create_features(prices)
    known = made.iloc[60:]
    assert (known["z_12"] == 0).all()
    assert (known["volume_ratio_12"] == 1).all()
    assert not np.isinf(made[feature_columns(made)]).any().any()


@pytest.mark.parametrize("settings_", [{"lags": [0]}, {"windows": [1]}, {"lags": [1.5]}])
def test_lengths_that_cannot_be_are_named(settings_):
    with pytest.raises(UsageError) as caught:
        create_features(walk(50), **settings_)
    assert caught.value.code == "usage.value"
