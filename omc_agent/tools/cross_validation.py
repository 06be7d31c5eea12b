"""Candidates scored on rows that they were not fitted on: fold by fold, algorithms and naive rules alike."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from omc_agent.errors import DataError, UsageError
from omc_agent.tools.algorithms import Params, find_algorithm
from omc_agent.tools.class_metrics import class_columns, likelihood, prior_table
from omc_agent.tools.features import check_features, feature_columns
from omc_agent.tools.fitting import check_rows, fit_rows, predict_frame, usable_rows
from omc_agent.tools.grouping import GROUP, group_of
from omc_agent.tools.metrics import REFERENCE, classes_of, metrics_for, score_frame, score_interval, task_of
from omc_agent.tools.naive import NAIVE_RULES, naive_score
from omc_agent.tools.splits import Positions, folds_for

Floats = NDArray[np.float64]
_RANKED = ("roc_auc", "pr_auc")


def cross_validate_model(
    features: pd.DataFrame,
    model: str = "logistic_regression",
    params: Params | None = None,
    metric: str | None = None,
    n_splits: int = 5,
    seed: int = 0,
    name: str | None = None,
    task: str | None = None,
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
        See ``metrics.metrics_for``; by default ``roc_auc`` for two classes, ``log_loss_skill`` (against the shares
        of the classes in training) for more, ``mae_skill`` (against the constant) for values.
    n_splits : int
        Number of test blocks.
    seed : int
        Seed of the estimator, of a table's folds and of the interval.
    name : str, optional
        The candidate's name; by default the model's.
    task : str, optional
        ``classification`` or ``regression``; see ``metrics.task_of`` for what decides without it.

    Returns
    -------
    score : dict
        ``name, model, params, metric, score, low, high, folds, fit_seconds, predict_seconds, rows, baseline``.
        `score` is the mean of `folds` weighted by their rows, `low` and `high` its 95 % block bootstrap
        interval, `rows` the scored rows. Ready for JSON.
    oof : DataFrame (test rows, ...)
        `timestamp`, `coin`, `row_group` (where the frame has them), `target`, `prediction`, of more than two
        classes their probabilities ``p_0``, ``p_1``, ..., and `fold` (from 1), with the index labels of the frame.
        Rules give a score (see `naive.naive_score`); for metrics that need a
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
    task = task_of(features, task)
    classes = classes_of(features, task)
    metric = metric or metrics_for(task, classes)[0]
    _check_metric(metric, task, classes)
    if model not in NAIVE_RULES:
        find_algorithm(task, model)
        check_features(features)
    rows = features[usable_rows(features, feature_columns(features)) & features["target"].notna().to_numpy()]
    check_rows(rows, task)
    seconds, parts = np.zeros(2), []
    for fold, (train, test) in enumerate(folds_for(rows, n_splits, task, seed).split(rows), start=1):
        if model in NAIVE_RULES:
            begin = time.perf_counter()
            prediction = _naive_frame(rows, train, test, task, model, metric, classes)
            spent = (0.0, time.perf_counter() - begin)
        else:
            prediction, spent = _fold(rows.iloc[train], rows.iloc[test], task, model, params, seed, classes)
        parts.append(_out_of_fold(rows.iloc[train], rows.iloc[test], prediction, fold))
        seconds += spent
    oof = pd.concat(parts)
    score: dict[str, Any] = {"name": name or model, "model": model, "params": dict(params or {}), "metric": metric}
    score |= _scored(oof, metric, rows, seed)
    score |= {"fit_seconds": float(seconds[0].round(4)), "predict_seconds": float(seconds[1].round(4))}
    score |= {"rows": int(oof["prediction"].notna().sum()), "baseline": model in NAIVE_RULES}
    return score, oof.drop(columns=list(REFERENCE.values()), errors="ignore").sort_index()


def _fold(
    train: pd.DataFrame,
    test: pd.DataFrame,
    task: str,
    model: str,
    params: Params | None,
    seed: int,
    classes: int,
) -> tuple[pd.DataFrame, tuple[float, float]]:
    """Predictions of one test block, and the seconds spent on fitting and on predicting."""
    begin = time.perf_counter()
    fitted = fit_rows(train, task, model, params, seed)
    middle = time.perf_counter()
    found = predict_frame(fitted, test, classes=classes)
    return found, (middle - begin, time.perf_counter() - middle)


def _naive_frame(
    rows: pd.DataFrame, train: Positions, test: Positions, task: str, rule: str, metric: str, classes: int
) -> pd.DataFrame:
    """What a rule says of the test rows, in the columns of `predict_frame`."""
    index = rows.index[test]
    if classes <= 2:
        said = _naive_prediction(rows, train, test, task, rule, metric)
        return pd.DataFrame({"prediction": said}, index=index)
    if rule != "constant":
        raise UsageError(
            "usage.value",
            given=f"The rule was {rule!r}, for {classes} classes.",
            have="With more than two classes the one naive rule is 'constant': the shares of the classes.",
            try_="Try the rule 'constant'.",
        )
    prior = prior_table(rows["target"].iloc[train], classes)
    said = np.tile(np.concatenate([[prior.argmax()], prior]), (len(index), 1))
    return pd.DataFrame(said, index=index, columns=["prediction", *(f"p_{code}" for code in range(classes))])


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


def _out_of_fold(train: pd.DataFrame, test: pd.DataFrame, prediction: pd.DataFrame, fold: int) -> pd.DataFrame:
    kept = [name for name in ("timestamp", "coin", GROUP, "target") if name in test.columns]
    said = {name: prediction[name].to_numpy() for name in prediction.columns}
    made = test[kept].assign(**said, fold=fold, naive_constant=float(train["target"].median()))
    if columns := class_columns(prediction):
        prior = prior_table(train["target"], len(columns))
        made["naive_constant"] = likelihood(test[["target"]].assign(**dict(zip(columns, prior, strict=True))))
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
    low, high = score_interval(found.values, times, horizon, seed, None if times is not None else group_of(oof))
    each = [score_frame(metric, part).score for _, part in oof.groupby("fold")]
    return {
        "score": found.score,
        "low": low,
        "high": high,
        "folds": [score for score in each if not np.isnan(score)],
    }


def _check_metric(metric: str, task: str, classes: int) -> None:
    there = metrics_for(task, classes)
    if metric not in there:
        what = f"{task} of {classes} classes" if classes > 2 else task
        raise UsageError(
            "usage.value",
            given=f"The metric was {metric!r}, the task is {what}.",
            have=f"For {what} there are {', '.join(there)}.",
            try_="Try one of these.",
        )
