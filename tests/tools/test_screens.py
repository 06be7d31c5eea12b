"""A column that alone knows the answer is told; honest features of walks and of volatility are not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from synthetic import candles, direction, table

from omc_agent.tools.features import create_features
from omc_agent.tools.joins import joins_at_open
from omc_agent.tools.screens import screen_columns

HOUR = pd.Timedelta("1h")


@pytest.mark.parametrize("seed", range(5))
def test_a_column_of_a_vendor_that_holds_the_future_is_told(seed):
    rows = direction(seed, bars=4000)
    rng = np.random.default_rng(seed)
    future = rows["target"].fillna(0.5) + rng.normal(0, 0.8, len(rows))
    told = screen_columns(rows.assign(vendor=future), horizon=HOUR)
    assert [(one.column, one.code) for one in told if one.code == "lone_column"] in ([("vendor", "lone_column")], [])
    assert [one.column for one in told] == ["vendor"]
    assert "publi" in told[0].text() or "early" in told[0].text()


@pytest.mark.parametrize("seed", range(5))
def test_what_lives_from_one_bar_is_one_bar_early(seed):
    prices = candles(6000, seed)
    made = create_features(prices, target="direction", horizon="15min")
    early = np.log(prices["close"]).diff().shift(-1)
    told = screen_columns(made.assign(news=early), horizon=pd.Timedelta("15min"))
    assert [(one.column, one.code) for one in told] == [("news", "one_bar_early")]


@pytest.mark.parametrize("seed", range(5))
def test_honest_columns_are_not_told(seed):
    assert screen_columns(direction(seed, bars=4000), horizon=HOUR) == []
    prices = candles(4000, seed)
    swing = 0.0005 * np.exp(np.sin(np.arange(4000) / 200))
    moves = np.random.default_rng(seed).normal(size=4000) * swing
    prices["close"] = 100 * np.exp(np.cumsum(moves))
    prices["high"], prices["low"] = prices["close"] * (1 + swing), prices["close"] * (1 - swing)
    made = create_features(prices, target="volatility", horizon="1h", threshold=float(np.median(swing)))
    assert screen_columns(made, horizon=HOUR) == []


def test_a_table_is_told_only_of_what_settles_the_target():
    rows = table(0, 400)
    assert screen_columns(rows) == []
    assert [one.column for one in screen_columns(rows.assign(answer=rows["target"] + 0.1))] == ["answer"]
    assert screen_columns(rows.assign(target=rows["size"])) == []
    assert screen_columns(rows.head(5)) == []


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        ("features = pd.merge_asof(features, news, on='timestamp')", [1]),
        ("hourly = prices.copy()\nfeatures = features.merge(hourly, on='timestamp')", []),
        ("x = 1\nfeatures = features.join(news.set_index('timestamp'), on='timestamp')", [2]),
        ("features = features.merge(right=news, left_on=['coin', 'timestamp'], right_on=['c', 't'])", [1]),
        ("features = features.merge(news, left_on='decided_at', right_on='published')", []),
        ("not python (", []),
    ],
)
def test_joins_of_other_frames_at_a_bars_open_are_found(code, lines):
    found = joins_at_open(code)
    assert [join.line for join in found] == lines
    assert all("timestamp + bar" in join.text() for join in found)
