"""Which features a model leans on, by what is lost when one is shuffled."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from omc_agent.errors import DataError
from omc_agent.tools import evaluation_plots as pictures
from omc_agent.tools.algorithms import Params
from omc_agent.tools.bootstrap import block_interval, horizon_bars, mean_by_time
from omc_agent.tools.class_metrics import class_columns, likelihood, skill_values
from omc_agent.tools.features import feature_columns
from omc_agent.tools.fitting import predict_frame, usable_rows
from omc_agent.tools.metrics import classes_of, score_rows, task_of
from omc_agent.tools.modeling import train_classification_model, train_regression_model
from omc_agent.tools.splits import folds_for

Floats = NDArray[np.float64]


def calculate_feature_importance(
    features: pd.DataFrame,
    model: str = "gradient_boosting",
    params: Params | None = None,
    n_repeats: int = 5,
    seed: int = 0,
    plot: bool = True,
    task: str | None = None,
) -> pd.DataFrame:
    """What is lost when one feature is shuffled, on the last purged walk-forward block.

    Parameters
    ----------
    features : DataFrame (rows, ...)
        A features frame of development rows.
    model : str
        A name in ``CLASSIFIERS`` or ``REGRESSORS``; it is fitted on the rows before the block.
    params : mapping, optional
        Parameters of the estimator, over the defaults.
    n_repeats : int
        Shuffles of each feature; their losses are averaged.
    seed : int
        Seed of the model, the shuffles and the interval.
    plot : bool
        Whether to leave a bar plot open.
    task : str, optional
        As in `modeling.cross_validate_model`.

    Returns
    -------
    DataFrame (features, 4)
        `feature`, `importance` (ROC-AUC lost; of more than two classes the growth of the log loss, for values that
        of the mean absolute error, as a fraction of it), `low`, `high` (95 % block bootstrap interval over the
        block's rows); most important first.

    Raises
    ------
    DataError, UsageError
        As `modeling.cross_validate_model`.

    Notes
    -----
    Permutation importance: Breiman (2001), Machine Learning 45(1). Of two features that say the same, each
    covers for the other, so both may look unimportant.

    Examples
    --------
    >>> rows = pd.DataFrame({"a": [0.0, 1.0] * 50, "b": 1.0, "target": [0.0, 1.0] * 50})
    >>> calculate_feature_importance(rows, "logistic_regression", plot=False)["feature"].tolist()
    ['a', 'b']
    """
    task, names = task_of(features, task), feature_columns(features)
    rows = features[usable_rows(features, names) & features["target"].notna().to_numpy()]
    train, test = list(folds_for(rows, 5, task, seed).split(rows))[-1]
    fit = train_classification_model if task == "classification" else train_regression_model
    fitted, block = fit(rows.iloc[train], model, params, seed), rows.iloc[test]
    times = block["timestamp"] if "timestamp" in block.columns else None
    span = None if times is None else pd.Timedelta((block["label_end"] - block["timestamp"]).median())
    generator = np.random.default_rng(seed)
    found = []
    for name in names:
        lost = _losses(fitted, block, name, task, n_repeats, generator)
        interval = block_interval(mean_by_time(lost, times), horizon_bars(times, span), seed=seed)
        found.append({"feature": name, "importance": interval.mean, "low": interval.low, "high": interval.high})
    table = pd.DataFrame(found).sort_values("importance", ascending=False, kind="stable", ignore_index=True)
    if plot:
        pictures.draw_importance(table, _unit(task, classes_of(features, task)))
    return table


def _unit(task: str, classes: int) -> str:
    if classes > 2:
        return "growth of log loss"
    return "ROC-AUC lost" if task == "classification" else "growth of MAE"


def _said(model: Pipeline, block: pd.DataFrame) -> Floats:
    """The prediction of each row; of more than two classes the probability of the one that occurred."""
    said = predict_frame(model, block)
    if not class_columns(said):
        return said["prediction"].to_numpy()
    return likelihood(said.assign(target=block["target"])).to_numpy(dtype=np.float64)


def _losses(
    model: Pipeline, block: pd.DataFrame, name: str, task: str, n_repeats: int, generator: np.random.Generator
) -> Floats:
    """Per row, what shuffling one feature costs, averaged over the shuffles."""
    target, whole = block["target"].to_numpy(), _said(model, block)
    lost = np.zeros(len(block))
    for _ in range(n_repeats):
        shuffled = block.assign(**{name: block[name].array.take(generator.permutation(len(block)))})
        broken = _said(model, shuffled)
        if task == "classification" and len(model.classes_) > 2:
            lost += -skill_values(-np.log(broken), -np.log(whole))
        elif task == "classification":
            lost += score_rows("roc_auc", target, whole).values - score_rows("roc_auc", target, broken).values
        else:
            lost += score_rows("mase", target, broken, whole).values - 1
    if np.isnan(lost).all():
        raise DataError(
            "data.constant",
            given="The last block holds one class only, or is predicted without error.",
            have=f"It has {len(block)} rows.",
            try_="Try a longer span.",
        )
    return lost / n_repeats
