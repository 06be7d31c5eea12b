from __future__ import annotations

import json

import pytest
from synthetic import direction, returns, table

from omc_agent.errors import UsageError
from omc_agent.tools.algorithms import CLASSIFIERS, REGRESSORS
from omc_agent.tools.modeling import cross_validate_model
from omc_agent.tools.tuning import SPACES, trial_frames, tune_hyperparameters

SMALL = {"max_depth": ("int", 2, 3), "n_estimators": ("int", 5, 10)}


def test_trials_are_counted_and_the_first_is_the_defaults():
    best, trials, oof = tune_hyperparameters(
        direction(bars=600), "xgboost", trials=4, n_splits=2, space=SMALL, keep_trials=True
    )
    assert trials.columns.tolist() == ["trial", "params", "score", "fit_seconds"]
    assert trials["trial"].tolist() == [0, 1, 2, 3]
    assert trials["params"].iloc[0] == "{}"
    assert best["score"] == trials["score"].max()
    for text in trials["params"].iloc[1:]:
        params = json.loads(text)
        assert 2 <= params["max_depth"] <= 3
        assert 5 <= params["n_estimators"] <= 10
    frames = trial_frames(oof)
    assert len(frames) == 4
    assert any(frame["prediction"].equals(oof["prediction"]) for frame in frames)


def test_the_best_can_be_had_again_from_its_params():
    frame = direction(bars=600, signal=0.4)
    best, _, oof = tune_hyperparameters(frame, "logistic_regression", trials=3, n_splits=2, seed=5)
    score, again = cross_validate_model(frame, "logistic_regression", best["params"], n_splits=2, seed=5)
    assert score["score"] == best["score"]
    assert again["prediction"].equals(oof["prediction"])
    assert oof.columns.tolist() == ["timestamp", "coin", "target", "prediction", "fold"]


def test_the_seed_decides_the_search():
    runs = [
        tune_hyperparameters(direction(bars=500), "logistic_regression", trials=3, n_splits=2, seed=seed)[1]
        for seed in (1, 1, 2)
    ]
    assert runs[0]["params"].tolist() == runs[1]["params"].tolist()
    assert runs[0]["params"].tolist() != runs[2]["params"].tolist()


def test_errors_are_minimised():
    best, trials, _ = tune_hyperparameters(returns(bars=500), "lasso", trials=4, metric="mae", n_splits=2)
    assert best["score"] == trials["score"].min()


@pytest.mark.parametrize("model", sorted({*CLASSIFIERS, *REGRESSORS}))
def test_every_space_is_one_that_its_algorithm_takes(model):
    frame = direction(bars=300) if model in CLASSIFIERS else returns(bars=300)
    small = {name: bound for name, bound in SPACES[model].items() if name not in ("n_estimators", "max_iter")}
    _, trials, _ = tune_hyperparameters(frame, model, trials=2, n_splits=2, space=small)
    assert set(json.loads(trials["params"].iloc[1])) == set(small)


def test_tables_are_tuned_too():
    best, _, _ = tune_hyperparameters(table(), "logistic_regression", trials=2, n_splits=2)
    assert best["score"] > 0.7


@pytest.mark.parametrize(
    "slip",
    [
        {"trials": 0},
        {"model": "svm"},
        {"space": {}},
        {"space": {"C": ("log", 0.0, 1.0)}},
        {"space": {"C": ("float", 2.0, 1.0)}},
        {"space": {"C": ("sometimes", 1, 2)}},
        {"space": {"no_such": ("float", 1.0, 2.0)}},
        {"metric": "mae"},
    ],
)
def test_slips_are_named(slip):
    with pytest.raises(UsageError) as caught:
        tune_hyperparameters(direction(bars=300), **({"model": "logistic_regression", "n_splits": 2} | slip))
    assert caught.value.code == "usage.value"
