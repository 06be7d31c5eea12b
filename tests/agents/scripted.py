"""Two chat models that are not ours: one that follows a function, and one that listens to another."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import Field


@dataclass(frozen=True)
class Seen:
    """What a model sees at one call: names of its tools, the opening's JSON block, and the answers of tools."""

    tools: list[str]
    messages: list[BaseMessage]

    @property
    def facts(self) -> dict[str, Any]:
        """The JSON block of the opening message; empty when there is none."""
        openings = [m.text for m in self.messages if isinstance(m, HumanMessage)]
        block = re.search(r"```json\n(.*?)\n```", "\n".join(openings), re.DOTALL)
        return json.loads(block.group(1)) if block else {}

    @property
    def replies(self) -> list[str]:
        """The texts of the tool messages so far."""
        return [m.text for m in self.messages if isinstance(m, ToolMessage)]

    @property
    def turn(self) -> int:
        """How often the model has answered in this conversation."""
        return sum(isinstance(m, AIMessage) for m in self.messages)


Script = Callable[[Seen], tuple[str, list[dict[str, Any]]]]


class ScriptedChatModel(BaseChatModel):
    """A chat model whose answers come from a function of what it sees.

    Parameters
    ----------
    script : callable
        ``script(seen) -> (text, calls)``; a call is ``{"name": ..., "args": {...}}``.

    Examples
    --------
    >>> model = ScriptedChatModel(script=lambda seen: ("Look.", [{"name": "look", "args": {}}]))
    >>> model.invoke("go").tool_calls[0]["name"]
    'look'
    """

    script: Script

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Any:
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)

    def _generate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        names = [tool["function"]["name"] for tool in kwargs.get("tools", [])]
        text, calls = self.script(Seen(names, messages))
        made = [
            {"name": call["name"], "args": call["args"], "id": f"call-{len(messages)}-{n}", "type": "tool_call"}
            for n, call in enumerate(calls)
        ]
        usage = {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}
        message = AIMessage(content=text, tool_calls=made, usage_metadata=usage)
        return ChatResult(generations=[ChatGeneration(message=message)])


def in_turn(*answers: tuple[str, list[dict[str, Any]]]) -> Script:
    """A script that gives `answers` one after the other, and then only words."""
    return lambda seen: answers[seen.turn] if seen.turn < len(answers) else ("Nothing more to do.", [])


def call(name: str, **args: Any) -> dict[str, Any]:
    """A tool call of a script."""
    return {"name": name, "args": args}


@dataclass
class Heard:
    """One call as it went over the wire: messages and tools, and what came back."""

    messages: list[BaseMessage]
    tools: list[dict[str, Any]]
    answer: AIMessage = field(default_factory=lambda: AIMessage(""))


class CapturingChatModel(BaseChatModel):
    """Passes every call on to `inner` and keeps what was said.

    Parameters
    ----------
    inner : BaseChatModel
        Who answers.
    heard : list of Heard
        Filled, a call each.
    """

    inner: BaseChatModel
    heard: list[Heard] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "capturing"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Any:
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)

    def _generate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        heard = Heard(copy.deepcopy(messages), copy.deepcopy(kwargs.get("tools", [])))
        heard.answer = self.inner.bind(**kwargs).invoke(messages)
        self.heard.append(heard)
        return ChatResult(generations=[ChatGeneration(message=heard.answer.model_copy())])
