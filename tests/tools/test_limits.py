"""Limits are learned from development rows, kept as JSON, and applied to any rows."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from synthetic import candles, direction

from omc_agent.errors import UsageError
from omc_agent.tools.cleaning import count_changes
from omc_agent.tools.limits import clip_outliers, fit_limits


def test_limits_are_median_and_robust_deviations_by_hand():
    # Median 3, absolute deviations 2 1 0 1 97, their median 1: one robust sd is 1.4826, ten of them 14.826.
    limits = fit_limits(pd.DataFrame({"size": [1.0, 2.0, 3.0, 4.0, 100.0], "target": 0.0}))
    assert limits["columns"]["size"][""] == pytest.approx([3 - 14.826, 3 + 14.826])
    assert list(limits["columns"]) == ["size"]


def test_they_survive_json_and_each_coin_has_its_own():
    both = pd.concat([candles(300, 1, "BTC"), candles(300, 2, "ETH").assign(volume=1e6)], ignore_index=True)
    both.loc[both["coin"] == "ETH", "volume"] *= np.linspace(0.5, 2, 300)
    limits = json.loads(json.dumps(fit_limits(both)))
    assert set(limits["returns"]) == {"BTC", "ETH"}
    assert limits["columns"]["volume"]["ETH"][1] > 1000 * limits["columns"]["volume"]["BTC"][1]
    assert limits["columns"]["volume"]["BTC"][0] == 0.0


def test_features_are_held_within_limits_of_other_rows_and_targets_and_prices_are_not():
    frame = direction(bars=600)
    limits = fit_limits(frame.head(400))
    wild = frame.tail(200).copy()
    wild.iloc[3, wild.columns.get_loc("edge")] = 1e9
    wild.iloc[5, wild.columns.get_loc("edge")] = np.nan
    made = clip_outliers(wild, limits)
    assert made["edge"].max() == limits["columns"]["edge"]["BTC"][1]
    assert np.isnan(made["edge"].iloc[5])
    assert made["target"].equals(wild["target"])
    assert made["naive_last"].equals(wild["naive_last"])
    assert count_changes(made).loc["edge", "clipped"] == 1
    bars = candles(300)
    crash = bars.assign(close=bars["close"] / 2, volume=bars["volume"] * 1e9)
    held = clip_outliers(crash, fit_limits(bars))
    assert held["close"].equals(crash["close"])
    assert held["volume"].max() < crash["volume"].max()


def test_limits_applied_row_by_row_are_those_applied_to_all():
    frame = direction(bars=400)
    limits = fit_limits(frame.head(200), k=3)
    whole = clip_outliers(frame, limits)
    pd.testing.assert_frame_equal(clip_outliers(frame.head(250), limits), whole.head(250))


def test_what_hardly_moves_and_coins_never_seen_have_no_limits():
    still = pd.DataFrame({"size": [1.0] * 9, "few": [np.nan] * 7 + [1.0, 2.0]})
    assert fit_limits(still)["columns"] == {}
    limits = fit_limits(candles(300))
    other = candles(10, coin="DOGE").assign(volume=1e12)
    assert clip_outliers(other, limits)["volume"].tolist() == [1e12] * 10
    with pytest.raises(UsageError):
        fit_limits(still, k=1)
