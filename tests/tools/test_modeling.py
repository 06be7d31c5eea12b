from __future__ import annotations

import json
import os

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from synthetic import direction, returns, table

from omc_agent.errors import AgentError, DataError, UsageError
from omc_agent.tools.modeling import (
    CLASSIFIERS,
    REGRESSORS,
    cross_validate_model,
    feature_columns,
    load_model,
    predict,
    save_model,
    train_classification_model,
    train_regression_model,
)
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


@pytest.mark.parametrize("model", CLASSIFIERS)
def test_tables_with_words_and_gaps_are_learned(model):
    frame = table(rows=400)
    score, oof = cross_validate_model(frame, model)
    assert score["score"] > 0.7
    assert sorted(oof.index) == sorted(frame.index)
    fitted = train_classification_model(frame, model)
    strange = frame.head(5).assign(city="Narvik", size=np.nan)
    assert predict(fitted, strange).notna().all()


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


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda f: cross_validate_model(f, "deep_thought"), "usage.value"),
        (lambda f: cross_validate_model(f, "linear"), "usage.value"),
        (lambda f: cross_validate_model(f, metric="mae"), "usage.value"),
        (lambda f: train_classification_model(f, params={"no_such": 1}), "usage.value"),
        (lambda f: train_classification_model(f, "xgboost", params={"no_such": 1}), "usage.value"),
        (lambda f: train_classification_model(f.head(20)), "data.too_few_rows"),
        (lambda f: train_classification_model(f.assign(target=1.0)), "data.constant"),
        (lambda f: train_classification_model(f.assign(target=np.arange(len(f)) / 7)), "usage.value"),
        (lambda f: train_regression_model(f.assign(target=2.5)), "data.constant"),
        (lambda f: cross_validate_model(f.assign(target=np.nan)), "data.too_few_rows"),
        (lambda f: cross_validate_model(f.drop(columns="target")), "data.no_target"),
        (lambda f: predict(train_classification_model(f), f.drop(columns="edge")), "data.unreadable"),
    ],
)
def test_slips_are_told_in_three_parts(call, code):
    with pytest.raises(AgentError) as caught:
        call(direction(bars=300))
    assert caught.value.code == code
    assert caught.value.given
    assert caught.value.have
    assert caught.value.try_


def test_predictions_are_missing_where_a_feature_is():
    frame = direction(bars=400)
    fitted = train_classification_model(frame)
    holes = frame.copy()
    holes.loc[[100, 399], "edge"] = np.nan
    found = predict(fitted, holes)
    assert found.index.equals(frame.index)
    missing = frame[feature_columns(frame)].isna().any(axis=1)
    assert found[found.isna()].index.tolist() == [*frame.index[missing], 100, 399]


def test_params_reach_the_estimator():
    frame = direction(bars=300)
    assert train_classification_model(frame, params={"C": 0.5}).named_steps["model"].C == 0.5
    ridge = train_regression_model(returns(bars=300), "ridge", {"alpha": 7.0})
    assert ridge.named_steps["model"].regressor_.alpha == 7.0


@pytest.mark.parametrize("model", sorted({*CLASSIFIERS, *REGRESSORS}))
def test_models_survive_their_file(model, tmp_path):
    classes = model in CLASSIFIERS
    frame = direction(bars=400) if classes else returns(bars=400)
    fitted = (train_classification_model if classes else train_regression_model)(frame, model)
    sha = save_model(fitted, tmp_path / "model.skops")
    pd.testing.assert_series_equal(predict(load_model(tmp_path / "model.skops", sha), frame), predict(fitted, frame))


class Hostile:
    def __reduce__(self):
        return os.system, ("touch hostile-ran",)


@pytest.mark.parametrize(
    "step", [FunctionTransformer(os.system), FunctionTransformer(Hostile()), FunctionTransformer(eval)]
)
def test_files_that_hold_code_are_refused_and_do_not_run(step, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    skops.io.dump(Pipeline([("scale", step)]), tmp_path / "hostile.skops")
    with pytest.raises(DataError, match="refused") as caught:
        load_model(tmp_path / "hostile.skops")
    assert caught.value.code == "data.unreadable"
    assert not (tmp_path / "hostile-ran").exists()


def test_pickles_other_files_and_changed_files_are_refused(tmp_path):
    import pickle

    pickled, absent = tmp_path / "pickle.skops", tmp_path / "absent.skops"
    pickled.write_bytes(pickle.dumps(Hostile()))
    sha = save_model(train_classification_model(direction(bars=300)), tmp_path / "model.skops")
    skops.io.dump([1, 2], tmp_path / "list.skops")
    for path, wanted in (
        (pickled, None),
        (absent, None),
        (tmp_path / "list.skops", None),
        (tmp_path / "model.skops", "0" * 64),
    ):
        with pytest.raises(DataError, match="refused"):
            load_model(path, wanted)
    assert load_model(tmp_path / "model.skops", sha)


def test_unknown_model_lists_what_there_is():
    with pytest.raises(UsageError, match="logistic_regression"):
        train_classification_model(direction(bars=300), "svm")
