"""Cuts are spread over span, hour and minute, and lie where a leak could hide."""

from __future__ import annotations

import pandas as pd
from synthetic import candles

from omc_agent.tools.cuts import cut_points


def test_cuts_are_spread_over_span_hours_and_minutes():
    prices = candles(12_000)
    cuts = cut_points(prices, k=8, seed=1)
    assert len(cuts) == 8
    assert cuts == sorted(cuts)
    assert set(cuts) <= set(prices["timestamp"])
    assert cuts == cut_points(prices, k=8, seed=1)
    assert cuts != cut_points(prices, k=8, seed=2)
    stretch = (prices["timestamp"].iloc[-1] - prices["timestamp"].iloc[0]) * 0.9 / 8
    begin = prices["timestamp"].iloc[-1] - 8 * stretch
    assert [int((cut - begin) / stretch) for cut in cuts] == list(range(8))
    assert len({cut.hour // 3 for cut in cuts}) >= 7
    assert len({cut.minute // 15 for cut in cuts}) == 4


def test_up_to_four_more_cuts_lie_where_input_is_missing():
    prices = candles(3000)
    prices.loc[1200:1205, "close"] = 0.0
    prices = prices.drop(index=range(2000, 2010))
    extra = set(cut_points(prices, k=4)) - set(cut_points(candles(3000), k=4))
    missing = {*prices.loc[1200:1205, "timestamp"], prices.loc[1999, "timestamp"]}
    assert len(extra & missing) == 4
    assert prices.loc[1999, "timestamp"] in extra


def test_a_table_without_time_has_no_cuts():
    assert cut_points(pd.DataFrame({"x": range(100)})) == []
    assert cut_points(candles(2)) == []


def test_cuts_lie_where_a_coin_begins_late_or_ends_early():
    btc, eth, new = candles(3000), candles(3000, 1, "ETH").iloc[:2000], candles(3000, 2, "NEW").iloc[900:]
    apart = pd.concat([btc, eth, new], ignore_index=True)
    alone = cut_points(btc, k=4)
    assert set(cut_points(apart, k=4)) - set(alone) == {eth["timestamp"].iloc[-1], new["timestamp"].iloc[0]}
    together = pd.concat([btc, candles(3000, 1, "ETH")], ignore_index=True)
    assert cut_points(together, k=4) == alone


def test_coins_that_come_and_go_add_eight_cuts_at_most():
    parts = [candles(3000), *(candles(3000, n, f"C{n}").iloc[100 * n : 3000 - 50 * n] for n in range(1, 13))]
    frame = pd.concat(parts, ignore_index=True)
    cuts = cut_points(frame, k=4)
    edges = {time for part in parts[1:] for time in (part["timestamp"].iloc[0], part["timestamp"].iloc[-1])}
    assert len(cuts) == 12
    assert len(set(cuts) & edges) == 8


def test_a_coin_that_begins_with_the_frame_adds_no_cut_before_bars_can_be_told():
    late = pd.concat([candles(3000), candles(3000, 1, "ETH").iloc[5:]], ignore_index=True)
    assert cut_points(late, k=4) == cut_points(candles(3000), k=4)
