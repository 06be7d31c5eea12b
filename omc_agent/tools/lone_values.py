"""What one column alone says of a target, rows at hand never used for their own forecast: numbers and categories."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from omc_agent.tools.bars import Floats, Ints, is_number
from omc_agent.tools.naive import naive_rules, naive_score

_BINS = 32
_PARTS = 10
_FEWEST_BLOCKS = 10


def parts_of(order: Ints, timed: bool, seed: int = 0) -> Ints:
    """Ten parts of the rows: stretches of time, or at random where there is none.

    Examples
    --------
    >>> parts_of(np.arange(20), timed=True)[[0, 1, 19]].tolist()
    [0, 0, 9]
    """
    place = np.empty(len(order), dtype=np.int64)
    place[order if timed else np.random.default_rng(seed).permutation(len(order))] = np.arange(len(order))
    return place * _PARTS // max(len(order), 1)


def forecast_alone(column: pd.Series[Any], label: Floats, parts: Ints, middle: str = "mean") -> Floats:
    """A forecast of each row's target from one column, learned on the other parts.

    Parameters
    ----------
    column : Series (rows,)
        Numbers are cut into 32 bins, or laid on a line where that errs less; other values stand for themselves.
    label : array (rows,)
        The target; NaN rows teach nothing.
    parts : int64 array (rows,)
        From `parts_of`.
    middle : str
        ``mean`` or ``median`` of the targets of equal values.

    Returns
    -------
    array (rows,)
        A value not seen elsewhere gets the middle of all targets; NaN where a number is.

    Examples
    --------
    >>> kinds = pd.Series(["a", "b"] * 10)
    >>> forecast_alone(kinds, np.array([0.0, 1.0] * 10), np.arange(20) % 10)[:2].tolist()
    [0.0, 1.0]
    """
    if not is_number(column):
        code = pd.factorize(column.astype(object).where(column.notna(), None).map(str))[0].astype(np.int64)
        return _by_value(code, label, parts, middle)
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    known = np.isfinite(values)
    edges = np.unique(np.quantile(values[known], np.linspace(0, 1, _BINS + 1)[1:-1])) if known.any() else np.array([])
    binned = _by_value(np.searchsorted(edges, values, side="left").astype(np.int64), label, parts, middle)
    line = _on_line(values, label, parts)
    best = line if _error(line, label) < _error(binned, label) else binned
    return np.where(known, best, np.nan)


def _by_value(code: Ints, label: Floats, parts: Ints, middle: str) -> Floats:
    said = np.full(len(label), np.nan)
    for part in np.unique(parts):
        learn = (parts != part) & ~np.isnan(label)
        known = pd.Series(label[learn])
        said_of = known.groupby(code[learn]).agg(middle)
        rest = float(known.agg(middle)) if len(known) else np.nan
        held = parts == part
        said[held] = pd.Series(code[held]).map(said_of).fillna(rest).to_numpy()
    return said


def _on_line(values: Floats, label: Floats, parts: Ints) -> Floats:
    said = np.full(len(label), np.nan)
    for part in np.unique(parts):
        learn = (parts != part) & np.isfinite(values) & ~np.isnan(label)
        x, y = values[learn], label[learn]
        spread = float(x.var()) if len(x) else 0.0
        slope = float(((x - x.mean()) * (y - y.mean())).mean() / spread) if spread else 0.0
        said[parts == part] = (values[parts == part] - x.mean()) * slope + y.mean() if len(x) else np.nan
    return said


def _error(said: Floats, label: Floats) -> float:
    away = np.abs(said - label)
    return float(np.nanmean(away)) if np.isfinite(away).any() else np.inf


def naive_errors(features: pd.DataFrame, label: Floats, parts: Ints) -> Floats:
    """Absolute errors of the best naive rule, each row: as it stands, or fitted to the target as a column is.

    The last value counts with its mean over 12 and 48 rows too: a smoothed last value is known to anybody.

    Examples
    --------
    >>> rows = pd.DataFrame({"size": [1.0, 2.0] * 10, "target": [0.0, 1.0] * 10})
    >>> naive_errors(rows, rows["target"].to_numpy(), np.arange(20) % 10).max().item()
    1.0
    """
    constant = _by_value(np.zeros(len(label), dtype=np.int64), label, parts, "median")
    said = [constant]
    for rule in naive_rules(features):
        if rule != "constant":
            raw = naive_score(features, rule, "regression")
            said += [raw.to_numpy(dtype=np.float64), forecast_alone(raw, label, parts, "median")]
            for length in (12, 48):
                smooth = raw.abs().rolling(length, min_periods=1).mean()
                said.append(forecast_alone(smooth, label, parts, "median"))
    filled = [np.where(np.isnan(one), constant, one) for one in said]
    return np.abs(min(filled, key=lambda one: _error(one, label)) - label)


def error_skill(errors: Floats, best: Floats, order: Ints, size: int) -> tuple[float, float]:
    """By how much errors are smaller than those of the best naive rule, and the standard error over blocks of rows.

    Returns
    -------
    skill, error : float
        1 - MAE / MAE of the naive rule on the same rows; NaN with fewer than ten blocks.

    Examples
    --------
    >>> error_skill(np.zeros(20), np.ones(20), np.arange(20), 2)
    (1.0, 0.0)
    """
    gain, scale = (best - errors)[order], best[order]
    known = np.isfinite(gain)
    gain, scale = gain[known], scale[known]
    blocks = len(gain) // size
    if blocks < _FEWEST_BLOCKS or not scale.mean():
        return float("nan"), float("nan")
    skill = float(gain.mean() / scale.mean())
    away = (gain - skill * scale)[: blocks * size] / scale.mean()  # the linearised ratio of two means
    means = away.reshape(blocks, size).mean(axis=1)
    return skill, float(means.std(ddof=1) / np.sqrt(blocks))
