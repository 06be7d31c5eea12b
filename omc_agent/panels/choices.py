"""The candidates that a person chooses among, side by side: score, time, how well it can be read, what is for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from omc_agent.panels import phrases, pictures
from omc_agent.panels.candidates import Candidate, best_baseline, in_order
from omc_agent.panels.markup import Piece, esc, indent, plain
from omc_agent.request import Option, Request

# How well a person can read what the model does: of the algorithm, where the request does not say.
_READS = {
    "logistic_regression": "high: coefficients",
    "linear": "high: coefficients",
    "ridge": "high: coefficients",
    "lasso": "high: coefficients",
    "random_forest": "medium: importances",
    "gradient_boosting": "low: many small trees",
    "xgboost": "low: many small trees",
}
_HEAD = ("model", "score", "interval", "folds", "fit", "predict", "can be read")
_RIGHT = frozenset({"score", "folds", "fit", "predict"})


def choices(request: Request) -> Piece:
    """The table of candidates, the recommended one first and said to be so; columns without content are left out."""
    metric = next((str(c["metric"]) for c in request.candidates if c.get("metric")), "")
    ordered = in_order(request.candidates, request.default, metric)
    options = {option.value: option for option in request.options}
    rows = [_texts(c, options.get(str(c.get("name"))), request.default) for c in ordered]
    if not rows:
        return Piece("", "")
    heads = {**{name: name for name in _HEAD}, "score": phrases.metric(metric or "score")}
    if best_baseline(ordered, metric) is not None:
        heads["interval"] = "interval, and the best baseline"
    shown = [name for name in _HEAD if any(row[name] for row in rows)]
    pictured = _pictures(ordered, metric)
    top = "".join(f"<th{' class=omc-r' if name in _RIGHT else ''}>{esc(heads[name])}</th>" for name in shown)
    top = top.replace("class=omc-r", 'class="omc-r"')
    body = "".join(_row(row, shown, drawn) for row, drawn in zip(rows, pictured, strict=True))
    table = f'<table class="omc-wide omc-choices"><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>'
    text = "\n".join(_line(row, shown) for row in rows)
    return Piece(f'<div class="omc-scroll">{table}</div>', text)


def option_label(option: Option, default: str | None) -> str:
    """An option as a radio button says it."""
    name = option.label or phrases.model_name(option.value)
    return plain(f"{name} (recommended)" if option.value == default else name, 200).replace("\n", " ")


def _texts(c: Candidate, option: Option | None, default: str | None) -> dict[str, Any]:
    name = phrases.model_name(c.get("name", ""))
    name += " (baseline)" if c.get("baseline") and "baseline" not in name else ""
    said = [option.note] if option is not None and option.note else []
    said += [f"For: {text}" for text in (option.pros if option is not None else [])]
    said += [f"Against: {text}" for text in (option.cons if option is not None else [])]
    folds = c.get("folds")
    return {
        "model": f"{name} (recommended)" if c.get("name") == default else name,
        "score": phrases.score(c.get("score")),
        "interval": pictures.interval_words(c.get("low"), c.get("high")),
        "folds": str(len(folds) or "") if isinstance(folds, (list, tuple)) else str(folds or ""),
        "fit": _seconds(c.get("fit_seconds")),
        "predict": _seconds(c.get("predict_seconds")),
        "can be read": str(c.get("interpretability") or _READS.get(str(c.get("model")), "")),
        "said": said,
    }


def _seconds(value: Any) -> str:
    found = phrases.number(value)
    if found is None:
        return ""
    return f"{1000 * found:.0f} ms" if 0 < found < 0.1 else phrases.duration(found)


def _pictures(ordered: Sequence[Candidate], metric: str) -> list[str]:
    ends = pictures.axis([c.get(key) for c in ordered for key in ("score", "low", "high")])
    best = best_baseline(ordered, metric)
    return [pictures.interval_html(c.get("low"), c.get("high"), c.get("score"), best, ends) for c in ordered]


def _row(row: dict[str, Any], shown: Sequence[str], drawn: str) -> str:
    cells = []
    for name in shown:
        inner = esc(row[name], 200)
        if name == "interval":
            inner = f'{drawn}<span class="omc-range">{inner}</span>'
        strong = name == "model" and "(recommended)" in row[name]
        cells.append(f"<td{_css(name)}>{f'<b>{inner}</b>' if strong else inner}</td>")
    first = f"<tr>{''.join(cells)}</tr>"
    if not row["said"]:
        return first
    told = "<br>".join(esc(text, 400) for text in row["said"])
    more = f'<tr class="omc-more"><td colspan="{len(shown)}">{told}</td></tr>'
    return first.replace("<tr>", '<tr class="omc-has-more">', 1) + more


def _css(name: str) -> str:
    return ' class="omc-r"' if name in _RIGHT else ""


def _line(row: dict[str, Any], shown: Sequence[str]) -> str:
    facts = [f"{name} {row[name]}" for name in shown[1:] if row[name]]
    return plain("\n".join([f"{row['model']}: {', '.join(facts)}", *(indent(t) for t in row["said"])]))
