"""The learning algorithms: named, seeded scikit-learn pipelines with defaults that suit many noisy rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Lasso, LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from omc_agent.errors import UsageError
from omc_agent.tools.column_kinds import is_free_text

# Below this many rows, leaves of fifty rows and samples of a third would leave a forest nothing to grow on.
MANY_ROWS = 5_000
# And below this many, boosted trees are kept small, and a forest can be large: time is no matter.
SMALL_TABLE = 2_000
_MOST_CATEGORIES = 50
_TEXT_BINS, _TEXT_COLUMNS = 4096, 16

Params = Mapping[str, Any]
Build = Callable[..., BaseEstimator]


@dataclass(frozen=True)
class Algorithm:
    """How to build an estimator.

    Attributes
    ----------
    build : callable
        ``build(**params)`` gives an unfitted estimator.
    defaults : callable
        ``defaults(rows, seed)`` gives the parameters for that many training rows.
    scaled : bool
        Whether the features are standardised first (linear models).
    """

    build: Build
    defaults: Callable[[int, int], dict[str, Any]]
    scaled: bool = False

    @property
    def simplicity(self) -> int:
        """0 for linear models, 1 for trees."""
        return 0 if self.scaled else 1


def make_pipeline(
    features: pd.DataFrame,
    task: str,
    model: str,
    params: Params | None = None,
    seed: int = 0,
    fill: bool = False,
) -> Pipeline:
    """An unfitted pipeline, last step ``model``.

    Parameters
    ----------
    features : DataFrame (rows, columns)
        The feature columns only. With text or categories, or with `fill`, the first step is ``prepare``:
        one-hot for text (categories not seen in training are all zero, rare ones beyond 50 are taken
        together), sixteen columns for free text, the training median for missing numbers and a column that says
        where it was taken.
    task : str
        ``classification`` or ``regression``.
    model : str
        A name in ``CLASSIFIERS`` or ``REGRESSORS``.
    params : mapping, optional
        Parameters of the estimator by scikit-learn's (or XGBoost's) names, over the defaults.
    seed : int
        ``random_state`` of what is random.
    fill : bool
        Whether missing numbers are filled, as in a table, rather than left to the caller, as in bars.

    Returns
    -------
    sklearn.pipeline.Pipeline

    Raises
    ------
    UsageError
        ``usage.value`` for a model that the task does not have, or a parameter that the model does not have.

    Examples
    --------
    >>> pipeline = make_pipeline(pd.DataFrame({"ret_1": [0.1]}), "regression", "ridge")
    >>> [name for name, _ in pipeline.steps]
    ['scale', 'model']
    """
    algorithm = find_algorithm(task, model)
    given = dict(params or {})
    try:
        estimator = algorithm.build(**(algorithm.defaults(len(features), seed) | given))
    except (TypeError, ValueError) as problem:
        raise _bad_params(model, given, problem) from problem
    _check_params(model, estimator, given)
    steps: list[tuple[str, Any]] = []
    plain = all(pd.api.types.is_float_dtype(features[name]) for name in features.columns)
    if fill or not plain:
        steps.append(("prepare", _prepare(features)))
    if algorithm.scaled:
        steps.append(("scale", StandardScaler()))
    return Pipeline([*steps, ("model", estimator)])


def find_algorithm(task: str, model: str) -> Algorithm:
    """The algorithm of that name for the task.

    Raises
    ------
    UsageError
        ``usage.value`` when the task has none of that name.

    Examples
    --------
    >>> find_algorithm("classification", "xgboost").scaled
    False
    """
    there = REGRESSORS if task == "regression" else CLASSIFIERS
    if model not in there:
        raise UsageError(
            "usage.value",
            given=f"The model was {model!r}, the task is {task}.",
            have=f"For {task} there are {', '.join(there)}.",
            try_="Try one of these.",
        )
    return there[model]


def _prepare(features: pd.DataFrame) -> ColumnTransformer:
    numbers = [name for name in features.columns if pd.api.types.is_numeric_dtype(features[name])]
    texts = [name for name in features.columns if name not in numbers and is_free_text(features[name])]
    words = [name for name in features.columns if name not in numbers and name not in texts]
    # That a number is missing may say something too.
    median = SimpleImputer(strategy="median", keep_empty_features=True, add_indicator=True)
    code = OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=_MOST_CATEGORIES, sparse_output=False)
    sentences = [(f"text_{number}", _sentences(), name) for number, name in enumerate(texts)]
    return ColumnTransformer([("numbers", median, numbers), ("words", code, words), *sentences])


def _sentences() -> Pipeline:
    """Free text in few columns: its words are hashed, so that no vocabulary is empty, and weighted."""
    return Pipeline(
        [
            ("hash", HashingVectorizer(n_features=_TEXT_BINS, alternate_sign=False)),
            ("weigh", TfidfTransformer()),
            ("project", TruncatedSVD(_TEXT_COLUMNS, random_state=0)),
        ]
    )


def _check_params(model: str, estimator: BaseEstimator, given: Params) -> None:
    inner = estimator.regressor if isinstance(estimator, TransformedTargetRegressor) else estimator
    # XGBoost takes any keyword without a word, so the names are those of an estimator made without any.
    unknown = sorted(set(given) - set(type(inner)().get_params()))
    if unknown:
        raise _bad_params(model, dict(given), ValueError(f"no parameter {', '.join(unknown)}"))


def _bad_params(model: str, given: Params, problem: Exception) -> UsageError:
    return UsageError(
        "usage.value",
        given=f"The parameters of {model} were {dict(given)}.",
        have=f"It refuses them: {problem}.",
        try_="Try params=None for the defaults.",
    )


def _on_scaled_target(build: Build, **params: Any) -> BaseEstimator:
    """A penalised regression whose strength means the same for returns of 0.001 and prices of 60,000."""
    return TransformedTargetRegressor(regressor=build(**params), transformer=StandardScaler())


def _forest(rows: int, seed: int) -> dict[str, Any]:
    many, small = rows >= MANY_ROWS, rows < SMALL_TABLE
    leaf = min(5, rows // 100) if small else rows // 100
    return {
        "n_estimators": 200 if small else 100,
        "max_features": "sqrt",
        "min_samples_leaf": 50 if many else max(1, leaf),
        "max_samples": 0.3 if many else None,
        "n_jobs": 1,
        "random_state": seed,
    }


def _boosting(rows: int, seed: int) -> dict[str, Any]:
    small = rows < SMALL_TABLE
    return {
        "max_iter": 100,
        "learning_rate": 0.05,
        "max_leaf_nodes": 8 if small else 15,
        "min_samples_leaf": 50 if rows >= MANY_ROWS else max(5 if small else 2, rows // 50),
        "early_stopping": False,
        "random_state": seed,
    }


def _xgboost(rows: int, seed: int) -> dict[str, Any]:
    small = rows < SMALL_TABLE
    return {
        "n_estimators": 100,
        "max_depth": 3 if small else 4,
        "learning_rate": 0.05,
        "min_child_weight": 10 if rows >= MANY_ROWS else 1,
        "subsample": 0.8,
        "colsample_bytree": 0.8,
        "tree_method": "hist",
        "n_jobs": 1,
        "random_state": seed,
    }


def _xgb_classifier(**params: Any) -> BaseEstimator:
    from xgboost import XGBClassifier  # imported where used: it costs a second

    return XGBClassifier(**params)


def _xgb_regressor(**params: Any) -> BaseEstimator:
    from xgboost import XGBRegressor  # imported where used: it costs a second

    return XGBRegressor(**params)


def _none(rows: int, seed: int) -> dict[str, Any]:
    return {}


CLASSIFIERS: dict[str, Algorithm] = {
    "logistic_regression": Algorithm(LogisticRegression, lambda rows, seed: {"max_iter": 1000}, scaled=True),
    "random_forest": Algorithm(RandomForestClassifier, _forest),
    "gradient_boosting": Algorithm(HistGradientBoostingClassifier, _boosting),
    "xgboost": Algorithm(_xgb_classifier, _xgboost),
}

REGRESSORS: dict[str, Algorithm] = {
    "linear": Algorithm(partial(_on_scaled_target, LinearRegression), _none, scaled=True),
    "ridge": Algorithm(partial(_on_scaled_target, Ridge), lambda rows, seed: {"alpha": 1.0}, scaled=True),
    "lasso": Algorithm(
        partial(_on_scaled_target, Lasso), lambda rows, seed: {"alpha": 0.01, "max_iter": 5000}, scaled=True
    ),
    "random_forest": Algorithm(RandomForestRegressor, _forest),
    "gradient_boosting": Algorithm(HistGradientBoostingRegressor, _boosting),
    "xgboost": Algorithm(_xgb_regressor, _xgboost),
}
