"""Train, predict and cross-validate; keep a model in a file that can be read without running it."""

from __future__ import annotations

import pandas as pd
from sklearn.pipeline import Pipeline

from omc_agent.tools.algorithms import CLASSIFIERS, REGRESSORS, Params
from omc_agent.tools.cross_validation import cross_validate_model
from omc_agent.tools.features import feature_columns
from omc_agent.tools.fitting import fit_rows, predict
from omc_agent.tools.model_files import TRUSTED_TYPES, load_model, save_model

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
    return fit_rows(features, "classification", model, params, seed)


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
    return fit_rows(features, "regression", model, params, seed)
