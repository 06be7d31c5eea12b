"""An answer that can be used: what is wrong with one, and how the model is asked again."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from langchain.agents.middleware import AgentMiddleware
from langchain.agents.middleware.types import ModelRequest, ModelResponse
from langchain_core.messages import AIMessage, HumanMessage

from omc_agent.agents.failures import BrokenAnswer

REPAIRS = 2
ASKED = "omc_model"  # in an answer's metadata: who gave it
Call = Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]

_REASONS = ("finish_reason", "stop_reason", "done_reason")
_TOLD_ALWAYS = ("openai", "anthropic", "ollama")  # providers whose answers say why they ended
_FILTERED = ("content_filter", "safety", "recitation", "prohibited_content")
_THOUGHT = re.compile(r"\A\s*<think>.*?(</think>\s*|\Z)", re.DOTALL)


class Usable(AgentMiddleware[Any, Any, Any]):
    """An answer that cannot be used is told so and asked again: broken arguments, a cut-off text, nothing at all."""

    async def awrap_model_call(self, request: ModelRequest[Any], handler: Call) -> ModelResponse[Any]:
        """Call, and at most twice more; a cut text and its end become one."""
        response = await handler(request)
        spent: list[AIMessage] = []
        for _ in range(REPAIRS):
            message = answer_of(response)
            again = _asked_again(message)
            # The offline model's empty answer is its way to say that the stage is done.
            if message is None or again is None or message.response_metadata.get(ASKED) == "offline":
                break
            spent.append(message)
            request = _request_again(request, message, again)
            response = await handler(request)
        message = answer_of(response)
        if message is not None:
            _join(spent, message)
            _drop_unusable(message)
        return response


def answer_of(response: ModelResponse[Any]) -> AIMessage | None:
    """The model's message in a response."""
    return next((m for m in response.result if isinstance(m, AIMessage)), None)


def spoken(text: str) -> str:
    """The words for the person: what some models think aloud before them is left out, finished or not.

    Examples
    --------
    >>> spoken("<think>Hm, lags.</think> I make lags.")
    'I make lags.'
    """
    return _THOUGHT.sub("", text).strip()


def reason_of(message: AIMessage) -> str:
    """Why the answer ended, as the provider says it, in lower case."""
    told = message.response_metadata
    return str(next((told[key] for key in _REASONS if told.get(key)), "")).lower()


def is_cut(message: AIMessage) -> bool:
    """Whether the answer ended at the limit of its tokens."""
    return reason_of(message) in ("length", "max_tokens", "model_context_window_exceeded")


def refusal_of(message: AIMessage) -> str:
    """What the model said when it refused; empty when it did not."""
    if reason_of(message) in _FILTERED:
        return "the provider's filter of contents stopped the answer"
    refused = message.additional_kwargs.get("refusal")
    return str(refused or (message.text or "it gave no reason") if refused or reason_of(message) == "refusal" else "")


def check_whole(name: str, message: AIMessage) -> None:
    """Raise `BrokenAnswer` for a stream that ended politely, but without its end: it may lack half of a call."""
    if name.partition(":")[0] in _TOLD_ALWAYS and not reason_of(message):
        raise BrokenAnswer("the answer broke off in its middle")


def as_heard_by(name: str, messages: Sequence[Any]) -> list[Any]:
    """The conversation for model `name`: what another model thought, signed or laid out its own way, is left out."""
    return [
        message.model_copy(update={"content": message.text})
        if isinstance(message, AIMessage)
        and isinstance(message.content, list)
        and message.response_metadata.get(ASKED) not in (None, name)
        else message
        for message in messages
    ]


def _asked_again(message: AIMessage | None) -> str | None:
    if message is None or refusal_of(message):
        return None
    calls = message.tool_calls
    if is_cut(message) and len(calls) + len(message.invalid_tool_calls) == 1:
        name = (calls or message.invalid_tool_calls)[0].get("name")
        return (
            f"Your call of {name} was cut off at the limit of your answer's length, so it did not run."
            " Call it again with shorter arguments, or do it in parts."
        )
    if message.invalid_tool_calls and not calls:
        bad = message.invalid_tool_calls[0]
        given = json.dumps(str(bad.get("args") or "")[:200])
        return f"The arguments of {bad.get('name')} were no valid JSON: {given}. Call it again, with valid JSON."
    if is_cut(message) and not calls:
        return "Your answer was cut off at the limit of its length. Go on where it ends, shorter, and call the tool."
    if not calls and not spoken(message.text):
        return "Your answer was empty. Call a tool, or say in one sentence that the stage is done."
    return None


def _request_again(request: ModelRequest[Any], message: AIMessage, again: str) -> ModelRequest[Any]:
    kept = [AIMessage(message.text)] if message.text.strip() else []
    asked = request.override(messages=[*request.messages, *kept, HumanMessage(again)])
    empty = not kept and not message.tool_calls and not message.invalid_tool_calls
    if empty and message.response_metadata.get("model_provider") == "openai":
        # A refusal is lost on the client's way from stream to message; a whole answer shows it.
        asked = asked.override(model_settings={**asked.model_settings, "stream": False})
    return asked


def _drop_unusable(message: AIMessage) -> None:
    """Calls that cannot run leave the conversation: providers refuse a call that is never answered."""
    cut = message.tool_calls[-1:] if is_cut(message) else []
    if not cut and not message.invalid_tool_calls:
        return
    message.tool_calls = [call for call in message.tool_calls if call not in cut]
    message.invalid_tool_calls = []
    message.additional_kwargs.pop("tool_calls", None)
    kept = {call["id"] for call in message.tool_calls}
    if isinstance(message.content, list):
        message.content = [
            block
            for block in message.content
            if not (isinstance(block, dict) and block.get("type") == "tool_use" and block.get("id") not in kept)
        ]


def _join(spent: Sequence[AIMessage], last: AIMessage) -> None:
    """Put the texts that were cut off before the end that they got."""
    texts = [m.text for m in spent if is_cut(m) and not m.tool_calls and not m.invalid_tool_calls]
    cut = "".join(texts)
    if not cut:
        return
    if isinstance(last.content, str):
        last.content = cut + last.content
        return
    # What it thought and signed has to stand first.
    at = next((n for n, part in enumerate(last.content) if _kind(part) not in ("thinking", "redacted_thinking")), 0)
    last.content = [*last.content[:at], {"type": "text", "text": cut}, *last.content[at:]]


def _kind(part: Any) -> str:
    return str(part.get("type", "")) if isinstance(part, dict) else "text"


def task_of(runtime: Any) -> str:
    """The id of the graph's task: the same before and after a kill."""
    info = getattr(runtime, "execution_info", None)
    return str(info.task_id) if info is not None else "no-task"
