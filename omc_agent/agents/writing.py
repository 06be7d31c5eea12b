"""The words of a model as it writes them: shown while they come, and never kept.

The tokens come by a callback, so the model is called as ever: a client that streams calls it for each piece, and one
that answers whole, such as `offline`, never does.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.runnables.config import ensure_config, merge_configs, var_child_runnable_config
from langchain_core.utils.json import parse_partial_json

from omc_agent.agents.usable import spoken
from omc_agent.events import Event, Writing

PACE = 0.1  # seconds between two looks
TAIL = 4_000  # letters of the end that are shown
FREE_CODE = "run_python"


class Pen(AsyncCallbackHandler):
    """Hears one try of a call and tells what it has written so far, at most ten times a second.

    Parameters
    ----------
    emit : callable
        ``await emit(event, key)``.
    stage : str
        Whose words they are.
    """

    def __init__(self, emit: Callable[[Event, str], Awaitable[None]], stage: str) -> None:
        self._emit, self._stage = emit, stage
        self._text = self._tool = self._args = ""
        self._thinks = self._shown = False
        self._next = 0.0
        self._late: asyncio.Task[None] | None = None

    async def on_llm_new_token(self, token: Any, *, chunk: Any = None, **kwargs: Any) -> None:
        """Take in one piece."""
        message = getattr(chunk, "message", None)
        self._text += message.text if message is not None else str(token)
        for part in getattr(message, "tool_call_chunks", None) or []:
            if part.get("name"):
                self._tool, self._args = str(part["name"]), ""
            self._args += part.get("args") or ""
        self._thinks = self._thinks or bool(
            message is not None and (message.content or message.additional_kwargs.get("reasoning_content"))
        )
        if self._thinks or self._tool or self._text:
            await self._due()

    @contextlib.contextmanager
    def heard(self) -> Iterator[None]:
        """Within this, a chat model that is called tells its tokens here."""
        heard = merge_configs(ensure_config(), {"callbacks": [self]})
        token = var_child_runnable_config.set(heard)
        try:
            yield
        finally:
            var_child_runnable_config.reset(token)

    async def close(self) -> None:
        """The try ended, well or not: what was shown of it goes away; the whole text is told by whoever has it."""
        if self._late is not None:
            self._late.cancel()
        if self._shown:
            self._shown = False
            await self._emit(Writing(stage=self._stage), "writing")

    async def _due(self) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._next:
            await self._show()
        elif self._late is None:
            self._late = asyncio.create_task(self._show_later(self._next - now))

    async def _show_later(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self._show()

    async def _show(self) -> None:
        self._late, self._shown = None, True
        self._next = asyncio.get_running_loop().time() + PACE
        text = spoken(self._text)
        doing = "thinks" if self._thinks and not text and not self._tool else ""
        written = Writing(
            stage=self._stage, text=text[-TAIL:], tool=self._tool, code=self._code()[-TAIL:], doing=doing
        )
        await self._emit(written, "writing")

    def _code(self) -> str:
        """Free code as far as it is written; the arguments of other tools are short."""
        if self._tool != FREE_CODE or not self._args:
            return ""
        try:
            given = parse_partial_json(self._args)
        except ValueError:
            return ""
        return str(given.get("code") or "") if isinstance(given, dict) else ""
