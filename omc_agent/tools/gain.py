"""Whether a search was worth it: the tuned and the untuned model on the same rows of the same folds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from omc_agent.naming import metric_name
from omc_agent.tools.bootstrap import block_interval, horizon_bars, mean_by_time
from omc_agent.tools.metrics import HIGHER_IS_BETTER, REFERENCE, score_frame


def tuning_gain(
    untuned: pd.DataFrame,
    tuned: pd.DataFrame,
    metric: str,
    horizon: pd.Timedelta | None = None,
    trials: int = 2,
    seed: int = 0,
) -> dict[str, Any]:
    """What the best trial is ahead of the defaults, row by row on the same folds.

    Parameters
    ----------
    untuned, tuned : DataFrame (rows, ...)
        Out-of-fold rows of both, of the same frame and folds: `target`, `prediction`, `fold`, and `timestamp` where
        there is time.
    metric : str
        See ``metrics.HIGHER_IS_BETTER``.
    horizon : Timedelta, optional
        From decision to label.
    trials : int
        How many parameter sets the best was taken from, the defaults among them.
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    dict
        ``score`` (tuned minus untuned, positive is better), ``low``, ``high``, ``alpha`` (one-sided), ``real``
        (whether `low` is above zero) and ``text``, a sentence. Ready for JSON.

    Notes
    -----
    Paired: the interval is of the difference, by `bootstrap.block_interval`. The best of several is ahead by luck
    alone, so the level is shared among the trials (Bonferroni): ``alpha = 0.025 / (trials - 1)``. For metrics that
    need a reference the mean absolute errors are compared: both have the same reference.

    Examples
    --------
    >>> rows = pd.DataFrame({"target": [0.0, 1.0] * 50, "prediction": [0.4, 0.6] * 50, "fold": 1})
    >>> found = tuning_gain(rows, rows, "accuracy")
    >>> found["real"], found["text"]
    (False, 'No gain: the best of 2 trials scores as the defaults do, so the untuned model is kept.')
    """
    metric = {"log_loss_skill": "log_loss"}.get(metric, "mae") if metric in REFERENCE else metric
    sign = 1.0 if HIGHER_IS_BETTER.get(metric, True) else -1.0
    ahead = sign * (score_frame(metric, tuned).values - score_frame(metric, untuned).values)
    times = tuned["timestamp"] if "timestamp" in tuned.columns else None
    alpha = 0.025 / max(trials - 1, 1)
    found = block_interval(mean_by_time(ahead, times), horizon_bars(times, horizon), alpha, seed=seed)
    real = bool(found.low > 0)
    gain = {"score": found.mean, "low": found.low, "high": found.high, "alpha": alpha, "real": real}
    return gain | {"text": _sentence(gain, metric, trials)}


def no_gain(trials: int) -> dict[str, Any]:
    """The gain of a search whose defaults were best.

    Examples
    --------
    >>> no_gain(8)["text"]
    'No gain: none of 7 other settings beat the defaults, so the untuned model is kept.'
    """
    text = f"No gain: none of {trials - 1} other settings beat the defaults, so the untuned model is kept."
    if trials == 2:
        text = "No gain: the one other setting did not beat the defaults, so the untuned model is kept."
    elif trials == 1:
        text = "Only the defaults were tried."
    return {"score": 0.0, "low": 0.0, "high": 0.0, "alpha": 0.025, "real": False, "text": text}


def _sentence(gain: Mapping[str, Any], metric: str, trials: int) -> str:
    ahead = f"{metric_name(metric)} {gain['score']:+.4f} [{gain['low']:+.4f}, {gain['high']:+.4f}]"
    if gain["real"]:
        return f"Tuning gained beyond noise, on the same folds: {ahead}."
    if gain["score"] == gain["low"] == 0:
        return f"No gain: the best of {trials} trials scores as the defaults do, so the untuned model is kept."
    return (
        f"No gain beyond noise, so the untuned model is kept: {ahead} on the same folds, the best of {trials} trials."
    )
