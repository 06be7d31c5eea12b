"""What describes a verdict: rules and simple models beside it, months, coins, calibration, costs, a regime break."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from omc_agent.naming import metric_name, model_name
from omc_agent.tools.breakdown import by_part, compare_all, months
from omc_agent.tools.calibration import calibrate, calibrate_named
from omc_agent.tools.conditions import refusal, span_of
from omc_agent.tools.costs import back_of_envelope, cost_sentence
from omc_agent.tools.regime import regime_break
from omc_agent.tools.rule import DecisionRule, as_likelihood, naive_predictions

SIMPLE_PREFIX = "simple_"
NO_PART = "The parts below are description: none of them called the verdict."


def describe_sealed(
    sealed: pd.DataFrame,
    development: pd.DataFrame,
    rule: DecisionRule,
    *,
    target: str,
    threshold: float | None = None,
    fees: float = 10.0,
    slippage: float = 0.0,
    simple: str = "",
    lift: float = 0.0,
    seed: int = 0,
) -> dict[str, Any]:
    """All that is shown beside a verdict, as plain JSON; nothing of it decides.

    Parameters
    ----------
    sealed : DataFrame (rows, ...)
        As for `verdict.call_verdict`, with ``simple_MODEL`` for each simple model, and `forward` (the return over the
        horizon) where there are prices.
    development : DataFrame (rows, ...)
        Out-of-fold rows of the chosen candidate.
    rule : DecisionRule
        The frozen rule.
    target, threshold
        Of the brief.
    fees, slippage : float
        Basis points a side.
    simple : str
        The simple model that decides whether complexity pays; empty when the choice is one itself.
    lift : float
        What the claimed score owes to the best of all trials.
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    dict
        ``beside``, ``months``, ``coins``, ``calibration``, ``costs``, ``simple``, ``regime_break`` and ``sentences``.
        Empty where the rows cannot be scored.

    Examples
    --------
    >>> from omc_agent.tools.rule import freeze_rule
    >>> rows = pd.DataFrame({"target": [0.0, 1.0] * 50, "prediction": [0.2, 0.8] * 50})
    >>> rule = freeze_rule(rows, task="classification", horizon=None)
    >>> [row["name"] for row in describe_sealed(rows, rows, rule, target="sold")["beside"]]
    ['constant']
    """
    named = calibrate_named(sealed, development)
    sealed, development = as_likelihood(sealed), as_likelihood(development)
    rows = sealed[sealed["target"].notna() & sealed["prediction"].notna()]
    said = naive_predictions(rows, rule.task, rule.base, span_of(rule))
    if refusal(rows, said, rule):
        return {}
    shared = said[rule.reference].notna()
    rows, said = rows[shared], said[shared]
    past = development[development["target"].notna() & development["prediction"].notna()]
    before = naive_predictions(past, rule.task, rule.base, span_of(rule))
    reference = said[rule.reference]
    others = {
        name.removeprefix(SIMPLE_PREFIX): rows[name]
        for name in rows.columns
        if name.startswith(SIMPLE_PREFIX) and rows[name].notna().any()
    }
    found: dict[str, Any] = {"beside": compare_all(rows, said, others, rule, seed), "simple": simple}
    timed = "timestamp" in rows.columns
    found["months"] = by_part(rows, reference, months(rows), rule.task) if timed else []
    found["coins"] = by_part(rows, reference, rows["coin"], rule.task) if "coin" in rows.columns else []
    base = rule.base if rule.metric == "roc_auc" and isinstance(rule.base, float) else None
    found["calibration"] = calibrate(rows["target"], rows["prediction"], base) if base is not None else named
    found["costs"] = {}
    if timed and rule.horizon:
        found["costs"] = back_of_envelope(
            rows, target=target, horizon=rule.horizon, threshold=threshold, fees=fees, slippage=slippage
        )
    level = rule.reference if rule.task == "regression" else "constant"
    path = by_part(past, before[rule.reference], months(past), rule.task) + found["months"] if timed else []
    found["regime_break"] = regime_break(
        rows, past, (before[level], said[level]), rule, lift=lift, by_month=path, seed=seed
    )
    found["sentences"] = [text for text in _sentences(found, rule) if text]
    return found


def simple_sentence(found: Mapping[str, Any], metric: str) -> str:
    """Whether complexity pays: the simple model and the gain over it, with its interval; "" where there is none.

    Examples
    --------
    >>> row = {"name": "logistic_regression", "score": 0.842, "difference": 0.006, "low": -0.003, "high": 0.015}
    >>> simple_sentence({"simple": "logistic_regression", "beside": [row]}, "roc_auc").partition("; ")[2]
    'the gain of +0.006 (-0.003 to +0.015) is within noise, so take the simple one.'
    """
    row = next((each for each in found.get("beside", ()) if each["name"] == found.get("simple")), None)
    if row is None or row["difference"] is None or row["score"] is None:
        return ""
    gain = f"{row['difference']:+.3f} ({row['low']:+.3f} to {row['high']:+.3f})"
    unit = "" if metric == "roc_auc" else f" {metric_name(metric)}"
    gain += {"mae_skill": " of its error", "log_loss_skill": " of its log loss"}.get(metric, "")
    first = f"A plain {model_name(row['name'])} scores {row['score']:.3f}{unit}"
    if row["low"] > 0:
        return f"{first}; the gain of {gain} over it is more than noise, so complexity pays here."
    if row["high"] < 0:
        return f"{first}; the difference of {gain} says that it is the better one: take the simple one."
    return f"{first}; the gain of {gain} is within noise, so take the simple one."


def _sentences(found: Mapping[str, Any], rule: DecisionRule) -> list[str]:
    said = [
        simple_sentence(found, rule.metric),
        str(found["regime_break"]),
        cost_sentence(found["costs"], _iso(rule)),
    ]
    if measured := found["calibration"]:
        side = "better" if measured["brier"] < measured["base_brier"] else "not better"
        of = " of the class that it names" if measured.get("named") else ""
        said.append(
            f"Its probabilities{of} miss by {measured['error']:.3f} in the mean (expected calibration error); the "
            f"Brier score is {measured['brier']:.4f}, {side} than the base rate's {measured['base_brier']:.4f}."
        )
    return said


def _iso(rule: DecisionRule) -> str:
    """The horizon in the short form; pandas writes every unit."""
    span = span_of(rule)
    return {pd.Timedelta("1h"): "PT1H", pd.Timedelta("1D"): "P1D"}.get(span, "") if span is not None else ""
