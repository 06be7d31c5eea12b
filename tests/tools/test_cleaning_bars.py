"""Types are read, outliers flagged and not taken out, and each change is counted by column."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from synthetic import bars_of, candles

from omc_agent.tools.cleaning import clean_data, count_changes
from omc_agent.tools.limits import fit_limits


def test_text_decimals_and_infinities_become_numbers_and_are_counted():
    prices = candles(6)
    prices["close"] = pd.Series(["100.5", " 1,000 ", "n/a", Decimal("99.25"), 98.0, None], dtype=object)
    prices["volume"] = [1.0, np.inf, 2.0, np.nan, 1.0, 1.0]
    made = clean_data(prices)
    assert made["close"].tolist() == [100.5, 1000.0, 1000.0, 99.25, 98.0, 98.0]
    assert made["filled"].tolist() == [False, False, True, False, False, True]
    counts = count_changes(made)
    assert counts.loc["close"].to_dict() == {
        "typed": 4, "unreadable": 1, "infinite": 0, "missing": 1, "filled": 2, "flagged": 0, "clipped": 0
    }  # fmt: skip
    assert counts.loc["volume", ["infinite", "missing", "filled"]].tolist() == [1, 1, 0]
    assert counts.loc["high", "filled"] == 2
    assert np.isnan(made["volume"].iloc[1])


def test_an_infinite_price_is_a_bad_bar_and_never_reaches_a_feature():
    from omc_agent.tools.features import create_features

    prices = candles(400)
    prices.loc[[50, 51], "close"] = [np.inf, -np.inf]
    made = clean_data(prices)
    assert made.index[made["filled"]].tolist() == [50, 51]
    assert count_changes(made).loc["close", ["infinite", "filled"]].tolist() == [2, 2]
    features = create_features(made).select_dtypes("float")
    assert not np.isinf(features.to_numpy()).any()


def test_a_crash_and_a_spike_are_flagged_and_nothing_is_changed():
    prices = candles(800)
    prices.loc[300:, ["close", "high", "low"]] *= 0.7  # a crash that stays
    prices.loc[500, ["close", "high", "low"]] *= 1.5  # a spike of one bar
    limits = fit_limits(candles(800, seed=1))
    made = clean_data(prices, limits)
    assert made["close"].tolist() == prices["close"].tolist()
    assert made.index[made["outlier"]].tolist() == [300, 500, 501]
    # The spike is known one bar later; the crash is none.
    assert made.index[made["spike"]].tolist() == [501]
    assert count_changes(made).loc["close", "flagged"] == 3


def test_flags_are_causal():
    prices = candles(800)
    prices.loc[500, ["close", "high", "low"]] *= 1.5
    limits = fit_limits(prices)
    whole = clean_data(prices, limits)
    for cut in (500, 501, 502, 700):
        part = clean_data(prices.head(cut), limits)
        pd.testing.assert_frame_equal(part[["outlier", "spike"]], whole[["outlier", "spike"]].head(cut))


def test_cleaning_twice_changes_nothing_more():
    prices = candles(60)
    prices.loc[7, "close"] = -1.0
    once = clean_data(prices)
    again = clean_data(once)
    pd.testing.assert_frame_equal(once, again)
    assert count_changes(again)["filled"].sum() == 0


def test_without_a_change_all_counts_are_zero_and_other_frames_have_none():
    assert count_changes(clean_data(bars_of([1.0, 2.0]))).to_numpy().sum() == 0
    assert count_changes(pd.DataFrame({"size": [1.0]})).empty
    with pytest.raises(KeyError):
        count_changes(pd.DataFrame()).loc["close"]
