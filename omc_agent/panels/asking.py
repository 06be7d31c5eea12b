"""An open request as plain cards show it: all that a person decides on, and the lines to type. It needs no kernel."""

from __future__ import annotations

from omc_agent.events import RequestOpened
from omc_agent.panels.choices import choices, option_label
from omc_agent.panels.deadline import until
from omc_agent.panels.effects import plan_piece
from omc_agent.panels.keys import about, typed
from omc_agent.panels.markup import Piece, aligned, esc, highlight, indent, plain
from omc_agent.panels.verbs import Line, verbs
from omc_agent.request import ClarificationQuestion, Request

_NOTHING = Piece("", "")


def asked(event: RequestOpened, name: str, *, shell: bool = False) -> Piece:
    """The request with everything that it shows.

    Parameters
    ----------
    event : RequestOpened
        Without `request` it shows question, effect and options only, as older ledgers have them.
    name : str
        The id to type in an answer.
    shell : bool
        Whether the lines to type are those of a shell.
    """
    request = request_of(event)
    told = [told_html(text) for text in (request.context, request.effect or event.effect) if text]
    body = shown(request)
    waits = until(event) if event.request else _defaulted(event)
    lines = verbs(event, name, shell=shell)
    html = (
        f'<div class="omc-step omc-gate"><h4>{esc(request.question)}</h4>{"".join(told)}{body.html}'
        f'<p class="omc-dim omc-small">{esc(waits)} To answer without a button, type:</p>{_lines_html(lines)}</div>'
    )
    facts = [f"? {request.question}", request.context, request.effect or event.effect, body.text, waits]
    return Piece(html, plain("\n".join([line for line in facts if line] + _lines_text(lines))))


def request_of(event: RequestOpened) -> Request:
    """The request that an event holds; made of the event's own fields where it holds none."""
    found = {"gate": event.gate, "stage": event.stage, "question": event.question, **event.request}
    return Request(**found)


def shown(request: Request) -> Piece:
    """What is decided on: code, plan, candidates, questions, what may be changed."""
    parts = [
        _code(request),
        plan_piece(request.plan),
        choices(request),
        *(_question(question) for question in request.questions),
        _changes(request),
        _NOTHING if request.candidates else _options(request),
    ]
    return Piece("".join(p.html for p in parts), "\n".join(p.text for p in parts if p.text))


def told_html(text: str) -> str:
    """A paragraph."""
    return f"<p>{esc(text)}</p>"


def question_html(question: ClarificationQuestion) -> str:
    """One question and why it is asked."""
    context = f' <span class="omc-dim">{esc(question.context)}</span>' if question.context else ""
    return f"<p><b>{esc(question.question)}</b>{context}</p>"


def answers(question: ClarificationQuestion) -> list[tuple[str, str]]:
    """The options as label and value: the default first, and said to be so."""
    first = [question.default] if question.default else []
    values = [*first, *(value for value in question.options if value not in first)]
    marks = [" (default)" if value == question.default else "" for value in values]
    return [(plain(f"{v}{mark}", 300).replace("\n", " "), v) for v, mark in zip(values, marks, strict=True)]


def _defaulted(event: RequestOpened) -> str:
    said = [f"Options: {' / '.join(event.options)}."] if event.options else []
    return " ".join(said + ([f"If nobody answers: {event.default}."] if event.default else []))


def _code(request: Request) -> Piece:
    if not request.code:
        return _NOTHING
    return Piece(f'<div class="omc-code"><pre>{highlight(request.code)}</pre></div>', indent(plain(request.code)))


def _question(question: ClarificationQuestion) -> Piece:
    labels = [label for label, _ in answers(question)] or ["your own words"]
    items = "".join(f"<li>{esc(label)}</li>" for label in labels)
    text = f"{question.question} {question.context}".strip()
    html = f'{question_html(question)}<ul class="omc-listed">{items}</ul>'
    return Piece(html, "\n".join([plain(text), *(f"  - {label}" for label in labels)]))


def _options(request: Request) -> Piece:
    if not request.options:
        return _NOTHING
    lines = [(option_label(o, request.default), o.note, o.pros, o.cons) for o in request.options]
    told = [
        " ".join(
            [
                label,
                *([f"({note})"] if note else []),
                *(f"For: {p}." for p in pros),
                *(f"Against: {c}." for c in cons),
            ]
        )
        for label, note, pros, cons in lines
    ]
    items = "".join(f"<li>{esc(text)}</li>" for text in told)
    return Piece(f'<ul class="omc-listed">{items}</ul>', "\n".join(plain(f"  - {text}") for text in told))


def _changes(request: Request) -> Piece:
    if not request.changes:
        return _NOTHING
    rows = [[str(key), typed(key, now) or "none", about(key)] for key, now in request.changes.items()]
    body = "".join(
        f"<tr><td><code>{esc(key, 80)}</code></td><td>{esc(now, 300)}</td><td>{esc(what)}</td></tr>"
        for key, now, what in rows
    )
    head = "<thead><tr><th>may be changed</th><th>now</th><th>what it is</th></tr></thead>"
    table = f'<table class="omc-wide">{head}<tbody>{body}</tbody></table>'
    text = aligned([["may be changed", "now", "what it is"], *([plain(c, 300) for c in row] for row in rows)])
    return Piece(table, indent(text))


def _lines_html(lines: list[Line]) -> str:
    items = "".join(f"<li><span>{esc(line.does)}</span> <code>{esc(line.typed)}</code></li>" for line in lines)
    return f'<ul class="omc-verbs">{items}</ul>'


def _lines_text(lines: list[Line]) -> list[str]:
    if len(lines) == 1:
        return [f"Type: {lines[0].typed}"]
    return ["Type:", indent(aligned([[line.does, line.typed] for line in lines]))]
