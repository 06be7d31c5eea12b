"""The sealed rows beside each rule and simple model, by month and by coin. Description: it never calls a verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from omc_agent.errors import DataError
from omc_agent.tools.conditions import at_least_as_good, paired
from omc_agent.tools.metrics import score_rows
from omc_agent.tools.rule import DecisionRule, compare

_LEAST_ROWS = 30
Rows = list[dict[str, Any]]


def compare_all(
    rows: pd.DataFrame,
    said: pd.DataFrame,
    simple: Mapping[str, pd.Series[Any]],
    rule: DecisionRule,
    seed: int = 0,
) -> Rows:
    """Every naive rule and simple model beside the chosen model, paired on the same rows.

    Parameters
    ----------
    rows : DataFrame (n, ...)
        Scored sealed rows: `target`, `prediction`, `timestamp` where there is time.
    said : DataFrame (n, rules)
        What each naive rule says of each row.
    simple : mapping of str to Series (n,)
        What each simple model says.
    rule : DecisionRule
        The frozen rule.
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    list of dict
        ``name``, ``kind`` (``naive`` or ``simple``), ``score``, ``difference`` (chosen minus it), ``low``, ``high``
        (interval of the difference), ``beaten`` (points), ``beyond_noise``. A score that is not defined is None.
    """
    others = {name: ("naive", said[name]) for name in said.columns}
    others |= {name: ("simple", series) for name, series in simple.items()}
    return [
        _beside(rows, name, kind, other, said[rule.reference], rule, seed) for name, (kind, other) in others.items()
    ]


def by_part(rows: pd.DataFrame, other: pd.Series[Any], parts: pd.Series[Any], task: str) -> Rows:
    """Score of model and reference in each part, in order; parts of fewer than 30 rows have no score.

    Parameters
    ----------
    rows : DataFrame (n, ...)
        `target`, `prediction`.
    other : Series (n,)
        What the reference says.
    parts : Series (n,)
        Which part a row is in.
    task : str
        ``classification``, ``multiclass`` or ``regression``.

    Returns
    -------
    list of dict
        ``part``, ``rows``, ``score``, ``reference_score``, ``difference``; None where a score is not defined.

    Examples
    --------
    >>> rows = pd.DataFrame({"target": [0.0, 1.0] * 20, "prediction": [0.1, 0.9] * 20})
    >>> by_part(rows, pd.Series(0.5, index=rows.index), pd.Series("2024-01", index=rows.index), "classification")
    [{'part': '2024-01', 'rows': 40, 'score': 1.0, 'reference_score': 0.5, 'difference': 0.5}]
    """
    found = []
    for part in sorted(parts.unique()):
        here = rows[parts == part]
        row: dict[str, Any] = {"part": str(part), "rows": len(here)}
        scores: tuple[float, float, float] = (math.nan,) * 3
        if len(here) >= _LEAST_ROWS:
            difference = compare(here, here["prediction"], other[here.index], task).score
            base = 0.0 if task != "classification" else _score(here, other[here.index], other[here.index], task)
            scores = (base + difference, base, difference)
        names = ("score", "reference_score", "difference")
        found.append(row | {name: _number(value) for name, value in zip(names, scores, strict=True)})
    return found


def months(rows: pd.DataFrame) -> pd.Series[Any]:
    """The month of each row, such as ``2024-08`` (UTC)."""
    return pd.Series(rows["timestamp"].dt.strftime("%Y-%m"), index=rows.index)


def _beside(
    rows: pd.DataFrame,
    name: str,
    kind: str,
    other: pd.Series[Any],
    reference: pd.Series[Any],
    rule: DecisionRule,
    seed: int,
) -> dict[str, Any]:
    try:
        interval = paired(rows, rows["prediction"], other, rule, seed)
        difference, low, high = interval.mean, interval.low, interval.high
    except DataError:  # it says something of fewer than two rows
        difference = low = high = math.nan
    return {
        "name": name,
        "kind": kind,
        "score": _number(_score(rows, other, reference, rule.task)),
        "difference": _number(difference),
        "low": _number(low),
        "high": _number(high),
        "beaten": at_least_as_good(rows, other, rule.task),
        "beyond_noise": bool(low > 0),
    }


def _score(rows: pd.DataFrame, other: pd.Series[Any], reference: pd.Series[Any], task: str) -> float:
    """The ROC-AUC of what is said, or its skill over the reference."""
    if task != "classification":
        return compare(rows, other, reference, task).score
    return score_rows("roc_auc", rows["target"], other).score


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
