"""Look at fitted models and compare candidates: all metrics, pictures, a recommendation."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from omc_agent.errors import DataError, UsageError
from omc_agent.naming import metric_name, model_name
from omc_agent.tools import evaluation_plots as pictures
from omc_agent.tools.algorithms import CLASSIFIERS, REGRESSORS
from omc_agent.tools.class_metrics import class_columns
from omc_agent.tools.fitting import predict_frame
from omc_agent.tools.metrics import HIGHER_IS_BETTER, REFERENCE, metrics_for, score_frame, score_rows
from omc_agent.tools.rule import likelihood_of_shares

Candidate = Mapping[str, Any]
_Z95 = 1.959964


def evaluate_model(model: Pipeline, features: pd.DataFrame, plot: bool = True) -> pd.DataFrame:
    """All metrics of a fitted model on rows that it should not have been fitted on.

    Parameters
    ----------
    model : Pipeline
        A fitted pipeline of `modeling`.
    features : DataFrame (rows, ...)
        A features frame. Rows with a NaN target, or a NaN feature in a frame of bars, do not count.
    plot : bool
        Whether to leave figures open: precision and recall, confusion matrix and calibration for classes, predicted
        against true for values. The matrix as a frame: `confusion.confusion_table`.

    Returns
    -------
    DataFrame (1, 1 + metrics)
        `rows`, then the metrics of the task. ``mae_skill`` is against the median of these very rows,
        ``log_loss_skill`` against the shares of their classes, ``mase`` and ``directional_accuracy`` against
        `naive_last` (NaN without it).

    Raises
    ------
    DataError
        ``data.too_few_rows`` when no row can be scored; ``data.unreadable`` when a feature is missing.

    Examples
    --------
    >>> from omc_agent.tools.modeling import train_classification_model
    >>> rows = pd.DataFrame({"size": range(40), "target": [0.0] * 20 + [1.0] * 20})
    >>> evaluate_model(train_classification_model(rows), rows, plot=False)["roc_auc"].item()
    1.0
    """
    task = "classification" if hasattr(model, "predict_proba") else "regression"
    said = predict_frame(model, features)
    columns = class_columns(said)
    rows = features.drop(columns=columns, errors="ignore").join(said)
    rows = rows[rows["prediction"].notna() & rows["target"].notna()]
    if rows.empty:
        raise DataError(
            "data.too_few_rows",
            given=f"None of {len(features)} rows has a target and complete features.",
            have="An evaluation needs rows that the model can predict and whose outcome is known.",
            try_="Try a longer span, or rows after the warm-up.",
        )
    if columns:
        rows = rows.assign(naive_constant=likelihood_of_shares(rows["target"]))
        scores = {metric: score_frame(metric, rows).score for metric in metrics_for(task, len(columns))}
    else:
        rows = rows.assign(naive_constant=rows["target"].median())
        scores = {
            metric: score_rows(metric, rows["target"], rows["prediction"], _reference(rows, metric)).score
            for metric in metrics_for(task)
        }
    if plot and columns:
        pictures.draw_classes(rows["target"].to_numpy(), rows["prediction"].to_numpy(), len(columns))
    elif plot and task == "classification":
        pictures.draw_precision_recall(rows["target"].to_numpy(), rows["prediction"].to_numpy())
        pictures.draw_classification(rows["target"].to_numpy(), rows["prediction"].to_numpy())
    elif plot:
        pictures.draw_regression(rows["target"].to_numpy(), rows["prediction"].to_numpy())
    return pd.DataFrame([{"rows": len(rows)} | scores])


def compare_models(candidates: Sequence[Candidate], plot: bool = True) -> pd.DataFrame:
    """The candidates, best first.

    Parameters
    ----------
    candidates : list of dict
        What `cross_validate_model` returned first: ``name, model, params, metric, score, low, high, ...``.
    plot : bool
        Whether to leave a figure of scores and intervals open.

    Returns
    -------
    DataFrame (candidates, 10)
        `name`, `model`, `metric`, `score`, `low`, `high`, `baseline`, `within_noise_of_best`, `failed` (why it could
        not be scored, else empty), `params` (JSON text). Candidates without a score come last.

    Raises
    ------
    UsageError
        ``usage.value`` for no candidate, or candidates scored by different metrics.

    Notes
    -----
    Within noise of the best means at most one standard error of the best below it: Breiman, Friedman, Olshen
    and Stone (1984), *Classification and Regression Trees*, 3.4.3. The standard error is read from the
    interval: (high - low) / 3.92.

    Examples
    --------
    >>> one = {"name": "a", "model": "ridge", "metric": "mae", "score": 2.0, "low": 1.5, "high": 2.5}
    >>> table = compare_models([one, one | {"name": "b", "score": 1.0, "low": 0.9, "high": 1.1}], plot=False)
    >>> table["name"].tolist(), table["within_noise_of_best"].tolist()
    (['b', 'a'], [True, False])
    """
    metric = _common_metric(candidates)
    rows = [
        {
            "name": each["name"],
            "model": each["model"],
            "metric": metric,
            "score": _float(each.get("score")),
            "low": _float(each.get("low")),
            "high": _float(each.get("high")),
            "baseline": bool(each.get("baseline", False)),
        }
        for each in candidates
    ]
    table = pd.DataFrame(rows)
    table["within_noise_of_best"] = _within_noise(table, metric)
    table["failed"] = [str(each.get("failed") or "") for each in candidates]
    table["params"] = [json.dumps(dict(each.get("params") or {}), sort_keys=True) for each in candidates]
    table = table.sort_values(
        "score", ascending=not HIGHER_IS_BETTER[metric], kind="stable", na_position="last"
    ).reset_index(drop=True)
    if plot:
        pictures.draw_candidates(table[table["failed"] == ""], metric)
    return table


def recommend(candidates: Sequence[Candidate]) -> dict[str, Any]:
    """The simplest model whose score is within noise of the best.

    Parameters
    ----------
    candidates : list of dict
        As for `compare_models`. Baselines are there to be beaten and are not recommended, nor are models that are
        marked ``yardstick``, nor is a tuned model without a real ``gain`` over its untuned sister.

    Returns
    -------
    dict
        ``name``, ``why`` (plain sentences), ``within_noise`` (whether another model is within noise of the
        best, so that the score alone does not choose).

    Raises
    ------
    UsageError
        ``usage.value`` when there is no candidate but baselines.

    Notes
    -----
    Simplicity: linear models before trees; among equals the better score. See `compare_models` for noise.

    Examples
    --------
    >>> tree = {"name": "xgb", "model": "xgboost", "metric": "roc_auc", "score": 0.56, "low": 0.5, "high": 0.62}
    >>> line = tree | {"name": "logit", "model": "logistic_regression", "score": 0.55}
    >>> recommend([tree, line])["name"]
    'logit'
    """
    scored = [each for each in candidates if not each.get("baseline") and each.get("score") is not None]
    models = [each for each in scored if not each.get("yardstick")] or scored
    idle = _without_gain(models)
    models = [each for each in models if each not in idle]
    table = compare_models(models, plot=False)
    near = table[table["within_noise_of_best"]]
    chosen = near.iloc[int(np.argmin([_simplicity(name) for name in near["model"]]))]
    best, metric = table.iloc[0], str(table["metric"].iloc[0])
    if chosen["name"] == best["name"]:
        why = f"{model_name(chosen['name'])} has the best {metric_name(metric)}, {chosen['score']:.4g}."
    else:
        why = (
            f"{model_name(chosen['name'])} ({metric_name(metric)} {chosen['score']:.4g}) is simpler than the best, "
            f"{model_name(best['name'])} ({best['score']:.4g}), and within its noise."
        )
    return {
        "name": str(chosen["name"]),
        "why": why
        + "".join(_searched(each) for each in idle)
        + _against_yardsticks(candidates, chosen, metric)
        + _against_baselines(candidates, chosen, metric),
        "within_noise": len(near) > 1,
    }


def _searched(each: Candidate) -> str:
    text = str(each["gain"]["text"]).removeprefix("No gain: ")
    return f" The search over {model_name(each['model'])}: {text[0].lower()}{text[1:]}"


def _without_gain(models: Sequence[Candidate]) -> list[Candidate]:
    """Tuned models that are not ahead of the untuned one beyond noise, where that one is a candidate too."""
    untuned = {each["model"] for each in models if int(each.get("trials") or 1) == 1}
    return [
        each
        for each in models
        if int(each.get("trials") or 1) > 1
        and each["model"] in untuned
        and each.get("gain")
        and not each["gain"]["real"]
    ]


def _reference(rows: pd.DataFrame, metric: str) -> Any:
    column = REFERENCE.get(metric)
    if column is None:
        return None
    return rows[column] if column in rows.columns else np.full(len(rows), np.nan)


def _common_metric(candidates: Sequence[Candidate]) -> str:
    metrics = sorted({str(each.get("metric", "roc_auc")) for each in candidates})
    if len(metrics) == 1 and metrics[0] in HIGHER_IS_BETTER:
        return metrics[0]
    raise UsageError(
        "usage.value",
        given=f"{len(candidates)} candidates were given, with the metrics {', '.join(metrics) or 'none'}.",
        have="Candidates can be compared when they were scored by one known metric on the same rows.",
        try_="Try cross_validate_model with the same metric for each.",
    )


def _within_noise(table: pd.DataFrame, metric: str) -> list[bool]:
    scored = table[table["score"].notna()]
    if scored.empty:
        return [False] * len(table)
    sign = 1.0 if HIGHER_IS_BETTER[metric] else -1.0
    best = scored.iloc[int(np.argmax(sign * scored["score"].to_numpy()))]
    error = (best["high"] - best["low"]) / (2 * _Z95)
    behind = sign * (best["score"] - table["score"])
    return [bool(value <= (0.0 if math.isnan(error) else error) + 1e-12) for value in behind]


def _simplicity(model: str) -> int:
    algorithm = CLASSIFIERS.get(model) or REGRESSORS.get(model)
    return 2 if algorithm is None else algorithm.simplicity


def _against_baselines(candidates: Sequence[Candidate], chosen: pd.Series[Any], metric: str) -> str:
    sign = 1.0 if HIGHER_IS_BETTER[metric] else -1.0
    scored = [each for each in candidates if each.get("baseline") and not math.isnan(_float(each["score"]))]
    if not scored:
        return ""
    best = max(scored, key=lambda each: sign * float(each["score"]))
    said = f"the naive rule {model_name(best['name'])} ({best['score']:.4g})"
    if sign * (float(chosen["score"]) - float(best["score"])) > 0:
        return f" It is ahead of {said}."
    return f" It is not ahead of {said}, so do not expect an edge."


def _against_yardsticks(candidates: Sequence[Candidate], chosen: pd.Series[Any], metric: str) -> str:
    """A model that nobody named is not taken by itself, but a person has to know when it scored higher."""
    sign = 1.0 if HIGHER_IS_BETTER[metric] else -1.0
    scored = [each for each in candidates if each.get("yardstick") and not math.isnan(_float(each.get("score")))]
    ahead = [each for each in scored if sign * (float(each["score"]) - float(chosen["score"])) > 0]
    if not ahead or chosen["name"] in [each["name"] for each in scored]:
        return ""
    best = max(ahead, key=lambda each: sign * float(each["score"]))
    name = model_name(best["name"])
    return (
        f" The simple model {name}, which was not asked for, scored {'higher' if sign > 0 else 'a smaller error'} "
        f"({best['score']:.4g}): name it in the goal, or take it at the choice."
    )


def _float(value: Any) -> float:
    return float("nan") if value is None else float(value)
