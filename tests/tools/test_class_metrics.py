"""Scores of many classes are those of scikit-learn, and each has the value that a row adds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as sk

from omc_agent.tools.class_metrics import MULTICLASS_METRICS, class_values, clipped, likelihood, prior_table
from omc_agent.tools.cross_validation import cross_validate_model
from omc_agent.tools.metrics import score_frame
from omc_agent.tools.rule import freeze_rule
from omc_agent.tools.tuning import trial_frames, tune_hyperparameters
from omc_agent.tools.verdict import call_verdict


def sample(n: int = 300, classes: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, n)
    score = rng.normal(size=(n, classes)) + 1.5 * (y[:, None] == np.arange(classes))
    return y.astype(float), clipped(np.exp(score) / np.exp(score).sum(axis=1, keepdims=True))


ORACLES = {
    "log_loss": sk.log_loss,
    "accuracy": lambda y, p: sk.accuracy_score(y, p.argmax(axis=1)),
    "f1": lambda y, p: sk.f1_score(y, p.argmax(axis=1), average="macro"),
    "precision": lambda y, p: sk.precision_score(y, p.argmax(axis=1), average="macro"),
    "recall": lambda y, p: sk.recall_score(y, p.argmax(axis=1), average="macro"),
    "roc_auc": lambda y, p: sk.roc_auc_score(y, p, multi_class="ovr", average="macro"),
    "brier": lambda y, p: ((p - (y[:, None] == np.arange(p.shape[1]))) ** 2).sum(axis=1).mean(),
}


@pytest.mark.parametrize("metric", sorted(ORACLES))
def test_scores_are_those_of_scikit_learn(metric):
    y, p = sample()
    assert class_values(metric, y, p).mean() == pytest.approx(ORACLES[metric](y, p))


@pytest.mark.parametrize("metric", MULTICLASS_METRICS)
def test_values_are_what_a_row_adds(metric):
    y, p = sample()
    reference = np.random.default_rng(1).uniform(0.1, 0.5, len(y))
    whole = class_values(metric, y, p, reference)
    left_out = [
        class_values(metric, *(np.delete(a, i, axis=0) for a in (y, p, reference))).mean() for i in range(len(y))
    ]
    jackknife = whole.mean() + (len(y) - 1) * (whole.mean() - np.array(left_out))
    assert np.corrcoef(jackknife, whole)[0, 1] > 0.995
    assert whole.std() == pytest.approx(jackknife.std(), rel=0.03)


def test_what_cannot_be_known_costs_much_but_not_everything():
    rows = pd.DataFrame(
        {"target": [0.0, 3.0, np.nan], "p_0": [0.0, 1.0, 1.0], "p_1": [1.0, 0, 0], "p_2": [0.0, 0, 0]}
    )
    said = likelihood(rows)
    assert said.iloc[:2].round(6).tolist() == [1e-6, 1e-6]
    assert np.isnan(said.iloc[2])
    assert np.isfinite(score_frame("log_loss", rows.assign(prediction=0.0).head(1)).score)


def planted(rows: int = 400, signal: float = 1.0, seed: int = 0, classes: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    target = rng.integers(0, classes, rows).astype(float)
    return pd.DataFrame(
        {"x": signal * target + rng.normal(size=rows), "noise": rng.normal(size=rows), "target": target}
    )


@pytest.mark.parametrize("model", ["logistic_regression", "random_forest", "gradient_boosting", "xgboost"])
def test_classifiers_find_a_planted_signal_in_three_classes(model):
    score, oof = cross_validate_model(planted(900, 2.0), model, n_splits=3, task="classification")
    assert score["metric"] == "log_loss_skill"
    assert score["low"] > 0.02
    assert oof[["p_0", "p_1", "p_2"]].sum(axis=1).to_numpy() == pytest.approx(1)
    assert set(oof["prediction"].unique()) <= {0.0, 1.0, 2.0}


def test_the_constant_of_many_classes_has_no_skill():
    score, oof = cross_validate_model(planted(), "constant", n_splits=3, task="classification")
    assert score["score"] == pytest.approx(0, abs=1e-9)
    assert oof["p_0"].nunique() <= 3


def test_verdict_of_many_classes():
    def case(signal: float, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
        return tuple(
            cross_validate_model(planted(2000, signal, seed + k), "logistic_regression", task="classification")[1]
            for k in (0, 1)
        )

    sealed, development = case(1.0, 10)
    found = call_verdict(sealed, development, task="classification", horizon=None, claimed=None, trials=1)
    assert (found.call, found.metric, found.reference, found.reference_score) == (
        "edge",
        "log_loss_skill",
        "constant",
        0.0,
    )
    assert found.delta == 0.02
    assert found.low < found.score < found.high
    sealed, development = case(0.0, 20)
    found = call_verdict(sealed, development, task="classification", horizon=None, claimed=None, trials=1)
    assert found.call == "no_edge"
    rule = freeze_rule(development, task="classification", horizon=None)
    assert rule.task == "multiclass"
    assert rule.base == pytest.approx(prior_table(development["target"], 3))


def test_trials_of_many_classes_deflate_the_claim():
    rows = planted(300, 0.5)
    best, tried, oof = tune_hyperparameters(
        rows, "logistic_regression", trials=3, n_splits=2, keep_trials=True, task="classification"
    )
    assert len(tried) == 3
    trials = trial_frames(oof)
    assert all("p_0" not in trial for trial in trials)
    found = call_verdict(
        oof, oof, task="classification", horizon=None, claimed=best["score"], trials=3, oof_trials=trials
    )
    assert found.claimed is not None
    assert found.claimed_deflated is not None
    assert found.claimed_deflated <= found.claimed
