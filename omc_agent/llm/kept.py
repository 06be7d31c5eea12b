"""Answers of a chat model that are kept: a cache of identical calls, and a record that can be replayed.

Both know a request by its digest: the messages, the bound tools and the model's name. What differs from run to run
without meaning (times that were measured, ids of calls) is left out of it.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.load import dumpd, load
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from pydantic import ConfigDict

from omc_agent.errors import ModelError

# Seconds and bytes that were measured, and times of day: they differ in every run and change no meaning.
_MEASURED = re.compile(r'(\\?"(?:\w*seconds|at|peak_bytes|started|duration)\\?":\s*)[-+.\de]+')


class Answers(Protocol):
    """Where answers are kept: the file of a record, or the cache."""

    def find(self, digest: str) -> dict[str, Any] | None:
        """The kept answer of that request."""
        ...

    def keep(self, digest: str, request: str, answer: dict[str, Any]) -> None:
        """Keep an answer."""
        ...

    def miss(self, digest: str, request: str) -> None:
        """No answer is kept: return to ask the model, or raise."""
        ...


class KeptChatModel(BaseChatModel):
    """A chat model in front of another: what is kept is answered from there, the rest is asked and kept.

    Parameters
    ----------
    inner : BaseChatModel or None
        Who is asked; None for a replay, which asks nobody.
    name : str
        ``provider:model``, part of the digest.
    answers : Answers
        Where they are kept.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    inner: BaseChatModel | None
    name: str
    answers: Any

    @property
    def _llm_type(self) -> str:
        return "omc-kept"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[Any, AIMessage]:
        """Bind tools in the words of the provider that is behind."""
        if self.inner is None:
            from langchain_core.utils.function_calling import convert_to_openai_tool

            return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)
        bound: Any = self.inner.bind_tools(tools, **kwargs)
        return self.bind(**bound.kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        raise NotImplementedError("runs are asynchronous")

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        request = request_text(self.name, messages, kwargs.get("tools") or [])
        digest = hashlib.sha256(request.encode()).hexdigest()
        kept = self.answers.find(digest)
        if kept is not None:
            return ChatResult(generations=[ChatGeneration(message=_free(load(kept, allowed_objects="messages")))])
        self.answers.miss(digest, request)
        assert self.inner is not None
        answer = await self._ask(messages, run_manager, kwargs)
        self.answers.keep(digest, request, dumpd(answer))
        return ChatResult(generations=[ChatGeneration(message=answer)])

    async def _ask(
        self, messages: list[BaseMessage], run_manager: AsyncCallbackManagerForLLMRun | None, kwargs: dict[str, Any]
    ) -> AIMessage:
        """Ask the model behind as a stream, so that its words are shown as they come."""
        assert self.inner is not None
        whole: AIMessageChunk | None = None
        async for chunk in self.inner.astream(messages, config={"callbacks": []}, **kwargs):
            piece = chunk if isinstance(chunk, AIMessageChunk) else AIMessageChunk(**chunk.model_dump())
            whole = piece if whole is None else whole + piece
            if run_manager is not None and (piece.text or piece.tool_call_chunks):
                await run_manager.on_llm_new_token(piece.text, chunk=ChatGenerationChunk(message=piece))
        if whole is None:
            return AIMessage("")
        kept = whole.model_dump(exclude={"type", "tool_call_chunks", "chunk_position"})
        return AIMessage(**kept)


def request_text(name: str, messages: Sequence[BaseMessage], tools: Sequence[dict[str, Any]]) -> str:
    """A request as text, a line a message, without what was measured; its sha256 is the digest.

    Examples
    --------
    >>> from langchain_core.messages import HumanMessage
    >>> print(request_text("openai:gpt-5", [HumanMessage('{"fit_seconds": 0.31, "score": 0.5}')], []))
    openai:gpt-5 tools=
    human: {"fit_seconds": 0, "score": 0.5}
    """
    bound = sorted(str((tool.get("function") or tool).get("name")) for tool in tools)
    lines = [f"{name} tools={','.join(bound)}"]
    for message in messages:
        calls = [
            f" {call['name']}({json.dumps(call['args'], sort_keys=True)})"
            for call in getattr(message, "tool_calls", [])
        ]
        text = _MEASURED.sub(r"\g<1>0", message.text)
        lines.append(f"{message.type}: {text}{''.join(calls)}")
    return "\n".join(lines)


def _free(message: Any) -> AIMessage:
    """A kept answer costs nothing again: its usage is zero."""
    told = AIMessage(**{**message.model_dump(exclude={"type"}), "usage_metadata": None})
    told.response_metadata = {**told.response_metadata, "kept": True}
    return told


class RecordFile:
    """A record of a run's calls: JSON, a line a call, that can lie beside a notebook.

    Parameters
    ----------
    path : Path
        The file.
    replay : bool
        Answer from it and ask nobody; otherwise it is written anew.
    """

    def __init__(self, path: Path, *, replay: bool) -> None:
        self.path, self.replay = path, replay
        self._rows: dict[str, list[dict[str, Any]]] = {}
        self._last: dict[str, dict[str, Any]] = {}
        self._requests: list[str] = []
        if replay:
            self._read()
        else:
            path.write_text("", encoding="utf-8")

    def _read(self) -> None:
        if not self.path.is_file():
            raise ModelError(
                "model.replay",
                given=f"--replay {self.path}: there is no such file.",
                have="A record is what --record FILE wrote.",
                try_="Run once with --record FILE and a model.",
            )
        for line in self.path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            self._rows.setdefault(row["digest"], []).append(row["answer"])
            self._requests.append(row["request"])

    def find(self, digest: str) -> dict[str, Any] | None:
        """The next answer of that request, in the order of the record; the last one again when it is used up."""
        if not self.replay:
            return None
        waiting = self._rows.get(digest)
        if waiting:
            self._last[digest] = waiting.pop(0)
        return self._last.get(digest)

    def keep(self, digest: str, request: str, answer: dict[str, Any]) -> None:
        """Write one call."""
        row = {"digest": digest, "request": request, "answer": answer}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")

    def miss(self, digest: str, request: str) -> None:
        """A replay fails at a request that is not in the record, and shows what is other about it."""
        if not self.replay:
            return
        near = max(self._requests, key=lambda each: _likeness(each, request), default="")
        raise ModelError(
            "model.replay",
            given=f"A request is not in {self.path.name}. {_difference(near, request)}",
            have=f"The record holds {len(self._requests)} requests.",
            try_="Record anew with --record FILE, or undo what changed the goal, the data or the prompts.",
        )


def _likeness(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one[:4_000], other[:4_000], autojunk=False).quick_ratio()


def _difference(near: str, request: str) -> str:
    """The first line that differs, both ways, around the place."""
    for old, new in zip(near.splitlines(), request.splitlines(), strict=False):
        if old != new:
            at = next((k for k, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
            start = max(at - 40, 0)
            return f"Recorded: …{old[start : at + 60]}… Now: …{new[start : at + 60]}…"
    return "It goes on longer than what was recorded."
