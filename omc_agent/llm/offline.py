"""The embedded `offline` chat model: fixed rules behind the interface of a chat model.

It gets what any provider gets: prompts, bound tools, and one JSON block of facts in the opening message. The bound
tools tell it which stage this is; results come as JSON in tool messages. It has no other channel, so that
everything that works with it works with a provider.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.utils.function_calling import convert_to_openai_tool

from omc_agent.fence import inside
from omc_agent.llm.playbook import next_move
from omc_agent.llm.situation import Move, Situation

_FACTS = re.compile(r"```json\n(.*?)\n```", re.DOTALL)


class OfflineChatModel(BaseChatModel):
    """Plans and calls tools by fixed rules; the same messages always give the same answer."""

    seed: int = 0
    reads_all: bool = True  # fixed rules cannot ask for what was put aside
    note: str = (
        "This run is planned by the embedded offline model: fixed rules, not a language model. It reads goals about"
        " prices by a small grammar, follows one plan, and writes no code of its own. -m provider:model puts a"
        " language model in its place."
    )

    @property
    def _llm_type(self) -> str:
        return "omc-offline"

    def bind_tools(self, tools: Sequence[Any], *, tool_choice: Any = None, **kwargs: Any) -> Runnable[Any, AIMessage]:
        """Bind tools as any chat model does."""
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        tools = tuple(tool["function"]["name"] for tool in kwargs.get("tools", []))
        move = next_move(tools, _situation(messages))
        message = AIMessage(
            content=move.reason,
            tool_calls=[_call(move, len(messages))] if move.tool else [],
            usage_metadata={"input_tokens": 0, "output_tokens": 0, "total_tokens": 0},
        )
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        # Rules take microseconds to milliseconds: a thread would cost more than it saves.
        return self._generate(messages, stop, None, **kwargs)


def _call(move: Move, position: int) -> dict[str, Any]:
    return {"name": move.tool, "args": move.args, "id": f"offline-{position}", "type": "tool_call"}


def _situation(messages: list[BaseMessage]) -> Situation:
    """The facts of the opening message, the results since, and what people said in between."""
    opening = next((m for m in messages if isinstance(m, HumanMessage) and _FACTS.search(m.text)), None)
    block = _FACTS.search(opening.text) if opening is not None else None
    facts = json.loads(block.group(1)) if block else {}
    calls = {call["id"]: call for m in messages if isinstance(m, AIMessage) for call in m.tool_calls}
    results = []
    for message in messages:
        if isinstance(message, ToolMessage):
            call = calls.get(message.tool_call_id)
            tool, args = (call["name"], call["args"]) if call else (message.name, {})
            results.append({"tool": tool, "args": args, **_parsed(message)})
    said, heard = _said(messages)
    answers = [str(message.text) for message in messages if isinstance(message, AIMessage)]
    return Situation(facts=facts, results=results, said=said, heard=heard, answers=answers)


def _said(messages: list[BaseMessage]) -> tuple[list[str], int]:
    """What the person said, from the last message that holds it, and how much of it was answered before."""
    for message in reversed(messages):
        block = _FACTS.search(message.text) if isinstance(message, HumanMessage) else None
        told = json.loads(block.group(1)) if block else {}
        if isinstance(told, dict) and isinstance(told.get("said"), list):
            return [str(text) for text in told["said"]], int(told.get("heard") or 0)
    return [], 0


def _parsed(message: ToolMessage) -> dict[str, Any]:
    text = inside(message.text)
    try:
        told = json.loads(text)
    except ValueError:
        told = {"output": text}
    if not isinstance(told, dict):
        told = {"output": told if isinstance(told, str) else text}
    return {"status": message.status, **told, "ok": message.status != "error"}
