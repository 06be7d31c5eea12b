"""One event as a piece of its stage's card: a sentence, a fold of code, an output, a warning, a question."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omc_agent.events import (
    Act,
    Branched,
    CellFinished,
    CellStarted,
    ChoiceMade,
    HoldoutSealed,
    LeakTested,
    Observe,
    Overridden,
    Reason,
    RequestDecided,
    Said,
    Warned,
)
from omc_agent.panels import phrases
from omc_agent.panels.markup import Piece, clean_html, esc, folded, highlight, indent, picture, plain
from omc_agent.panels.spine import stage_title

_STATUS = {"memory": "Out of memory", "timeout": "Out of time", "output": "Too much output"}
WARN, FAULT = ("omc-warn", "!"), ("omc-fault", "✕")


def reason(event: Reason) -> Piece:
    """Why the next step is taken."""
    return Piece(f'<p class="omc-step">{esc(event.text)}</p>', plain(event.text))


def said(event: Said) -> Piece:
    """Words of the person."""
    return Piece(f'<p class="omc-step"><b>You:</b> {esc(event.text)}</p>', plain(f"You: {event.text}"))


def changed(event: Branched | Overridden) -> Piece:
    """What a person changed, from which stage on, and who and when."""
    told = [f"{phrases.plain_name(key)} {phrases.value(value)}" for key, value in event.overrides.items()]
    lead = f"{'Changed' if told else 'Done again'} from {stage_title(event.stage)} on"
    by = f" — by {event.decided_by}, {phrases.clock(event.at)}" if event.decided_by else ""
    what = f"{': ' if told else ''}{'; '.join(told)}{by}"
    html = f'<p class="omc-step"><b>{esc(lead)}</b>{esc(what)}</p>'
    return Piece(html, plain(lead + what))


def noticed(text: str, mark: tuple[str, str] = WARN, *, lead: str = "") -> Piece:
    """A sentence with a sign; `lead` is its first words, in bold. Both are plain text."""
    css, sign = mark
    bold = f"<b>{esc(lead)}</b> " if lead else ""
    html = f'<p class="omc-step {css}">{sign_html(sign)}{bold}{esc(text)}</p>'
    return Piece(html, plain(f"{sign} {lead} {text}" if lead else f"{sign} {text}"))


def sign_html(sign: str) -> str:
    """A sign in its own shape, with a space for where styles are stripped."""
    return f'<span class="omc-sign">{sign}</span><span class="omc-alt"> </span>'


def warned(event: Warned) -> Piece:
    """What, and where: column, cell and line."""
    place = where(event.cell, event.line_no)
    column = event.column if event.column and event.column not in event.text else ""
    spot = ", ".join(part for part in (f"column {column}" if column else "", place) if part)
    return noticed(f"{event.text.rstrip(' .')} ({spot})." if spot else event.text)


def where(cell: Any, line: Any) -> str:
    """A place in the recorded code, such as ``cell 4, line 3``."""
    parts = [f"cell {cell}"] if cell is not None else []
    return ", ".join(parts + ([f"line {line}"] if line is not None else []))


def act(event: Act, seen: Observe | None) -> Piece:
    """A step of the host that ran no cell, folded, with what came of it."""
    call = plain(event.line(), 2_000)
    text = plain(seen.text) if seen is not None else ""
    body = f"<pre>{highlight(call)}</pre>" + (f"<pre>{esc(text)}</pre>" if text else "")
    short = call if len(call) <= 80 else call[:79] + "…"
    html = f'<div class="omc-step omc-code">{folded(short, body)}</div>'
    return Piece(html, f"{short}\n{indent(text)}".rstrip())


def running(event: CellStarted) -> Piece:
    """A cell that has not come back."""
    title = f"Cell {event.n} is running"
    code = f"<pre>{highlight(event.code)}</pre>"
    return Piece(f'<div class="omc-step omc-code">{folded(title, code)}</div>', title)


def cell(event: CellFinished, about: str = "", *, pictures: bool = True) -> Piece:
    """A recorded cell: folded code, then its outputs, then its error.

    Parameters
    ----------
    event : CellFinished
        The cell.
    about : str
        Why it was run: the alternative text of its pictures.
    pictures : bool
        False leaves pictures out and says so, for a card that is full.
    """
    place = " on the host" if event.where == "host" else ""
    title = f"Code of cell {event.n}{place} · {phrases.duration(event.seconds)}"
    code = f'<div class="omc-code">{folded(title, f"<pre>{highlight(event.code)}</pre>")}</div>'
    pieces = [text_output(event.text)] if event.text.strip() else []
    alt = f"Plot of cell {event.n}: {about}" if about else f"Plot of cell {event.n}"
    pieces += [output(bundle, alt, pictures=pictures) for bundle in event.outputs]
    if event.status != "ok" or event.error:
        pieces.append(_trouble(event))
    html = f'<div class="omc-step">{code}{"".join(p.html for p in pieces)}</div>'
    body = [indent(plain(event.code)), *(p.text for p in pieces if p.text)]
    return Piece(html, "\n".join([f"[{event.n}]{place} {phrases.duration(event.seconds)}", *body]))


def text_output(text: str) -> Piece:
    """Printed text."""
    shown = plain(text).strip("\n")
    return Piece(f"<pre>{esc(shown)}</pre>", shown)


def output(bundle: Mapping[str, str], alt: str, *, pictures: bool = True) -> Piece:
    """One mimebundle, by the richest form that passes: picture, table, text."""
    text = plain(bundle.get("text/plain", "")).strip("\n")
    if "image/png" in bundle:
        if not pictures:
            return Piece(f'<p class="omc-dim">({esc(alt)}: not shown here, this card is full)</p>', f"({alt})")
        image = picture(bundle["image/png"], alt)
        if image is not None:
            return Piece(image, f"({plain(alt, 300)})")
    if "text/html" in bundle:
        cleaned = clean_html(bundle["text/html"])
        if cleaned:
            return Piece(f'<div class="omc-table">{cleaned}</div>', text)
    return text_output(text) if text else Piece("", "")


def _trouble(event: CellFinished) -> Piece:
    error = event.error or {}
    kind = str(error.get("type") or _STATUS.get(event.status, event.status.capitalize()))
    line = error.get("line")
    lead = f"{kind} on line {line}:" if line is not None else f"{kind}:"
    text = str(error.get("message") or event.reason or "the cell did not finish")
    if event.reason and event.reason not in text:
        text = f"{text} ({event.reason})"
    text = text.removeprefix(f"{event.status}: ")
    return noticed(text, FAULT, lead=lead)


def sealed(event: HoldoutSealed) -> Piece:
    """What was set aside, and what is left to work with."""
    aside, work = phrases.span(event.start, event.end), phrases.span(event.development_start, event.development_end)
    noun = "bar" if aside else "row"  # a table that is no series has no span
    parts = [phrases.count(event.rows, noun), aside], [phrases.count(event.development_rows, noun), work]
    text = "Set aside until scoring: {}. To work with: {}.".format(*(", ".join(filter(None, part)) for part in parts))
    return Piece(f'<p class="omc-step">{esc(text)}</p>', plain(text))


def leak_title(event: LeakTested) -> str:
    """The finding in half a line."""
    named = len({str(f.get("column")) for f in event.findings})
    return f"{phrases.count(named, 'column')} {'leaks' if named == 1 else 'leak'}" if named else "clean"


def leak(event: LeakTested) -> Piece:
    """Each column that changed: how often, by how much, where it comes from; then the clean rest."""
    named = {str(f.get("column")) for f in event.findings}
    rest = max(event.columns - len(named), 0)
    at = " in the holdout" if event.where == "holdout" else ""
    verb = "stays" if rest == 1 else "stay"
    if named:
        same = f"The other {phrases.count(rest, 'column')} {verb} the same."
    else:
        when = f"when later bars are removed or replaced{at} ({phrases.count(event.cuts, 'cut')})"
        same = f"All {phrases.count(rest, 'column')} {verb} the same {when}."
    notes = [" ".join(str(note.get(part) or "") for part in ("text", "why")).strip() for note in event.notes[:5]]
    if not named:
        html = "".join(f'<p class="omc-dim">{esc(note)}</p>' for note in notes)
        return Piece(f'<p class="omc-step">{esc(same)}</p>{html}', plain("\n".join([same, *notes])))
    found = [(str(f.get("column")), _finding(f, event.cuts, at)) for f in event.findings[:20]]
    html = "".join(
        f'<p class="omc-step omc-warn">{sign_html("!")}<code>{esc(column, 200)}</code> {esc(text)}</p>'
        for column, text in found
    )
    lines = [f"! {column} {text}" for column, text in found]
    more = [f"And {phrases.count(len(event.findings) - 20, 'more finding')}."] if len(event.findings) > 20 else []
    tail = " ".join(more + ([same] if rest else []) + notes)
    return Piece(html + (f'<p class="omc-dim">{esc(tail)}</p>' if tail else ""), plain("\n".join([*lines, tail])))


def _finding(found: Mapping[str, Any], total: int, at: str) -> str:
    if found.get("line_no") is not None or found.get("why"):
        place = where(found.get("cell"), found.get("line_no"))
        said = str(found.get("text") or "").removeprefix(str(found.get("column"))).strip()
        return " ".join(part for part in (said, str(found.get("why") or ""), f"({place})" if place else "") if part)
    cuts = found.get("cuts")
    hits = len(cuts) if isinstance(cuts, (list, tuple)) else cuts
    change = phrases.number(found.get("change"))
    size = [f"at {phrases.thousands(hits)} of {phrases.count(total, 'cut')}"] if hits is not None else []
    size += [f"by up to {100 * change:.2g} %"] if change is not None else []
    text = f"changes when later bars are removed or replaced{at}"
    text += f" ({', '.join(size)})." if size else "."
    place = where(found.get("cell"), found.get("line_no", found.get("line")))
    why = str(found.get("text") or found.get("why") or "").strip()
    if place:
        return f"{text} It comes from {place}{': ' + why if why else '.'}"
    return f"{text} {why}".rstrip()


def decided(event: RequestDecided, question: str) -> Piece:
    """The question in short, the answer, who gave it and when, and why."""
    lead = f"{question or event.gate}"
    said = phrases.model_name(event.decision) if event.gate == "selection" else event.decision
    # A policy decides at once; when a person did is news, as is when the time was up.
    when = "" if event.decided_by.startswith(("policy", "default")) else f", {phrases.clock(event.at)}"
    by = f"{said}, by {event.decided_by}{when}" if event.decided_by else said
    # By default says it all: the default was stated with the question. A rejection says its reason itself.
    told = event.why and event.decided_by != "default" and event.why not in event.decision
    why = f": {event.why}" if told else "."
    html = f'<p class="omc-step"><b>{esc(lead)}</b> {esc(by + why)}</p>'
    return Piece(html, plain(f"{lead} {by}{why}"))


def choice(event: ChoiceMade) -> Piece:
    """What goes to scoring, and why."""
    name = phrases.model_name(event.name)
    other = event.recommended and event.recommended != event.name
    extra = f" Recommended was {phrases.model_name(event.recommended)}." if other else ""
    name, why = (text[:1].upper() + text[1:] for text in (name, event.why))
    html = f'<p class="omc-step"><b>{esc(name)}</b> goes to scoring. {esc(why + extra)}</p>'
    return Piece(html, plain(f"{name} goes to scoring. {why}{extra}"))
