"""Tuned and untuned are compared row by row, and luck among several trials is no gain."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from omc_agent.tools.gain import no_gain, tuning_gain


def rows(seed, strength, count=4000):
    rng = np.random.default_rng(seed)
    target = (rng.random(count) > 0.5).astype(float)
    times = pd.date_range("2024-01-01", periods=count, freq="5min", tz="UTC", unit="us")
    prediction = 0.5 + 0.1 * rng.normal(size=count) + strength * (target - 0.5)
    fold = np.repeat([1, 2], count // 2)
    return pd.DataFrame({"timestamp": times, "target": target, "prediction": prediction, "fold": fold})


def test_the_gain_is_the_difference_of_the_scores():
    from omc_agent.tools.metrics import score_frame

    untuned = rows(0, 0.02)
    tuned = untuned.assign(prediction=untuned["prediction"] + 0.05 * (untuned["target"] - 0.5))
    found = tuning_gain(untuned, tuned, "roc_auc", pd.Timedelta("1h"), trials=8)
    difference = score_frame("roc_auc", tuned).score - score_frame("roc_auc", untuned).score
    assert found["score"] == pytest.approx(difference)
    assert found["real"]
    assert found["low"] > 0
    assert found["alpha"] == pytest.approx(0.025 / 7)
    assert "gained beyond noise" in found["text"]


def test_luck_is_no_gain_and_the_level_is_shared_among_the_trials():
    untuned, tuned = rows(0, 0.0), rows(0, 0.0).assign(prediction=rows(1, 0.0)["prediction"])
    few, many = (tuning_gain(untuned, tuned, "roc_auc", pd.Timedelta("1h"), trials=trials) for trials in (2, 16))
    assert not few["real"]
    assert many["high"] - many["low"] > few["high"] - few["low"]
    assert "so the untuned model is kept" in few["text"]


@pytest.mark.parametrize("metric", ["mae", "mae_skill", "mase"])
def test_a_smaller_error_is_a_gain_also_where_a_reference_is_needed(metric):
    untuned = rows(0, 0.0)
    tuned = untuned.assign(prediction=untuned["prediction"] * 0.2 + untuned["target"] * 0.8)
    found = tuning_gain(untuned, tuned, metric)
    assert found["score"] > 0
    assert found["real"]


def test_a_search_that_the_defaults_won_says_so():
    assert no_gain(1)["text"] == "Only the defaults were tried."
    assert not no_gain(5)["real"]
    assert "the one other setting did not beat" in no_gain(2)["text"]
