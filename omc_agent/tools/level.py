"""A target that is a level (a price, a series) is learned as the change from the last value.

Trees answer with values that they have seen, so where a level grows they fall ever further behind; and a penalty
pulls a linear model to the mean of the past. Of a change neither is true. The last value is a feature, so prediction
needs nothing beside the features.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.pipeline import Pipeline

Floats = NDArray[np.float64]


class LevelRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A regressor of the change from a last value, which is added back to what it predicts.

    Parameters
    ----------
    model : Pipeline
        Unfitted; learns the change from all features.
    column : str
        The feature that holds the last value.
    relative : bool
        Whether the change is a fraction of the last value, as where levels of several sizes stand in one frame;
        where a last value is not above zero it is a difference all the same.

    Attributes
    ----------
    model_ : Pipeline
        Fitted.
    on_change_ : bool
        Whether it learned the change. It did where, on its training rows, the last value is nearer to the target
        (mean absolute error) than their median is; else the level itself, which then hardly remembers.
    relative_ : bool
        Whether that change is a fraction.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> rows = pd.DataFrame({"y_lag_1": np.arange(50.0)})
    >>> fitted = LevelRegressor(Pipeline([("model", Ridge())]), "y_lag_1").fit(rows, rows["y_lag_1"] + 1)
    >>> fitted.predict(pd.DataFrame({"y_lag_1": [1000.0]})).round(6).tolist()
    [1001.0]
    """

    def __init__(self, model: Pipeline, column: str, relative: bool = False) -> None:
        self.model = model
        self.column = column
        self.relative = relative

    def fit(self, X: pd.DataFrame, y: Any) -> LevelRegressor:
        """Learn from the rows whose last value is known; NaN elsewhere is the inner model's to fill."""
        self.feature_names_in_ = np.asarray([str(name) for name in X.columns], dtype=object)
        self.n_features_in_ = X.shape[1]
        target, last = np.asarray(y, dtype=np.float64), self._last(X)
        known = np.isfinite(last)
        away = np.abs(target[known] - last[known])
        self.on_change_ = bool(known.any() and away.mean() <= np.abs(target - np.median(target)).mean())
        self.relative_ = bool(self.relative and (last[known] > 0).all())
        if not self.on_change_:
            self.model_ = clone(self.model).fit(X, target)
            return self
        scale = last[known] if self.relative_ else 1.0
        self.model_ = clone(self.model).fit(X[known], (target[known] - last[known]) / scale)
        return self

    def predict(self, X: pd.DataFrame) -> Floats:
        """The level of each row (rows,); NaN where it was learned as a change and the last value is not known."""
        said = np.asarray(self.model_.predict(X), dtype=np.float64)
        if not self.on_change_:
            return said
        last = self._last(X)
        return last + said * (last if self.relative_ else 1.0)

    def _last(self, X: pd.DataFrame) -> Floats:
        return X[self.column].to_numpy(dtype=np.float64, na_value=np.nan)


def level_column(features: pd.DataFrame, names: Sequence[str]) -> str | None:
    """The feature that holds the last value of the target, where the target is a level; else None.

    It is called ``level`` or ends in ``_lag_1``, and equals `naive_last` wherever that is known.

    Examples
    --------
    >>> rows = pd.DataFrame({"naive_last": [np.nan, 1.0, 2.0], "y_lag_1": [0.0, 1.0, 2.0], "x_lag_1": 1.0})
    >>> level_column(rows, ["x_lag_1", "y_lag_1"])
    'y_lag_1'
    """
    if "naive_last" not in features.columns:
        return None
    known = features["naive_last"].notna().to_numpy()
    last = features["naive_last"].to_numpy(dtype=np.float64)[known]
    for name in names:
        called = name == "level" or name.endswith("_lag_1")
        if not called or not len(last) or not pd.api.types.is_float_dtype(features[name]):
            continue
        if np.array_equal(features[name].to_numpy(dtype=np.float64)[known], last):
            return name
    return None


def learn_change(pipeline: Pipeline, rows: pd.DataFrame, names: Sequence[str]) -> Pipeline:
    """The pipeline, wrapped in a `LevelRegressor` where `rows` hold the last value of a level; else as it is.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> plain = Pipeline([("model", Ridge())])
    >>> learn_change(plain, pd.DataFrame({"size": [1.0], "target": [2.0]}), ["size"]) is plain
    True
    """
    column = level_column(rows, names)
    if column is None:
        return pipeline
    return Pipeline([("model", LevelRegressor(pipeline, column, relative="coin" in rows.columns))])


def inner_pipeline(model: Pipeline) -> Pipeline:
    """The pipeline that learns: the one inside a `LevelRegressor`, or `model` itself.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> inside = Pipeline([("model", Ridge())])
    >>> inner_pipeline(Pipeline([("model", LevelRegressor(inside, "level"))])) is inside
    True
    """
    last = model.steps[-1][1]
    if not isinstance(last, LevelRegressor):
        return model
    return getattr(last, "model_", last.model)
