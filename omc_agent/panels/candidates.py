"""The candidates of a run side by side: score, interval and best baseline in one small picture a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from omc_agent.candidate import LOWER_IS_BETTER
from omc_agent.panels import phrases, pictures
from omc_agent.panels.markup import aligned, esc, plain

Candidate = dict[str, Any]


def candidates_html(
    candidates: Sequence[Candidate], chosen: str | None = None, *, metric: str = "", recommended: str = ""
) -> str:
    """The table of candidates, chosen first, baselines last.

    Parameters
    ----------
    candidates : sequence of dict
        Keys as in the contract of ``--json``: name, model, params, score, low, high, folds, fit_seconds, baseline.
    chosen, recommended : str, optional
        Names of candidates.
    metric : str
        Name of the metric of `score`; of a candidate's own ``metric`` where this is empty.

    Returns
    -------
    str
        One ``table`` element; missing and NaN numbers read ``n/a``.
    """
    metric = metric or _own_metric(candidates)
    ordered = in_order(candidates, chosen, metric)
    best = best_baseline(ordered, metric)
    ends = pictures.axis([c.get(key) for c in ordered for key in ("score", "low", "high")])
    about = "interval, and the best baseline" if best is not None else "interval"
    head = (
        f'<thead><tr><th>model</th><th class="omc-r">{esc(phrases.metric(metric or "score"))}</th>'
        f'<th>{about}</th><th class="omc-r">fit</th><th>notes</th></tr></thead>'
    )
    rows = "".join(_row(c, chosen, recommended, best, ends) for c in ordered)
    return f'<table class="omc-wide">{head}<tbody>{rows}</tbody></table>'


def candidates_text(
    candidates: Sequence[Candidate], chosen: str | None = None, *, metric: str = "", recommended: str = ""
) -> str:
    """The same table as text, one line a candidate."""
    metric = metric or _own_metric(candidates)
    rows = [["model", phrases.metric(metric or "score"), "interval", "fit", "notes"]]
    for c in in_order(candidates, chosen, metric):
        interval = pictures.interval_words(c.get("low"), c.get("high"))
        fit = phrases.duration(c.get("fit_seconds"))
        rows.append([_name(c), phrases.score(c.get("score")), interval, fit, _notes(c, chosen, recommended)])
    return plain(aligned(rows, right=frozenset({1, 3})))


def in_order(candidates: Sequence[Candidate], chosen: str | None, metric: str) -> list[Candidate]:
    """Chosen first, then by score, best first; baselines last; what has no score last of its kind."""
    sign = 1 if metric in LOWER_IS_BETTER else -1

    def key(c: Candidate) -> tuple[bool, bool, float]:
        found = phrases.number(c.get("score"))
        by_score = float("inf") if found is None else sign * found
        return c.get("name") != chosen, bool(c.get("baseline")), by_score

    return sorted(candidates, key=key)


def best_baseline(candidates: Sequence[Candidate], metric: str) -> float | None:
    """The best score of a baseline, or None."""
    found = [phrases.number(c.get("score")) for c in candidates if c.get("baseline")]
    known = [value for value in found if value is not None]
    if not known:
        return None
    return min(known) if metric in LOWER_IS_BETTER else max(known)


def _row(c: Candidate, chosen: str | None, recommended: str, best: float | None, ends: pictures.Axis | None) -> str:
    picked = c.get("name") == chosen
    css = "omc-pick" if picked else "omc-naive" if c.get("baseline") else ""
    name = esc(_name(c), 200)
    low, high = c.get("low"), c.get("high")
    picture = pictures.interval_html(low, high, c.get("score"), best, ends)
    words = f'<span class="omc-range">{pictures.interval_words(low, high)}</span>'
    return (
        f'<tr class="{css}"><td class="omc-iv omc-name">{f"<b>{name}</b>" if picked else name}</td>'
        f'<td class="omc-r">{phrases.score(c.get("score"))}</td><td class="omc-iv">{picture}{words}</td>'
        f'<td class="omc-r">{phrases.duration(c.get("fit_seconds"))}</td>'
        f'<td class="omc-dim">{esc(_notes(c, chosen, recommended), 200)}</td></tr>'
    )


def _name(c: Candidate) -> str:
    name = plain(phrases.model_name(c.get("name", "")), 200)
    return f"{name} (baseline)" if c.get("baseline") and "baseline" not in name else name


def _notes(c: Candidate, chosen: str | None, recommended: str) -> str:
    name = c.get("name")
    said = ["chosen"] if name == chosen else []
    said += ["recommended"] if recommended and name == recommended else []
    params = c.get("params")
    if isinstance(params, dict):
        said += [f"{phrases.plain_name(key)} {_short(value)}" for key, value in list(params.items())[:3]]
        said += ["…"] if len(params) > 3 else []
    return ", ".join(said)


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _own_metric(candidates: Sequence[Candidate]) -> str:
    return next((str(c["metric"]) for c in candidates if c.get("metric")), "")
