"""Facts in outline: what a stage opens with stays of one size, however many columns or coins there are.

The checkpoint holds all of it; a chat model gets the first names of each long list, those that the goal or the brief
names before all others, and how many more there are.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

NAMES = 40  # of one list or one mapping
WHOLE = frozenset({"goal", "brief", "base", "leaks", "overrides", "source", "work", "proposal", "verdict", "said"})
_TEXT = 2_000  # letters of one text


def outlined(facts: Mapping[str, Any]) -> dict[str, Any]:
    """`facts` with long lists and mappings cut; what a person decided and what must be named exactly stays whole.

    Parameters
    ----------
    facts : mapping
        The JSON of an opening message.

    Returns
    -------
    dict
        The same keys. A list that was cut ends with ``and N more``, a mapping that was cut has that as a key.

    Examples
    --------
    >>> frame = {"rows": 9, "columns": [f"c{n}" for n in range(500)]}
    >>> told = outlined({"goal": "Predict c321", "frames": {"rows": frame}})["frames"]["rows"]["columns"]
    >>> told[0], told[1], told[-1], len(told)
    ('c321', 'c0', 'and 460 more', 41)
    """
    first = _named(facts)
    return {key: value if key in WHOLE else _short(value, first) for key, value in facts.items()}


def is_long(facts: Mapping[str, Any]) -> bool:
    """Whether an outline of `facts` would say less than they do."""
    return any(_too_long(value) for key, value in facts.items() if key not in WHOLE)


def shown_names(names: Sequence[str]) -> list[str]:
    """The first names of a frame's columns, and how many more there are.

    Examples
    --------
    >>> shown_names([f"c{n}" for n in range(99)])[39:]
    ['c39', 'and 59 more']
    """
    return list(names) if len(names) <= NAMES else [*names[:NAMES], _more(names)]


def _named(facts: Mapping[str, Any]) -> Collection[str]:
    """What goal, brief and command line name, in lower case."""
    brief, source = facts.get("brief") or {}, facts.get("source") or {}
    words = set(re.findall(r"\w+", str(facts.get("goal", "")).lower()))
    told = [*(brief.get("coins") or []), brief.get("target"), source.get("target"), "target"]
    return words | {str(name).lower() for name in told if name}


def _short(value: Any, first: Collection[str]) -> Any:
    if isinstance(value, str):
        return value if len(value) <= _TEXT else f"{value[:_TEXT]} ... and {len(value) - _TEXT:,} more letters"
    if isinstance(value, Mapping):
        kept = _chosen(value, first)
        made = {key: _short(value[key], first) for key in kept}
        return made if len(kept) == len(value) else {**made, _more(value): _rest(value, kept)}
    if isinstance(value, list):
        kept = _chosen(value, first) if all(isinstance(each, str) for each in value) else value[:NAMES]
        made_list = [_short(each, first) for each in kept]
        return made_list if len(kept) == len(value) else [*made_list, _more(value)]
    return value


def _rest(value: Mapping[str, Any], kept: Collection[str]) -> str:
    """Some names of what a mapping has besides; a coin or a column may be asked for by its name alone."""
    names = [str(name) for name in value if name not in kept]
    told = ", ".join(names[: 3 * NAMES])
    return told if len(names) <= 3 * NAMES else f"{told}, ..."


def _more(value: Collection[Any]) -> str:
    return f"and {len(value) - NAMES:,} more"


def _chosen(names: Iterable[str], first: Collection[str]) -> list[str]:
    """At most `NAMES`, those in `first` before the others, else in their order."""
    every = list(names)
    if len(every) <= NAMES:
        return every
    return sorted(every, key=lambda name: str(name).lower() not in first)[:NAMES]


def _too_long(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) > _TEXT
    if isinstance(value, Mapping):
        return len(value) > NAMES or any(map(_too_long, value.values()))
    return isinstance(value, list) and (len(value) > NAMES or any(map(_too_long, value)))
