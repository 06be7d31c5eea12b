"""A pipeline fitted on the usable rows of a features frame, and what it predicts.

A row can be used when its target is known and, in a frame of bars, none of its features is missing (warm-up). In a
table missing features are filled inside the model, from its training rows; in a series the first rows, which lack a
past, are left out.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from omc_agent.errors import DataError
from omc_agent.tools.algorithms import Params, make_pipeline
from omc_agent.tools.class_metrics import clipped
from omc_agent.tools.coded import CodedClassifier, lacks_classes
from omc_agent.tools.features import feature_columns
from omc_agent.tools.level import inner_pipeline, learn_change
from omc_agent.tools.metrics import task_of

Floats = NDArray[np.float64]
_LEAST_ROWS = 20


def fit_rows(features: pd.DataFrame, task: str, model: str, params: Params | None, seed: int) -> Pipeline:
    """Fit a pipeline on the usable rows; what `modeling.train_classification_model` and its sister do."""
    task_of(features, task)
    names = feature_columns(features)
    rows = features[usable_rows(features, names) & features["target"].notna().to_numpy()]
    check_rows(rows, task)
    pipeline = make_pipeline(rows[names], task, model, params, seed, fill=not is_bars(features))
    if task == "regression":
        pipeline = learn_change(pipeline, rows, names)
    elif model == "xgboost" and lacks_classes(rows["target"]):
        name, estimator = pipeline.steps[-1]
        pipeline = Pipeline([*pipeline.steps[:-1], (name, CodedClassifier(estimator))])
    return _fit(pipeline, rows[names], rows["target"])


def predict(model: Pipeline, features: pd.DataFrame) -> pd.Series[Any]:
    """Probability of class 1, of more than two classes the most likely one's code, or the value, of each row.

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
    >>> from omc_agent.tools.modeling import train_classification_model
    >>> rows = pd.DataFrame({"size": range(40), "target": [0.0] * 20 + [1.0] * 20})
    >>> (predict(train_classification_model(rows), rows) > 0.5).sum()
    np.int64(20)
    """
    return predict_frame(model, features)["prediction"]


def predict_frame(
    model: Pipeline, features: pd.DataFrame, name: str = "prediction", classes: int | None = None
) -> pd.DataFrame:
    """What `predict` says, and beside it the probability of each class where there are more than two.

    Parameters
    ----------
    model : Pipeline
        A fitted pipeline of this module.
    features : DataFrame (rows, ...)
        Has the columns that the model was fitted on.
    name : str
        Name of the first column.
    classes : int, optional
        How many classes there are, where training rows may have lacked the last ones.

    Returns
    -------
    DataFrame (rows, 1 or 1 + classes)
        `name`, and ``p_0``, ``p_1``, ... (with another name ``<name>_p_0``, ...): at least 1e-6 each, one in sum;
        NaN as in `predict`.

    Raises
    ------
    DataError
        ``data.unreadable`` when a column is missing.

    Examples
    --------
    >>> from omc_agent.tools.modeling import train_classification_model
    >>> rows = pd.DataFrame({"size": range(60), "target": [0.0, 1.0, 2.0] * 20})
    >>> list(predict_frame(train_classification_model(rows), rows))
    ['prediction', 'p_0', 'p_1', 'p_2']
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
    usable = usable_rows(features, names)
    if "prepare" not in inner_pipeline(model).named_steps:
        usable = usable & features[names].notna().all(axis=1).to_numpy()
    count = _class_count(model, classes)
    columns = [name, *(f"{'' if name == 'prediction' else name + '_'}p_{code}" for code in range(count))]
    found = np.full((len(features), len(columns)), np.nan)
    if usable.any():
        found[usable] = _raw_prediction(model, features.loc[usable, names], count)
    return pd.DataFrame(found, index=features.index, columns=columns)


def usable_rows(features: pd.DataFrame, names: list[str]) -> NDArray[np.bool_]:
    """Which rows have all of these features; in a table every row, in a series those with a past (rows,)."""
    if not is_bars(features):
        past = features.get("naive_last")
        return np.ones(len(features), dtype=bool) if past is None else past.notna().to_numpy(dtype=bool)
    return np.asarray(features[names].notna().all(axis=1), dtype=bool)


def is_bars(features: pd.DataFrame) -> bool:
    """Whether a features frame is one of bars, rather than of a table.

    Examples
    --------
    >>> is_bars(pd.DataFrame(columns=["timestamp", "size", "target"]))
    False
    """
    return {"coin", "timestamp"} <= set(features.columns)


def check_rows(rows: pd.DataFrame, task: str) -> None:
    """Raise ``data.too_few_rows`` or ``data.constant`` where there is nothing to learn from."""
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


def _fit(pipeline: Pipeline, X: pd.DataFrame, y: pd.Series[Any]) -> Pipeline:
    # One thread: folds run side by side, and threads that wait for a busy core cost more than they give.
    with warnings.catch_warnings(), threadpool_limits(1):
        # A solver at its iteration limit still gives a model, and the score says what it is worth.
        warnings.simplefilter("ignore", ConvergenceWarning)
        pipeline.fit(X, y)
    return pipeline


def _class_count(model: Pipeline, classes: int | None) -> int:
    """Classes that get a column of their own: none of two, whose one probability says it all."""
    if not hasattr(model, "predict_proba"):
        return 0
    count = max(int(max(model.classes_)) + 1, classes or 0)
    return count if count > 2 else 0


def _raw_prediction(model: Pipeline, X: pd.DataFrame, classes: int) -> Floats:
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.filterwarnings("ignore", message="Found unknown categories")
        if classes:
            table = np.zeros((len(X), classes))
            table[:, np.asarray(model.classes_, dtype=np.int64)] = model.predict_proba(X)
            return np.column_stack([table.argmax(axis=1), clipped(table)])
        if hasattr(model, "predict_proba"):
            return np.asarray(model.predict_proba(X)[:, 1:2], dtype=np.float64)
        return np.asarray(model.predict(X), dtype=np.float64)[:, None]
