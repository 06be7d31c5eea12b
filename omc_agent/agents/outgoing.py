"""The one place where a request leaves for a model: data is fenced, secrets are taken out, and it is written down.

It stands innermost, so each try and each stand-in passes here, with what the other middlewares added.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any, cast

from langchain.agents.middleware import AgentMiddleware
from langchain.agents.middleware.types import ModelRequest, ModelResponse
from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, ToolMessage

from omc_agent import fence
from omc_agent.agents.redaction import each_text, facts_without_values, reply_without_values, without_secrets
from omc_agent.secrecy import hide_secrets

LOCAL = "omc-offline"  # `_llm_type` of the model that runs in this process: nothing leaves, nothing is taken out


class Outgoing(AgentMiddleware[Any, Any, Any]):
    """Fences and redacts what is sent, and keeps it with its answer."""

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
    ) -> ModelResponse[Any]:
        """Send the request as the model may see it."""
        context = request.runtime.context
        local = getattr(request.model, "_llm_type", "") == LOCAL
        level = "none" if local else context.redact
        request = request.override(messages=[cast(AnyMessage, as_sent(each, level)) for each in request.messages])
        log = context.prompts
        if log is None:
            return await handler(request)
        entered = cast(Any, request.state)["entered"]
        number = log.sent(
            stage=entered["stage"],
            visit=entered["visit"],
            model=context.name_of(request.model),
            local=local,
            system=str(request.system_message.text) if request.system_message is not None else "",
            tools=[str(getattr(tool, "name", "") or tool_name(tool)) for tool in request.tools],
            messages=[plain_message(each) for each in request.messages],
        )
        began = time.monotonic()
        try:
            response = await handler(request)
        except (Exception, asyncio.CancelledError) as error:
            log.failed(
                number,
                hide_secrets(without_secrets(f"{type(error).__name__}: {error}"))[:500],
                time.monotonic() - began,
            )
            raise
        answer = next((each for each in response.result if isinstance(each, AIMessage)), None)
        if answer is not None:
            log.answered(number, plain_message(answer), dict(answer.usage_metadata or {}), time.monotonic() - began)
        return response


def as_sent(message: BaseMessage, level: str) -> BaseMessage:
    """A message as it leaves: answers of tools in their fence, and redacted to `level` (none, secrets, values).

    Examples
    --------
    >>> reply = ToolMessage('{"output": "a@b.example"}', tool_call_id="1", name="query")
    >>> print(as_sent(reply, "secrets").text)
    <untrusted from="query">
    {"output": "[redacted]"}
    </untrusted>
    """
    if isinstance(message, ToolMessage):
        return message.model_copy(update={"content": _reply(str(message.text), message.name or "tool", level)})
    if level == "none" or not isinstance(message.content, str):
        return message
    if isinstance(message, AIMessage):
        calls = [{**call, "args": each_text(call["args"], without_secrets)} for call in message.tool_calls]
        return message.model_copy(update={"content": without_secrets(message.content), "tool_calls": calls})
    if isinstance(message, HumanMessage):
        return message.model_copy(update={"content": _words(message.content, level)})
    return message


def plain_message(message: BaseMessage) -> dict[str, Any]:
    """A message as it is kept: role, text and calls."""
    role = {"human": "user", "ai": "model", "tool": "tool", "system": "system"}.get(message.type, message.type)
    made: dict[str, Any] = {"role": role, "text": str(message.text)}
    if isinstance(message, AIMessage) and message.tool_calls:
        made["calls"] = [{"name": call["name"], "args": call["args"]} for call in message.tool_calls]
    if isinstance(message, ToolMessage):
        made |= {"tool": message.name or "", "ok": message.status != "error"}
    return made


def tool_name(tool: Any) -> str:
    """The name of a tool that is given as a schema."""
    return str((tool.get("function") or tool).get("name", "")) if isinstance(tool, dict) else ""


# Messages stay as they are from call to call, so each is read once: the cost of a call does not grow with the talk.
@lru_cache(maxsize=1_024)
def _reply(text: str, name: str, level: str) -> str:
    try:
        told = json.loads(text)
    except ValueError:
        told = text
    # Only what a person decided about a call has this status; it is said by them, not by the data.
    if isinstance(told, dict) and told.get("status") == "rejected":
        return fence.of_person(each_text(told, without_secrets) if level != "none" else told)
    if level == "values":
        told = reply_without_values(told) if isinstance(told, dict) else told
    if level != "none":
        told = each_text(told, without_secrets)
    return fence.fenced(told, name)


@lru_cache(maxsize=256)
def _words(text: str, level: str) -> str:
    """A text with a block of facts in it is read as JSON, so that no escape hides a secret or breaks."""
    head, mark, rest = text.partition("```json\n")
    block, end, tail = rest.partition("\n```")
    if not mark or not end:
        return without_secrets(text)
    try:
        facts = json.loads(block)
    except ValueError:
        return without_secrets(text)
    facts = facts_without_values(facts) if level == "values" else facts
    kept = fence.safe_json(each_text(facts, without_secrets))
    return f"{without_secrets(head)}{mark}{kept}{end}{without_secrets(tail)}"
