"""The verdict: in words first, then as a picture of the difference to the reference, then its terms."""

from __future__ import annotations

from typing import Any

from omc_agent.panels import phrases
from omc_agent.panels.markup import esc, folded, indent, plain
from omc_agent.panels.pictures import scale_html

Verdict = dict[str, Any]


def verdict_html(verdict: Verdict, headline: str, sentence: str, details: dict[str, Any] | None = None) -> str:
    """The inside of the verdict card: headline, sentence, scale and terms.

    Parameters
    ----------
    verdict : dict
        Keys as in the contract (`call`, `metric`, `score`, `reference`, `reference_score`, `low`, `high`, ...);
        `low` and `high` bound score minus reference score. What is missing is left out.
    headline, sentence : str
        The words in which the host said it.
    details : dict, optional
        What describes it; shown folded.

    Returns
    -------
    str
        HTML: words and scale first; the rules and models, and what else the sealed rows show, folded below.
    """
    words = f"<h4>{esc(headline, 400)}</h4><p>{esc(sentence)}</p>"
    beats = beats_words(verdict)
    words += f'<p class="omc-dim omc-small">{esc(beats)}</p>' if beats else ""
    picture = _scale(verdict)
    terms = verdict_terms(verdict)
    side = picture + (f'<p class="omc-dim omc-small">{esc(" · ".join(terms))}</p>' if terms else "")
    halves = f'<div class="omc-halves"><div>{words}</div>{f"<div>{side}</div>" if side else ""}</div>'
    return halves + _beside_html(details or {}) + _more_html(details or {})


def verdict_text(verdict: Verdict, headline: str, sentence: str, details: dict[str, Any] | None = None) -> str:
    """The same as text; what else the sealed rows show comes last, one thought a line."""
    numbers = ""
    if phrases.number(verdict.get("score")) is not None:
        numbers = f"{_point(verdict)}; {_reference(verdict)}"
        if _interval(verdict) is not None:
            low, high = phrases.signed(verdict["low"]), phrases.signed(verdict["high"])
            numbers += f"; difference {low} to {high}"
    lines = [sentence, numbers, beats_words(verdict), " · ".join(verdict_terms(verdict))]
    lines += [f"- {line}" for line in (details or {}).get("more") or []]
    return plain("\n".join([headline, indent("\n".join(line for line in lines if line))]))


def beside_table(details: dict[str, Any]) -> list[dict[str, str]]:
    """Every naive rule and simple model: its sealed score, the difference to it, and whether it is beaten."""
    return [_beside_row(row, _is_choice(row, details)) for row in details.get("beside") or []]


def _beside_row(row: dict[str, Any], itself: bool) -> dict[str, str]:
    known = row.get("difference") is not None and not itself
    beaten = "yes" if row.get("beyond_noise") else "within noise" if row.get("beaten") else "no"
    interval = f" ({phrases.signed(row['low'])} to {phrases.signed(row['high'])})" if known else ""
    return {
        "name": phrases.model_name(row["name"]),
        "kind": "naive rule" if row["kind"] == "naive" else "simple model",
        "score": phrases.score(row["score"]) if row.get("score") is not None else "",
        "gain over it": f"{phrases.signed(row['difference'])}{interval}" if known else "",
        "beaten": "the choice itself" if itself else beaten,
    }


def _is_choice(row: dict[str, Any], details: dict[str, Any]) -> bool:
    """A simple model that says of every row what the choice says: it is the choice, and no rival of it."""
    same = all(phrases.number(row.get(key)) == 0 for key in ("difference", "low", "high"))
    return row["kind"] == "simple" and same and row["name"] != details.get("simple")


def _beside_html(details: dict[str, Any]) -> str:
    rows = beside_table(details)
    if not rows:
        return ""
    head = "".join(f"<th>{esc(name)}</th>" for name in rows[0])
    body = "".join("<tr>" + "".join(f"<td>{esc(cell)}</td>" for cell in row.values()) + "</tr>" for row in rows)
    return folded("Every rule and simple model", f"<table><tr>{head}</tr>{body}</table>")


def _more_html(details: dict[str, Any]) -> str:
    lines = [f"<li>{esc(line)}</li>" for line in details.get("more") or []]
    return folded("What else the sealed rows show", f"<ul>{''.join(lines)}</ul>") if lines else ""


def beats_words(verdict: Verdict) -> str:
    """Which rules the chosen model beats and which it does not."""
    beats = verdict.get("beats")
    if not isinstance(beats, dict) or not beats:
        return ""
    flat: dict[str, bool] = {}
    for name, value in beats.items():
        inner = value if isinstance(value, dict) else {name: value}
        flat.update({_rule(key): bool(won) for key, won in inner.items() if won is not None})
    won = [name for name, value in flat.items() if value]
    lost = [name for name, value in flat.items() if not value]
    parts = [f"Beats {_listed(won, 'and')}."] if won else []
    parts += [f"Does not beat {_listed(lost, 'or')}."] if lost else []
    return " ".join(parts)


def _rule(key: str) -> str:
    return "the simple model" if key == "simple_model" else phrases.plain_name(key)


def verdict_terms(verdict: Verdict) -> list[str]:
    """The terms on which it was called, each in a few words."""
    number = phrases.number
    alpha, blocks, claimed = (number(verdict.get(key)) for key in ("alpha", "blocks", "claimed"))
    deflated, smallest = number(verdict.get("claimed_deflated")), number(verdict.get("smallest_edge"))
    terms = []
    if _interval(verdict) is not None:
        level = f"{100 * (1 - 2 * alpha):.4g} % interval" if alpha is not None else "interval"
        terms.append(f"{level} of the difference" + (f", {phrases.count(blocks, 'block')}" if blocks else ""))
    if claimed is not None:
        fair = f" ({phrases.score(deflated)} after allowing for the search)" if deflated is not None else ""
        terms.append(f"claimed in training {phrases.score(claimed)}{fair}")
    if number(verdict.get("trials")) is not None:
        terms.append(f"{phrases.count(verdict['trials'], 'configuration')} tried")
    if number(verdict.get("opened")) is not None:
        terms.append(f"holdout opened {phrases.times(verdict['opened'])}")
    if smallest is not None:
        terms.append(f"smallest edge found 4 times in 5: {phrases.score(smallest)}")
    if verdict.get("call") is None and verdict.get("reason"):
        terms.append(f"reason: {phrases.plain_name(verdict['reason'])}")
    return terms


def _scale(verdict: Verdict) -> str:
    interval, score = _interval(verdict), phrases.number(verdict.get("score"))
    base = phrases.number(verdict.get("reference_score"))
    if interval is None or score is None:
        return ""
    # A skill score is itself a difference to its reference, so there the reference has no score of its own.
    difference = score - (base or 0.0)
    return scale_html(*interval, difference, reference=_reference(verdict), point=_point(verdict))


def _interval(verdict: Verdict) -> tuple[float, float] | None:
    low, high = phrases.number(verdict.get("low")), phrases.number(verdict.get("high"))
    return None if low is None or high is None else (low, high)


def _reference(verdict: Verdict) -> str:
    name = phrases.plain_name(verdict.get("reference") or "baseline")
    base = phrases.number(verdict.get("reference_score"))
    return name if base is None else f"{name} {phrases.score(base)}"


def _point(verdict: Verdict) -> str:
    name = phrases.metric(verdict.get("metric") or "score")
    return f"{name} {phrases.score(verdict.get('score'))}"


def _listed(names: list[str], last: str) -> str:
    return f" {last} ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
