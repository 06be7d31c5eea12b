"""Scores of more than two classes: probabilities stand in columns ``p_0``, ``p_1``, ..., one a class code.

As in `metrics`, each score comes with the value that every row adds to it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from omc_agent.tools.placements import auc_placements

Floats = NDArray[np.float64]
# A probability of zero for what happened would cost an infinite log loss; no finite sample can vouch for zero.
LEAST_PROBABILITY = 1e-6
MULTICLASS_METRICS = ("log_loss_skill", "log_loss", "accuracy", "f1", "precision", "recall", "roc_auc", "brier")


def class_columns(rows: pd.DataFrame, prefix: str = "p_") -> list[str]:
    """The columns of class probabilities in the order of the codes; empty for two classes, or a value.

    Examples
    --------
    >>> class_columns(pd.DataFrame(columns=["prediction", "p_0", "p_1", "p_2"]))
    ['p_0', 'p_1', 'p_2']
    """
    there = set(map(str, rows.columns))
    found: list[str] = []
    while f"{prefix}{len(found)}" in there:
        found.append(f"{prefix}{len(found)}")
    return found if len(found) > 2 else []


def probabilities(rows: pd.DataFrame, prefix: str = "p_") -> Floats:
    """Class probabilities (n, k), at least 1e-6 each and one in sum; a row with a NaN is NaN.

    Examples
    --------
    >>> probabilities(pd.DataFrame({"p_0": [0.0], "p_1": [0.5], "p_2": [0.5]})).round(3).tolist()
    [[0.0, 0.5, 0.5]]
    """
    return clipped(rows[class_columns(rows, prefix)].to_numpy(dtype=np.float64))


def clipped(table: Floats) -> Floats:
    """Probabilities at least 1e-6 each, with rows that sum to one.

    Examples
    --------
    >>> bool(clipped(np.array([[1.0, 0.0, 0.0]]))[0, 1] > 0)
    True
    """
    safe = np.clip(table, LEAST_PROBABILITY, 1.0)
    return np.asarray(safe / safe.sum(axis=1, keepdims=True), dtype=np.float64)


def likelihood(rows: pd.DataFrame, prefix: str = "p_") -> pd.Series[Any]:
    """The probability that each row gave to the class that occurred (n,); NaN where either is unknown.

    Examples
    --------
    >>> likelihood(pd.DataFrame({"target": [2.0], "p_0": [0.1], "p_1": [0.2], "p_2": [0.7]})).round(6).tolist()
    [0.7]
    """
    return pd.Series(_taken(rows["target"].to_numpy(np.float64), probabilities(rows, prefix)), index=rows.index)


def prior_table(target: pd.Series[Any], classes: int) -> Floats:
    """Shares of the classes among known targets (classes,); a class that is not there has a share above zero.

    Examples
    --------
    >>> prior_table(pd.Series([0.0, 0.0, 1.0, 2.0]), 3).round(2).tolist()
    [0.5, 0.25, 0.25]
    """
    counts = np.bincount(target.dropna().to_numpy(dtype=np.int64), minlength=classes).astype(np.float64)
    return np.asarray(clipped(counts[None, :] / counts.sum())[0], dtype=np.float64)


def skill_values(loss: Floats, reference: Floats) -> Floats:
    """Values of the skill 1 - mean(loss) / mean(reference); NaN when the reference makes no error.

    Examples
    --------
    >>> float(skill_values(np.array([1.0, 2.0]), np.array([2.0, 4.0])).mean())
    0.5
    """
    below = float(reference.mean())
    if below <= 0:
        return np.full(len(loss), np.nan)
    ratio = float(loss.mean()) / below
    return np.asarray(1 - (ratio + (loss - ratio * reference) / below), dtype=np.float64)


def class_values(metric: str, y: Floats, table: Floats, reference: Floats | None = None) -> Floats:
    """What each row adds to a score of k classes; rows without NaN.

    Parameters
    ----------
    metric : str
        One of ``MULTICLASS_METRICS``. Precision, recall, F1 and one-against-the-rest ROC-AUC are means over the
        classes that occur (macro); brier is the squared error summed over the classes.
    y : array (n,)
        Class codes 0.0 .. k-1.
    table : array (n, k)
        Probabilities.
    reference : array (n,), optional
        For ``log_loss_skill``: what the reference gave to the class that occurred.

    Returns
    -------
    array (n,)
        Influence values; their mean is the score.

    Notes
    -----
    Brier (1950), Monthly Weather Review 78(1). Macro averages as in Manning, Raghavan and Schuetze (2008),
    *Introduction to Information Retrieval*, 13.6.

    Examples
    --------
    >>> table = np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.1, 0.1, 0.8]])
    >>> float(class_values("accuracy", np.array([0.0, 1.0, 0.0]), table).mean().round(3))
    0.667
    """
    loss = -np.log(_taken(y, table))
    if metric == "log_loss":
        return np.asarray(loss, dtype=np.float64)
    if metric == "log_loss_skill":
        return np.full(len(y), np.nan) if reference is None else skill_values(loss, -np.log(reference))
    called = table.argmax(axis=1).astype(np.float64)
    if metric == "accuracy":
        return np.asarray(called == y, dtype=np.float64)
    if metric == "brier":
        truth = (y[:, None] == np.arange(table.shape[1])).astype(np.float64)
        return np.asarray(((table - truth) ** 2).sum(axis=1), dtype=np.float64)
    one: dict[str, Callable[[Floats, Floats, Floats], Floats]] = {
        "precision": lambda is_it, said, score: _ratio(is_it * said, said),
        "recall": lambda is_it, said, score: _ratio(is_it * said, is_it),
        "f1": lambda is_it, said, score: _ratio(2 * is_it * said, is_it + said),
        "roc_auc": lambda is_it, said, score: auc_placements(is_it, score),
    }
    occurs = np.unique(y)
    if metric == "roc_auc" and len(occurs) < 2:
        return np.full(len(y), np.nan)
    parts = [
        one[metric]((y == code).astype(np.float64), (called == code).astype(np.float64), table[:, int(code)])
        for code in occurs
    ]
    return np.asarray(np.mean(parts, axis=0), dtype=np.float64)


def _taken(y: Floats, table: Floats) -> Floats:
    found = np.full(len(y), np.nan)
    known = ~np.isnan(y)
    code = np.where(known, y, 0).astype(np.int64)
    named = code < table.shape[1]
    found[known & named] = table[np.arange(len(y)), np.minimum(code, table.shape[1] - 1)][known & named]
    found[known & ~named] = LEAST_PROBABILITY  # a class that no training row had
    found[np.isnan(table).any(axis=1)] = np.nan
    return found


def _ratio(over: Floats, under: Floats) -> Floats:
    """Values of mean(over) / mean(under), 0 where nothing is under."""
    below = float(under.mean())
    if below == 0:
        return np.zeros(len(over))
    ratio = float(over.mean()) / below
    return np.asarray(ratio + (over - ratio * under) / below, dtype=np.float64)
