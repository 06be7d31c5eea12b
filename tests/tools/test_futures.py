"""Another future replaces all that comes after a cut and nothing before it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import candles

from omc_agent.tools.futures import scramble, truncate


@given(st.integers(1, 398), st.integers(0, 5))
@settings(max_examples=25, deadline=None)
def test_scrambling_replaces_all_of_the_future_and_none_of_the_past(place, seed):
    prices = pd.concat([candles(400, 1), candles(300, 2, "ETH")], ignore_index=True).assign(trades=7, name="x")
    prices.loc[[50, 350], "close"] = [np.nan, 0.0]
    cut = prices["timestamp"].iloc[place]
    other = scramble(prices, cut, seed)
    past = prices["timestamp"] <= cut
    pd.testing.assert_frame_equal(other[past], prices[past])
    pd.testing.assert_frame_equal(other[["coin", "timestamp", "name"]], prices[["coin", "timestamp", "name"]])
    assert other.dtypes.equals(prices.dtypes)
    good = ~past & (prices["close"] > 0)
    assert (other.loc[good, "close"] != prices.loc[good, "close"]).all()
    assert (other.loc[~past, "volume"] != prices.loc[~past, "volume"]).all()
    usable = ~past & (other["close"] > 0)
    assert abs(int(usable.sum()) - int(good.sum())) <= 1
    assert (other.loc[usable, "high"] >= other.loc[usable, "close"]).all()
    assert (np.log(other.loc[usable, "close"] / 100).abs() < 0.5).all()
    pd.testing.assert_frame_equal(scramble(prices, cut, seed), other)


def test_truncation_keeps_labels_and_the_cut_itself():
    prices = candles(10).drop(index=3)
    cut = prices["timestamp"].iloc[4]
    assert truncate(prices, cut).index.tolist() == [0, 1, 2, 4, 5]
