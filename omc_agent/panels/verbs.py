"""The lines that a person types to answer a request where no button works."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Any, NamedTuple

from omc_agent.events import RequestOpened
from omc_agent.panels.keys import typed
from omc_agent.panels.markup import plain
from omc_agent.request import CLARIFICATION


class Line(NamedTuple):
    """What it does, and what to type for it."""

    does: str
    typed: str


def verbs(event: RequestOpened, name: str, *, shell: bool = False) -> list[Line]:
    """One line for each way to answer.

    Parameters
    ----------
    event : RequestOpened
        The request; one without `request` gives the first way only.
    name : str
        The id to type: of the run where it is enough, else of the request.
    shell : bool
        Whether the person types ``omc-agent``, rather than ``%agent``.
    """
    say = _shell(name) if shell else _magic(name)
    if not event.request:
        return [Line("answer", say("answer", "VALUE"))] if event.gate == CLARIFICATION else [_approve(say)]
    if event.gate == CLARIFICATION:
        return [Line("answer", say("answer", _answers(event))), Line("take the defaults", say("approve", ""))]
    lines = [_approve(say)]
    if event.request.get("rest"):
        lines.append(Line("allow it for the rest of the run", say("approve", "--rest")))
    return [*lines, *_changes(event, say, shell), Line(_refusal(event), say("reject", "WHY"))]


def _changes(event: RequestOpened, say: Callable[[str, str], str], shell: bool) -> list[Line]:
    if event.gate == "code":
        return [Line("edit" if shell else "edit, with the code below it", say("edit", ""))]
    lines = []
    if event.gate == "selection":
        others = [o.get("value") for o in event.request.get("options") or [] if o.get("value") != _default(event)]
        lines.append(Line("choose another", say("answer", _word(others[0]) if others else "NAME")))
    elif event.gate == "budget":
        lines.append(Line("set another limit", say("answer", "LIMIT")))
    changes = event.request.get("changes") or {}
    if changes:
        key, now = next(iter(changes.items()))
        does = "retrain" if event.gate == "selection" else "change something"
        lines.append(Line(does, say("answer", _pair(key, now))))
    return lines


def _approve(say: Callable[[str, str], str]) -> Line:
    return Line("approve", say("approve", ""))


def _refusal(event: RequestOpened) -> str:
    return "stop" if event.gate in ("budget", "selection") else "reject"


def _answers(event: RequestOpened) -> str:
    questions = event.request.get("questions") or []
    if len(questions) < 2:
        return "VALUE"
    return " ".join(_pair(q.get("field", ""), q.get("default") or "VALUE") for q in questions)


def _pair(key: Any, now: Any) -> str:
    shown = typed(str(key), now).replace(", ", ",") or "VALUE"
    return _word(f"{key}={shown}")


def _word(text: Any) -> str:
    # What is shown here is typed again: a value that holds spaces or signs must stay one word.
    return shlex.quote(plain(text, 200))


def _default(event: RequestOpened) -> Any:
    return event.request.get("default")


def _magic(name: str) -> Callable[[str, str], str]:
    return lambda verb, rest: f"{'%%' if verb == 'edit' else '%'}agent {verb} {name} {rest}".strip()


def _shell(name: str) -> Callable[[str, str], str]:
    return lambda verb, rest: f"omc-agent decide {name} {verb} {'--file FILE' if verb == 'edit' else rest}".strip()
