"""What stands around every model call and every tool call of an agent.

`Steps` tells reason, act and observe, keeps one cell at a time, asks before free code, and ends a stage that goes on
too long. `Stage`, in a file of its own, opens and closes it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

from langchain.agents.middleware import AgentMiddleware
from langchain.agents.middleware.types import ModelRequest, ModelResponse, ToolCallRequest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langgraph.errors import GraphBubbleUp
from langgraph.types import Command

from omc_agent.agents import calling, gating
from omc_agent.agents.arguments import misfit
from omc_agent.agents.context import BEGUN, RunContext, Words
from omc_agent.agents.ordering import InOrder
from omc_agent.agents.stage import Stage, StageState, taken_up
from omc_agent.agents.usable import spoken, task_of
from omc_agent.brief import Brief
from omc_agent.errors import AgentError, ModelError, RunStopped
from omc_agent.events import Act, BriefRead, Observe, Reason
from omc_agent.overrides import split_by_home
from omc_agent.request import Decision, Request

if TYPE_CHECKING:
    from omc_agent.agents.base import BaseAgent

__all__ = ["FREE_CODE", "HOST_TOOLS", "Stage", "StageState", "Steps", "taken_up"]

FREE_CODE = gating.FREE_CODE
NOT_RUN = "not run: one cell at a time; call it again after the first"
# Tools that end up as a cell in the sandbox; of several in one answer only the first runs.
HOST_TOOLS = {
    "submit_brief",
    "submit_plan",
    "propose_next",
    "write_report",
    "get_available_coins",
    "get_data_statistics",
    "query",
    "read_cell",
}


# Of these any number may be in one answer: they look, and leave nothing but what they say.
READ_ONLY = frozenset({"get_available_coins", "get_data_statistics", "query", "read_cell"})


class Steps(AgentMiddleware[StageState, RunContext, Any]):
    """Reason, act and observe; wrap hooks only, so no node and no checkpoint of its own."""

    state_schema = StageState

    def __init__(self, agent: BaseAgent) -> None:
        super().__init__()
        self.agent = agent
        self._order = InOrder()

    async def awrap_model_call(
        self, request: ModelRequest[RunContext], handler: Callable[[ModelRequest[RunContext]], Awaitable[Any]]
    ) -> ModelResponse[Any] | AIMessage:
        """Call the model within its time; after too many steps or failures end the stage instead."""
        context = request.runtime.context
        why = self._enough(request, context)
        if why is not None:
            return AIMessage(why)
        key = task_of(request.runtime)
        await context.afford(self.agent.stage, key)
        request = _with_said(request, context.words, self.agent.stage)
        try:
            response = await handler(request)
        except (AgentError, GraphBubbleUp, asyncio.CancelledError):
            raise
        except Exception as error:  # any provider has exceptions of its own
            raise calling.failed(calling.asked_of(error, context.model_name), error) from None  # it may show a key
        message = calling.answer_of(response)
        if message is not None:
            name = str(message.response_metadata.get(calling.ASKED, context.model_name))
            if refused := calling.refusal_of(message):
                raise ModelError(
                    "model.refused",
                    given=f"{name} refused: {refused[:300]}",
                    have="The work so far is kept.",
                    try_="Word the goal otherwise, or use another model with -m.",
                )
            if said := spoken(message.text):
                await context.emit(Reason(stage=self.agent.stage, text=said), f"{key}:reason")
        return response  # type: ignore[no-any-return]

    async def awrap_tool_call(
        self,
        request: ToolCallRequest,
        handler: Callable[[ToolCallRequest], Awaitable[ToolMessage | Command[Any]]],
    ) -> ToolMessage | Command[Any]:
        """Tell act and observe; answer what is not allowed to run now. Calls of one answer begin in their order."""
        begun = await self._order.wait(*_place(request))
        token = BEGUN.set(begun)
        try:
            return await self._call(request, handler)
        finally:
            begun.set()
            BEGUN.reset(token)

    async def _call(
        self,
        request: ToolCallRequest,
        handler: Callable[[ToolCallRequest], Awaitable[ToolMessage | Command[Any]]],
    ) -> ToolMessage | Command[Any]:
        context = cast(RunContext, request.runtime.context)
        call, key = request.tool_call, task_of(request.runtime)
        if self._is_second_cell(request):
            return _reply(call, NOT_RUN, ok=False)
        await context.emit(Act(stage=self.agent.stage, tool=call["name"], args=call["args"]), f"{key}:act")
        known = self.agent.tools() if request.tool is None else ()
        wrong = misfit(call, request.tool, known)
        if wrong is not None:  # before a person is asked about it
            reply = _reply(call, json.dumps({"status": "error", "error": wrong}), ok=False)
            await self._observe(reply, call, context, key)
            return reply
        held = call["name"] != FREE_CODE or await context.walled()
        asked = gating.request_for(
            self.agent.stage, call, request.state, context, host=call["name"] in HOST_TOOLS, held=held
        )
        grant: dict[str, Any] = {}
        if asked is not None:
            answer = await self._decided(asked, request, context, key)
            if isinstance(answer, Command):
                await self._observe(answer, call, context, key)
                return answer
            request, grant = answer
        try:
            result = await handler(request)
        except RunStopped:
            raise
        except AgentError as error:
            result = _reply(call, json.dumps({"status": "error", "error": error.to_dict()}), ok=False)
        await self._observe(result, call, context, key)
        return _granting(result, grant)

    async def _decided(
        self, asked: Request, request: ToolCallRequest, context: RunContext, key: str
    ) -> tuple[ToolCallRequest, dict[str, Any]] | Command[Any]:
        """Ask; then the call as it may run and what is allowed from now on, or what is answered in its place."""
        call, decision = request.tool_call, await context.ask(asked, key)
        if decision.type == "reject":
            return gating.rejected(asked, decision, call, request.state)
        if decision.type == "edit" and isinstance(decision.value, dict):
            command = gating.changed(asked, decision, call, request.state)
            read = Brief.model_validate(cast(dict[str, Any], command.update)["brief"])
            told = BriefRead(stage=self.agent.stage, title=read.title(), brief=read.model_dump())
            await context.emit(told, f"{key}:brief")
            await context.keep_settings(split_by_home(decision.value)[1])
            return command
        if decision.sha256 not in ("", asked.sha256()):
            other = Decision(type="reject", why="what was approved is not what would run now")
            return gating.rejected(asked, other, call, request.state)
        request = request.override(tool_call={**call, "args": gating.edited(decision, call)})
        return request, gating.granted(asked, decision)

    async def _observe(self, result: ToolMessage | Command[Any], call: Any, context: RunContext, key: str) -> None:
        message = _tool_message(result)
        if message is not None:
            observed = Observe(
                stage=self.agent.stage, tool=call["name"], text=str(message.text), ok=message.status != "error"
            )
            await context.emit(observed, f"{key}:observe")

    def _enough(self, request: ModelRequest[RunContext], context: RunContext) -> str | None:
        messages, state = request.messages, request.state
        if state.get("goto") or state.get("error"):
            return "A person decided otherwise."
        if self.agent.stage in (cast(StageState, state).get("dropped") or []):
            return "A person left this stage out."
        steps = sum(isinstance(m, AIMessage) for m in messages)
        if steps >= context.work.max_steps:
            return f"Stopped after {steps} steps (AgentSettings.max_steps)."
        failed = _failures(messages, self.agent.forgives)
        if failed >= context.work.failures:
            return f"Stopped after {failed} failed steps (AgentSettings.failures)."
        return None

    def _is_second_cell(self, request: ToolCallRequest) -> bool:
        if request.tool_call["name"] in READ_ONLY:
            return False
        last = next((m for m in reversed(request.state["messages"]) if isinstance(m, AIMessage)), None)
        cells = [c["id"] for c in last.tool_calls if c["name"] not in READ_ONLY] if last is not None else []
        return request.tool_call["id"] in cells[1:]


def _failures(messages: Sequence[Any], forgiven: frozenset[str]) -> int:
    """Failed steps since the same tool last worked; of a tool that is forgiven only those that repeat an earlier one.

    A call that was not run, because another cell was, is no failure.
    """
    calls = {call["id"]: call for m in messages if isinstance(m, AIMessage) for call in m.tool_calls}
    counted: dict[str, int] = {}
    seen: set[str] = set()
    for message in messages:
        if not isinstance(message, ToolMessage) or message.text == NOT_RUN:
            continue
        call = calls.get(message.tool_call_id)
        name = call["name"] if call else ""
        if message.status != "error":
            counted.pop(name, None)
            continue
        what = json.dumps([name, call["args"]], sort_keys=True, default=str) if call else ""
        forgive = call is not None and name in forgiven and what not in seen
        counted[name] = counted.get(name, 0) + (not forgive)
        seen.add(what)
    return sum(counted.values())


def _with_said(request: ModelRequest[RunContext], words: Words, stage: str) -> ModelRequest[RunContext]:
    """The person's words behind all messages: never between a call and its answer, which providers refuse."""
    state = cast(StageState, request.state)
    notes = state.get("texts", {}).get("plan_notes", {}).get(stage, [])  # what the person wrote into the plan
    if not words.said and not notes:
        return request
    words.delivered = len(words.said)
    heard = state["entered"].get("heard", 0)
    told = {"said": [*words.said[:heard], *notes, *words.said[heard:]], "heard": heard}
    block = f"The person said, while you work:\n```json\n{json.dumps(told)}\n```"
    return request.override(messages=[*request.messages, HumanMessage(block)])


def _granting(result: ToolMessage | Command[Any], grant: dict[str, Any]) -> ToolMessage | Command[Any]:
    if not grant:
        return result
    update = {"messages": [result]} if isinstance(result, ToolMessage) else result.update
    return Command(update={**cast(dict[str, Any], update or {}), **grant})


def _place(request: ToolCallRequest) -> tuple[str, int]:
    """The answer that a call stands in, and where."""
    last = next((m for m in reversed(request.state["messages"]) if isinstance(m, AIMessage)), None)
    ids = [call["id"] for call in last.tool_calls] if last is not None else []
    here = request.tool_call["id"]
    return str((last and last.id) or here), ids.index(here) if here in ids else 0


def _reply(call: Any, text: str, *, ok: bool) -> ToolMessage:
    return ToolMessage(text, tool_call_id=call["id"], name=call["name"], status="success" if ok else "error")


def _tool_message(result: ToolMessage | Command[Any]) -> ToolMessage | None:
    if isinstance(result, ToolMessage):
        return result
    messages = (result.update or {}).get("messages", []) if isinstance(result.update, dict) else []
    return next((m for m in messages if isinstance(m, ToolMessage)), None)
