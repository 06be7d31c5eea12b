"""One column that alone tells a number, or a class by its name, is told; honest ones are not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from synthetic import candles, table

from omc_agent.tools.features import create_features
from omc_agent.tools.lone_values import forecast_alone, parts_of
from omc_agent.tools.screens import screen_columns

HOUR = pd.Timedelta("1h")


def made(seed, target, bars=5000):
    """Features of a walk whose swings come and go."""
    prices = candles(bars, seed)
    swing = 0.001 * np.exp(np.sin(np.arange(bars) / 300))
    prices["close"] = 100 * np.exp(np.cumsum(np.random.default_rng(seed).normal(size=bars) * swing))
    wick = swing * np.random.default_rng(seed + 50).exponential(size=bars)
    prices["high"], prices["low"] = prices["close"] * (1 + wick), prices["close"] * (1 - wick)
    return create_features(prices, target=target, horizon="1h")


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("target", ["return", "volatility", "price"])
def test_a_column_that_holds_a_number_of_the_future_is_told_and_honest_ones_are_not(seed, target):
    rows = made(seed, target)
    assert screen_columns(rows, horizon=HOUR, task="regression") == []
    away = (rows["target"] - rows["naive_last"]).std() if target == "price" else rows["target"].std()
    noise = np.random.default_rng(9).normal(0, 0.3 * away, len(rows))
    (told,) = screen_columns(rows.assign(vendor=rows["target"] + noise), horizon=HOUR, task="regression")
    assert (told.column, told.task) == ("vendor", "regression")
    assert told.score > 0.10
    assert "mean absolute error" in told.text()


def test_a_number_of_a_table_is_told_only_where_a_column_settles_it():
    rows = table(0, 400)
    size = rows.drop(columns="target").assign(target=3 * rows["size"] + np.random.default_rng(7).normal(size=400))
    assert screen_columns(size, task="regression") == []
    (told,) = screen_columns(size.assign(fahrenheit=1.8 * size["target"] + 32), task="regression")
    assert (told.column, told.code) == ("fahrenheit", "lone_column")


def test_a_category_that_settles_the_class_is_told_and_one_that_leans_is_not():
    rng = np.random.default_rng(1)
    rows = pd.DataFrame({"size": rng.normal(size=600), "target": rng.integers(0, 2, 600).astype(float)})
    rows["outcome"] = np.where(rows["target"] == 1, rng.choice(["won", "signed"], 600), "lost")
    rows["region"] = np.where(rng.random(600) < 0.8, rows["target"].map({0.0: "n", 1.0: "s"}), "w")
    rows["person"] = [f"p{n}" for n in range(600)]
    assert [one.column for one in screen_columns(rows)] == ["outcome"]


def test_a_forecast_never_uses_its_own_row():
    label = np.random.default_rng(2).normal(size=300)
    alone = pd.Series([f"r{n}" for n in range(300)])
    said = forecast_alone(alone, label, parts_of(np.arange(300), timed=False))
    assert len(np.unique(said)) == 10
    assert np.isnan(forecast_alone(pd.Series([np.nan] * 300), label, np.arange(300) % 10)).all()
