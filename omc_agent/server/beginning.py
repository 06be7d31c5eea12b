"""What ``POST /sessions`` and ``/continue`` take: the flags of the magic, by their names, as typed fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, Field, create_model

from omc_agent.config import AgentSettings, settings_with
from omc_agent.errors import GoalError, RestError, UsageError
from omc_agent.flags import SETTING_FLAGS
from omc_agent.secrecy import refuse_secrets
from omc_agent.server.bodies import Body

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$"
_URLS = ("db", "base_url")  # whose password goes to the run's kernel, and is written nowhere
_TEXT = 2000  # characters of a flag: names, files, URLs


def _type_of(arguments: Mapping[str, Any]) -> Any:
    if "choices" in arguments:
        return Literal[tuple(arguments["choices"])]
    return arguments.get("type", str)


def _field(arguments: Mapping[str, Any]) -> tuple[Any, Any]:
    kind = _type_of(arguments)
    return kind | None, Field(None, **_bounds(kind))


def _bounds(kind: Any) -> dict[str, Any]:
    if kind is str:
        return {"max_length": _TEXT}
    return {"le": 2**53, "ge": -(2**53)} if kind in (int, float) else {}


FLAG_FIELDS: dict[str, Any] = {
    flags[-1].lstrip("-").replace("-", "_"): _field(arguments) for flags, arguments in SETTING_FLAGS
}
Flags: type[BaseModel] = create_model("Flags", __base__=Body, **FLAG_FIELDS)


class _Goal(Body):
    goal: str
    data: list[str] = Field(default_factory=list, max_length=20)
    id: str | None = Field(None, pattern=NAME)
    follow: str | None = Field(None, pattern=NAME)
    plan: bool = False
    out: str | None = Field(None, pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,79}$")
    bg: bool = True  # it always is
    kernel_id: str | None = Field(None, max_length=80)


Beginning: type[BaseModel] = create_model("Beginning", __base__=_Goal, **FLAG_FIELDS)


def plain_names(values: Mapping[str, Any]) -> dict[str, Any]:
    """Dashed names and ``d`` as the fields are called; one thing said twice is refused.

    Examples
    --------
    >>> plain_names({"on-timeout": "park", "d": ["bars"]})
    {'on_timeout': 'park', 'data': ['bars']}
    """
    found: dict[str, Any] = {}
    for name, value in values.items():
        plain = {"d": "data", "m": "model"}.get(name, name.replace("-", "_"))
        if plain in found:
            raise UsageError("usage.flag", given=f"{plain[:80]} is there twice.", have="Nothing was done.",
                             try_="Say it once.")  # fmt: skip
        found[plain] = value
    return found


def check_text(text: str, what: str, most: int) -> None:
    """A goal, or words to a run: not empty, not endless, no key in it."""
    if not text.strip():
        raise GoalError("goal.empty", given=f"The {what} has no words in it.", have="Nothing was done.",
                        try_="Write one sentence.")  # fmt: skip
    if len(text) > most:
        raise RestError("rest.too_large", given=f"The {what} has {len(text):,} characters.",
                        have=f"The limit is {most:,}.", try_="Say it in a sentence or two.")  # fmt: skip
    refuse_secrets(text, f"The {what}")


def given_flags(found: BaseModel, settings: AgentSettings) -> dict[str, Any]:
    """The flags that were given, each a value that its setting can take; no key in any but a URL's password."""
    given = {name: value for name in FLAG_FIELDS if (value := getattr(found, name)) is not None}
    for name, value in given.items():
        if isinstance(value, str) and name not in _URLS:
            refuse_secrets(value, f"The field {name}")
    settings_with(settings, **given).source()
    return given


def check_frames(names: list[str], kernel_id: str | None) -> None:
    """Frames are variables of a kernel: plain names, and a kernel that has them."""
    for name in names:
        if not name.isidentifier() or len(name) > 80:
            raise UsageError("usage.value", given=f"{name[:80]!r} is no variable.", have="Nothing was done.",
                             try_="Name DataFrames of the kernel.")  # fmt: skip
    if names and kernel_id is None:
        raise UsageError("usage.flag", given="data names variables, and no kernel that holds them.",
                         have="A new kernel has none.", try_="Give the kernel_id of one that has them.")  # fmt: skip
