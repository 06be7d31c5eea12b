"""The verdict in words that a data scientist would sign: what was found, against what, and how sure it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from omc_agent.brief import PRICE_TARGETS, Brief


class VerdictLike(Protocol):
    """The fields that the words are made of; see `verdict.Verdict`."""

    def model_dump(self) -> dict[str, Any]:
        """All fields."""


_HEADLINE = {"edge": "Edge found", "no_edge": "No edge found", "inconclusive": "Inconclusive"}
_CONDITION = {
    "development": "on the development rows it did not beat every naive rule",
    "naive": "on the sealed rows a naive rule scored higher",
    "proper_score": "its errors are no smaller than those of a constant",
}
RULE = {
    "constant": "a constant",
    "last": "a rule that repeats the last value",
    "reversal": "a rule that reverses the last move",
    "seasonal": "a rule that repeats the value of one day before",
}

# What a difference in the metric is a share of.
UNIT = {"mae_skill": "of error", "log_loss_skill": "of log loss", "roc_auc": "of AUC"}


def explain(
    verdict: VerdictLike | Mapping[str, Any],
    brief: Brief | Mapping[str, Any] | None = None,
    details: Mapping[str, Any] | None = None,
) -> tuple[str, str]:
    """Headline and sentences of a verdict.

    Parameters
    ----------
    verdict : Verdict or mapping
        The verdict, or its fields.
    brief : Brief or mapping, optional
        The goal; with a target made from prices an edge is told apart from a profit.
    details : mapping, optional
        From `description.describe_sealed`; its sentence on the simple model is said too. The rest: `say_more`.

    Returns
    -------
    headline, sentence : str
        Plain text; at most five sentences.

    Examples
    --------
    >>> explain({"call": None, "reason": "leak"})[0]
    'No verdict: leak'
    """
    v = dict(verdict) if isinstance(verdict, Mapping) else verdict.model_dump()
    code, _, detail = str(v["reason"]).partition(": ")
    if v["call"] is None:
        return _no_verdict(code)
    if code == "refused":
        return _HEADLINE[v["call"]], f"The holdout could not be scored: {detail}."
    simple = _simple(details)
    parts = [_comparison(v), _judgement(v, code, detail, bool(simple)), simple, _openings(v), _caution(v, brief)]
    return _HEADLINE[v["call"]], " ".join(part for part in parts if part)


def say_more(verdict: VerdictLike | Mapping[str, Any], details: Mapping[str, Any] | None = None) -> list[str]:
    """What is said below a verdict, one thought each: what was claimed, a regime break, costs, calibration.

    Parameters
    ----------
    verdict : Verdict or mapping
        The verdict, or its fields.
    details : mapping, optional
        From `description.describe_sealed`.

    Returns
    -------
    list of str
        Plain text; empty where there is no verdict.

    Examples
    --------
    >>> say_more({"call": None, "reason": "leak"})
    []
    """
    v = dict(verdict) if isinstance(verdict, Mapping) else verdict.model_dump()
    if v.get("call") is None or v.get("score") is None:
        return []
    simple = _simple(details)
    said = [text for text in (details or {}).get("sentences", ()) if text != simple]
    return [text for text in (_shrinkage(v), *said) if text]


def signed(value: float) -> str:
    """A difference to three digits; one that is not zero does not look like zero.

    Examples
    --------
    >>> signed(0.0479), signed(-0.00032), signed(0.0)
    ('+0.048', '-0.0003', '+0.000')
    """
    if 0.00005 <= abs(value) < 0.0005:
        return f"{value:+.4f}"
    return f"{value:+.3f}".replace("-0.000", "+0.000")


def _simple(details: Mapping[str, Any] | None) -> str:
    """The sentence on the simple model: `description` puts it first, and only there is a plain model named."""
    said = list((details or {}).get("sentences", ()))
    return str(said[0]) if said and (details or {}).get("simple") and said[0].startswith("A plain ") else ""


def _no_verdict(code: str) -> tuple[str, str]:
    if code == "leak":
        return "No verdict: leak", (
            "A feature changes when later bars are taken away, so it knows the future, and any score made with "
            "it is worth nothing. The leak test names the column, the cell and the line."
        )
    if code == "replay":
        return "No verdict: replay differs", (
            "Replaying the recorded cells did not give the recorded development rows back, so the model that "
            "was scored is not the one that was chosen."
        )
    return "No verdict", "Nothing was predicted, so there is nothing to judge."


def _comparison(v: Mapping[str, Any]) -> str:
    rule = RULE.get(v["reference"], v["reference"])
    difference = v["score"] - v["reference_score"]
    interval = f"{100 * (1 - 2 * v['alpha']):.3g} % interval {signed(v['low'])} to {signed(v['high'])}"
    if v["metric"] == "mae_skill":
        side = "smaller" if difference >= 0 else "larger"
        return (
            f"On the sealed rows the model's mean absolute error is {100 * abs(difference):.1f} % {side} than "
            f"that of {rule} (skill {signed(difference)}, {interval})."
        )
    if v["metric"] == "log_loss_skill":
        side = "smaller" if difference >= 0 else "larger"
        return (
            f"On the sealed rows the model's log loss is {100 * abs(difference):.1f} % {side} than that of the "
            f"classes' shares (skill {signed(difference)}, {interval})."
        )
    return (
        f"On the sealed rows the model's ROC-AUC is {v['score']:.3f}; {rule} scores {v['reference_score']:.3f}, a "
        f"difference of {signed(difference)} ({interval})."
    )


def _judgement(v: Mapping[str, Any], code: str, detail: str, described: bool = False) -> str:
    if code == "edge":
        plain = v["beats"].get("simple_model") is False and not described
        less = " A simple model does as well, so the simple one is the better choice." if plain else ""
        return f"That is more than chance gives, and no condition of the rule fails.{less}"
    if code == "ruled_out":
        return _ruled_out(v)
    if code == "too_few_blocks":
        return f"It cannot be told from chance yet: {detail}{_wait(detail)}."
    if code == "wide_interval":
        worse = "zero and an edge worth having are both inside what chance gives"
        return f"The data cannot tell: {worse}. {detail[:1].upper()}{detail[1:]}{_wait(detail)}."
    failed = [_CONDITION[name] for name in detail.split(", ") if name in _CONDITION]
    return (
        f"The interval lies above zero, but {' and '.join(failed)}; so it is not called an edge. "
        "Wait for new rows, which are judged afresh."
    )


def _wait(detail: str) -> str:
    return ", so wait for new bars or take a longer span" if " bars " in detail else ", so take more rows"


def _ruled_out(v: Mapping[str, Any]) -> str:
    low = v["low"] > 0
    first = "The interval lies above zero, but not every condition holds" if low else "Chance gives as much"
    unit = UNIT.get(v["metric"], "of AUC")
    said = f"{first}, and an edge of {v['delta']:g} {unit}, the least worth having, is ruled out."
    if v["reference"] != "constant" and v["metric"] == "roc_auc" and v["beats"].get("constant"):
        said += f" The score is above a coin's 0.5, but {RULE[v['reference']]} needs no model for that."
    return said


def _shrinkage(v: Mapping[str, Any]) -> str:
    if v.get("claimed") is None:
        return ""
    deflated = v.get("claimed_deflated")
    tried = (
        f" ({deflated:.3f} when the luck of the best of {v['trials']} trials is taken off)"
        if deflated is not None and v["trials"] > 1
        else ""
    )
    return f"Walk-forward on the development rows had claimed {v['claimed']:.3f}{tried}."


def _openings(v: Mapping[str, Any]) -> str:
    if v["opened"] <= 1:
        return ""
    return (
        f"These rows have been opened {v['opened']} times, so the level is {100 * v['alpha']:.2g} % instead of "
        "2.5 %. Wait for new bars: they start afresh."
    )


def _caution(v: Mapping[str, Any], brief: Brief | Mapping[str, Any] | None) -> str:
    if v["call"] != "edge" or brief is None:
        return ""
    target = brief.get("target") if isinstance(brief, Mapping) else brief.target
    if target not in PRICE_TARGETS:
        return ""
    return "A better forecast is not a profit: fees, spread and delay are not in this score."
