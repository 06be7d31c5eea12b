"""Function -> tool: a call of a tool is one readable line of Python, run and recorded as a cell."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args, get_origin, get_type_hints

from langchain.tools import ToolRuntime
from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool, StructuredTool
from langgraph.types import Command
from pydantic import BaseModel, Field, create_model

from omc_agent import tools
from omc_agent.agents.context import Outcome, RunContext
from omc_agent.agents.outline import shown_names
from omc_agent.events import CandidateScored, Warned
from omc_agent.naming import model_name
from omc_agent.tools.fingerprint import TIMINGS

REPLY_CAP = 1_900  # every checkpoint saves all messages, so results in them stay small
ERROR_CAP = 300
WIDTH = 96
UNTOLD = (*TIMINGS, "sha", "source")

Update = dict[str, Any]


class Code(str):
    """An expression that is rendered as it stands, such as the name of a variable."""

    def __repr__(self) -> str:
        return str(self)


@dataclass(frozen=True)
class CellTool:
    """How one function of `tools/` is offered to a chat model.

    Parameters
    ----------
    name : str
        The function.
    kind : str
        transform, fit, look or model: what a replay does with its cell.
    into : sequence of str
        Names that its results get when the model gives none.
    fixed : callable
        Arguments that the run's settings decide, not the model: ``fixed(context, state) -> dict``.
    absorb : callable
        What the result adds to the state: ``absorb(outcome, into, state) -> dict``.
    hidden : sequence of str
        Parameters that are not shown to the model.
    shown : str
        An expression for the last line of the cell, so that person and model see its figures; ``{0}`` stands for the
        first result.
    lost : callable
        What a cell that failed adds to the state: ``lost(outcome, into, arguments) -> dict``.
    function : callable, optional
        A function that is not of `tools/`; `before` is then the line of its import.
    """

    name: str
    kind: str
    into: Sequence[str]
    fixed: Callable[[RunContext, dict[str, Any]], dict[str, Any]] = lambda context, state: {}
    absorb: Callable[[Outcome, list[str], dict[str, Any]], Update] = lambda outcome, into, state: {}
    hidden: Sequence[str] = field(default_factory=tuple)
    shown: str = ""
    lost: Callable[[Outcome, list[str], Update], Update] = lambda outcome, into, arguments: {}
    function: Callable[..., Any] | None = None
    before: str = ""

    def build(self) -> BaseTool:
        """The tool, with a schema made from the function's signature and docstring."""
        function = self.function or getattr(tools, self.name)
        frames = _frame_parameters(function)

        async def call(runtime: ToolRuntime[RunContext, Any], **given: Any) -> Command[Any]:
            into = [given.pop("into")] if given.get("into") else list(self.into[:1])
            into += [_sibling(into[0], self.into[0], name) for name in self.into[1:]]
            given = {name: value for name, value in given.items() if value is not None}
            arguments = {**given, **self.fixed(runtime.context, runtime.state)}
            if self.kind == "fit":
                code, names = f"save_state({into[0]!r}, {render_call(function, arguments, frames, [])})", []
            else:
                code, names = render_call(function, arguments, frames, into), into
            code = f"{self.before}{code}"
            if self.shown:
                code = f"{code}\n{self.shown.format(into[0])}"
            outcome = await runtime.context.run_cell(
                code, key=cell_key(runtime), kind=self.kind, into=names, entered=runtime.state["entered"]
            )
            ok = outcome.ok
            update = self.absorb(outcome, into, runtime.state) if ok else self.lost(outcome, into, arguments)
            for name, candidate in update.get("candidates", {}).items():
                event = CandidateScored(stage=runtime.state["entered"]["stage"], candidate=candidate)
                await runtime.context.emit(event, f"{cell_key(runtime)}:{name}")
            for name, failure in (update.get("failed") or {}).items():
                if failure:
                    text = f"{model_name(name)} could not be scored: {failure['why']} The others go on."
                    stage = runtime.state["entered"]["stage"]
                    warned = Warned(stage=stage, code="candidate_failed", text=text, cell=outcome.n)
                    await runtime.context.emit(warned, f"{cell_key(runtime)}:{name}:failed")
            return answer(outcome, runtime, update)

        return StructuredTool.from_function(
            coroutine=call,
            name=self.name,
            description=_first_paragraph(function),
            args_schema=self._schema(function, frames),
        )

    def _schema(self, function: Callable[..., Any], frames: Sequence[str]) -> type[BaseModel]:
        fields: dict[str, Any] = {}
        words = _parameter_words(function)
        hints = get_type_hints(function)
        for name, parameter in inspect.signature(function).parameters.items():
            if name in self.hidden:
                continue
            kind = str if name in frames else _plain_type(hints.get(name, Any))
            about = words.get(name, "")
            if name in frames:
                about = f"name of the frame; {about}"
            required = parameter.default is inspect.Parameter.empty
            default = ... if required else None
            fields[name] = (kind if required else kind | None, Field(default, description=about))
        fields["into"] = (str | None, Field(None, description=f"name of the result; default {self.into[0]}"))
        return create_model(f"{self.name}_arguments", **fields)


def render_call(
    function: Callable[..., Any], arguments: dict[str, Any], frames: Sequence[str], into: Sequence[str]
) -> str:
    """One readable statement.

    Examples
    --------
    >>> def create_features(prices, lags): ...
    >>> render_call(create_features, {"prices": "bars", "lags": [1, 3]}, ["prices"], ["features"])
    'features = create_features(bars, lags=[1, 3])'
    """
    order = list(inspect.signature(function).parameters)
    parts = []
    for position, name in enumerate(sorted(arguments, key=order.index)):
        value = arguments[name] if name in frames else repr(arguments[name])
        parts.append(str(value) if position == 0 and name == order[0] else f"{name}={value}")
    head = f"{', '.join(into)} = {function.__name__}(" if into else f"{function.__name__}("
    line = f"{head}{', '.join(parts)})"
    if len(line) <= WIDTH:
        return line
    lines, current = [], head
    for number, part in enumerate(parts):
        piece = part + (")" if number == len(parts) - 1 else ", ")
        if len(current) + len(piece) > WIDTH and current.strip():
            lines.append(current.rstrip())
            current = " " * len(head)
        current += piece
    return "\n".join([*lines, current])


def answer(outcome: Outcome, runtime: ToolRuntime[RunContext, Any], update: Update | None = None) -> Command[Any]:
    """The state update of a recorded cell: its frames, its number, and what the model is told."""
    about: dict[str, Any] = {"cell": outcome.n, "status": outcome.status}
    if outcome.ok:
        about["frames"] = {
            name: {"rows": ref["rows"], "columns": shown_names(ref["columns"])}
            for name, ref in outcome.frames.items()
        }
        about["values"] = {name: as_told(value) for name, value in outcome.values.items()}
        about["output"] = outcome.text
    else:
        about["error"] = outcome.error
        about["reason"] = outcome.reason
    message = ToolMessage(
        shorten(about),
        tool_call_id=runtime.tool_call_id or "",
        name=str(runtime.config.get("metadata", {}).get("tool", "")) or None,
        status="success" if outcome.ok else "error",
    )
    stage, visit = runtime.state["entered"]["stage"], runtime.state["entered"]["visit"]
    place = {"stage": stage, "visit": visit, "cell": outcome.n}
    frames = {name: {**ref, **place} for name, ref in outcome.frames.items()}
    cells = {str(outcome.n): {"stage": stage, "visit": visit, "status": outcome.status}}
    return Command(update={"messages": [message], "frames": frames, "cells": cells, **(update or {})})


def as_told(value: Any) -> Any:
    """A value as a model is told it: without digests, and without how long fits took.

    No model needs them, and a run on another day, or with its database elsewhere, would send other requests: neither
    a cache nor a record would know them.

    Examples
    --------
    >>> as_told({"score": 0.5, "fit_seconds": 0.193, "sha": "a5f9"})
    {'score': 0.5}
    """
    return {k: v for k, v in value.items() if k not in UNTOLD} if isinstance(value, dict) else value


def shorten(about: dict[str, Any]) -> str:
    """JSON of `about` within the cap: an error and output first lose length, then values."""
    text = json.dumps(about)
    if len(text) > REPLY_CAP and isinstance(about.get("error"), dict):
        error = {**about["error"], "message": str(about["error"].get("message", ""))[:ERROR_CAP]}
        about = {**about, "error": error, "reason": str(about.get("reason", ""))[:ERROR_CAP]}
        text = json.dumps(about)
    if len(text) > REPLY_CAP and about.get("output"):
        spare = max(0, REPLY_CAP - len(text) + len(json.dumps(about["output"])) - 20)
        text = json.dumps({**about, "output": str(about["output"])[: spare // 2]})
    if len(text) > REPLY_CAP and about.get("values"):
        values = {name: _outline(value) for name, value in about["values"].items()}
        text = json.dumps({**about, "output": "", "values": values})
    if len(text) > REPLY_CAP:
        text = json.dumps({key: about[key] for key in ("cell", "status") if key in about})
    return text


def cell_key(runtime: ToolRuntime[RunContext, Any]) -> str:
    """The same before and after a kill: the LangGraph task of the call (a tool call id may repeat)."""
    info = runtime.execution_info
    return f"{info.task_id if info is not None else runtime.tool_call_id}:0"


def _outline(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: item for key, item in value.items() if not isinstance(item, (list, dict))}
    return f"{type(value).__name__} of {len(value)}" if isinstance(value, (list, str)) else value


def _sibling(first: str, default_first: str, name: str) -> str:
    # cross_validate_model(into="xgboost") gives xgboost and xgboost_oof
    return name.replace(default_first, first, 1) if default_first in name else f"{first}_{name}"


def _frame_parameters(function: Callable[..., Any]) -> list[str]:
    hints = get_type_hints(function)
    return [name for name, hint in hints.items() if name != "return" and getattr(hint, "__name__", "") == "DataFrame"]


def _plain_type(hint: Any) -> Any:
    if hint in (int, float, str, bool):
        return hint
    if get_origin(hint) is not None:
        plain = [part for part in get_args(hint) if part in (int, float, str, bool)]
        origin = get_origin(hint)
        if isinstance(origin, type) and issubclass(origin, Sequence):
            return list[plain[0]] if plain else list[Any]  # type: ignore[valid-type]
        if isinstance(origin, type) and issubclass(origin, Mapping):
            return dict[str, Any]
        for part in get_args(hint):
            inner = _plain_type(part)
            if inner is not Any:
                return inner
    if hint is dict:
        return dict[str, Any]
    return Any


def _first_paragraph(function: Callable[..., Any]) -> str:
    return " ".join((inspect.getdoc(function) or function.__name__).split("\n\n")[0].split())


def _parameter_words(function: Callable[..., Any]) -> dict[str, str]:
    text = inspect.getdoc(function) or ""
    block = re.search(r"Parameters\n-+\n(.*?)(?:\n\n[A-Z][a-z]+\n-+|\Z)", text, re.DOTALL)
    if block is None:
        return {}
    found: dict[str, str] = {}
    for names, body in re.findall(r"^(\w[\w, ]*) : .*\n((?:    .*\n?)*)", block.group(1) + "\n", re.MULTILINE):
        for name in names.split(","):
            found[name.strip()] = " ".join(body.split())[:200]
    return found
