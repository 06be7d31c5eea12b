"""Train, predict and cross-validate; keep a model in a file that can be read without running it.

A row can be used when its target is known and, in a frame of bars, none of its features is missing (warm-up).
In a table without time missing features are filled inside the model, from its training rows.
"""

from __future__ import annotations

import hashlib
import time
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import skops.io
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from omc_agent.errors import DataError, UsageError
from omc_agent.tools.algorithms import CLASSIFIERS, REGRESSORS, Params, find_algorithm, make_pipeline
from omc_agent.tools.features import feature_columns
from omc_agent.tools.metrics import REFERENCE, metrics_for, score_frame, score_interval, task_of
from omc_agent.tools.naive import NAIVE_RULES, naive_score
from omc_agent.tools.splits import Positions, folds_for

__all__ = [
    "CLASSIFIERS",
    "REGRESSORS",
    "TRUSTED_TYPES",
    "cross_validate_model",
    "feature_columns",
    "load_model",
    "predict",
    "save_model",
    "train_classification_model",
    "train_regression_model",
]

Floats = NDArray[np.float64]

_LEAST_ROWS = 20
_RANKED = ("roc_auc", "pr_auc")

# What our own pipelines hold beyond the types that skops trusts by itself. A file that names any other type is
# refused unread. The two kinds of tree are C structures: a tampered one can crash whoever predicts with it.
TRUSTED_TYPES = frozenset(
    {
        "numpy.dtype",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.tree._tree.Tree",
        "xgboost.core.Booster",
        "xgboost.sklearn.XGBClassifier",
        "xgboost.sklearn.XGBRegressor",
    }
)


def train_classification_model(
    features: pd.DataFrame, model: str = "logistic_regression", params: Params | None = None, seed: int = 0
) -> Pipeline:
    """Fit a classifier on all usable rows.

    Parameters
    ----------
    features : DataFrame (rows, ...)
        A features frame; `target` holds 0.0, 1.0 and NaN. Rows with a NaN target, and in a frame of bars rows
        with a NaN feature, are left out.
    model : str
        A name in ``CLASSIFIERS``.
    params : mapping, optional
        Parameters of the estimator, over the defaults.
    seed : int
        Seed of what is random.

    Returns
    -------
    sklearn.pipeline.Pipeline
        Fitted; ``feature_names_in_`` holds the names of its features.

    Raises
    ------
    DataError
        ``data.too_few_rows`` below 20 usable rows, ``data.constant`` when they hold one class.
    UsageError
        ``usage.value`` for an unknown model or parameter, or a target that is no class.

    Examples
    --------
    >>> rows = pd.DataFrame({"size": range(40), "target": [0.0, 1.0] * 20})
    >>> train_classification_model(rows).feature_names_in_.tolist()
    ['size']
    """
    return _train(features, "classification", model, params, seed)


def train_regression_model(
    features: pd.DataFrame, model: str = "linear", params: Params | None = None, seed: int = 0
) -> Pipeline:
    """Fit a regressor on all usable rows.

    Parameters
    ----------
    features : DataFrame (rows, ...)
        A features frame; `target` holds values and NaN.
    model : str
        A name in ``REGRESSORS``.
    params : mapping, optional
        Parameters of the estimator, over the defaults.
    seed : int
        Seed of what is random.

    Returns
    -------
    sklearn.pipeline.Pipeline
        Fitted; ``feature_names_in_`` holds the names of its features.

    Raises
    ------
    DataError
        ``data.too_few_rows`` below 20 usable rows, ``data.constant`` when the target never changes.
    UsageError
        ``usage.value`` for an unknown model or parameter.

    Examples
    --------
    >>> rows = pd.DataFrame({"size": range(40), "target": [2.0 * x for x in range(40)]})
    >>> predict(train_regression_model(rows), rows.head(2)).round(6).abs().tolist()
    [0.0, 2.0]
    """
    return _train(features, "regression", model, params, seed)


def predict(model: Pipeline, features: pd.DataFrame) -> pd.Series[Any]:
    """Probability of class 1, or the predicted value, of each row.

    Parameters
    ----------
    model : Pipeline
        A fitted pipeline of this module.
    features : DataFrame (rows, ...)
        Has the columns that the model was fitted on; others are ignored.

    Returns
    -------
    Series (rows,)
        float64, the frame's index, name ``prediction``; in a frame of bars NaN where a feature is NaN.

    Raises
    ------
    DataError
        ``data.unreadable`` when a column is missing.

    Examples
    --------
    >>> rows = pd.DataFrame({"size": range(40), "target": [0.0] * 20 + [1.0] * 20})
    >>> (predict(train_classification_model(rows), rows) > 0.5).sum()
    np.int64(20)
    """
    names = [str(name) for name in model.feature_names_in_]
    missing = [name for name in names if name not in features.columns]
    if missing:
        raise DataError(
            "data.unreadable",
            given=f"The frame lacks {', '.join(missing)}.",
            have=f"The model was fitted on {', '.join(names)}.",
            try_="Try the features made by the same call of create_features.",
        )
    usable = _usable(features, names)
    if "prepare" not in model.named_steps:
        usable = usable & features[names].notna().all(axis=1).to_numpy()
    found = np.full(len(features), np.nan)
    if usable.any():
        found[usable] = _raw_prediction(model, features.loc[usable, names])
    return pd.Series(found, index=features.index, name="prediction")


def cross_validate_model(
    features: pd.DataFrame,
    model: str = "logistic_regression",
    params: Params | None = None,
    metric: str | None = None,
    n_splits: int = 5,
    seed: int = 0,
    name: str | None = None,
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Score an algorithm, or a naive rule, on rows that it was not fitted on.

    Frames of bars are scored by purged walk-forward, tables by seeded folds (see `splits.folds_for`).

    Parameters
    ----------
    features : DataFrame (rows, ...)
        A features frame of development rows.
    model : str
        A name in ``CLASSIFIERS`` or ``REGRESSORS``, or a rule in ``naive.NAIVE_RULES``.
    params : mapping, optional
        Parameters of the estimator, over the defaults.
    metric : str, optional
        See ``metrics.HIGHER_IS_BETTER``; ``roc_auc`` for classes, ``mae_skill`` (against the constant) for
        values by default.
    n_splits : int
        Number of test blocks.
    seed : int
        Seed of the estimator, of a table's folds and of the interval.
    name : str, optional
        The candidate's name; by default the model's.

    Returns
    -------
    score : dict
        ``name, model, params, metric, score, low, high, folds, fit_seconds, predict_seconds, rows, baseline``.
        `score` is the mean of `folds` weighted by their rows, `low` and `high` its 95 % block bootstrap
        interval, `rows` the scored rows. Ready for JSON.
    oof : DataFrame (test rows, 5)
        `timestamp`, `coin` (where the frame has them), `target`, `prediction`, `fold` (from 1), with the
        index labels of the frame. Rules give a score (see `naive.naive_score`); for metrics that need a
        probability it is mapped to one by a rising logistic curve fitted on the training rows.

    Raises
    ------
    DataError
        ``data.too_few_rows``, ``data.constant``.
    UsageError
        ``usage.value`` for an unknown model, parameter or metric.

    Examples
    --------
    >>> rows = pd.DataFrame({"size": range(100), "target": ([0.0] * 5 + [1.0] * 5) * 10})
    >>> score, oof = cross_validate_model(rows, "constant")
    >>> score["score"], score["baseline"], len(oof)
    (0.5, True, 100)
    """
    task = task_of(features)
    metric = metric or metrics_for(task)[0]
    _check_metric(metric, task)
    if model not in NAIVE_RULES:
        find_algorithm(task, model)
    rows = features[_usable(features, feature_columns(features)) & features["target"].notna().to_numpy()]
    _check_rows(rows, task)
    seconds, parts = np.zeros(2), []
    for fold, (train, test) in enumerate(folds_for(rows, n_splits, task, seed).split(rows), start=1):
        if model in NAIVE_RULES:
            begin = time.perf_counter()
            prediction = _naive_prediction(rows, train, test, task, model, metric)
            spent = (0.0, time.perf_counter() - begin)
        else:
            prediction, spent = _fold(rows.iloc[train], rows.iloc[test], task, model, params, seed)
        parts.append(_out_of_fold(rows.iloc[train], rows.iloc[test], prediction, fold))
        seconds += spent
    oof = pd.concat(parts)
    score: dict[str, Any] = {"name": name or model, "model": model, "params": dict(params or {}), "metric": metric}
    score |= _scored(oof, metric, rows, seed)
    score |= {"fit_seconds": float(seconds[0].round(4)), "predict_seconds": float(seconds[1].round(4))}
    score |= {"rows": int(oof["prediction"].notna().sum()), "baseline": model in NAIVE_RULES}
    return score, oof.drop(columns=list(REFERENCE.values()), errors="ignore").sort_index()


def save_model(model: Pipeline, path: str | Path) -> str:
    """Write a fitted pipeline in skops' format, which holds data and names of types but no code to run.

    Parameters
    ----------
    model : Pipeline
        A fitted pipeline of this module.
    path : str or Path
        The file, overwritten if there.

    Returns
    -------
    str
        SHA-256 of the file, in hex.
    """
    skops.io.dump(model, path)
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def load_model(path: str | Path, sha256: str | None = None) -> Pipeline:
    """Read a pipeline that `save_model` wrote.

    Parameters
    ----------
    path : str or Path
        The file.
    sha256 : str, optional
        What `save_model` returned. Give it where you have it: the list of types keeps foreign code out, only
        the hash shows that nobody changed the numbers.

    Returns
    -------
    Pipeline

    Raises
    ------
    DataError
        ``data.unreadable`` for another hash, a type outside ``TRUSTED_TYPES``, or no skops file at all.
    """
    try:
        content = Path(path).read_bytes()
        if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
            raise _refused(path, "its SHA-256 is another one")
        foreign = sorted(set(skops.io.get_untrusted_types(data=content)) - TRUSTED_TYPES)
        if foreign:
            raise _refused(path, f"it holds {', '.join(foreign)}")
        model = skops.io.loads(content, trusted=sorted(TRUSTED_TYPES))
    except (OSError, zipfile.BadZipFile, KeyError, ValueError, TypeError) as problem:
        raise _refused(path, f"{type(problem).__name__}: {problem}") from problem
    if not isinstance(model, Pipeline):
        raise _refused(path, f"it holds a {type(model).__name__}, not a pipeline")
    return model


def _train(features: pd.DataFrame, task: str, model: str, params: Params | None, seed: int) -> Pipeline:
    if task == "classification" and task_of(features) != task:
        raise UsageError(
            "usage.value",
            given="The target holds values other than 0 and 1.",
            have="A classification model learns two classes.",
            try_="Try train_regression_model, or a target of classes.",
        )
    names = feature_columns(features)
    rows = features[_usable(features, names) & features["target"].notna().to_numpy()]
    _check_rows(rows, task)
    pipeline = make_pipeline(rows[names], task, model, params, seed, fill="timestamp" not in features.columns)
    return _fit(pipeline, rows[names], rows["target"])


def _fit(pipeline: Pipeline, X: pd.DataFrame, y: pd.Series[Any]) -> Pipeline:
    # One thread: folds run side by side, and threads that wait for a busy core cost more than they give.
    with warnings.catch_warnings(), threadpool_limits(1):
        # A solver at its iteration limit still gives a model, and the score says what it is worth.
        warnings.simplefilter("ignore", ConvergenceWarning)
        pipeline.fit(X, y)
    return pipeline


def _raw_prediction(model: Pipeline, X: pd.DataFrame) -> Floats:
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.filterwarnings("ignore", message="Found unknown categories")
        if hasattr(model, "predict_proba"):
            return np.asarray(model.predict_proba(X)[:, 1], dtype=np.float64)
        return np.asarray(model.predict(X), dtype=np.float64)


def _usable(features: pd.DataFrame, names: list[str]) -> NDArray[np.bool_]:
    if "timestamp" not in features.columns:
        return np.ones(len(features), dtype=bool)
    return np.asarray(features[names].notna().all(axis=1), dtype=bool)


def _fold(
    train: pd.DataFrame, test: pd.DataFrame, task: str, model: str, params: Params | None, seed: int
) -> tuple[Floats, tuple[float, float]]:
    """Predictions of one test block, and the seconds spent on fitting and on predicting."""
    begin = time.perf_counter()
    fitted = _train(train, task, model, params, seed)
    middle = time.perf_counter()
    found = predict(fitted, test).to_numpy()
    return found, (middle - begin, time.perf_counter() - middle)


def _naive_prediction(
    rows: pd.DataFrame, train: Positions, test: Positions, task: str, rule: str, metric: str
) -> Floats:
    """What a rule says of the test rows; only its constant and its curve are fitted, on the training rows."""
    label = rows["target"].to_numpy()[train]
    base = float(np.median(label) if task == "regression" else label.mean())
    score = naive_score(rows, rule, task, base=base).to_numpy()
    past, now = score[train], score[test]
    if task == "regression" or metric in _RANKED or rule == "constant":
        return now
    known = ~np.isnan(past)
    if not known.any() or past[known].std() == 0 or len(np.unique(label[known])) < 2:
        return np.where(np.isnan(now), np.nan, base)
    curve = Pipeline([("scale", StandardScaler()), ("model", LogisticRegression())])
    curve.fit(past[known][:, None], label[known])
    if curve.named_steps["model"].coef_[0, 0] <= 0:
        return np.where(np.isnan(now), np.nan, base)
    return np.where(np.isnan(now), np.nan, curve.predict_proba(np.nan_to_num(now)[:, None])[:, 1])


def _out_of_fold(train: pd.DataFrame, test: pd.DataFrame, prediction: Floats, fold: int) -> pd.DataFrame:
    kept = [name for name in ("timestamp", "coin", "target") if name in test.columns]
    made = test[kept].assign(prediction=prediction, fold=fold, naive_constant=float(train["target"].median()))
    return made.assign(naive_last=test["naive_last"]) if "naive_last" in test.columns else made


def _scored(oof: pd.DataFrame, metric: str, rows: pd.DataFrame, seed: int) -> dict[str, Any]:
    found = score_frame(metric, oof)
    if np.isnan(found.score):
        raise DataError(
            "data.constant",
            given=f"{metric} is not defined on any of the {len(oof)} test rows.",
            have="Every test block holds one class only, or values that never change.",
            try_="Try a longer span, another target or fewer folds.",
        )
    times = oof["timestamp"] if "timestamp" in oof.columns else None
    horizon = None if times is None else pd.Timedelta((rows["label_end"] - rows["timestamp"]).median())
    low, high = score_interval(found.values, times, horizon, seed)
    each = [score_frame(metric, part).score for _, part in oof.groupby("fold")]
    return {
        "score": found.score,
        "low": low,
        "high": high,
        "folds": [score for score in each if not np.isnan(score)],
    }


def _check_metric(metric: str, task: str) -> None:
    if metric not in metrics_for(task):
        raise UsageError(
            "usage.value",
            given=f"The metric was {metric!r}, the task is {task}.",
            have=f"For {task} there are {', '.join(metrics_for(task))}.",
            try_="Try one of these.",
        )


def _check_rows(rows: pd.DataFrame, task: str) -> None:
    if len(rows) < _LEAST_ROWS:
        raise DataError(
            "data.too_few_rows",
            given=f"{len(rows)} rows have a target and complete features.",
            have=f"A model needs at least {_LEAST_ROWS}.",
            try_="Try a longer span, shorter windows or fewer folds.",
        )
    if rows["target"].nunique() < 2:
        raise DataError(
            "data.constant",
            given=f"The target is {rows['target'].iloc[0]:g} in all {len(rows)} usable rows.",
            have=f"A {task} needs a target that changes.",
            try_="Try another target, threshold or span.",
        )


def _refused(path: str | Path, why: str) -> DataError:
    return DataError(
        "data.unreadable",
        given=f"The model file {Path(path).name} was refused: {why}.",
        have="Only pipelines that save_model wrote are read.",
        try_="Try the file and the SHA-256 that the run's artifacts list.",
    )
