from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from synthetic import direction, returns, table

from omc_agent.errors import UsageError
from omc_agent.tools.algorithms import CLASSIFIERS, REGRESSORS
from omc_agent.tools.modeling import cross_validate_model
from omc_agent.tools.spaces import SPACES
from omc_agent.tools.tuning import trial_frames, tune_hyperparameters

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
        {"method": "annealing"},
    ],
)
def test_slips_are_named(slip):
    with pytest.raises(UsageError) as caught:
        tune_hyperparameters(direction(bars=300), **({"model": "logistic_regression", "n_splits": 2} | slip))
    assert caught.value.code == "usage.value"


@pytest.mark.parametrize("method", ["grid", "randomized", "halving", "tpe"])
def test_each_method_keeps_its_budget_of_trials_and_can_be_repeated(method):
    frame = direction(bars=900, signal=0.4)
    runs = [
        tune_hyperparameters(frame, "logistic_regression", trials=6, n_splits=2, method=method, seed=3)
        for _ in range(2)
    ]
    (best, trials, _), (_, again, _) = runs
    assert len(trials) == 6
    assert trials["params"].iloc[0] == "{}"
    assert trials.drop(columns="fit_seconds").equals(again.drop(columns="fit_seconds"))
    assert best["score"] == trials["score"].max()
    assert best["stopped"] == ""


def test_a_grid_is_walked_evenly():
    _, trials, _ = tune_hyperparameters(
        direction(bars=400), "logistic_regression", trials=4, n_splits=2, method="grid", space={"C": ("log", 0.01, 1)}
    )
    assert [json.loads(text) for text in trials["params"]] == [{}, {"C": 0.01}, {"C": 0.1}, {"C": 1.0}]


def test_halving_scores_only_what_reached_all_rows():
    frame = direction(bars=3600, signal=0.4)
    best, trials, oof = tune_hyperparameters(
        frame, "logistic_regression", trials=10, n_splits=2, method="halving", keep_trials=True
    )
    # Nine are drawn: three reach a third of the rows, one reaches all of them, beside the defaults.
    assert trials["score"].notna().sum() == 2
    assert len(trial_frames(oof)) == 2
    again, _ = cross_validate_model(frame, "logistic_regression", best["params"], n_splits=2)
    assert again["score"] == best["score"]


def test_what_a_person_fixed_holds_in_every_trial_and_is_not_searched():
    best, trials, _ = tune_hyperparameters(
        direction(bars=500), "xgboost", trials=3, n_splits=2, space=SMALL, params={"max_depth": 2}
    )
    assert trials["params"].iloc[0] == '{"max_depth": 2}'
    assert all(json.loads(text)["max_depth"] == 2 for text in trials["params"])
    assert best["params"]["max_depth"] == 2
    only, trials, _ = tune_hyperparameters(
        direction(bars=500), "xgboost", trials=3, n_splits=2, params={"max_depth": 2, "n_estimators": 5},
        space=SMALL,
    )  # fmt: skip
    assert len(trials) == 1
    assert only["name"] == "xgboost"


def test_wall_time_ends_a_search_but_never_its_first_trial():
    best, trials, _ = tune_hyperparameters(direction(bars=500), "logistic_regression", trials=9, n_splits=2, wall=0.0)
    assert len(trials) == 1
    assert best["params"] == {}
    assert "1 of 9 trials" in best["stopped"]
    assert "0 s passed" in best["stopped"]


def test_an_interrupt_gives_the_best_so_far_and_before_the_first_trial_nothing(monkeypatch):
    from omc_agent.tools import tuning

    def interrupted_at(number):
        seen = []

        def score(*args, **more):
            seen.append(args)
            if len(seen) == number:
                raise KeyboardInterrupt
            return cross_validate_model(*args, **more)

        return score

    monkeypatch.setattr(tuning, "cross_validate_model", interrupted_at(3))
    best, trials, oof = tune_hyperparameters(direction(bars=500), "logistic_regression", trials=6, n_splits=2)
    assert len(trials) == 2
    assert best["score"] == trials["score"].max()
    assert len(oof) == best["rows"]
    assert "2 of 6 trials by an interrupt" in best["stopped"]
    monkeypatch.setattr(tuning, "cross_validate_model", interrupted_at(1))
    with pytest.raises(KeyboardInterrupt):
        tune_hyperparameters(direction(bars=500), "logistic_regression", trials=6, n_splits=2)


def test_a_trial_that_fails_is_a_trial_without_a_score_and_the_others_go_on():
    space = {"max_depth": ("choice", -5, 2)}
    best, trials, _ = tune_hyperparameters(
        direction(bars=400), "xgboost", trials=3, n_splits=2, space=space, method="grid"
    )
    assert trials["score"].isna().tolist() == [False, True, False]
    assert best["score"] == trials["score"].max()


def test_rounds_are_found_last_and_are_a_trial_that_can_be_had_again():
    frame = direction(bars=900, signal=0.6)
    best, trials, _ = tune_hyperparameters(
        frame, "xgboost", trials=3, n_splits=2, space={"max_depth": ("int", 2, 3)}, early_stopping=True
    )
    assert len(trials) == 3
    last = json.loads(trials["params"].iloc[-1])
    assert 1 <= last["n_estimators"] <= 300
    again, _ = cross_validate_model(frame, "xgboost", last, n_splits=2)
    assert again["score"] == trials["score"].iloc[-1]
    assert best["score"] == trials["score"].max()
    _, fixed, _ = tune_hyperparameters(
        frame, "xgboost", trials=2, n_splits=2, params={"n_estimators": 7}, early_stopping=True
    )
    assert all(json.loads(text)["n_estimators"] == 7 for text in fixed["params"])


def test_on_noise_the_search_says_that_it_gained_nothing():
    best, _, _ = tune_hyperparameters(direction(bars=1500, seed=5), "logistic_regression", trials=4, n_splits=3)
    assert best["gain"]["real"] is False
    assert "No gain" in best["gain"]["text"]
    assert "untuned model is kept" in best["gain"]["text"]


def test_a_rare_class_is_found_by_weights_when_f1_is_scored():
    rng = np.random.default_rng(4)
    x = rng.normal(size=600)
    rows = pd.DataFrame({"x": x, "target": (x + rng.normal(0, 0.8, 600) > 2.0).astype(float)})
    best, _, _ = tune_hyperparameters(rows, "logistic_regression", trials=6, metric="f1", method="grid")
    plain, _ = cross_validate_model(rows, "logistic_regression", metric="f1")
    assert best["params"]["class_weight"] == "balanced"
    assert best["score"] > plain["score"]
