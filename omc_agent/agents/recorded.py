"""A step's request is answered by the record of a replay, or its answer is written into a record.

This stands outside of stand-ins, other tries and repairs: what counts is what the stage asked, and what it got in the
end. So a replay waits for none of them. What is written is what may leave: redacted, and in its fence.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

from langchain.agents.middleware import AgentMiddleware
from langchain.agents.middleware.types import ModelRequest, ModelResponse
from langchain_core.messages import SystemMessage

from omc_agent.agents.calling import ASKED, answer_of
from omc_agent.agents.context import Answers
from omc_agent.agents.outgoing import as_sent
from omc_agent.events import Warned
from omc_agent.llm.kept import plain_messages, plain_tools


class Recorded(AgentMiddleware[Any, Any, Any]):
    """Asks the record first, and tells it what came."""

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
    ) -> ModelResponse[Any]:
        """Answer from the record; else call, and keep the answer."""
        answers: Answers | None = request.runtime.context.answers
        if answers is None:
            return await handler(request)
        stage = str(cast(Any, request.state)["entered"]["stage"])
        first = [SystemMessage(request.system_message.content)] if request.system_message else []
        sent = [as_sent(each, request.runtime.context.redact) for each in request.messages]
        asked = answers.request(stage, plain_messages([*first, *sent]), plain_tools(request.tools))
        found = answers.find(asked)
        if found is not None:
            kept, name = found
            kept.response_metadata[ASKED] = name
            return ModelResponse(result=[kept])
        response = await handler(request)
        message = answer_of(response)
        if message is not None:
            name = str(message.response_metadata.get(ASKED, request.runtime.context.model_name))
            try:
                answers.keep(asked, message, name)
            except OSError as error:  # what was paid for is worth more than its record
                text = f"The record cannot be written: {error.strerror}. From here on it lacks answers of this run."
                await request.runtime.context.emit(Warned(stage=stage, code="record", text=text), f"record:{stage}")
        return response
