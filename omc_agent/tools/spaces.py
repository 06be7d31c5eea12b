"""What a search may try of each algorithm: bounds that suit many noisy rows, and narrower ones where rows are few."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from omc_agent.tools.algorithms import SMALL_TABLE

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

# Scores of a call (yes or no), which weights of the classes move; those of a rank or a probability they only spoil.
THRESHOLD_METRICS = frozenset({"accuracy", "f1", "precision", "recall"})
_WEIGHTED = ("logistic_regression", "random_forest")


def space_for(model: str, rows: int, metric: str = "") -> dict[str, Sequence[Any]]:
    """The bounds of a search.

    Parameters
    ----------
    model : str
        A key of ``SPACES``.
    rows : int
        Training rows. Below 2,000 leaves are bounded by the rows (a leaf of 400 would be the whole table).
    metric : str
        What is improved. For a score of calls (``THRESHOLD_METRICS``) weights of the classes are tried too.

    Returns
    -------
    dict
        Bounds by parameter, as `searching.check_bounds` reads them.

    Examples
    --------
    >>> space_for("random_forest", 400)["min_samples_leaf"], space_for("random_forest", 80_000)["min_samples_leaf"]
    (('int', 1, 20), ('int', 10, 400))
    >>> space_for("logistic_regression", 400, "f1")["class_weight"]
    ('choice', None, 'balanced')
    """
    bounds: dict[str, Sequence[Any]] = dict(SPACES[model])
    if rows < SMALL_TABLE:
        bounds |= _few(rows).get(model, {})
    if metric in THRESHOLD_METRICS and model in _WEIGHTED:
        bounds["class_weight"] = ("choice", None, "balanced")
    return bounds


def _few(rows: int) -> dict[str, dict[str, tuple[Any, ...]]]:
    leaf = max(3, rows // 20)
    return {
        "logistic_regression": {"C": ("log", 1e-3, 30.0)},
        "ridge": {"alpha": ("log", 1e-2, 1e3)},
        "random_forest": {"min_samples_leaf": ("int", 1, leaf), "n_estimators": ("int", 100, 200)},
        "gradient_boosting": {"min_samples_leaf": ("int", 2, leaf), "max_leaf_nodes": ("int", 3, 16)},
        "xgboost": {"min_child_weight": ("log", 1.0, float(leaf)), "max_depth": ("int", 1, 5)},
    }
