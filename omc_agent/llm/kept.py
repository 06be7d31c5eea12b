"""A call of a chat model as plain JSON: what was asked, without what means nothing, and what was answered.

Cache and record know a request by this form. Left out of it is what a provider or a process makes up anew each time:
ids of calls and messages, usage, addresses of objects in memory. Read back, an answer is text, calls and notes about
them, never code: nothing but an `AIMessage` is made of it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.utils.function_calling import convert_to_openai_tool

Plain = dict[str, Any]
KEPT = "kept"  # in an answer's metadata: it came from the cache or a record, and cost nothing
NO_USAGE = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}

# An object's address, and the file name that a kernel gives to a cell: other in each process.
_MADE_UP = re.compile(r"\b0x[0-9a-f]{6,16}\b|\bipykernel_\d+[/\\]+\d+\.py\b")
# Blocks of an answer that say again what its calls say, or that only its own provider can read.
_SILENT = {"tool_use", "tool_call", "function_call", "thinking", "redacted_thinking", "reasoning"}
# Why an answer ended, as the providers say it, when it came to its own end.
_WHOLE = {"stop", "tool_calls", "function_call", "end_turn", "tool_use", "stop_sequence", "complete"}
_REASONS = ("finish_reason", "stop_reason", "done_reason")


def plain_messages(messages: Iterable[BaseMessage | Mapping[str, Any]]) -> list[Plain]:
    """Messages as plain JSON: role, text, calls; a tool's answer names its call by its place in the conversation.

    Parameters
    ----------
    messages : iterable of BaseMessage or mapping
        Mappings have the fields of a message: type, content, tool_calls, tool_call_id, status.

    Examples
    --------
    >>> from langchain_core.messages import HumanMessage, ToolMessage
    >>> said = AIMessage("Look.", tool_calls=[{"name": "look", "args": {}, "id": "call_x81"}])
    >>> for message in plain_messages([said, ToolMessage("<Axes at 0x7f01aa02>", tool_call_id="call_x81")]):
    ...     print(message)
    {'role': 'ai', 'text': 'Look.', 'calls': [{'name': 'look', 'args': {}}]}
    {'role': 'tool', 'text': '<Axes at 0x>', 'of': 1}
    """
    places: dict[str, int] = {}
    made = []
    for message in messages:
        get = message.get if isinstance(message, Mapping) else lambda name, m=message: getattr(m, name, None)
        one: Plain = {"role": str(get("type")).removesuffix("MessageChunk").lower(),
                      "text": _MADE_UP.sub("0x", _text(get("content")))}  # fmt: skip
        calls = get("tool_calls") or []
        for call in calls:
            places[str(call.get("id"))] = len(places) + 1
        if calls:
            one["calls"] = [{"name": call["name"], "args": call["args"]} for call in calls]
        if get("tool_call_id"):
            one["of"] = places.get(str(get("tool_call_id")), 0)
        if get("status") == "error":
            one["failed"] = True
        made.append(one)
    return made


def _text(content: Any) -> str:
    if isinstance(content, str) or content is None:
        return content or ""
    parts = [block if isinstance(block, dict) else {"type": "text", "text": str(block)} for block in content]
    return "".join(
        str(part["text"]) if part.get("type") == "text" else json.dumps(part, sort_keys=True, default=str)
        for part in parts
        if part.get("type") not in _SILENT
    )


def plain_tools(tools: Iterable[Any]) -> dict[str, str]:
    """What a model reads of each tool, as eight hex digits by its name: its description and its parameters' own.

    Types and defaults are left out: how a schema words them differs between versions of the package that makes it.
    """
    found = {}
    for tool in tools:
        function = convert_to_openai_tool(tool)["function"]
        given = function.get("parameters", {}).get("properties", {})
        read = [
            function.get("description", ""),
            sorted((name, p.get("description", "")) for name, p in given.items()),
        ]
        found[str(function["name"])] = hashlib.sha256(json.dumps(read).encode()).hexdigest()[:8]
    return found


def is_whole(message: AIMessage) -> bool:
    """Whether an answer is worth keeping: it says something, came to its own end, and is no refusal.

    One that does not say why it ended may have broken off in its middle.

    Examples
    --------
    >>> is_whole(AIMessage("Done.", response_metadata={"finish_reason": "stop"}))
    True
    >>> is_whole(AIMessage("Done, and", response_metadata={"finish_reason": "length"})), is_whole(AIMessage(""))
    (False, False)
    """
    ended = {str(told).lower() for name in _REASONS if (told := message.response_metadata.get(name))}
    says = bool(message.tool_calls or message.text.strip())
    refused = bool(message.additional_kwargs.get("refusal"))
    return says and not refused and not message.invalid_tool_calls and bool(ended) and ended <= _WHOLE


def packed(message: AIMessage) -> str | None:
    """An answer as JSON with all that its provider wants to see again; None for one that JSON cannot hold."""
    told = {k: v for k, v in message.response_metadata.items() if k not in ("token_usage", "usage")}
    fields = {"content": message.content, "tool_calls": message.tool_calls,
              "additional_kwargs": message.additional_kwargs, "response_metadata": told}  # fmt: skip
    try:
        return json.dumps(fields, ensure_ascii=False)
    except (TypeError, ValueError):
        return None


def unpacked(text: str) -> AIMessage | None:
    """The answer that `packed` made, at no cost; None for a text that is none.

    Examples
    --------
    >>> unpacked(packed(AIMessage("Done."))).text, unpacked('{"content": 3}'), unpacked("no JSON")
    ('Done.', None, None)
    """
    try:
        read = json.loads(text)
        return AIMessage(
            content=read["content"],
            tool_calls=read["tool_calls"],
            additional_kwargs=read["additional_kwargs"],
            response_metadata={**read["response_metadata"], KEPT: True},
            usage_metadata=NO_USAGE,
        )
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError):  # the message checks its fields itself
        return None
