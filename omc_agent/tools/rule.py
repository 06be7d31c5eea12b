"""The decision rule, frozen before the holdout is opened: metric, reference, alpha, delta, block length.

Everything here reads development rows only, or compares predictions that are handed in. The verdict itself is
called in `verdict`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from omc_agent.errors import DataError
from omc_agent.tools.bootstrap import (
    LEAST_BLOCKS,
    block_interval,
    block_length,
    block_means,
    horizon_bars,
    mean_by_time,
)
from omc_agent.tools.class_metrics import class_columns, likelihood, prior_table, skill_values
from omc_agent.tools.grouping import group_of, mean_by_group
from omc_agent.tools.metrics import Scored, score_frame, score_rows
from omc_agent.tools.naive import naive_rules, naive_score
from omc_agent.tools.targets import parse_horizon

ALPHA = 0.025
# Three outcomes are seen at each opening, so the next one's level is a third.
ALPHA_SHRINKS = 3
DELTA_AUC, DELTA_CLOSE, DELTA_SKILL = 0.05, 0.02, 0.02
METRIC = {"classification": "roc_auc", "multiclass": "log_loss_skill", "regression": "mae_skill"}
# From this reference AUC on, five points more would be asking for the impossible.
PERSISTENT_AUC = 0.70


@dataclass(frozen=True)
class DecisionRule:
    """What is fixed before a sealed row is read.

    Attributes
    ----------
    task, metric : str
        ``classification`` with ``roc_auc``, ``multiclass`` with ``log_loss_skill`` (1 - log loss / log loss of the
        classes' shares), or ``regression`` with ``mae_skill`` (1 - MAE / MAE of reference).
    reference : str
        The naive rule that decides.
    base : float or tuple of float
        Base rate or median of the development targets; of more than two classes their shares.
    alpha : float
        One-sided level at this opening.
    delta : float
        The edge that would be worth having, in units of the metric.
    horizon : str or None
        From decision to label; None for rows without time.
    blocks : str
        The rule for the block length.
    """

    task: str
    metric: str
    reference: str
    base: float | tuple[float, ...]
    alpha: float
    delta: float
    horizon: str | None
    blocks: str = "L0 = max(5 horizons, Politis-White), at least 20 of them"

    def to_dict(self) -> dict[str, Any]:
        """All fields, ready for JSON and for a fingerprint."""
        return asdict(self)


def freeze_rule(
    development: pd.DataFrame,
    *,
    task: str,
    horizon: str | timedelta | None,
    opened: int = 1,
    seed: int = 0,
) -> DecisionRule:
    """Choose the reference and the levels from development rows alone.

    Parameters
    ----------
    development : DataFrame (rows, ...)
        Out-of-fold rows: `target`, `naive_last` and `naive_day` where there is time, `timestamp`, `fold`.
    task : str
        ``classification`` or ``regression``.
    horizon : str or timedelta or None
        From decision to label; None for a table without time.
    opened : int
        Which opening of (overlapping) sealed rows this is, from 1.
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    DecisionRule

    Raises
    ------
    DataError
        ``data.too_few_rows`` when no development row has a target.

    Notes
    -----
    The reference is the constant, unless a naive rule's out-of-fold score has its own 95 % interval above the
    constant's; then the best such rule. The best rule *on the holdout* would be a winner's-curse reference:
    it halves the power. alpha of the k-th opening is 0.025 / 3^(k-1), so that all openings together stay
    below 0.0375. delta is 0.05 AUC, 0.02 where the reference exceeds 0.70, and 0.02 skill for regression.

    Examples
    --------
    >>> rule = freeze_rule(
    ...     pd.DataFrame({"target": [0.0, 1.0] * 50}), task="classification", horizon=None, opened=2
    ... )
    >>> rule.reference, round(rule.alpha, 4), rule.delta
    ('constant', 0.0083, 0.05)
    """
    rows = as_likelihood(development[development["target"].notna()])
    task = kind_of(rows, task)
    if rows.empty:
        raise DataError(
            "data.too_few_rows",
            given="No development row has a target.",
            have=f"There are {len(development)} development rows.",
            try_="Try a longer span.",
        )
    span = None if horizon is None else parse_horizon(horizon)
    base = _base(rows, task)
    said = naive_predictions(rows, task, base, span)
    reference, best = "constant", 0.5 if task == "classification" else 0.0
    for rule in said.columns.drop("constant"):
        found = compare(rows, said[rule], said["constant"], task)
        if math.isnan(found.score):
            continue
        series = block_series(found.values, rows)
        low = block_interval(series, horizon_bars(_times(rows), span), ALPHA, seed=seed).low
        level = found.score + (0.5 if task == "classification" else 0.0)
        if low > 0 and level > best:
            reference, best = str(rule), level
    close = DELTA_CLOSE if best > PERSISTENT_AUC else DELTA_AUC
    return DecisionRule(
        task=task,
        metric=METRIC[task],
        reference=reference,
        base=base,
        alpha=ALPHA / ALPHA_SHRINKS ** (opened - 1),
        delta=close if task == "classification" else DELTA_SKILL,
        horizon=None if span is None else span.isoformat(),
    )


def kind_of(rows: pd.DataFrame, task: str) -> str:
    """The task, and ``multiclass`` where the rows hold probabilities of more than two classes.

    Examples
    --------
    >>> kind_of(pd.DataFrame(columns=["p_0", "p_1", "p_2"]), "classification")
    'multiclass'
    """
    return "multiclass" if task != "regression" and class_columns(rows) else task


def as_likelihood(rows: pd.DataFrame) -> pd.DataFrame:
    """Of more than two classes: `prediction`, and what else has probabilities, as that of the class that occurred.

    A log loss needs no more, so the rest of the rule works on one column, as it does for two classes.

    Examples
    --------
    >>> rows = pd.DataFrame({"target": [1.0], "prediction": [0.0], "p_0": [0.5], "p_1": [0.25], "p_2": [0.25]})
    >>> as_likelihood(rows)["prediction"].tolist()
    [0.25]
    """
    if not class_columns(rows):
        return rows
    others = [str(name).removesuffix("_p_0") for name in rows.columns if str(name).endswith("_p_0")]
    found = {name: likelihood(rows, f"{name}_p_") for name in others}
    spread = [column for name in others for column in class_columns(rows, f"{name}_p_")]
    return rows.drop(columns=spread).assign(prediction=likelihood(rows), **found)


def block_series(values: NDArray[np.float64], rows: pd.DataFrame) -> NDArray[np.float64]:
    """Values to resample in blocks: a mean at each time, else of each group, else each row.

    Examples
    --------
    >>> block_series(np.array([0.0, 1.0]), pd.DataFrame({"target": [0.0, 1.0]})).tolist()
    [0.0, 1.0]
    """
    group = group_of(rows)
    if _times(rows) is None and group is not None:
        return mean_by_group(values, group)
    return mean_by_time(values, _times(rows))


def _base(rows: pd.DataFrame, task: str) -> float | tuple[float, ...]:
    if task == "multiclass":
        return tuple(float(share) for share in prior_table(rows["target"], len(class_columns(rows))))
    return float(rows["target"].median() if task == "regression" else rows["target"].mean())


def naive_predictions(
    rows: pd.DataFrame, task: str, base: float | tuple[float, ...], horizon: pd.Timedelta | None
) -> pd.DataFrame:
    """What each naive rule that the frame can follow says of each row: a column per rule.

    Examples
    --------
    >>> rows = pd.DataFrame({"naive_last": [0.1], "target": [1.0]})
    >>> naive_predictions(rows, "classification", 0.5, None).to_dict("list")
    {'constant': [0.5], 'last': [0.1], 'reversal': [-0.1]}
    """
    if isinstance(base, tuple):
        shares = {f"p_{code}": share for code, share in enumerate(base)}
        return pd.DataFrame({"constant": likelihood(rows[["target"]].assign(**shares))}, index=rows.index)
    said = {rule: naive_score(rows, rule, task, base, horizon) for rule in naive_rules(rows)}
    if task == "regression" and "naive_constant" in rows.columns:
        said["constant"] = rows["naive_constant"].astype("float64")
    return pd.DataFrame(said, index=rows.index)


def compare(rows: pd.DataFrame, one: pd.Series[Any], other: pd.Series[Any], task: str) -> Scored:
    """How much better `one` predicts than `other`, on the rows where both say something.

    Parameters
    ----------
    rows : DataFrame (n, ...)
        `target`, and `fold` where scores must stay within folds.
    one, other : Series (n,)
        Predictions, in the order of `rows`.
    task : str
        ``classification``: AUC minus AUC. ``regression``: 1 - MAE / MAE of `other`. ``multiclass``: 1 - log loss /
        log loss of `other`, both the probability given to the class that occurred.

    Returns
    -------
    Scored
        The difference, positive when `one` is better, and its values per row.

    Examples
    --------
    >>> rows = pd.DataFrame({"target": [0.0, 1.0]})
    >>> compare(rows, pd.Series([0.1, 0.9]), pd.Series([0.5, 0.5]), "classification").score
    0.5
    """
    both = rows.assign(
        one=np.where(other.notna().to_numpy(), one.to_numpy(), np.nan),
        naive_constant=other.to_numpy(),
        other=np.where(one.notna().to_numpy(), other.to_numpy(), np.nan),
    )
    if task == "regression":
        return score_frame("mae_skill", both, "one")
    if task == "multiclass":
        return _log_loss_skill(both)
    mine, theirs = score_frame("roc_auc", both, "one"), score_frame("roc_auc", both, "other")
    return Scored(mine.score - theirs.score, mine.values - theirs.values)


def _log_loss_skill(both: pd.DataFrame) -> Scored:
    values = np.full(len(both), np.nan)
    known = both["one"].notna().to_numpy() & both["target"].notna().to_numpy()
    fold = both["fold"].to_numpy() if "fold" in both.columns else np.zeros(len(both))
    for each in pd.unique(fold):
        here = known & (fold == each)
        if here.any():
            one, other = (-np.log(both[name].to_numpy(dtype=np.float64)[here]) for name in ("one", "other"))
            values[here] = skill_values(one, other)
    counted = values[~np.isnan(values)]
    return Scored(float(counted.mean()) if len(counted) else float("nan"), values)


def trials_lift(
    trials: Sequence[pd.DataFrame],
    *,
    task: str,
    horizon: str | timedelta | None,
    reference: pd.Series[Any] | None = None,
    seed: int = 0,
) -> float:
    """By how much the best of several trials looks better than it is, when all are equally good.

    Parameters
    ----------
    trials : list of DataFrame
        Out-of-fold frames of all trials on the same rows: `target`, `prediction`, and `timestamp`, `fold`.
    task : str
        ``classification`` (lift of ROC-AUC), ``regression`` (of mae_skill), or ``multiclass`` (of log_loss_skill;
        `prediction` is the probability given to the class that occurred).
    horizon : str or timedelta or None
        From decision to label.
    reference : Series, optional
        For regression: the reference's prediction, by index label.
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    float
        Mean over 2,000 draws of the largest deviation of a trial from its own mean; all trials are resampled
        with the same blocks. 0.0 for one trial, and where fewer than two rows are common to all.

    Examples
    --------
    >>> oof = pd.DataFrame({"target": [0.0, 1.0] * 20, "prediction": [0.1, 0.9] * 20})
    >>> trials_lift([oof], task="classification", horizon=None)
    0.0
    """
    if len(trials) < 2:
        return 0.0
    span = None if horizon is None else parse_horizon(horizon)
    columns = [_trial_series(trial, task, reference) for trial in trials]
    table = pd.concat(columns, axis=1, join="inner").dropna().sort_index()
    if len(table) < 2:
        return 0.0
    times = pd.Series(table.index) if "timestamp" in trials[0].columns else None
    bars = horizon_bars(times, span)
    x = table.to_numpy(dtype=np.float64)
    longest = max(block_length(x[:, k]) for k in range(x.shape[1]))
    wanted = 1 if bars is None else max(5 * bars, math.ceil(longest))
    block = max(1, min(wanted, len(x) // LEAST_BLOCKS))
    return float((block_means(x, block, seed=seed) - x.mean(axis=0)).max(axis=1).mean())


def _trial_series(trial: pd.DataFrame, task: str, reference: pd.Series[Any] | None) -> pd.Series[Any]:
    """A trial's values by time, or by row where there is no time."""
    if task == "multiclass":
        shares = likelihood_of_shares(trial["target"]) if reference is None else reference.reindex(trial.index)
        values = compare(trial, trial["prediction"], shares, task).values
    elif task == "regression":
        beside = trial["target"].median() if reference is None else reference.reindex(trial.index)
        values = score_frame("mae_skill", trial.assign(naive_constant=beside)).values
    else:
        values = score_frame("roc_auc", trial).values
    if "timestamp" not in trial.columns:
        return pd.Series(values, index=trial.index)
    return pd.Series(values).groupby(trial["timestamp"].array).mean()


def likelihood_of_shares(target: pd.Series[Any]) -> pd.Series[Any]:
    """What the classes' own shares give to the class that occurred.

    Examples
    --------
    >>> likelihood_of_shares(pd.Series([0.0, 1.0, 1.0, 2.0])).tolist()
    [0.25, 0.5, 0.5, 0.25]
    """
    return target.map(target.value_counts(normalize=True))


def brier(target: pd.Series[Any], probability: pd.Series[Any]) -> float:
    """Mean squared error of probabilities; NaN when a value is no probability.

    Examples
    --------
    >>> brier(pd.Series([0.0, 1.0]), pd.Series([0.5, 0.5]))
    0.25
    """
    known = probability.dropna()
    if bool(((known < 0) | (known > 1)).any()):
        return float("nan")
    return score_rows("brier", target, probability).score


def _times(rows: pd.DataFrame) -> pd.Series[Any] | None:
    return rows["timestamp"] if "timestamp" in rows.columns else None
