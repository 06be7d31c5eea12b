"""How a request differs from the recorded one that is nearest to it, so that a person can act on it."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from omc_agent.llm.kept import Plain
from omc_agent.llm.record import Call, Request

SHOWN = 3  # changed lines of each side
WIDTH = 160
_BLOCK = re.compile(r"```json\n(.*?)\n```", re.DOTALL)


def nearest(calls: Sequence[Call], request: Request) -> int | None:
    """The place of the recorded request that shares most with `request`; None when none is of its stage."""
    places = [place for place, call in enumerate(calls) if call.request.stage == request.stage]
    return max(places, key=lambda place: _likeness(calls[place].request, request), default=None)


def _likeness(old: Request, new: Request) -> tuple[int, bool, float]:
    """Messages that are the same up to the first other one; whether as many follow; how alike that one is."""
    at = _first_other(old, new)
    was, now = (str(each.messages[at]["text"])[:4_000] if at < len(each.messages) else "" for each in (old, new))
    return at, len(old.messages) == len(new.messages), difflib.SequenceMatcher(None, was, now).quick_ratio()


def _first_other(old: Request, new: Request) -> int:
    pairs = enumerate(zip(old.messages, new.messages, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(old.messages), len(new.messages)))


def difference(old: Request, new: Request) -> tuple[str, str]:
    """Where the two differ first, and the lines around it, recorded and now.

    Examples
    --------
    >>> old = Request("planning", [{"role": "human", "text": '{"rows": 100, "coins": ["BTC"]}'}], {})
    >>> new = Request("planning", [{"role": "human", "text": '{"rows": 90, "coins": ["BTC"]}'}], {})
    >>> difference(old, new)
    ('message 1 of 1 (what is known)', 'Recorded: «rows: 100». Now: «rows: 90».')
    """
    at = _first_other(old, new)
    if at == len(old.messages) == len(new.messages):
        return _other_tools(old.tools, new.tools)
    before, after = (list(lines_of(each.messages[at])) if at < len(each.messages) else [] for each in (old, new))
    where = f"message {at + 1} of {len(new.messages)} ({_name(new, at)})" if after else "where it ends"
    gone: list[str] = []
    come: list[str] = []
    for tag, i, j, k, m in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag != "equal":
            gone, come = [*gone, *before[i:j]], [*come, *after[k:m]]
    return where, f"Recorded: {_quoted(gone)}. Now: {_quoted(come)}."


def _other_tools(old: dict[str, str], new: dict[str, str]) -> tuple[str, str]:
    words = (
        ("gone", sorted(set(old) - set(new))),
        ("new", sorted(set(new) - set(old))),
        ("described otherwise", sorted(name for name in old if name in new and old[name] != new[name])),
    )
    return "the set of its tools", "; ".join(f"{', '.join(names)}: {word}" for word, names in words if names) + "."


def _name(request: Request, at: int) -> str:
    message = request.messages[at]
    if message["role"] == "tool":
        calls = [call["name"] for each in request.messages[:at] for call in each.get("calls", [])]
        place = int(message.get("of", 0))
        return f"what {calls[place - 1]} answered" if 0 < place <= len(calls) else "what a tool answered"
    opening = next((n for n, each in enumerate(request.messages) if each["role"] == "human"), -1)
    known = "what is known" if at == opening else "what is said to it"
    return {"system": "the prompt", "ai": "its own answer", "human": known}.get(message["role"], "a message")


def _quoted(lines: list[str]) -> str:
    """The first lines, each within its width."""
    if not lines:
        return "nothing"
    shown = ", ".join(f"«{line if len(line) <= WIDTH else line[:WIDTH] + '…'}»" for line in lines[:SHOWN])
    return shown + (f" and {len(lines) - SHOWN} more" if len(lines) > SHOWN else "")


def lines_of(message: Plain) -> Iterator[str]:
    """A message line by line; JSON in it as a line a value, with its path.

    Examples
    --------
    >>> list(lines_of({"role": "ai", "text": "Look.", "calls": [{"name": "look", "args": {"at": [1, {"b": 2}]}}]}))
    ['Look.', 'look.at.0: 1', 'look.at.1.b: 2']
    """
    text = message["text"]
    for number, part in enumerate(_BLOCK.split(text) if _BLOCK.search(text) else ["", text]):
        value = _json(part) if number % 2 else None
        yield from _leaves("", value) if value is not None else (line for line in part.splitlines() if line.strip())
    for call in message.get("calls", []):
        yield from _leaves(str(call["name"]), call["args"] or "()")
    if message.get("failed"):
        yield "(failed)"


def _json(text: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, (dict, list)) else None


def _leaves(path: str, value: Any) -> Iterator[str]:
    if isinstance(value, (dict, list)) and value:
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(f"{path}.{key}" if path else str(key), each)
    elif isinstance(value, str) and "\n" in value:
        yield from (f"{path}: {line}" for line in value.splitlines() if line.strip())
    else:
        yield f"{path}: {value}" if path else str(value)
