"""A planted signal is found, none is found where none is, and no fold knows what comes later."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from synthetic import direction, returns

from omc_agent.tools.algorithms import CLASSIFIERS, REGRESSORS
from omc_agent.tools.cross_validation import cross_validate_model
from omc_agent.tools.naive import NAIVE_RULES

SCORE_KEYS = [
    "name",
    "model",
    "params",
    "metric",
    "score",
    "low",
    "high",
    "folds",
    "fit_seconds",
    "predict_seconds",
    "rows",
    "baseline",
]


@pytest.mark.parametrize("model", CLASSIFIERS)
def test_classifiers_find_a_planted_signal(model):
    score, oof = cross_validate_model(direction(bars=2500, signal=0.6), model, n_splits=3)
    assert list(score) == SCORE_KEYS
    assert score["low"] > 0.5
    assert score["low"] < score["score"] < score["high"]
    assert oof["prediction"].between(0, 1).all()
    json.dumps(score, allow_nan=False)


@pytest.mark.parametrize("model", REGRESSORS)
def test_regressors_find_a_planted_signal(model):
    score, _ = cross_validate_model(returns(bars=2500, signal=0.6), model, n_splits=3)
    assert score["metric"] == "mae_skill"
    assert score["score"] > 0.02


@pytest.mark.parametrize("model", CLASSIFIERS)
def test_no_classifier_finds_one_in_a_random_walk(model):
    score, _ = cross_validate_model(direction(seed=5, bars=2500), model, n_splits=3)
    assert score["low"] < 0.5
    assert score["score"] < 0.6


def test_out_of_fold_rows_keep_their_labels_and_order():
    frame = direction(bars=600).set_axis(range(5000, 5600))
    _, oof = cross_validate_model(frame, "logistic_regression", n_splits=3)
    assert oof.columns.tolist() == ["timestamp", "coin", "target", "prediction", "fold"]
    assert oof.index.is_monotonic_increasing
    assert oof.index.is_unique
    assert oof["target"].equals(frame.loc[oof.index, "target"])
    assert sorted(oof["fold"].unique()) == [1, 2, 3]


def test_a_prediction_never_depends_on_later_rows():
    frame = direction(bars=900)
    _, before = cross_validate_model(frame, "logistic_regression", n_splits=3)
    first_block = before[before["fold"] == 1].index
    scrambled = frame.copy()
    later = scrambled.index > first_block.max()
    scrambled.loc[later, ["edge", "past", "noise"]] = 9.0
    scrambled.loc[later & scrambled["target"].notna(), "target"] = np.arange(later.sum() - 12) % 2.0
    _, after = cross_validate_model(scrambled, "logistic_regression", n_splits=3)
    pd.testing.assert_series_equal(before.loc[first_block, "prediction"], after.loc[first_block, "prediction"])


@pytest.mark.parametrize("model", ["random_forest", "xgboost", "gradient_boosting"])
def test_the_seed_decides_everything(model):
    frame = direction(bars=500)
    runs = [cross_validate_model(frame, model, n_splits=2, seed=seed) for seed in (3, 3, 4)]
    pd.testing.assert_frame_equal(runs[0][1], runs[1][1])
    assert runs[0][0]["low"] == runs[1][0]["low"]
    assert (runs[0][0]["low"], runs[0][0]["score"]) != (runs[2][0]["low"], runs[2][0]["score"])


@pytest.mark.parametrize("rule", NAIVE_RULES)
def test_naive_rules_are_candidates_too(rule):
    score, oof = cross_validate_model(direction(bars=900), rule, n_splits=3, name="the rule")
    assert score["baseline"] is True
    assert score["name"] == "the rule"
    assert score["fit_seconds"] == 0
    assert oof["prediction"].notna().sum() == score["rows"]
    if rule == "constant":
        assert (score["score"], score["low"], score["high"]) == (0.5, 0.5, 0.5)


@pytest.mark.parametrize("rule", NAIVE_RULES)
def test_naive_scores_become_probabilities_where_the_metric_needs_them(rule):
    score, oof = cross_validate_model(direction(bars=900), rule, metric="brier", n_splits=3)
    assert oof["prediction"].dropna().between(0, 1).all()
    assert 0.2 < score["score"] < 0.3


@pytest.mark.parametrize("metric", ["accuracy", "precision", "recall", "f1", "roc_auc", "pr_auc", "brier"])
def test_every_metric_of_classes_has_an_interval(metric):
    score, _ = cross_validate_model(direction(bars=600, signal=0.5), metric=metric, n_splits=2)
    assert score["low"] < score["score"] < score["high"]
    assert len(score["folds"]) == 2


@pytest.mark.parametrize("metric", ["mae_skill", "mae", "rmse", "r2", "mase"])
def test_every_metric_of_values_has_an_interval(metric):
    score, _ = cross_validate_model(returns(bars=600), "ridge", metric=metric, n_splits=2)
    assert score["low"] < score["score"] < score["high"]


def test_the_constant_has_no_skill_and_the_last_price_is_hard_to_beat():
    frame = returns(bars=900)
    assert cross_validate_model(frame, "constant")[0]["score"] == 0.0
    price = 100 + frame["past"].fillna(0).cumsum()
    prices = frame.assign(naive_last=price, target=(price + frame["target"]).where(frame["target"].notna()))
    assert cross_validate_model(prices, "last")[0]["score"] > 0.5
