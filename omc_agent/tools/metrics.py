"""Scores, each with the value that every row adds to it, so that one bootstrap gives them all an interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from omc_agent.candidate import LOWER_IS_BETTER
from omc_agent.errors import DataError, UsageError
from omc_agent.tools.bootstrap import block_interval, horizon_bars, mean_by_time
from omc_agent.tools.class_metrics import (
    LEAST_PROBABILITY,
    MULTICLASS_METRICS,
    class_columns,
    class_values,
    probabilities,
)
from omc_agent.tools.grouping import mean_by_group
from omc_agent.tools.placements import auc_placements

Floats = NDArray[np.float64]

CLASSIFICATION_METRICS = ("roc_auc", "pr_auc", "accuracy", "precision", "recall", "f1", "brier", "log_loss")
REGRESSION_METRICS = ("mae_skill", "mae", "rmse", "r2", "mase", "directional_accuracy")
HIGHER_IS_BETTER = {
    name: name not in LOWER_IS_BETTER for name in CLASSIFICATION_METRICS + MULTICLASS_METRICS + REGRESSION_METRICS
}
# What another column must hold for the metric to be defined: the rule it is measured against.
REFERENCE = {
    "mae_skill": "naive_constant",
    "log_loss_skill": "naive_constant",
    "mase": "naive_last",
    "directional_accuracy": "naive_last",
}
_TWO_OR_VALUE = frozenset(CLASSIFICATION_METRICS + REGRESSION_METRICS)


@dataclass(frozen=True)
class Scored:
    """A score, and its value per row (mean = score; NaN where the row could not be scored)."""

    score: float
    values: Floats


def metrics_for(task: str, classes: int = 2) -> tuple[str, ...]:
    """The metrics of a task, the deciding one first; those of more than two classes are a list of their own.

    Examples
    --------
    >>> metrics_for("regression")[0], metrics_for("classification", classes=3)[0]
    ('mae_skill', 'log_loss_skill')
    """
    if task == "classification" and classes > 2:
        return MULTICLASS_METRICS
    return REGRESSION_METRICS if task == "regression" else CLASSIFICATION_METRICS


def score_rows(metric: str, target: ArrayLike, prediction: ArrayLike, reference: ArrayLike | None = None) -> Scored:
    """A score, and what each row adds to it.

    Parameters
    ----------
    metric : str
        One of ``HIGHER_IS_BETTER``. Accuracy, precision, recall and F1 call a row class 1 from a probability
        of 0.5 on.
    target : array (n,)
        0.0/1.0 for classification, values for regression.
    prediction : array (n,)
        Probability of class 1 (any score will do for roc_auc and pr_auc), or value.
    reference : array (n,), optional
        For ``mae_skill`` (1 - MAE / MAE of the reference) and ``mase`` (MAE / MAE of the reference, which is
        the last value): the predictions of the reference. For ``directional_accuracy`` the last value: the share
        of rows whose sign is right, of the move away from it where it is a level (never negative), else of the
        value itself. Rows that do not move do not count.

    Returns
    -------
    Scored
        Rows with a NaN in any input have NaN values and do not count. The score is NaN when it is not
        defined: one class only, no row, a reference without error, a constant target for r2.

    Raises
    ------
    UsageError
        ``usage.value`` for a metric that is not known, or that lacks its reference.

    Notes
    -----
    The values are influence values: for a mean the terms themselves, for a ratio A/B of means
    ``A/B + (a - A/B b) / B``, for roc_auc DeLong's placements, for pr_auc the same idea applied to average
    precision. Mean absolute scaled error: Hyndman and Koehler (2006), IJF 22(4), scaled out of sample here.

    Examples
    --------
    >>> score_rows("mae", [1.0, 3.0], [2.0, 3.0]).values.tolist()
    [1.0, 0.0]
    """
    y, p = np.asarray(target, dtype=np.float64), np.asarray(prediction, dtype=np.float64)
    r = p if reference is None else np.asarray(reference, dtype=np.float64)
    if metric not in _TWO_OR_VALUE or (metric in REFERENCE and reference is None):
        raise _unknown_metric(metric, reference)
    values = np.full(len(y), np.nan)
    known = ~(np.isnan(y) | np.isnan(p) | np.isnan(r))
    if known.any():
        values[known] = _values(metric, y[known], p[known], r[known])
    counted = values[~np.isnan(values)]
    return Scored(float(counted.mean()) if len(counted) else float("nan"), values)


def _unknown_metric(metric: str, reference: Any) -> UsageError:
    return UsageError(
        "usage.value",
        given=f"The metric was {metric!r}" + (", without its reference." if metric in REFERENCE else "."),
        have=f"There are {', '.join(HIGHER_IS_BETTER)}; {', '.join(REFERENCE)} need a naive rule.",
        try_="Try roc_auc for two classes, log_loss_skill for more, mae for a value.",
    )


def score_frame(metric: str, rows: pd.DataFrame, column: str = "prediction") -> Scored:
    """Score the predictions in a frame, within folds where it has a column `fold`.

    Parameters
    ----------
    metric : str
        See `score_rows`.
    rows : DataFrame (n, ...)
        `target`, the predictions, optionally `fold`, and the reference's column for a metric that has one
        (``naive_constant`` for the skills, ``naive_last`` for mase). With more than two classes the probabilities
        are in ``p_0``, ``p_1``, ..., and ``naive_constant`` is what the priors gave to the class that occurred.
    column : str
        The column that holds the predictions.

    Returns
    -------
    Scored
        The score is the mean of the folds' scores, weighted by their rows. Each fold has a model of its own,
        so scores of different folds are not ranked against each other.

    Examples
    --------
    >>> rows = pd.DataFrame({"target": [0, 1, 0, 1], "prediction": [0.1, 0.2, 0.8, 0.9], "fold": [1, 1, 2, 2]})
    >>> score_frame("roc_auc", rows).score
    1.0
    """
    values = np.full(len(rows), np.nan)
    fold = rows["fold"].to_numpy() if "fold" in rows.columns else np.zeros(len(rows))
    for each in pd.unique(fold):
        here = fold == each
        part = rows[here]
        beside = part[REFERENCE[metric]] if REFERENCE.get(metric) in part.columns else None
        values[here] = _part_values(metric, part, column, beside)
    counted = values[~np.isnan(values)]
    return Scored(float(counted.mean()) if len(counted) else float("nan"), values)


def _part_values(metric: str, part: pd.DataFrame, column: str, beside: pd.Series[Any] | None) -> Floats:
    if column != "prediction" or not class_columns(part):
        return score_rows(metric, part["target"], part[column], beside).values
    if metric not in MULTICLASS_METRICS:
        raise _unknown_metric(metric, beside)
    y, table = part["target"].to_numpy(dtype=np.float64), probabilities(part)
    known = ~(np.isnan(y) | np.isnan(table).any(axis=1))
    values = np.full(len(part), np.nan)
    if known.any():
        other = None if beside is None else beside.to_numpy(dtype=np.float64)[known]
        values[known] = class_values(metric, y[known], table[known], other)
    return values


def score_interval(
    values: Floats,
    timestamp: pd.Series[Any] | None,
    horizon: pd.Timedelta | None,
    seed: int = 0,
    group: pd.Series[Any] | None = None,
) -> tuple[float, float]:
    """The 95 % interval of a score from its values per row, by block bootstrap in time.

    Parameters
    ----------
    values : array (n,)
        `Scored.values`; NaN rows do not count.
    timestamp : Series (n,), optional
        UTC; coins at one time are averaged. Without it rows are independent.
    horizon : Timedelta, optional
        From decision to label.
    seed : int
        Seed of the bootstrap.
    group : Series (n,), optional
        Without time: rows of one group are one block.

    Returns
    -------
    low, high : float

    Raises
    ------
    DataError
        ``data.too_few_rows`` for fewer than two scored rows or times.

    Examples
    --------
    >>> score_interval(np.array([0.5] * 30), None, None)
    (0.5, 0.5)
    """
    series = mean_by_group(values, group) if group is not None else mean_by_time(values, timestamp)
    found = block_interval(series, horizon_bars(timestamp, horizon), seed=seed)
    return found.low, found.high


def task_of(features: pd.DataFrame, task: str | None = None) -> str:
    """The task: what the run says, else classification when every known target is 0.0 or 1.0.

    Parameters
    ----------
    features : DataFrame (rows, ...)
        With `target`.
    task : str, optional
        ``classification`` (targets are class codes 0.0, 1.0, ...) or ``regression``. Without it the values, and
        ``attrs["classes"]`` where the frame has kept it, decide.

    Raises
    ------
    DataError
        ``data.no_target`` without a target, ``data.too_few_rows`` when every one is NaN.
    UsageError
        ``usage.value`` for another task, or for classification of targets that are no codes.

    Examples
    --------
    >>> rows = pd.DataFrame({"target": [0.0, 1.0, 2.0, float("nan")]})
    >>> task_of(rows), task_of(rows, "classification")
    ('regression', 'classification')
    """
    known = _known_targets(features)
    if task not in (None, "classification", "regression"):
        raise UsageError(
            "usage.value",
            given=f"The task was {task!r}.",
            have="There are classification and regression.",
            try_="Try one of these, or none: the values decide then.",
        )
    if task == "classification" and not all(value >= 0 and value == int(value) for value in known):
        raise UsageError(
            "usage.value",
            given=f"The target holds values such as {next(v for v in known if v < 0 or v != int(v)):g}.",
            have="Classes are coded 0.0, 1.0, 2.0, ... as prepare_table codes them.",
            try_="Try regression, or a target of classes.",
        )
    if task is not None:
        return task
    if features.attrs.get("classes") is not None:
        return "classification"
    return "classification" if set(known) <= {0.0, 1.0} else "regression"


def classes_of(features: pd.DataFrame, task: str) -> int:
    """How many classes the targets are coded in: at least 2, and 0 for regression.

    Examples
    --------
    >>> classes_of(pd.DataFrame({"target": [0.0, 2.0]}), "classification")
    3
    """
    return max(2, int(_known_targets(features).max()) + 1) if task == "classification" else 0


def _known_targets(features: pd.DataFrame) -> Floats:
    if "target" not in features.columns:
        raise DataError(
            "data.no_target",
            given="The frame has no column 'target'.",
            have=f"It has {', '.join(map(str, features.columns))}.",
            try_="Try create_features for bars, prepare_table for a table.",
        )
    known = np.asarray(features["target"].dropna().unique(), dtype=np.float64)
    if not len(known):
        raise DataError(
            "data.too_few_rows",
            given="Every target is missing.",
            have=f"The frame has {len(features)} rows.",
            try_="Try a longer span or a shorter horizon.",
        )
    return known


def _values(metric: str, y: Floats, p: Floats, r: Floats) -> Floats:
    """Influence values of rows without NaN."""
    called = (p >= 0.5).astype(np.float64)
    if metric == "roc_auc":
        return auc_placements(y, p)
    if metric == "pr_auc":
        return _average_precision(y, p)
    if metric == "precision":
        return _ratio(called * y, called)
    if metric == "recall":
        return _ratio(called * y, y)
    if metric == "f1":
        return _ratio(2 * called * y, called + y)
    if metric == "r2":
        return 1 - _ratio((y - p) ** 2, (y - y.mean()) ** 2, when_zero=np.nan)
    if metric == "mase":
        return _ratio(np.abs(y - p), np.abs(y - r), when_zero=np.nan)
    if metric == "mae_skill":
        return 1 - _ratio(np.abs(y - p), np.abs(y - r), when_zero=np.nan)
    if metric == "directional_accuracy":
        return _direction(y, p, r)
    if metric == "log_loss":
        safe = np.clip(p, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
        return np.asarray(-np.log(np.where(y == 1, safe, 1 - safe)), dtype=np.float64)
    if metric == "rmse":
        root = float(np.sqrt(np.mean((y - p) ** 2)))
        return root + ((y - p) ** 2 - root**2) / (2 * root) if root > 0 else np.zeros(len(y))
    plain: dict[str, Floats] = {
        "accuracy": (called == y).astype(np.float64),
        "brier": (y - p) ** 2,
        "mae": np.abs(y - p),
    }
    return plain[metric]


def _direction(y: Floats, p: Floats, last: Floats) -> Floats:
    start = last if (last >= 0).all() else np.zeros(len(last))
    right = (np.sign(p - start) == np.sign(y - start)).astype(np.float64)
    return np.where(y == start, np.nan, right)


def _ratio(over: Floats, under: Floats, when_zero: float = 0.0) -> Floats:
    """Values of mean(over) / mean(under)."""
    below = float(under.mean())
    if below == 0:
        return np.full(len(over), when_zero)
    ratio = float(over.mean()) / below
    return ratio + (over - ratio * under) / below


def _average_precision(y: Floats, score: Floats) -> Floats:
    """Values of average precision, the mean precision at the rows of class 1, ties taken together."""
    n, share = len(y), float(y.mean())
    if share in (0.0, 1.0):
        return np.full(n, np.nan)
    level, group = np.unique(-score, return_inverse=True)
    size = np.bincount(group, minlength=len(level)).astype(np.float64)
    hits = np.bincount(group, weights=y, minlength=len(level))
    called, right = np.cumsum(size), np.cumsum(hits)
    precision = right / called
    average = float((hits * precision).sum() / hits.sum())
    # A row changes the precision at every threshold that it passes: those at or below its own score.
    weight = hits / called / share
    passed = weight[::-1].cumsum()[::-1][group]
    lost = (weight * precision)[::-1].cumsum()[::-1][group]
    values: Floats = y * precision[group] / share + (y * passed - lost) - average * (y - share) / share
    return values
