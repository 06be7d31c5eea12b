"""A tool call that cannot run, as the model is told: an unknown tool, or arguments that do not fit."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.tools import BaseTool
from pydantic import BaseModel, ValidationError

FAULTS = 5


def misfit(call: Mapping[str, Any], tool: BaseTool | None, tools: Sequence[BaseTool]) -> dict[str, Any] | None:
    """What is wrong with the call, as ``{type, message}``; None when it fits.

    Parameters
    ----------
    call : mapping
        `name` and `args`.
    tool : BaseTool or None
        The tool of that name; None: there is none.
    tools : sequence of BaseTool
        Those that the model may call.
    """
    if tool is None:
        names = ", ".join(each.name for each in tools)
        return {"type": "UnknownTool", "message": f"There is no tool {call['name']}. Yours are: {names}."}
    # What the tool gets from its runtime is not for the model to give.
    schema: Any = tool.args_schema
    if not (inspect.isclass(schema) and issubclass(schema, BaseModel)):
        return None
    try:
        schema.model_validate(call["args"])
    except ValidationError as error:
        faults = [_said(fault, schema) for fault in error.errors(include_url=False)[:FAULTS]]
        more = error.error_count() - len(faults)
        end = f" And {more} more." if more > 0 else ""
        return {"type": "WrongArguments", "message": f"{call['name']} did not run. {' '.join(faults)}{end}"}
    return None


def _said(fault: Any, schema: type[BaseModel]) -> str:
    """One wrong argument: what it is, what was given, and what is allowed."""
    place = [str(part) for part in fault["loc"]]
    name = ".".join(place) or "the arguments"
    if fault["type"] == "missing":
        return f"{name} is missing{_allowed(schema, place)}."
    given = json.dumps(fault.get("input"), default=str)
    given = given if len(given) <= 60 else f"{given[:60]}…"
    wanted = str(fault["msg"])
    return f"{name}={given}: {wanted[:1].lower()}{wanted[1:160]}{_allowed(schema, place)}."


def _allowed(schema: type[BaseModel], place: Sequence[str]) -> str:
    field = schema.model_fields.get(place[0]) if place else None
    if field is None:
        return f" (there are: {', '.join(schema.model_fields)})" if place else ""
    return f" ({field.description})" if field.description and len(field.description) <= 120 else ""
