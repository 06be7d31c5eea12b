"""A regime break: what the model learned on development rows no longer holds on the sealed ones."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import pandas as pd

from omc_agent.tools.bootstrap import Interval, block_interval, horizon_bars, mean_by_time
from omc_agent.tools.conditions import span_of
from omc_agent.tools.rule import DecisionRule, compare

# One-sided 2.5 % of the difference of two independent means.
_NOISE = 1.96
# So many months in falling order come by chance one time in 120.
_LEAST_MONTHS = 5


def regime_break(
    sealed: pd.DataFrame,
    development: pd.DataFrame,
    references: tuple[pd.Series[Any], pd.Series[Any]],
    rule: DecisionRule,
    *,
    lift: float = 0.0,
    by_month: Sequence[Mapping[str, Any]] = (),
    seed: int = 0,
) -> str:
    """Whether the score fell from development to the sealed rows, or from month to month, beyond noise.

    Parameters
    ----------
    sealed, development : DataFrame
        Scored rows: `target`, `prediction`, `timestamp`; `fold` in development.
    references : tuple of Series
        What the constant (regression: the reference) says of the rows of each.
    rule : DecisionRule
        The frozen rule.
    lift : float
        What the claimed score owes to the best of all trials; taken off first.
    by_month : list of dict
        ``part`` and ``score`` in order, development before sealed.
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    str
        Sentences, or "" when nothing fell beyond noise.
    """
    if "timestamp" not in sealed.columns or "timestamp" not in development.columns:
        return ""
    base = 0.5 if rule.task == "classification" else 0.0
    before, after = (
        _level(rows, other, rule, seed) for rows, other in zip((development, sealed), references, strict=True)
    )
    said, noise = [], math.inf
    if before is not None and after is not None:
        noise = _NOISE * math.hypot(before.se, after.se)
        if before.mean - lift - after.mean > noise:
            claimed, fair = base + before.mean - lift, base + after.mean
            said.append(
                f"walk-forward claimed {claimed:.3f}, the sealed rows give {fair:.3f}, a fall of "
                f"{claimed - fair:.3f} where noise explains {noise:.3f}"
            )
    scores = [month["score"] for month in by_month if month["score"] is not None]
    falling = len(scores) >= _LEAST_MONTHS and all(b < a for a, b in pairwise(scores))
    if falling and scores[0] - scores[-1] > noise:
        said.append(f"the score fell in each of {len(scores)} months, from {scores[0]:.3f} to {scores[-1]:.3f}")
    if not said:
        return ""
    return f"What the model learned no longer holds: {'; '.join(said)}. The market may have changed in between."


def _level(rows: pd.DataFrame, other: pd.Series[Any], rule: DecisionRule, seed: int) -> Interval | None:
    series = mean_by_time(compare(rows, rows["prediction"], other, rule.task).values, rows["timestamp"])
    if len(series) < 2:
        return None
    return block_interval(series, horizon_bars(rows["timestamp"], span_of(rule)), rule.alpha, seed=seed)
