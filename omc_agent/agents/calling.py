"""What stands around one call of a chat model: who is asked, another try, a usable answer, time.

Retry and fallback are LangChain's. What is ours: which failures are worth another try, that a wait which the provider
asks for is kept, that a model which is down is left alone for a while, and that the person hears of each failed try.
The clients' own tries are switched off, so that they do not multiply with these (`llm/chat.py`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from langchain.agents.middleware import AgentMiddleware, ModelFallbackMiddleware, ModelRetryMiddleware
from langchain.agents.middleware.types import ModelRequest, ModelResponse
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.messages.utils import count_tokens_approximately
from langgraph.errors import GraphBubbleUp

from omc_agent.agents.failures import (
    LONGEST_WAIT,
    failed,
    is_about_the_request,
    is_passing,
    said,
    span,
    status_of,
    wait_asked,
)
from omc_agent.agents.usable import (
    ASKED,
    Call,
    Usable,
    answer_of,
    as_heard_by,
    check_whole,
    is_cut,
    refusal_of,
    task_of,
)
from omc_agent.agents.writing import Pen
from omc_agent.errors import AgentError
from omc_agent.events import Warned

__all__ = [
    "ASKED",
    "answer_of",
    "around_calls",
    "asked_of",
    "failed",
    "is_cut",
    "is_passing",
    "refusal_of",
    "status_of",
]  # fmt: skip

RETRIES = 3
FIRST_PAUSE = 1.0  # seconds; the next ones are twice as long each
REST = 300.0  # seconds that a model which failed is left alone, where another one stands in


@dataclass
class Tries:
    """What the middlewares of one agent know of the call under way.

    Attributes
    ----------
    stand_ins : sequence of BaseChatModel
        In their order.
    failed : int
        Tries of the present model that failed.
    skipped : bool
        Whether somebody was not asked, because it failed a short while ago.
    not_before : dict of str to float
        When a model that asked to wait may be asked again, on the monotonic clock.
    """

    stand_ins: Sequence[BaseChatModel]
    failed: int = 0
    skipped: bool = False
    not_before: dict[str, float] = field(default_factory=dict)

    def after(self, model: Any) -> BaseChatModel | None:
        """Who is asked when `model` does not answer."""
        at = next((n for n, each in enumerate(self.stand_ins) if each is model), -1)
        return self.stand_ins[at + 1] if at + 1 < len(self.stand_ins) else None


class LeftAlone(Exception):
    """A model that failed a short while ago is not asked; the next one is, at once."""


def around_calls(stand_ins: Sequence[BaseChatModel]) -> list[AgentMiddleware[Any, Any, Any]]:
    """The middlewares of a model call, the outermost first: stand-in, usable answer, another try, time."""
    tries = Tries(stand_ins)
    retry = ModelRetryMiddleware(
        max_retries=RETRIES, retry_on=is_passing, on_failure="error", initial_delay=FIRST_PAUSE
    )
    one = [Usable(), retry, Patience(tries)]
    return [Roused(tries), ModelFallbackMiddleware(*stand_ins), Rests(tries), *one] if stand_ins else one


class Roused(AgentMiddleware[Any, Any, Any]):
    """When nobody who was asked answers, those who were left alone are asked too."""

    def __init__(self, tries: Tries) -> None:
        super().__init__()
        self.tries = tries

    async def awrap_model_call(self, request: ModelRequest[Any], handler: Call) -> ModelResponse[Any]:
        """Call; and once more, all of them, if one was skipped."""
        self.tries.skipped = False
        try:
            return await handler(request)
        except (AgentError, GraphBubbleUp):
            raise
        except Exception:
            if not self.tries.skipped:
                raise
            request.runtime.context.rests.clear()
            return await handler(request)


class Rests(AgentMiddleware[Any, Any, Any]):
    """A model that failed for good is left alone for some minutes, so that not every call waits for it in vain."""

    def __init__(self, tries: Tries) -> None:
        super().__init__()
        self.tries = tries

    async def awrap_model_call(self, request: ModelRequest[Any], handler: Call) -> ModelResponse[Any]:
        """Call, unless this model rests and another one is there."""
        context, tries = request.runtime.context, self.tries
        name, following = context.name_of(request.model), tries.after(request.model)
        tries.failed = 0
        if following is None:
            return await handler(request)
        if context.rests.get(name, 0.0) > time.monotonic():
            tries.skipped = True
            raise LeftAlone(name)
        try:
            return await handler(request)
        except (AgentError, GraphBubbleUp):
            raise
        except Exception as error:
            rest = 0.0 if is_about_the_request(error) else max(REST, wait_asked(error))
            context.rests[name] = time.monotonic() + rest
            how_long = f"for the next {span(rest)}" if rest else "for this call"
            text = f"{context.name_of(following)} stands in for {name} {how_long}."
            await _warn(request, Warned(code="model_stands_in", stage=_stage(request), text=text))
            raise


class Patience(AgentMiddleware[Any, Any, Any]):
    """One try has its time, is paid for, and what it writes is shown; a stand-in or another try gets its own."""

    def __init__(self, tries: Tries) -> None:
        super().__init__()
        self.tries = tries

    async def awrap_model_call(self, request: ModelRequest[Any], handler: Call) -> ModelResponse[Any]:
        """Call the model within `model_timeout`; its name stands in the answer, and a failure is told.

        The call is written down before it is sent. A try that breaks off, runs out of time or is stopped may have
        been billed, so it counts; one that the provider refused with a status was not.
        """
        context, stage = request.runtime.context, _stage(request)
        name = context.name_of(request.model)
        await asyncio.sleep(max(0.0, self.tries.not_before.pop(name, 0.0) - time.monotonic()))
        request = request.override(messages=as_heard_by(name, request.messages))
        pen = Pen(context.emit, stage)
        call = await context.begin_call(stage, name, foreseen(request), task_of(request.runtime))
        try:
            with pen.heard():
                async with asyncio.timeout(context.model_timeout or None):
                    response = await handler(request)
            message = answer_of(response)
            if message is not None:
                check_whole(name, message)
                message.response_metadata[ASKED] = name
        except (AgentError, GraphBubbleUp):
            raise
        except Exception as error:  # any provider has exceptions of its own
            late = isinstance(error, TimeoutError) and not str(error)
            fault = TimeoutError(f"no answer within {context.model_timeout:g} s") if late else error
            await pen.close()
            if status_of(fault) is not None:
                await context.drop_call(call)
            await self._failed(request, name, fault)
            vars(fault)[ASKED] = name
            raise fault from (None if late else error.__cause__)
        finally:
            await pen.close()
        self.tries.failed = 0
        if message is not None:
            await context.spend(stage, name, _usage(message), call)
        return response

    async def _failed(self, request: ModelRequest[Any], name: str, error: Exception) -> None:
        """Tell a try that failed and what comes next; remember a wait that was asked for."""
        tries, wait = self.tries, wait_asked(error)
        tries.failed += 1
        told = f"{name} did not answer (try {tries.failed}): {said(error)}."
        if not is_passing(error):
            asks = f" It asks to be left alone for {span(wait)}." if wait > LONGEST_WAIT else ""
            told += f"{asks} Another try would not help."
        elif tries.failed <= RETRIES:
            pause = max(wait, FIRST_PAUSE * 2 ** (tries.failed - 1))
            tries.not_before[name] = time.monotonic() + wait
            told += f" The next try is in about {span(pause)}."
        else:
            told += " That was the last try."
        await _warn(request, Warned(code="model_try", stage=_stage(request), text=told))


def foreseen(request: ModelRequest[Any]) -> int:
    """Tokens that a call will read, at about four letters a token: what it counts as when nobody tells."""
    first = [request.system_message] if request.system_message is not None else []
    return count_tokens_approximately([*first, *request.messages], tools=list(request.tools))


def _usage(message: AIMessage) -> dict[str, Any]:
    """What the provider told; else how much it wrote, at about four letters a token."""
    if message.usage_metadata:
        return dict(message.usage_metadata)
    return {"guessed_output_tokens": count_tokens_approximately([message])}


def asked_of(error: BaseException, default: str) -> str:
    """The name of the model that failed."""
    return str(vars(error).get(ASKED, default))


def _stage(request: ModelRequest[Any]) -> str:
    return str(cast(Any, request.state)["entered"]["stage"])


async def _warn(request: ModelRequest[Any], warned: Warned) -> None:
    await request.runtime.context.emit(warned, f"{task_of(request.runtime)}:{warned.code}:{warned.at}")
