"""What to do next: sentences that follow from recorded numbers, and that cite them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from omc_agent.brief import PRICE_TARGETS
from omc_agent.naming import metric_name, model_name, plain_name
from omc_agent.tools.evaluation import recommend
from omc_agent.tools.verdict_words import RULE, UNIT, signed

Fields = Mapping[str, Any]

# Probabilities that miss by more in the mean than this are no probabilities to act on.
_CALIBRATED = 0.05
# A fall of the score that is worth a sentence, in its own units.
_FALL = 0.01
# What mends a fault of the data; the fault itself says how much of it there is.
_MEND = {
    "gaps": "Import the missing bars, or take a span without them",
    "duplicates": "Find out which of the repeated bars is right",
    "bad_prices": "Repair the prices where they come from",
    "no_time_rows": "Repair the times where the rows come from",
    "repeated_times": "Find out why rows share their time",
}
# What a warning only tells, or another sentence says already.
_TOLD = frozenset({"series", "one_step", "unmatched_number", "candidate_failed", "stage_dropped", "unsafe_local"})


def generate_recommendations(
    brief: Fields,
    candidates: Sequence[Fields],
    verdict: Fields | None,
    warnings: Sequence[Fields] = (),
    details: Fields | None = None,
) -> list[str]:
    """What to do next, most important first; each sentence cites the number that it follows from.

    Parameters
    ----------
    brief : dict
        Fields of `omc_agent.brief.Brief`.
    candidates : list of dict
        What `cross_validate_model` returned first, for each; those that could not be scored have `failed`.
    verdict : dict or None
        Fields of `verdict.Verdict`.
    warnings : list of dict
        ``code, text, column, cell, line`` each.
    details : dict, optional
        From `description.describe_sealed`.

    Returns
    -------
    list of str
        Plain sentences; never empty.

    Examples
    --------
    >>> generate_recommendations({"task": "analysis"}, [], None)
    ['Name a target, such as the direction over the next hour, to have a prediction judged.']
    """
    found = dict(details or {})
    said = [*_from_verdict(verdict, brief), *_from_sealed(verdict, found)] if verdict else []
    if not verdict and brief.get("task") == "analysis":
        said.append("Name a target, such as the direction over the next hour, to have a prediction judged.")
    said += [*_from_development(candidates), *_from_warnings(warnings)]
    if unread := brief.get("unread"):
        said.append(f"Say it in other words if it matters: {', '.join(unread)} was not understood.")
    return said or ["Nothing was scored, so there is no number that a recommendation could follow from."]


def _from_verdict(verdict: Fields, brief: Fields) -> list[str]:
    code, _, detail = str(verdict["reason"]).partition(": ")
    if verdict["call"] is None:
        return {
            "leak": ["Mend the feature that the leak test names, and run again; its scores are worth nothing."],
            "replay": ["Seed every random step and keep fitted state in fit cells, so that a replay reproduces."],
        }.get(code, [])
    if code == "refused":
        return [f"Repair what kept the holdout from being scored: {detail}."]
    ends = f"{signed(verdict['low'])} to {signed(verdict['high'])}"
    gain = f"{signed(verdict['score'] - verdict['reference_score'])} ({ends})"
    if verdict["call"] == "edge":
        return [_use(gain, verdict, brief)]
    if verdict["call"] == "no_edge":
        return list(_stop(gain, verdict))
    if code == "too_few_blocks":
        return [f"Take more rows{' or a shorter horizon' if _timed(brief) else ''}: {detail}."]
    if code == "wide_interval":
        return [_widen(verdict, brief, detail)]
    return [f"Do not act on the lead of {gain}: not every condition of an edge holds. Judge it again on new rows."]


def _use(gain: str, verdict: Fields, brief: Fields) -> str:
    rule = _rule(verdict)
    if _timed(brief):
        return (
            f"Let it predict new bars without acting on them, and score those: its lead over {rule} has to stay what "
            f"the sealed rows gave, {gain}."
        )
    return f"Use it on rows like these; score it again on new ones, where its lead over {rule} should be {gain}."


def _rule(verdict: Fields) -> str:
    if verdict["metric"] == "log_loss_skill":
        return "the classes' shares"
    return RULE.get(verdict["reference"], str(verdict["reference"]))


def _stop(gain: str, verdict: Fields) -> Iterator[str]:
    unit = UNIT.get(verdict["metric"], "of AUC")
    rule = _rule(verdict)
    yield (
        f"Do not act on these predictions: they differ from {rule} by {gain}, and an edge of {verdict['delta']:g} "
        f"{unit} is ruled out."
    )
    trials = int(verdict["trials"])
    tried = f"{trials} setting{'s' * (trials != 1)}"
    yield f"Change the target, the horizon or the source of data rather than search on: {tried} gave no more."


def _widen(verdict: Fields, brief: Fields, detail: str) -> str:
    half = (verdict["high"] - verdict["low"]) / 2
    days = _days(brief)
    if not days or not verdict.get("smallest_edge"):
        return f"Take more rows: the interval is ±{half:.3f}; {detail}."
    wanted = math.ceil(days * (verdict["smallest_edge"] / verdict["delta"]) ** 2)
    return (
        f"Wait for new bars, or take a longer span: the interval is ±{half:.3f}. By that noise these {days:,.0f} "
        f"days find an edge of {verdict['smallest_edge']:.3f} four times in five; {wanted:,} days of bars would find "
        f"one of {verdict['delta']:g}."
    )


def _days(brief: Fields) -> float:
    if not (brief.get("start") and brief.get("end")):
        return 0.0
    try:
        begin, end = (datetime.fromisoformat(str(brief[key])) for key in ("start", "end"))
        return max((end - begin) / timedelta(days=1), 0.0)
    except (ValueError, TypeError):
        return 0.0


def _timed(brief: Fields) -> bool:
    return brief.get("target") in PRICE_TARGETS


def _from_sealed(verdict: Fields, found: Fields) -> Iterator[str]:
    """What the opened rows say beside the call: the simple model, the fall of the score, costs, probabilities."""
    if verdict["call"] is None or verdict.get("score") is None:
        return
    yield from _simple(verdict, found)
    claimed, score = verdict.get("claimed"), verdict["score"]
    if claimed is not None and claimed - score >= _FALL:
        beyond = claimed - verdict["reference_score"] > verdict["high"]
        noise = "more than noise explains" if beyond else "which noise alone may explain"
        yield (
            f"{metric_name(verdict['metric'])} {claimed:.3f} was claimed and fell to {score:.3f} on the sealed rows, "
            f"{noise}: do not trust the development score."
        )
    yield from _coins(verdict, found)
    costs = found.get("costs") or {}
    if verdict["call"] == "edge" and costs:
        pays = "is more than" if costs["net"] > 0 else "does not pay"
        yield (
            f"A trade gave {costs['gross']:+.1f} bp on the sealed rows, which {pays} the {costs['cost']:g} bp that "
            "it costs: put in your own fees and size (settings fees and slippage)."
        )
    measured = found.get("calibration") or {}
    if "error" in measured and (
        measured["error"] > _CALIBRATED + 2 * _noise(measured) or measured["brier"] >= measured["base_brier"]
    ):
        yield (
            f"Use the order of its predictions, not the probabilities: they miss by {measured['error']:.3f} in the "
            f"mean (Brier score {measured['brier']:.4f}, base rate {measured['base_brier']:.4f})."
        )


def _noise(measured: Fields) -> float:
    """What a group's share misses by through chance alone, one standard error, in the mean over the rows."""
    table = measured.get("table") or ()
    total = sum(row["rows"] for row in table)
    errors = (row["rows"] * math.sqrt(row["predicted"] * (1 - row["predicted"]) / row["rows"]) for row in table)
    return sum(errors) / total if total else 0.0


def _coins(verdict: Fields, found: Fields) -> Iterator[str]:
    parts = [each for each in found.get("coins") or () if each.get("difference") is not None]
    if len(parts) < 2:
        return
    worst, best = (pick(parts, key=lambda each: float(each["difference"])) for pick in (min, max))
    if best["difference"] - worst["difference"] >= verdict["delta"]:
        yield (
            f"The gain differs by coin: {best['part']} {signed(best['difference'])}, {worst['part']} "
            f"{signed(worst['difference'])}. To ask for {best['part']} alone, use new bars: these were looked at."
        )


def _simple(verdict: Fields, found: Fields) -> Iterator[str]:
    row = next((each for each in found.get("beside", ()) if each["name"] == found.get("simple")), None)
    if row is None or row.get("difference") is None:
        if (verdict.get("beats") or {}).get("simple_model") is False:
            yield "On the sealed rows the simple model scores as well: take it, it is easier to keep alive."
        return
    gain = f"{signed(row['difference'])}, {signed(row['low'])} to {signed(row['high'])}"
    name = model_name(row["name"])
    if row["high"] < 0:
        yield f"A plain {name} is the better one (the choice is ahead by {gain}): take it."
    elif row["low"] <= 0:
        yield f"A plain {name} is within noise of the choice ({gain}): take it, it is easier to keep alive."


def _from_development(candidates: Sequence[Fields]) -> Iterator[str]:
    scored = [each for each in candidates if not each.get("baseline") and each.get("score") is not None]
    if scored:
        choice = recommend(candidates)
        yield f"The development rows speak for {model_name(choice['name'])}: {choice['why']}"
    for each in candidates:
        if each.get("failed"):
            yield f"Mend or leave out {model_name(each['name'])}, which could not be scored: {each['failed']}"


def _from_warnings(warnings: Sequence[Fields]) -> Iterator[str]:
    for warning in warnings:
        where = [f"{key} {warning[key]}" for key in ("column", "cell", "line") if warning.get(key) is not None]
        code = str(warning.get("code") or "warning")
        if code in _TOLD:
            continue
        do = _MEND.get(code, f"Look at {plain_name(code)}")
        yield f"{do}{' (' + ', '.join(where) + ')' if where else ''}: {warning['text']}"
