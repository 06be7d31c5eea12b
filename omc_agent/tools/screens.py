"""What truncation cannot find: an input column that holds the future, or that was joined one bar too early.

Each column is judged alone against the naive rules, and again as it was one bar earlier.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from omc_agent.tools.bars import Floats, Ints, is_number
from omc_agent.tools.features import feature_columns
from omc_agent.tools.lone_values import error_skill, forecast_alone, naive_errors, parts_of
from omc_agent.tools.naive import naive_rules, naive_score
from omc_agent.tools.placements import auc_placements

MARGIN = 0.10
_TABLE_AUC = 0.99  # single columns of honest tables come up to 0.98, so only what settles the target is told
_TABLE_SKILL = 0.90
_FEWEST_BLOCKS = 10
_SURE = 3.0  # standard errors
_EARLY = 0.05


@dataclass(frozen=True)
class Screened:
    """A column that alone does what no honest column should.

    Attributes
    ----------
    column : str
        Its name.
    code : str
        ``lone_column``: it beats every naive rule by 0.10; ``one_bar_early``: it lives from one bar.
    score : float
        Its ROC-AUC by itself, either sign; of a value, the share by which its error is below the best naive rule's.
    best : float
        The best naive rule's ROC-AUC; 0 for a value.
    delayed : float
        Its score one bar later; NaN without time.
    task : str
        ``classification`` or ``regression``.
    """

    column: str
    code: str
    score: float
    best: float
    delayed: float
    task: str = "classification"

    def text(self) -> str:
        """The finding in words, and why it matters."""
        late = "" if np.isnan(self.delayed) else f" One bar later it is {self.delayed:.3f}."
        alone, best = f"a ROC-AUC of {self.score:.3f}", f", the best naive rule {self.best:.3f}"
        if self.task == "regression":
            alone, best = f"a skill of {self.score:.3f} over the best naive rule (mean absolute error)", ""
        if self.code == "one_bar_early":
            return (
                f"{self.column} alone has {alone}.{late} A bar is known when it ends, at"
                " timestamp + bar: what is joined at `timestamp` is one bar early, and would not be there in time."
            )
        return (
            f"{self.column} alone has {alone}{best}.{late} Ask for its publication time: a column that was written"
            " later holds the answer, and such scores lie."
        )


def screen_columns(
    features: pd.DataFrame, *, horizon: pd.Timedelta | None = None, task: str | None = None
) -> list[Screened]:
    """Columns that alone beat every naive rule by 0.10, or whose strength is gone one bar later.

    Parameters
    ----------
    features : DataFrame (rows, ...)
        A features frame of development rows with a `target` of 0.0 and 1.0, judged by ROC-AUC, or with `task`
        ``regression`` of numbers, judged by mean absolute error. More than two classes are not screened.
    horizon : Timedelta, optional
        Neighbouring labels overlap over it: standard errors are taken over blocks of five horizons.
    task : str, optional
        ``regression`` for a target of numbers.

    Returns
    -------
    list of Screened
        Warnings: an honest column may be strong too. Empty where fewer than ten blocks fit, and for targets that are
        no two classes. A table without time has no naive rule to beat: there only what settles the target alone is
        told (ROC-AUC of at least 0.99, or an error at least 90 % below the constant's).

    Notes
    -----
    The score of a column and its standard error come from the placement values of `auc_placements`, averaged in
    blocks of rows. NaN rows of a column are left out. Text and categories, and every column for a target of numbers,
    are forecasts learned on other rows, see `lone_values.forecast_alone`. A naive rule counts with either sign, and
    by its mean size over 1, 12 and 48 rows: how much prices move is known to anybody.

    Examples
    --------
    >>> rows = pd.DataFrame({"answer": [0.0, 1.0] * 100, "target": [0.0, 1.0] * 100})
    >>> [(found.column, found.code) for found in screen_columns(rows)]
    [('answer', 'lone_column')]
    """
    label = pd.to_numeric(features["target"], errors="coerce").to_numpy(dtype=np.float64)
    if task == "regression":
        return _screen_values(features, label, horizon)
    if set(np.unique(label[~np.isnan(label)])) != {0.0, 1.0}:
        return []
    timed = "timestamp" in features.columns
    order = _time_order(features) if timed else np.arange(len(features))
    size = _block(features, horizon) if timed else max(len(features) // 20, 1)
    best = _best_naive(features, label) if timed else 0.5
    found, parts = [], parts_of(order, timed)
    for name in feature_columns(features):
        column = features[name]
        if is_number(column) or not timed:
            held = is_number(column)
            values = (
                column.to_numpy(dtype=np.float64, na_value=np.nan) if held else forecast_alone(column, label, parts)
            )
            seen = _judge(features, str(name), values, label, order, size, best, timed)
            found += [seen] if seen is not None else []
    return sorted(found, key=lambda one: -one.score)


def _screen_values(features: pd.DataFrame, label: Floats, horizon: pd.Timedelta | None) -> list[Screened]:
    """The same for a target of numbers."""
    timed = "timestamp" in features.columns
    order = _time_order(features) if timed else np.arange(len(features))
    size = _block(features, horizon) if timed else max(len(features) // 20, 1)
    parts = parts_of(order, timed)
    best = naive_errors(features, label, parts)
    found = []
    for name in feature_columns(features):
        score, error = _skill(features[name], label, best, order, size, parts)
        if not score - _SURE * error > (MARGIN / 2 if timed else _TABLE_SKILL):
            continue
        delayed = float("nan")
        if timed and is_number(features[name]):
            late = pd.Series(_delayed(features, features[name].to_numpy(dtype=np.float64, na_value=np.nan)))
            delayed = _skill(late, label, best, order, size, parts)[0]
        if delayed < score / 2:
            found.append(Screened(str(name), "one_bar_early", score, 0.0, delayed, "regression"))
        elif score > MARGIN:
            found.append(Screened(str(name), "lone_column", score, 0.0, delayed, "regression"))
    return sorted(found, key=lambda one: -one.score)


def _skill(
    column: pd.Series[Any], label: Floats, best: Floats, order: Ints, size: int, parts: Ints
) -> tuple[float, float]:
    return error_skill(np.abs(forecast_alone(column, label, parts, "median") - label), best, order, size)


def _judge(
    features: pd.DataFrame, name: str, values: Floats, label: Floats, order: Ints, size: int, best: float, timed: bool
) -> Screened | None:
    score, error = _auc(label, values, order, size)
    least = best + MARGIN if timed else _TABLE_AUC
    if np.isnan(score) or score - _SURE * error <= best:
        return None
    later = _delayed(features, values) if timed and score > 0.5 + _EARLY else None
    delayed = float("nan") if later is None else _auc(label, later, order, size)[0]
    if later is not None and score - _SURE * error > 0.5 + _EARLY / 2 and delayed - 0.5 < (score - 0.5) / 2:
        return Screened(name, "one_bar_early", score, best, delayed)
    return Screened(name, "lone_column", score, best, delayed) if score > least else None


def _auc(label: Floats, values: Floats, order: Ints, size: int) -> tuple[float, float]:
    """ROC-AUC of either sign, and its standard error over blocks of rows; NaN with too few blocks."""
    placed = auc_placements(label, values)[order]
    placed = placed[~np.isnan(placed)]
    blocks = len(placed) // size
    if blocks < _FEWEST_BLOCKS:
        return float("nan"), float("nan")
    auc = float(placed.mean())
    means = placed[: blocks * size].reshape(blocks, size).mean(axis=1)
    return max(auc, 1 - auc), float(means.std(ddof=1) / np.sqrt(blocks))


def _best_naive(features: pd.DataFrame, label: Floats) -> float:
    best = 0.5
    for rule in naive_rules(features):
        if rule != "constant":
            said = naive_score(features, rule).to_numpy(dtype=np.float64)
            auc = float(np.nanmean(auc_placements(label, said))) if np.isfinite(said).any() else 0.5
            best = max(best, auc, 1 - auc)
            # A touch is a matter of how much prices move, in either direction.
            moved = pd.Series(np.abs(said))
            for length in (1, 12, 48):
                size = moved.rolling(length, min_periods=1).mean().to_numpy(dtype=np.float64)
                auc = float(np.nanmean(auc_placements(label, size))) if np.isfinite(size).any() else 0.5
                best = max(best, auc, 1 - auc)
    return best


def _delayed(features: pd.DataFrame, values: Floats) -> Floats:
    """The column as it was one bar before, of the same coin."""
    column = pd.Series(values, index=features.index)
    late = column.groupby(features["coin"].to_numpy()).shift(1) if "coin" in features.columns else column.shift(1)
    return np.asarray(late, dtype=np.float64)


def _time_order(features: pd.DataFrame) -> Ints:
    return np.argsort(features["timestamp"].to_numpy(), kind="stable").astype(np.int64)


def _block(features: pd.DataFrame, horizon: pd.Timedelta | None) -> int:
    """Rows of five horizons, all coins together."""
    times: pd.Series[Any] = features["timestamp"].drop_duplicates().sort_values()
    bar = times.diff().median()
    known = horizon is not None and not pd.isna(bar) and bool(bar)
    spans = (
        max(horizon.total_seconds() / pd.Timedelta(bar).total_seconds(), 1.0)
        if horizon is not None and known
        else 1.0
    )
    return max(round(5 * spans * len(features) / max(len(times), 1)), 1)
