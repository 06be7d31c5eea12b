"""What stands around one call of a chat model: time, another try, a stand-in, and an answer that can be used.

Retry and fallback are LangChain's. What is ours: which failures are worth another try, and what is asked again of a
model whose answer cannot be used as it is.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

from langchain.agents.middleware import AgentMiddleware, ModelFallbackMiddleware, ModelRetryMiddleware
from langchain.agents.middleware.types import ModelRequest, ModelResponse
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.messages.utils import count_tokens_approximately
from langgraph.errors import GraphBubbleUp

from omc_agent.errors import AgentError, ModelError
from omc_agent.events import Warned

RETRIES = 2  # after the client's own, which heed Retry-After
REPAIRS = 2
ASKED = "omc_model"  # in an answer's metadata: who gave it
Call = Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]


def around_calls(stand_ins: Sequence[BaseChatModel]) -> list[AgentMiddleware[Any, Any, Any]]:
    """The middlewares of a model call, the outermost first: stand-in, another try, usable answer, time."""
    fallback = [ModelFallbackMiddleware(*stand_ins)] if stand_ins else []
    retry = ModelRetryMiddleware(max_retries=RETRIES, retry_on=is_passing, on_failure="error", initial_delay=0.5)
    return [*fallback, retry, Usable(), Patience()]


def is_passing(error: BaseException) -> bool:
    """Whether another try may succeed: no answer, a broken one, too many requests, or a fault of the server.

    Examples
    --------
    >>> is_passing(TimeoutError()), is_passing(ValueError("no such model"))
    (True, False)
    """
    if isinstance(error, (AgentError, GraphBubbleUp)):
        return False
    status = status_of(error)
    if status is not None:
        return status in (408, 409, 429) or status >= 500
    names = {kind.__name__ for kind in type(error).__mro__}
    broken = {"APIConnectionError", "TransportError", "ConnectionError", "JSONDecodeError", "RemoteProtocolError"}
    return isinstance(error, (TimeoutError, ConnectionError)) or bool(names & broken)


def status_of(error: BaseException) -> int | None:
    """The HTTP status that a client's exception carries, whatever its class."""
    for holder in (error, getattr(error, "response", None)):
        status = getattr(holder, "status_code", None)
        if isinstance(status, int) and status > 0:
            return status
    return None


def failed(name: str, error: Exception) -> ModelError:
    """A provider's exception as one sentence."""
    if isinstance(error, TimeoutError):
        return ModelError("model.failed", given=f"{name} gave {error}.", have="The work so far is kept.",
                          try_="Raise AgentSettings.model_timeout, or use another model with -m.")  # fmt: skip
    status = status_of(error)
    said = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    hints = {
        401: "Check the key: %agent doctor says where it is from.",
        403: "Check the key: %agent doctor says where it is from.",
        404: "Check the model's name; -m provider:model.",
        413: "Ask for fewer coins or columns, or use a model with a larger context.",
        429: "Wait, or name a second model: -m first,second.",
    }
    context = any(
        words in said.lower() for words in ("context length", "context window", "too long", "maximum context")
    )
    fallback = "Check the network and the provider, or use another model with -m."
    return ModelError(
        "model.failed",
        given=f"{name}: {said}",
        have="The work so far is kept." + (" The messages are larger than the model's context." if context else ""),
        try_=hints[413] if context else hints.get(status or 0, fallback),
    )


class Patience(AgentMiddleware[Any, Any, Any]):
    """One try has its time, and is paid for; a stand-in or another try gets its own."""

    async def awrap_model_call(self, request: ModelRequest[Any], handler: Call) -> ModelResponse[Any]:
        """Call the model within `model_timeout`; its name stands in the answer, and a failure is told.

        The call is written down before it is sent. A try that breaks off, runs out of time or is stopped may have
        been billed, so it counts; one that the provider refused with a status was not.
        """
        context = request.runtime.context
        name = context.name_of(request.model)
        stage = str(cast(Any, request.state)["entered"]["stage"])
        call = await context.begin_call(stage, name, foreseen(request), _task(request))
        try:
            async with asyncio.timeout(context.model_timeout or None):
                response = await handler(request)
        except TimeoutError:
            error = TimeoutError(f"no answer within {context.model_timeout:g} s")
            await _tell(request, name, error)
            raise error from None
        except (AgentError, GraphBubbleUp, asyncio.CancelledError):
            raise
        except Exception as error:  # any provider has exceptions of its own
            if status_of(error) is not None:
                await context.drop_call(call)
            await _tell(request, name, error)
            raise
        message = answer_of(response)
        if message is not None:
            message.response_metadata[ASKED] = name
            await context.spend(stage, name, _usage(message), call)
        return response


def foreseen(request: ModelRequest[Any]) -> int:
    """Tokens that a call will read, at about four letters a token: what it counts as when nobody tells."""
    first = [request.system_message] if request.system_message is not None else []
    return count_tokens_approximately([*first, *request.messages], tools=list(request.tools))


def _usage(message: AIMessage) -> dict[str, Any]:
    """What the provider told; else how much it wrote, at about four letters a token."""
    if message.usage_metadata:
        return dict(message.usage_metadata)
    return {"guessed_output_tokens": count_tokens_approximately([message])}


def _task(request: ModelRequest[Any]) -> str:
    return str(getattr(getattr(request.runtime, "execution_info", None), "task_id", "no-task"))


async def _tell(request: ModelRequest[Any], name: str, error: Exception) -> None:
    """A try that failed, as a warning: what comes next is another try, a stand-in, or the end of the stage."""
    context = request.runtime.context
    stage = str(cast(Any, request.state)["entered"]["stage"])
    what = " ".join(str(error).split())[:200]
    key = f"{_task(request)}:{name}:{time.time()}"
    await context.emit(Warned(stage=stage, code="model_try", text=f"{name} did not answer: {what}"), key)


class Usable(AgentMiddleware[Any, Any, Any]):
    """An answer that cannot be used is told so and asked again: broken arguments, a cut-off text, nothing at all."""

    async def awrap_model_call(self, request: ModelRequest[Any], handler: Call) -> ModelResponse[Any]:
        """Call, and at most twice more; what all tries cost is added to the last."""
        response = await handler(request)
        spent: list[AIMessage] = []
        for _ in range(REPAIRS):
            message = answer_of(response)
            again = _asked_again(message)
            if message is None or again is None:
                break
            spent.append(message)
            kept = [AIMessage(message.text)] if message.text.strip() else []
            request = request.override(messages=[*request.messages, *kept, HumanMessage(again)])
            response = await handler(request)
        _join(spent, answer_of(response))
        return response


def answer_of(response: ModelResponse[Any]) -> AIMessage | None:
    """The model's message in a response."""
    return next((m for m in response.result if isinstance(m, AIMessage)), None)


def refusal_of(message: AIMessage) -> str:
    """What the model said when it refused; empty when it did not."""
    refused = message.additional_kwargs.get("refusal")
    stopped = message.response_metadata.get("stop_reason") == "refusal"
    return str(refused or (message.text or "It gave no reason.") if stopped or refused else "")


def _asked_again(message: AIMessage | None) -> str | None:
    if message is None or refusal_of(message):
        return None
    if message.invalid_tool_calls and not message.tool_calls:
        bad = message.invalid_tool_calls[0]
        given = json.dumps(str(bad.get("args") or "")[:200])
        return f"The arguments of {bad.get('name')} were no valid JSON: {given}. Call it again, with valid JSON."
    if is_cut(message) and not message.tool_calls:
        return "Your answer was cut off at the limit of its length. Go on, shorter, and call the tool."
    if not message.tool_calls and not message.text.strip():
        return "Your answer was empty. Call a tool, or say in one sentence that the stage is done."
    return None


def is_cut(message: AIMessage) -> bool:
    """Whether the answer ended at the limit of its tokens."""
    told = message.response_metadata
    return any(told.get(key) in ("length", "max_tokens") for key in ("finish_reason", "stop_reason", "done_reason"))


def _join(spent: Sequence[AIMessage], last: AIMessage | None) -> None:
    """Usage of the tries before, added to the last answer; a cut text and its end are one."""
    if last is None:
        return
    for message in spent:
        usage, more = last.usage_metadata, message.usage_metadata
        if usage and more:
            for key in ("input_tokens", "output_tokens", "total_tokens"):
                usage[key] += more[key]
    cut = [message.text for message in spent if is_cut(message) and message.text.strip()]
    if cut and isinstance(last.content, str):
        last.content = "".join([*cut, last.content])
