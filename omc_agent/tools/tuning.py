"""Bounded search over parameters, counted in trials: a budget of wall time could not be repeated."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna
import pandas as pd

from omc_agent.errors import UsageError
from omc_agent.tools.algorithms import find_algorithm
from omc_agent.tools.class_metrics import class_columns
from omc_agent.tools.metrics import HIGHER_IS_BETTER, classes_of, metrics_for, task_of
from omc_agent.tools.modeling import cross_validate_model
from omc_agent.tools.rule import as_likelihood

Space = Mapping[str, Sequence[Any]]

# ("int", low, high), ("float", low, high), ("log", low, high), or ("choice", one, other, ...).
SPACES: dict[str, dict[str, tuple[Any, ...]]] = {
    "logistic_regression": {"C": ("log", 1e-4, 10.0)},
    "linear": {"fit_intercept": ("choice", True, False)},
    "ridge": {"alpha": ("log", 1e-2, 1e5)},
    "lasso": {"alpha": ("log", 1e-4, 0.3)},
    "random_forest": {
        "min_samples_leaf": ("int", 10, 400),
        "max_features": ("float", 0.1, 0.6),
        "n_estimators": ("int", 50, 150),
    },
    "gradient_boosting": {
        "learning_rate": ("log", 0.01, 0.2),
        "max_leaf_nodes": ("int", 4, 31),
        "min_samples_leaf": ("int", 10, 400),
        "l2_regularization": ("log", 1e-3, 30.0),
        "max_iter": ("int", 40, 200),
    },
    "xgboost": {
        "learning_rate": ("log", 0.01, 0.2),
        "max_depth": ("int", 2, 6),
        "min_child_weight": ("log", 1.0, 200.0),
        "subsample": ("float", 0.5, 1.0),
        "colsample_bytree": ("float", 0.4, 1.0),
        "reg_lambda": ("log", 0.1, 100.0),
        "n_estimators": ("int", 40, 200),
    },
}
_KINDS = ("int", "float", "log", "choice")


def tune_hyperparameters(
    features: pd.DataFrame,
    model: str = "xgboost",
    trials: int = 8,
    metric: str | None = None,
    n_splits: int = 5,
    seed: int = 0,
    space: Space | None = None,
    keep_trials: bool = False,
    task: str | None = None,
) -> tuple[dict[str, Any], pd.DataFrame, pd.DataFrame]:
    """Search parameters with a seeded tree-structured Parzen estimator; the first trial is the defaults.

    Parameters
    ----------
    features : DataFrame (rows, ...)
        A features frame of development rows.
    model : str
        A name in ``CLASSIFIERS`` or ``REGRESSORS``.
    trials : int
        How many parameter sets are cross-validated, at least 1. Each costs `n_splits` fits.
    metric : str, optional
        What to improve; see `modeling.cross_validate_model`.
    n_splits : int
        Number of test blocks.
    seed : int
        Seed of the search, the models and the intervals.
    space : mapping, optional
        Bounds by parameter instead of ``SPACES[model]``: ``("int", low, high)``, ``("float", low, high)``,
        ``("log", low, high)`` or ``("choice", one, other, ...)``.
    keep_trials : bool
        Whether `oof` also holds the prediction of every trial, in columns ``trial_0``, ``trial_1``, ... (of more
        than two classes the probability of the one that occurred).
    task : str, optional
        As in `modeling.cross_validate_model`.

    Returns
    -------
    best : dict
        The best trial as `modeling.cross_validate_model` scores it, named ``<model> (tuned)``, or as the model
        when the defaults were best.
    trials : DataFrame (trials, 4)
        `trial`, `params` (JSON text), `score`, `fit_seconds`.
    oof : DataFrame
        Out-of-fold rows of the best trial. Its score is the best of several: see `rule.trials_lift`.

    Raises
    ------
    UsageError
        ``usage.value`` for an unknown model or metric, fewer trials than one, or a space that cannot be read.
    DataError
        As `modeling.cross_validate_model`.

    Notes
    -----
    Bergstra, Bardenet, Bengio and Kegl (2011), NeurIPS 24, as in Optuna. The study lives in memory.

    Examples
    --------
    >>> rows = pd.DataFrame({"size": range(60), "target": [0.0, 1.0] * 30})
    >>> best, tried, _ = tune_hyperparameters(rows, "logistic_regression", trials=2, n_splits=2)
    >>> len(tried), tried["params"].iloc[0]
    (2, '{}')
    """
    task = task_of(features, task)
    find_algorithm(task, model)
    metric = metric or metrics_for(task, classes_of(features, task))[0]
    bounds = _checked(model, dict(SPACES[model] if space is None else space), trials)
    scored: list[dict[str, Any]] = []
    frames: list[pd.DataFrame] = []
    study = _study(seed, HIGHER_IS_BETTER.get(metric, True))
    for number in range(trials):
        asked = study.ask() if number else None
        params = {} if asked is None else {name: _suggest(asked, name, bounds[name]) for name in bounds}
        named = f"{model} (tuned)" if params else model
        score, oof = cross_validate_model(features, model, params, metric, n_splits, seed, named, task)
        if asked is not None:
            study.tell(asked, score["score"])
        scored.append(score)
        frames.append(oof)
    values = np.array([score["score"] for score in scored])
    best = int(np.argmax(values if HIGHER_IS_BETTER[metric] else -values))
    oof = frames[best]
    if keep_trials:
        oof = oof.assign(**{f"trial_{n}": as_likelihood(frame)["prediction"] for n, frame in enumerate(frames)})
    return scored[best], _trials_table(scored), oof


def trial_frames(oof: pd.DataFrame) -> list[pd.DataFrame]:
    """The out-of-fold frames of all trials, from the `oof` of ``tune_hyperparameters(..., keep_trials=True)``.

    Examples
    --------
    >>> frame = pd.DataFrame({"target": [1.0], "prediction": [0.7], "trial_0": [0.6], "trial_1": [0.7]})
    >>> [each["prediction"].item() for each in trial_frames(frame)]
    [0.6, 0.7]
    """
    names = [name for name in oof.columns if str(name).startswith("trial_")]
    bare = oof.drop(columns=[*names, *class_columns(oof)])
    return [bare.assign(prediction=oof[name]) for name in names]


def _study(seed: int, higher: bool) -> optuna.Study:
    loud = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=4)
        return optuna.create_study(direction="maximize" if higher else "minimize", sampler=sampler)
    finally:
        optuna.logging.set_verbosity(loud)


def _suggest(trial: optuna.Trial, name: str, bound: Sequence[Any]) -> Any:
    kind, *rest = bound
    if kind == "choice":
        return trial.suggest_categorical(name, rest)
    if kind == "int":
        return trial.suggest_int(name, rest[0], rest[1])
    # Six digits are enough to search with, and make a parameter set that can be read and typed.
    return float(f"{trial.suggest_float(name, rest[0], rest[1], log=kind == 'log'):.6g}")


def _checked(model: str, bounds: dict[str, Sequence[Any]], trials: int) -> dict[str, Sequence[Any]]:
    if trials < 1 or not bounds:
        raise UsageError(
            "usage.value",
            given=f"trials was {trials}, over {len(bounds)} parameters of {model}.",
            have="A search needs at least one of each; the first trial is the defaults.",
            try_="Try trials=8.",
        )
    for name, bound in bounds.items():
        kind = bound[0] if len(bound) else None
        bad = kind not in _KINDS or (kind == "choice" and len(bound) < 2)
        if bad or (kind != "choice" and not (len(bound) == 3 and _rises(kind, bound[1], bound[2]))):
            raise UsageError(
                "usage.value",
                given=f"The space of {name} was {tuple(bound)!r}.",
                have='It is ("int", low, high), ("float", low, high), ("log", low, high) or ("choice", ...).',
                try_='Try ("int", 2, 6); low is below high, and above zero for "log".',
            )
    return bounds


def _rises(kind: Any, low: Any, high: Any) -> bool:
    numbers = all(isinstance(end, int | float) for end in (low, high))
    return numbers and low < high and (kind != "log" or low > 0)


def _trials_table(scored: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "trial": range(len(scored)),
            "params": [json.dumps(score["params"], sort_keys=True) for score in scored],
            "score": [score["score"] for score in scored],
            "fit_seconds": [score["fit_seconds"] for score in scored],
        }
    )
