"""What a provider is asked, what it answers, and how it fails."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from omc_agent.llm.offline import OfflineChatModel


@dataclass(frozen=True)
class Turn:
    """One request, in words that all wire formats share.

    Attributes
    ----------
    wire : str
        openai, anthropic or ollama.
    model : str
        The model's name as it was asked for.
    messages : list of BaseMessage
        The conversation.
    tools : list of dict
        name, description, parameters (JSON schema) of each bound tool.
    number : int
        Which request to this server it is, from 0; failed ones count.
    streamed : bool
        Whether the answer is to come in pieces.
    """

    wire: str
    model: str
    messages: list[BaseMessage]
    tools: list[dict[str, Any]]
    number: int = 0
    streamed: bool = False

    @property
    def names(self) -> list[str]:
        """Names of the bound tools."""
        return [str(tool["name"]) for tool in self.tools]

    @property
    def answers(self) -> int:
        """How often the model has answered in this conversation."""
        return sum(isinstance(message, AIMessage) for message in self.messages)


@dataclass(frozen=True)
class Reply:
    """Words and tool calls, with what they cost.

    Attributes
    ----------
    text : str
        Words before the calls.
    calls : list of (str, dict)
        Tool and arguments. Arguments that are a str go over the wire as they are, valid JSON or not.
    stop : str
        "" (as the calls say), length (cut off at the limit of tokens), refusal or filter (stopped by the provider's
        filter of contents).
    tokens_in, tokens_out : int
        Usage; 0 in: counted from what was sent, four letters a token.
    thinking : str
        What the model thinks before it writes, where the wire carries it (Anthropic, Ollama).
    wait : float
        Seconds before the answer begins.
    """

    text: str = ""
    calls: list[tuple[str, dict[str, Any] | str]] = field(default_factory=list)
    stop: str = ""
    tokens_in: int = 0
    tokens_out: int = 20
    thinking: str = ""
    wait: float = 0.0


@dataclass(frozen=True)
class Fault:
    """A request that fails.

    Attributes
    ----------
    kind : str
        status (an HTTP error), cut (the stream ends in its middle), short (it ends there too, but as if that were
        its end), hang (no answer until the client leaves), garbage (a body that is no JSON).
    status : int
        For kind status.
    retry_after : float
        Seconds in the Retry-After header; 0: no header.
    text : str
        What the error says; empty: which status was scripted.
    reply : Reply or None
        What a stream that is cut was about to say.
    """

    kind: str = "status"
    status: int = 500
    retry_after: float = 0.0
    text: str = ""
    reply: Reply | None = None


Script = Callable[[Turn], Reply | Fault]


def said(text: str, *calls: tuple[str, dict[str, Any] | str], **more: Any) -> Reply:
    """A reply in one line."""
    return Reply(text, list(calls), **more)


def in_turn(*answers: Reply | Fault) -> Script:
    """`answers` by number of the request; the last one for ever after."""
    return lambda turn: answers[min(turn.number, len(answers) - 1)]


def as_offline(turn: Turn) -> Reply:
    """Answers as the embedded offline model would: a whole run over the wire, without a script of its own."""
    tools = [{"type": "function", "function": {"name": name, "parameters": {}}} for name in turn.names]
    answer = OfflineChatModel().invoke(turn.messages, tools=tools)
    calls = [(call["name"], call["args"]) for call in answer.tool_calls]
    return Reply(answer.text if calls else answer.text or "The stage is done.", calls)


def messages_of(values: list[dict[str, Any]], wire: str) -> list[BaseMessage]:
    """The conversation of a request, from the JSON of that wire format."""
    made: list[BaseMessage] = []
    for value in values:
        made += _anthropic(value) if wire == "anthropic" else _openai(value)
    return _paired(made) if wire == "ollama" else made


def _paired(messages: list[BaseMessage]) -> list[BaseMessage]:
    """Ollama's calls have no ids: answers follow their calls in order."""
    waiting: list[str] = []
    for place, message in enumerate(messages):
        if isinstance(message, AIMessage):
            waiting = [f"call_{place}_{k}" for k in range(len(message.tool_calls))]
            for call, number in zip(message.tool_calls, waiting, strict=True):
                call["id"] = number
        elif isinstance(message, ToolMessage) and waiting:
            message.tool_call_id = waiting.pop(0)
    return messages


def _openai(value: dict[str, Any]) -> list[BaseMessage]:
    """OpenAI and Ollama differ in whether arguments are text."""
    text = _text(value.get("content"))
    if value["role"] == "system":
        return [SystemMessage(text)]
    if value["role"] == "tool":
        return [ToolMessage(text, tool_call_id=str(value.get("tool_call_id") or value.get("tool_name") or ""))]
    if value["role"] == "user":
        return [HumanMessage(text)]
    calls = []
    for number, call in enumerate(value.get("tool_calls") or []):
        given = call["function"]["arguments"]
        args = json.loads(given) if isinstance(given, str) else given
        calls.append({"name": call["function"]["name"], "args": args, "id": str(call.get("id") or number)})
    return [AIMessage(text, tool_calls=calls)]


def _anthropic(value: dict[str, Any]) -> list[BaseMessage]:
    content = value["content"]
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    text = "".join(part["text"] for part in parts if part["type"] == "text")
    if value["role"] == "assistant":
        calls = [
            {"name": part["name"], "args": part["input"], "id": part["id"]}
            for part in parts
            if part["type"] == "tool_use"
        ]
        return [AIMessage(text, tool_calls=calls)]
    results: list[BaseMessage] = [
        ToolMessage(
            _text(part.get("content")),
            tool_call_id=part["tool_use_id"],
            status="error" if part.get("is_error") else "success",
        )
        for part in parts
        if part["type"] == "tool_result"
    ]
    return [*results, HumanMessage(text)] if text or not results else results


def _text(content: Any) -> str:
    if isinstance(content, str) or content is None:
        return content or ""
    return "".join(str(part.get("text", "")) for part in content)
