"""What a request holds, read strictly: JSON with no surprises, fields and queries that are known."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from omc_agent.errors import AgentError, RestError, UsageError

DEEPEST = 32
# Names that Jupyter itself sends in a query.
JUPYTER_QUERY = frozenset({"token", "_xsrf", "no_track_activity", "session_id"})


class Body(BaseModel):
    """A request body, or a query: no unknown field, no value that is taken for another type."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Query(BaseModel):
    """A query: all values are text, and become what they should be."""

    model_config = ConfigDict(extra="forbid")


M = TypeVar("M", bound=BaseModel)


def read_json(raw: bytes) -> dict[str, Any]:
    """The object in a body; an empty body is an empty object.

    Raises
    ------
    RestError
        ``rest.body`` for what is no JSON object, is nested more than 32 deep, or holds what no store can keep.

    Examples
    --------
    >>> read_json(b'{"goal": "Predict BTC"}')
    {'goal': 'Predict BTC'}
    """
    if not raw.strip():
        return {}
    try:
        value = json.loads(raw.decode("utf-8"), parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise _unreadable("It is not JSON in UTF-8.") from None
    if not isinstance(value, dict):
        raise _unreadable("It is JSON, but no object.")
    _check(value)
    return value


def fitted(model: type[M], values: Mapping[str, Any], what: str) -> M:
    """`values` as a `model`.

    Raises
    ------
    UsageError
        ``usage.flag`` for an unknown or missing field, with near names; ``usage.value`` for a value that cannot be.
    """
    try:
        return model.model_validate(dict(values))
    except ValidationError as problem:
        first = problem.errors(include_url=False, include_input=False)[0]
    except AgentError:
        raise
    name = ".".join(str(part) for part in first["loc"]) or what
    if first["type"] == "extra_forbidden":
        raise unknown_field(name, model.model_fields, what)
    if first["type"] == "missing":
        raise UsageError("usage.flag", given=f"The {what} lacks {name}.",
                         have=f"Known: {', '.join(model.model_fields)}.", try_=f"Add {name}.")  # fmt: skip
    raise UsageError("usage.value", given=f"{name[:80]} cannot be used: {first['msg']}.", have="Nothing was done.",
                     try_="See openapi.yaml for what it can be.")  # fmt: skip


def unknown_field(name: str, known: Iterable[str], what: str) -> UsageError:
    """The error of a field that is not known."""
    there = sorted(known)
    near = get_close_matches(name.replace("-", "_"), there, n=3, cutoff=0.5)
    return UsageError("usage.flag", given=f"The {what} has an unknown field {name[:80]!r}.",
                      have=f"Known: {', '.join(there) or 'none'}.",
                      try_=f"Near: {', '.join(near)}." if near else "Leave it out.")  # fmt: skip


def read_query(arguments: Mapping[str, list[bytes]]) -> dict[str, str]:
    """The query by name, the last value of each; without what Jupyter sends itself and numbers against caches."""
    found = {}
    for name, values in arguments.items():
        if name in JUPYTER_QUERY or (name.isdigit() and not any(values)):
            continue
        text = values[-1].decode("utf-8", "replace") if values else ""
        _check_text(name + text)
        found[name] = text
    return found


def _check(value: Any) -> None:
    """No deep nesting, no half characters, no NUL: a database or a checker below would stumble over each."""
    level: list[Any] = [value]
    for _ in range(DEEPEST):
        below: list[Any] = []
        for each in level:
            if isinstance(each, dict):
                below += [*each.keys(), *each.values()]
            elif isinstance(each, list):
                below += each
            elif isinstance(each, str):
                _check_text(each)
        if not below:
            return
        level = below
    raise _unreadable(f"It is nested more than {DEEPEST} deep.")


def _check_text(text: str) -> None:
    if "\x00" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise _unreadable("A text in it holds a NUL, or half of a character.")


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)


def _unreadable(have: str) -> RestError:
    return RestError("rest.body", given="The request cannot be read.", have=have, try_="Send one JSON object.")
