"""A brief in words: which rows, judged by what, what was assumed and what was left unread."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from omc_agent.brief import parse_duration
from omc_agent.events import HoldoutSealed
from omc_agent.panels import phrases


def span_words(brief: Mapping[str, Any], metric: str) -> str:
    """The span and the metric, before the data is split."""
    parts = [phrases.span(brief.get("start"), _last_moment(brief.get("end")))] if brief.get("start") else []
    parts += [f"judged by {phrases.metric(metric)}"] if metric and brief.get("task") != "analysis" else []
    said = ", ".join(parts)
    return f"{said[:1].upper()}{said[1:]}." if said else ""


def sealed_words(sealed: HoldoutSealed, *, opened: bool) -> str:
    """Rows and span, and what is kept back; `opened` says that it has been scored."""
    rows = phrases.count(sealed.rows + sealed.development_rows, "bar")
    kept = phrases.length(sealed.start, sealed.end) or phrases.count(sealed.rows, "bar")
    one = kept.startswith("1 ")
    verb = ("was" if one else "were") if opened else ("is" if one else "are")
    span = phrases.span(sealed.development_start, sealed.end)
    return f"{rows}, {span}. The last {kept} {verb} sealed until scoring."


def assumed_words(brief: Mapping[str, Any]) -> str:
    """What was taken by default, and which words of the goal were not used."""
    # An exploration predicts nothing, so what it would have predicted is no assumption.
    idle = {"target", "metric", "horizon"} if brief.get("task") == "analysis" else set()
    assumed = [name for name in brief.get("assumed") or [] if name not in idle]
    # The span itself stands before this sentence.
    assumed = [name for name in assumed if not (name == "end" and "start" in assumed)]
    taken = [_assumption(str(n), brief[n]) for n in assumed if brief.get(n) not in (None, [])]
    unread = ", ".join(f"“{word}”" for word in brief.get("unread") or [])
    first = f"Assumed: {', '.join(taken)}. " if taken else "Nothing was assumed. "
    return first + (f"Not used of the goal: {unread}." if unread else "Nothing in the goal was left unread.")


def _last_moment(end: Any) -> Any:
    """The end of a brief is exclusive: a span up to midnight ends on the day before."""
    found = phrases.moment(end)
    return end if found is None else (found - timedelta(minutes=1)).isoformat()


def _assumption(name: str, value: Any) -> str:
    if name in ("start", "end"):
        return "the span" if name == "start" else "the end of the span"
    if name == "metric":
        return f"{phrases.metric(value)} as the metric"
    if name == "horizon":
        value = _spoken_horizon(str(value))
    shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return f"{phrases.plain_name(name)} {shown}"


def _spoken_horizon(text: str) -> str:
    try:
        return phrases.duration(parse_duration(text).total_seconds())
    except ValueError:
        return text
