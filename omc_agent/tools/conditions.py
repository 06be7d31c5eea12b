"""The conditions of an edge beyond its interval, and what makes sealed rows impossible to score."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from omc_agent.tools.bootstrap import Interval, block_interval, horizon_bars
from omc_agent.tools.class_metrics import class_values, probabilities
from omc_agent.tools.rule import DecisionRule, block_series, brier, compare, naive_predictions


def failed_conditions(
    rows: pd.DataFrame,
    said: pd.DataFrame,
    development: pd.DataFrame,
    rule: DecisionRule,
    beats: dict[str, bool],
) -> list[str]:
    """Which of (b), (c) and (d) fail."""
    failed = []
    past = development[development["target"].notna() & development["prediction"].notna()]
    naive = naive_predictions(past, rule.task, rule.base, span_of(rule))
    ahead = [compare(past, past["prediction"], naive[name], rule.task).score for name in naive.columns]
    # A rule that cannot be compared beats nobody, here as on the sealed rows; the constant always can.
    if not all(
        score > 0 or (math.isnan(score) and name != "constant") for name, score in zip(naive, ahead, strict=True)
    ):
        failed.append("development")
    if not all(beats.values()):
        failed.append("naive")
    if isinstance(rule.base, tuple):
        truth, said_of = rows["target"].to_numpy(dtype=np.float64), probabilities(rows)
        shares = np.tile(rule.base, (len(rows), 1))
        proper = class_values("brier", truth, said_of).mean() < class_values("brier", truth, shares).mean()
    elif rule.task == "classification":
        base = pd.Series(rule.base, index=rows.index)
        proper = brier(rows["target"], rows["prediction"]) < brier(rows["target"], base)
    else:
        proper = compare(rows, rows["prediction"], said["constant"], rule.task).score > 0
    return failed if bool(proper) else [*failed, "proper_score"]


def at_least_as_good(rows: pd.DataFrame, other: pd.Series[Any], task: str) -> bool:
    """Whether the prediction scores at least what the other one does."""
    found = compare(rows, rows["prediction"], other, task).score
    # A rule that says something only where one class occurs cannot be compared, and beats nobody.
    return bool(math.isnan(found) or found >= 0)


def paired(
    rows: pd.DataFrame, one: pd.Series[Any], other: pd.Series[Any], rule: DecisionRule, seed: int = 0
) -> Interval:
    """How much better `one` predicts than `other`, on the same rows, with the interval of the rule.

    Parameters
    ----------
    rows : DataFrame (n, ...)
        `target`, and `timestamp` where there is time.
    one, other : Series (n,)
        Predictions in the order of `rows`.
    rule : DecisionRule
        Task, horizon and level.
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    Interval
        Of the difference, positive when `one` is better.

    Raises
    ------
    DataError
        ``data.too_few_rows`` for fewer than two rows (times) on which both say something.
    """
    times = rows["timestamp"] if "timestamp" in rows.columns else None
    series = block_series(compare(rows, one, other, rule.task).values, rows)
    return block_interval(series, horizon_bars(times, span_of(rule)), rule.alpha, seed=seed)


def refusal(rows: pd.DataFrame, said: pd.DataFrame, rule: DecisionRule) -> str:
    """Why the opened rows cannot be scored; empty when they can."""
    if rule.reference not in said.columns:
        return f"the sealed rows lack what the rule {rule.reference!r} needs"
    shared = rows[said[rule.reference].notna()]
    if len(shared) < 20 or ("timestamp" in rows.columns and shared["timestamp"].nunique() < 20):
        return f"{len(shared)} sealed rows have a label and a prediction"
    if rule.task == "classification" and shared["target"].nunique() < 2:
        return "the sealed rows hold one class only"
    if not np.isfinite(shared["prediction"]).all():
        return "a prediction is infinite"
    if rule.task == "regression" and math.isnan(
        compare(shared, shared["prediction"], said.loc[shared.index, rule.reference], rule.task).score
    ):
        return "the reference makes no error to improve on"
    return ""


def span_of(rule: DecisionRule) -> pd.Timedelta | None:
    """The rule's horizon; None for rows without time."""
    return None if rule.horizon is None else pd.Timedelta(rule.horizon)
