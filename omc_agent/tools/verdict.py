"""The verdict: whether a frozen candidate, on rows that nobody had seen, beats what anybody could say.

Only this code calls a verdict. It reads predictions and the host's own labels, never a model's opinion.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from omc_agent.tools.bars import epoch_us
from omc_agent.tools.bootstrap import Interval
from omc_agent.tools.conditions import at_least_as_good, failed_conditions, paired, refusal, span_of
from omc_agent.tools.metrics import score_rows
from omc_agent.tools.power import standard_errors
from omc_agent.tools.rule import (
    DecisionRule,
    as_likelihood,
    compare,
    freeze_rule,
    kind_of,
    naive_predictions,
    trials_lift,
)
from omc_agent.tools.verdict_words import explain

__all__ = ["Verdict", "call_verdict", "explain"]
_MICROSECONDS_A_DAY = 86_400_000_000


class Verdict(BaseModel):
    """The verdict and what it stands on. Scores are null where nothing could be, or may be, scored.

    Attributes
    ----------
    call : str or None
        ``edge``, ``no_edge``, ``inconclusive``; None on a leak, or when the replay differs.
    reason : str
        A code, and after a colon what it means here: ``edge``, ``ruled_out``, ``wide_interval``,
        ``too_few_blocks``, ``refused``, ``leak``, ``replay``, or the conditions that kept an interval above
        zero from being an edge: ``development``, ``naive``, ``proper_score``.
    metric, score, reference, reference_score
        ``roc_auc``, or ``mae_skill`` against the reference (whose own skill is 0); the naive rule that decides.
    low, high : float
        Interval of score minus reference_score, positive is better, one-sided level `alpha` at each end.
    alpha, delta : float
        The level at this opening; the edge that would be worth having.
    block, blocks : int
        L0, the block length that the dependence asks for, in rows (times, for several coins), and how many
        whole ones the holdout holds. Below 20 the call is ``inconclusive``.
    smallest_edge : float
        The edge that this holdout would find four times in five at `alpha`: 2.8 standard errors at the first opening.
    claimed, claimed_deflated : float
        Walk-forward score of the candidate; and less the luck of the best of all trials.
    trials, opened : int
        Candidates tried on development; openings of these rows, this one included.
    beats : dict
        Whether the candidate's sealed score is at least that of each naive rule (points), and beyond that of
        the simple model by more than noise, where one was given.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    call: Literal["edge", "no_edge", "inconclusive"] | None
    reason: str
    metric: str
    score: float | None = None
    reference: str
    reference_score: float | None = None
    low: float | None = None
    high: float | None = None
    alpha: float
    delta: float
    block: int | None = None
    blocks: int | None = None
    smallest_edge: float | None = None
    claimed: float | None = None
    claimed_deflated: float | None = None
    trials: int
    opened: int
    beats: dict[str, bool] = {}


def call_verdict(
    sealed: pd.DataFrame,
    development: pd.DataFrame,
    *,
    task: str,
    horizon: str | timedelta | None,
    claimed: float | None,
    trials: int,
    opened: int = 1,
    leak: bool = False,
    replay_ok: bool = True,
    seed: int = 0,
    oof_trials: Sequence[pd.DataFrame] | None = None,
    rule: DecisionRule | None = None,
) -> Verdict:
    """Call the verdict on one opening of the holdout.

    Parameters
    ----------
    sealed : DataFrame (rows, ...)
        The opened rows: `target` (the host's labels), `prediction`, and where there is time `timestamp` (UTC),
        `coin`, `naive_last`, `naive_day`; optionally `naive_constant` (regression) and `simple`, the
        prediction of the simple model. Rows with a NaN target or prediction do not count.
    development : DataFrame (rows, ...)
        Out-of-fold rows of the chosen candidate: `target`, `prediction`, `fold`, `timestamp`, `naive_last`,
        `naive_day`.
    task : str
        ``classification`` (0.0/1.0; `prediction` is a probability) or ``regression``.
    horizon : str or timedelta or None
        From decision to label; None for a table without time, whose blocks are single rows.
    claimed : float or None
        Walk-forward ROC-AUC of the candidate; None computes it from `development`. For regression it always
        is, because a skill against another reference cannot be compared.
    trials : int
        How many candidates were tried.
    opened : int
        Which opening of these rows this is, over all runs.
    leak, replay_ok : bool
        Whether a leak was found, on development or on the sealed replay; whether the replay gave the recorded
        development rows back.
    seed : int
        Seed of the bootstrap.
    oof_trials : list of DataFrame, optional
        Out-of-fold frames of all trials, for `claimed_deflated`.
    rule : DecisionRule, optional
        What `rule.freeze_rule` gave for the same arguments before the holdout was opened; made here otherwise.

    Returns
    -------
    Verdict

    Raises
    ------
    DataError
        ``data.too_few_rows`` when no development row has a target.

    Notes
    -----
    ``edge`` when all six hold: (a) low > 0; (b) the development out-of-fold score is above every naive rule's;
    (c) the sealed score is at least every naive rule's; (d) the Brier score is better than the development
    base rate's (regression: MAE better than the constant's); (e) no leak, and the replay reproduces; (f) at
    least 20 blocks of L0 fit. ``no_edge`` when not edge, (f) holds and difference + t(.95) SE < delta.
    ``inconclusive`` otherwise. A leak, or a replay that differs, is no verdict: ``call`` is None.

    Examples
    --------
    >>> rows = pd.DataFrame({"target": [0.0, 1.0] * 100, "prediction": [0.2, 0.8] * 100})
    >>> call_verdict(rows, rows, task="classification", horizon=None, claimed=1.0, trials=1).call
    'edge'
    """
    task = kind_of(development, task)
    sealed, development = as_likelihood(sealed), as_likelihood(development)
    rule = rule or freeze_rule(development, task=task, horizon=horizon, opened=opened, seed=seed)
    stated = _development_score(development, rule) if claimed is None or task != "classification" else claimed
    lift = _lift(oof_trials, development, rule, seed)
    known: dict[str, Any] = {
        "metric": rule.metric,
        "reference": rule.reference,
        "alpha": rule.alpha,
        "delta": rule.delta,
        "claimed": _number(stated),
        "claimed_deflated": None if lift is None else _number(stated - lift),
        "trials": trials,
        "opened": opened,
    }
    if leak or not replay_ok:
        return Verdict(call=None, reason="leak" if leak else "replay", **known)
    rows = sealed[sealed["target"].notna() & sealed["prediction"].notna()]
    said = naive_predictions(rows, task, rule.base, span_of(rule))
    problem = refusal(rows, said, rule)
    if problem:
        return Verdict(call="inconclusive", reason=f"refused: {problem}", **known)
    return _decide(rows, said, development, rule, known, seed)


def _decide(
    rows: pd.DataFrame,
    said: pd.DataFrame,
    development: pd.DataFrame,
    rule: DecisionRule,
    known: dict[str, Any],
    seed: int,
) -> Verdict:
    shared = said[rule.reference].notna()
    rows, said = rows[shared], said[shared]
    times = rows["timestamp"] if "timestamp" in rows.columns else None
    interval = paired(rows, rows["prediction"], said[rule.reference], rule, seed)
    beats = {name: at_least_as_good(rows, said[name], rule.task) for name in said.columns}
    failed = failed_conditions(rows, said, development, rule, beats)
    call, reason = _call(interval, rule, failed, times, "groups" if "row_group" in rows.columns else "rows")
    # A choice that is the simple model itself has no second line to be measured against.
    if "simple" in rows.columns and rows["simple"].notna().any() and not _same(rows):
        beats["simple_model"] = paired(rows, rows["prediction"], rows["simple"], rule, seed).low > 0
    reference_score = 0.0 if rule.task != "classification" else _auc(rows["target"], said[rule.reference])
    return Verdict(
        call=call,
        reason=reason,
        score=reference_score + interval.mean,
        reference_score=reference_score,
        low=interval.low,
        high=interval.high,
        block=interval.wanted_block,
        blocks=interval.n // interval.wanted_block,
        smallest_edge=standard_errors(rule.alpha) * interval.se,
        beats=beats,
        **known,
    )


def _same(rows: pd.DataFrame) -> bool:
    return bool(np.allclose(rows["prediction"], rows["simple"], rtol=0, atol=1e-12, equal_nan=True))


def _call(
    interval: Interval, rule: DecisionRule, failed: list[str], times: pd.Series[Any] | None, unit: str = "rows"
) -> tuple[Literal["edge", "no_edge", "inconclusive"], str]:
    """Conditions (a) and (f), and the three calls."""
    if not interval.enough:
        needs = _amount(20 * interval.wanted_block, times, unit)
        return (
            "inconclusive",
            f"too_few_blocks: the holdout has {_amount(interval.n, times, unit)} and needs {needs}",
        )
    if interval.low > 0 and not failed:
        return "edge", "edge"
    if interval.upper(0.05) < rule.delta:
        return "no_edge", "ruled_out"
    if interval.low > 0:
        return "inconclusive", f"{failed[0]}: {', '.join(failed)}"
    needs = _amount(
        math.ceil(interval.n * (standard_errors(rule.alpha) * interval.se / rule.delta) ** 2), times, unit
    )
    have = _amount(interval.n, times, unit)
    return (
        "inconclusive",
        f"wide_interval: the holdout has {have}; {needs} would find an edge of {rule.delta:g} four times in five",
    )


def _development_score(development: pd.DataFrame, rule: DecisionRule) -> float:
    rows = development[development["target"].notna() & development["prediction"].notna()]
    said = naive_predictions(rows, rule.task, rule.base, span_of(rule))
    name = "constant" if rule.task == "classification" else rule.reference
    found = compare(rows, rows["prediction"], said[name], rule.task).score
    return 0.5 + found if rule.task == "classification" else found


def _lift(
    trials: Sequence[pd.DataFrame] | None, development: pd.DataFrame, rule: DecisionRule, seed: int
) -> float | None:
    if not trials:
        return None
    beside = naive_predictions(development, rule.task, rule.base, span_of(rule))[rule.reference]
    # A kept trial is one column, already the probability of what occurred; a candidate's frame has all classes.
    trials = [as_likelihood(trial) for trial in trials]
    return trials_lift(trials, task=rule.task, horizon=rule.horizon, reference=beside, seed=seed)


def _auc(target: pd.Series[Any], score: pd.Series[Any]) -> float:
    return score_rows("roc_auc", target, score).score


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _amount(count: int, times: pd.Series[Any] | None, unit: str = "rows") -> str:
    """So many bars, and how many days that is; rows or groups for a table without time."""
    if times is None:
        return f"{count:,} {unit}"
    step = float(np.median(np.diff(np.unique(epoch_us(times)))))
    return f"{count:,} bars ({count * step / _MICROSECONDS_A_DAY:,.1f} days)"
