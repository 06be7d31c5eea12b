"""A record answers in place of the provider: no key, no package, no network, and no waiting."""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatResult
from langchain_core.runnables import Runnable
from langchain_core.utils.function_calling import convert_to_openai_tool

from omc_agent import __version__
from omc_agent.errors import ModelError
from omc_agent.llm.difference import difference, nearest
from omc_agent.llm.kept import Plain
from omc_agent.llm.record import Opening, Record, Request, answered, choice_of


class Replaying:
    """Answers the requests of a run by what they ask; equal requests in the order of the record.

    Parameters
    ----------
    record : Record
        The whole file.
    """

    def __init__(self, record: Record) -> None:
        self.record = record
        self._waiting: dict[str, deque[int]] = defaultdict(deque)
        for number, call in enumerate(record.calls):
            self._waiting[call.request.rounded().key()].append(number)

    def request(self, stage: str, messages: list[Plain], tools: dict[str, str]) -> Request:
        """A request as it stands in a record."""
        return Request.of(stage, messages, tools)

    def find(self, request: Request) -> tuple[AIMessage, str]:
        """The next recorded answer of that request, and who gave it; the last one again when all are used.

        Raises
        ------
        ModelError
            ``model.replay``, with the difference to the nearest recorded request.
        """
        waiting = self._waiting.get(request.key())
        if not waiting:
            raise self._unknown(request)
        number = waiting.popleft() if len(waiting) > 1 else waiting[0]
        return answered(self.record.calls[number], number + 1)

    def keep(self, request: Request, message: AIMessage, model: str) -> None:
        """A replay asks nobody, so there is nothing to keep."""

    def opening(self, frozen: Plain) -> Opening | None:
        """The recorded opening of that choice; None: it opens as a new run does."""
        wanted = json.dumps(choice_of(frozen), sort_keys=True)
        found = [each for each in self.record.openings if json.dumps(each.choice, sort_keys=True) == wanted]
        return found[-1] if found else None

    def opened(self, branch: str, frozen: Plain, count: int) -> None:
        """Nothing to write."""

    def _unknown(self, request: Request) -> ModelError:
        record = self.record
        written = str(record.head.get("omc_agent", __version__))
        older = f" It was recorded with omc_agent {written}; this is {__version__}." if written != __version__ else ""
        near = nearest(record.calls, request)
        if near is None:
            there = list(dict.fromkeys(call.request.stage for call in record.calls))
            where = f"no call of the stage {request.stage}; it has {', '.join(there) or 'none at all'}"
            return _failed(f"{record.name} holds {where}.", older.strip())
        where, lines = difference(record.calls[near].request, request)
        given = (
            f"A request of the stage {request.stage} is not in {record.name}."
            f" Against its call {near + 1}, {where} is another."
        )
        return _failed(given, f"{lines}{older}")


def _failed(given: str, have: str) -> ModelError:
    return ModelError("model.replay", given=given, have=have,
                      try_="Take back what changed the goal, the data, the settings or the prompts,"
                      " or record anew with --record.")  # fmt: skip


class ReplayedChatModel(BaseChatModel):
    """Stands where a provider's client would stand. It is never asked: each request is answered before it.

    Parameters
    ----------
    note : str
        What the transcript says of it.
    """

    note: str = ""

    @property
    def _llm_type(self) -> str:
        return "omc-replayed"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[Any, AIMessage]:
        """Bind tools, as every chat model does."""
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        raise _failed("A model is asked outside of what a record holds.", "A replay asks nobody.")
