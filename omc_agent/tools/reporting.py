"""What a run says of itself: summary, comparison, recommendations, model card. Markdown, from facts only."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from omc_agent.brief import PRICE_TABLE, PRICE_TARGETS
from omc_agent.naming import metric_name, model_name, plain_name
from omc_agent.tools.advice import generate_recommendations
from omc_agent.tools.caveats import limits_of
from omc_agent.tools.evaluation import compare_models
from omc_agent.tools.metrics import HIGHER_IS_BETTER
from omc_agent.tools.page import markdown_table, render_report
from omc_agent.tools.verdict_words import explain

__all__ = [
    "create_comparison_report",
    "generate_recommendations",
    "generate_summary",
    "model_card",
    "render_report",
]

Fields = Mapping[str, Any]

_ASKED = {
    "direction": "whether the price of {coins} is higher {horizon} on",
    "threshold": "whether {coins} moves by {threshold} within {horizon}",
    "return": "the return of {coins} over {horizon}",
    "price": "the price of {coins} {horizon} on",
    "volatility": "the volatility of {coins} over {horizon}",
}


def generate_summary(brief: Fields, candidates: Sequence[Fields], verdict: Fields | None) -> str:
    """The run on one page.

    Parameters
    ----------
    brief : dict
        Fields of `omc_agent.brief.Brief`.
    candidates : list of dict
        What `cross_validate_model` returned first, for each.
    verdict : dict or None
        Fields of `verdict.Verdict`; None when nothing was predicted.

    Returns
    -------
    str
        Markdown: the verdict in words, what was asked and assumed, the candidates.

    Examples
    --------
    >>> print(generate_summary({"task": "analysis", "target": "direction", "coins": ["BTC"]}, [], None))
    ## Result
    <BLANKLINE>
    Nothing was predicted, so there is no verdict.
    <BLANKLINE>
    ## The question
    <BLANKLINE>
    An exploration of BTC.
    """
    headline, sentence = explain(verdict, brief) if verdict else ("", "")
    parts = ["## Result"]
    parts += [f"**{headline}**", sentence] if verdict else ["Nothing was predicted, so there is no verdict."]
    return "\n\n".join([*parts, what_was_tried(brief, candidates)])


def what_was_tried(brief: Fields, candidates: Sequence[Fields]) -> str:
    """The question as it was read, and the candidates: the summary without its result.

    Parameters
    ----------
    brief : dict
        Fields of `omc_agent.brief.Brief`.
    candidates : list of dict
        What `cross_validate_model` returned first, for each.

    Returns
    -------
    str
        Markdown.
    """
    parts = ["## The question", _question(brief)]
    if notes := _notes(brief):
        parts.append("\n".join(f"- {note}" for note in notes))
    if candidates:
        parts += ["## What was tried", _candidates_line(candidates)]
        parts.append(markdown_table(_for_readers(candidates)))
        if apart := _apart(candidates):
            parts.append("\n".join(f"- {line}" for line in apart))
    return "\n\n".join(parts)


def create_comparison_report(candidates: Sequence[Fields]) -> pd.DataFrame:
    """The candidates as a table for readers, best first.

    Parameters
    ----------
    candidates : list of dict
        What `cross_validate_model` returned first, for each.

    Returns
    -------
    DataFrame (candidates, 9)
        `rank`, `name`, `model`, the metric's name with the score, `interval` (95 %, text), `ahead` (of the
        best baseline, in units of the metric, positive is better), `close` (within noise of the best),
        `baseline`, `params` (JSON text).

    Raises
    ------
    UsageError
        As `evaluation.compare_models`.

    Examples
    --------
    >>> one = {"name": "a", "model": "ridge", "metric": "mae", "score": 2.0, "low": 1.5, "high": 2.5}
    >>> create_comparison_report([one])[["rank", "mae", "interval"]].values.tolist()
    [[1, 2.0, '1.5 to 2.5']]
    """
    table = compare_models(candidates, plot=False)
    metric = str(table["metric"].iloc[0])
    sign = 1.0 if HIGHER_IS_BETTER[metric] else -1.0
    baselines = table.loc[table["baseline"], "score"].dropna()
    best = float(baselines.iloc[0]) if len(baselines) else float("nan")
    return pd.DataFrame(
        {
            "rank": range(1, len(table) + 1),
            "name": table["name"],
            "model": table["model"],
            metric: table["score"],
            "interval": [
                "" if pd.isna(low) or pd.isna(high) else f"{low:.4g} to {high:.4g}"
                for low, high in zip(table["low"], table["high"], strict=True)
            ],
            "ahead": sign * (table["score"] - best),
            "close": table["within_noise_of_best"],
            "baseline": table["baseline"],
            "params": table["params"],
        }
    )


def model_card(
    brief: Fields,
    candidate: Fields,
    verdict: Fields | None,
    *,
    features: Sequence[str] = (),
    development: str = "",
    sealed: str = "",
    seed: int = 0,
    versions: Mapping[str, str] | None = None,
    refit: bool = False,
    details: Fields | None = None,
) -> str:
    """The model card: what the model is, what it was judged on, what it must not be used for.

    Parameters
    ----------
    brief : dict
        Fields of `omc_agent.brief.Brief`.
    candidate : dict
        The chosen candidate, as `cross_validate_model` scored it.
    verdict : dict or None
        Fields of `verdict.Verdict`.
    features : list of str
        Names of the features, in order.
    development, sealed : str
        The spans in words, e.g. ``2024-06-08 to 2024-08-19 UTC, 20,736 bars``.
    seed : int
        Seed of the run.
    versions : dict, optional
        Package to version.
    refit : bool
        Whether the delivered model was fitted again on all rows, and so is not the one scored.
    details : dict, optional
        From `description.describe_sealed`.

    Returns
    -------
    str
        Markdown.

    Notes
    -----
    After Mitchell et al. (2019), "Model Cards for Model Reporting", FAT*.

    Examples
    --------
    >>> card = model_card({"task": "classification", "target": "sold"}, {"name": "a", "model": "xgboost"}, None)
    >>> card.splitlines()[0]
    '# Model card: a'
    """
    name, params = model_name(candidate.get("name", "model")), candidate.get("params") or {}
    facts = {
        "algorithm": model_name(candidate.get("model")),
        "parameters": json.dumps(dict(params), sort_keys=True) if params else "defaults",
        "predicts": _question(brief).rstrip("."),
        "fitted on": development or "not recorded",
        "scored on": sealed or "not recorded",
        "seed": str(seed),
        "versions": ", ".join(f"{k} {v}" for k, v in (versions or {}).items()) or "not recorded",
    }
    rows = [{"what": key, "value": str(value)} for key, value in facts.items()]
    headline, sentence = explain(verdict, brief, details) if verdict else ("Not scored", "No holdout was opened.")
    parts = [f"# Model card: {name}", markdown_table(rows), "## Verdict", f"**{headline}**", sentence]
    if refit:
        parts.append(
            "This file holds a second model, fitted again on all rows. It was **not scored**; the verdict is "
            "about the model fitted on the development rows."
        )
    if features:
        parts += [f"## Features ({len(features)})", ", ".join(f"`{feature}`" for feature in features)]
    limits = limits_of(brief, verdict, scored=sealed, refit=refit)
    return "\n\n".join([*parts, "## Limits", "\n".join(f"- {limit}" for limit in limits)])


def _question(brief: Fields) -> str:
    table = str(brief.get("table") or "the table")
    coins = " and ".join(brief.get("coins") or []) or ("the rows handed in" if table == PRICE_TABLE else table)
    if brief.get("task") == "analysis":
        return f"An exploration of {coins}{_span(brief)}."
    target, threshold = str(brief.get("target", "direction")), brief.get("threshold")
    asked = _ASKED.get(target)
    if asked is None:
        return f"The column `{target}` of {coins}."
    move = "the threshold" if threshold is None else f"{100 * float(threshold):+g} %"
    horizon = str(brief.get("horizon") or "PT1H")
    span = pd.Timedelta(horizon)
    said = asked.format(coins=coins, horizon=_spoken(span), threshold=move)
    return said[0].upper() + said[1:] + _span(brief) + "."


def _span(brief: Fields) -> str:
    if not (brief.get("start") and brief.get("end")):
        return ""
    return f", on bars from {_moment(brief['start'])} to {_moment(brief['end'])} (UTC, end exclusive)"


def _moment(text: Any) -> str:
    """A time as a reader writes it: the day alone at midnight, else to the minute."""
    try:
        at = pd.Timestamp(str(text))
    except ValueError:
        return str(text)
    return f"{at:%Y-%m-%d}" if at == at.normalize() else f"{at:%Y-%m-%d %H:%M}"


def _spoken(span: pd.Timedelta) -> str:
    for unit, word in (("1D", "day"), ("1h", "hour"), ("1min", "minute")):
        count = span / pd.Timedelta(unit)
        if count >= 1 and count == int(count):
            return f"one {word}" if count == 1 else f"{int(count)} {word}s"
    return str(span)


def _notes(brief: Fields) -> list[str]:
    notes = []
    # An exploration predicts nothing, so what it would have predicted is no assumption.
    idle = {"target", "metric", "horizon"} if brief.get("task") == "analysis" else set()
    idle |= set() if brief.get("target") in PRICE_TARGETS else {"horizon"}  # nothing lies ahead of a row of a table
    assumed = [name for name in brief.get("assumed") or [] if name not in idle]
    values = [f"{plain_name(name)} {_value(name, brief[name])}" for name in assumed if brief.get(name)]
    if values:
        notes.append(f"Assumed: {', '.join(values)}.")
    if brief.get("unread"):
        notes.append(f"Not understood, and not used: {', '.join(brief['unread'])}.")
    return notes


def _value(name: str, value: Any) -> str:
    if name == "metric":
        return metric_name(value)
    if name == "horizon":
        return _spoken(pd.Timedelta(str(value)))
    if name in ("start", "end"):
        return _moment(value)
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _apart(candidates: Sequence[Fields]) -> list[str]:
    """What a row of the table cannot say: what tuning gained, and what could not be scored, and why."""
    said = []
    for each in candidates:
        name = model_name(each["name"])
        if gain := each.get("gain"):
            said.append(f"{model_name(each['model'])}, tuned against untuned: {gain['text']}")
        if each.get("stopped"):
            said.append(f"The search of {name} ended early: {str(each['stopped']).rstrip('.')}.")
        if each.get("failed"):
            cell = f" (cell {each['cell']})" if each.get("cell") is not None else ""
            said.append(f"{name[:1].upper()}{name[1:]} could not be scored{cell}: {each['failed']}")
    return said


def _candidates_line(candidates: Sequence[Fields]) -> str:
    rules = sum(bool(each.get("baseline")) for each in candidates)
    models = sum(each.get("score") is not None for each in candidates) - rules
    return (
        f"{models} model{'s' * (models != 1)} and {rules} naive rule{'s' * (rules != 1)}, each scored on development "
        "rows that it was not fitted on. Ahead is measured from the best naive rule; close means within one "
        "standard error of the best."
    )


def _for_readers(candidates: Sequence[Fields]) -> pd.DataFrame:
    """The comparison in the words and digits of a page."""
    table = create_comparison_report(candidates)
    metric = str(table.columns[3])
    kinds = zip(table["name"], table["baseline"], strict=True)
    names = [f"{model_name(name)} (naive rule)" if rule else model_name(name) for name, rule in kinds]
    digits = ".3f" if HIGHER_IS_BETTER[metric] else ".3g"  # an error has the size of its target
    ahead = [f"{value:+{digits}}" if value and not pd.isna(value) else "" for value in table["ahead"]]
    beside = {each["name"] for each in candidates if each.get("yardstick")}
    beside = {each["name"] for each in candidates if each.get("yardstick")}
    told = zip(table["name"], table["close"], table["params"], strict=True)
    notes = [_note(bool(close), name in beside, json.loads(params)) for name, close, params in told]
    if HIGHER_IS_BETTER[metric]:
        spans = {each["name"]: (each.get("low"), each.get("high")) for each in candidates}
        intervals = [_interval(*spans[name]) for name in table["name"]]
        scores = ["" if pd.isna(value) else f"{value:.3f}" for value in table[metric]]
    else:
        intervals, scores = table["interval"].tolist(), table[metric].tolist()
    columns = {"candidate": names, metric_name(metric): scores, "95 % interval": intervals}
    return pd.DataFrame({**columns, "ahead": ahead, "notes": notes})


def _interval(low: Any, high: Any) -> str:
    return "" if low is None or high is None or pd.isna(low) or pd.isna(high) else f"{low:.3f} to {high:.3f}"


def _note(close: bool, beside: bool, params: Fields) -> str:
    said = ["close"] * close + ["to compare with"] * beside
    return ", ".join([*said, *(f"{plain_name(name)} {_short(value)}" for name, value in params.items())])


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
