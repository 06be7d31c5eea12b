"""The feature that carries the signal is the important one."""

from __future__ import annotations

import matplotlib as mpl
import pytest
from synthetic import direction, returns, table

mpl.use("agg")
import matplotlib.pyplot as plt

from omc_agent.tools.importance import calculate_feature_importance


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.mark.parametrize("model", ["logistic_regression", "gradient_boosting"])
def test_the_planted_feature_is_the_important_one(model):
    found = calculate_feature_importance(direction(bars=2500, signal=0.8), model, n_repeats=3)
    assert found.columns.tolist() == ["feature", "importance", "low", "high"]
    assert found["feature"].iloc[0] == "edge"
    assert found["low"].iloc[0] > 0
    assert (found["low"] <= found["importance"]).all()
    assert plt.gcf().axes[0].get_xlabel().startswith("ROC-AUC lost")


def test_importance_of_values_and_of_tables():
    found = calculate_feature_importance(returns(bars=1500, signal=0.8), "ridge", n_repeats=2, plot=False)
    assert found["feature"].iloc[0] == "edge"
    words = calculate_feature_importance(table(rows=400), "xgboost", n_repeats=2, plot=False)
    assert set(words["feature"]) == {"size", "age", "city"}
    assert words["feature"].iloc[0] == "size"


def test_importance_is_seeded():
    frame = direction(bars=800)
    found = [
        calculate_feature_importance(frame, "logistic_regression", n_repeats=2, seed=seed, plot=False)
        for seed in (1, 1, 2)
    ]
    assert found[0].equals(found[1])
    assert not found[0].equals(found[2])
