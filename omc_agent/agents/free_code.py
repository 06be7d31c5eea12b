"""`run_python`: code that the model writes itself, what it may leave, and what it is told when that does not work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from langchain.tools import ToolRuntime
from langchain_core.tools import BaseTool, StructuredTool
from langgraph.types import Command
from pydantic import BaseModel, Field

from omc_agent.agents.context import RunContext
from omc_agent.agents.free_frames import check_left
from omc_agent.agents.free_hints import explain
from omc_agent.agents.free_rules import objection
from omc_agent.agents.toolbox import answer, cell_key
from omc_agent.errors import UsageError

FREE_CODE = "run_python"


class _FreeCode(BaseModel):
    code: str = Field(description="plain Python; frames of the stage are variables")
    kind: str = Field(
        "look",
        description="transform: causal, keeps every row, no statistic of the whole frame; fit: learns named state"
        " with save_state; look: only shows something",
    )
    into: list[str] = Field(default_factory=list, description="names of frames or values that the code leaves")


def free_code_tool() -> BaseTool:
    """`run_python`: code that the model writes itself. A person is asked before it runs."""
    return StructuredTool.from_function(
        coroutine=_run_python,
        name=FREE_CODE,
        description="Run Python that you write, where no other tool reaches. A person is asked first. A model that it"
        " fits is no candidate: those are scored by cross_validate_model alone.",
        args_schema=_FreeCode,
    )


async def _run_python(
    code: str, runtime: ToolRuntime[RunContext, Any], kind: str = "look", into: list[str] | None = None
) -> Command[Any]:
    state, context, names = runtime.state, runtime.context, into or []
    refused = refused_call({"code": code, "kind": kind, "into": names}, state)
    if refused is not None:
        raise refused

    async def check(frames: Mapping[str, Any], values: Mapping[str, Any]) -> str | None:
        return await check_left(frames, values, state, context.load_frame)

    outcome = await context.run_cell(
        code, key=cell_key(runtime), kind=kind, into=names, entered=state["entered"], check=check
    )
    if not outcome.ok:
        outcome = replace(outcome, error=explain(outcome, code, kind, state), reason=outcome.reason[:200])
    # The leak test names the line that made a column, so the state keeps code that no library tool wrote.
    entered = state["entered"]
    written = {"stage": entered["stage"], "visit": entered["visit"], "status": outcome.status, "code": code}
    made = answer(outcome, runtime, {"cells": {str(outcome.n): {**written, "kind": kind}}})
    return _marked(made, kind)


def refused_call(args: Mapping[str, Any], state: Mapping[str, Any]) -> UsageError | None:
    """Why a call of `run_python` is not run, and not asked about either; None when it may."""
    why = objection(str(args.get("code", "")), str(args.get("kind") or "look"), list(args.get("into") or []), state)
    if why is None:
        return None
    return UsageError("usage.value", given=why.given, have=why.have, try_=why.try_)


def _marked(made: Command[Any], kind: str) -> Command[Any]:
    """The same update, its frames marked with the kind of the cell: what only looks is not there in a replay."""
    update: dict[str, Any] = dict(made.update or {})
    update["frames"] = {name: {**ref, "kind": kind} for name, ref in update.get("frames", {}).items()}
    return Command(update=update)
