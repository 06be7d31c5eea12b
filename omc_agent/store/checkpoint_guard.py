"""What every store of checkpoints does beside keeping them.

What led to a checkpoint is on disk before it counts; a store that is gone is waited for, as all that is asked of it
may be asked twice; and what went wrong is said in a sentence without a password.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any, ClassVar, TypeVar

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple

from omc_agent.errors import RunError
from omc_agent.secrecy import hide_secrets
from omc_agent.store.checkpoint_place import Place

Told = Callable[[str], Awaitable[None]]
PATIENCE = 60.0  # seconds that a store which is gone is waited for
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0  # seconds between two tries
T = TypeVar("T")


class Guarded(BaseCheckpointSaver[str]):
    """Goes before a saver of langgraph in the order of its classes."""

    lost: ClassVar[tuple[type[BaseException], ...]] = ()  # what the saver raises when its store is gone
    waits: ClassVar[bool] = True  # whether a store that is gone may come back by itself
    attempt: ClassVar[float | None] = 30.0  # seconds for one try

    place: Place
    _before: Callable[[], Awaitable[None]] | None = None
    _tell: Told | None = None
    _impatient = _said = False

    def guard(self, place: Place, before: Callable[[], Awaitable[None]] | None, tell: Told | None) -> None:
        """Say where it lies, what is awaited before each write, and who hears that it is gone."""
        self.place, self._before, self._tell = place, before, tell

    async def mend(self) -> None:
        """Connect again, where the saver does not do so by itself."""

    async def drop_inner(self, thread_id: str) -> None:
        """Drop the checkpoints of the agents of a thread, and keep those of the outer graph."""
        raise NotImplementedError

    async def aput(self, *args: Any, **values: Any) -> RunnableConfig:
        """As in the base class; a step that counts as done is never entered again, so `before` comes first."""
        if self._before is not None:
            await self._before()
        put = super().aput
        return await self.patiently(lambda: put(*args, **values))

    async def aput_writes(self, *args: Any, **values: Any) -> None:
        """As in the base class."""
        if self._before is not None:
            await self._before()
        put = super().aput_writes
        await self.patiently(lambda: put(*args, **values))

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """As in the base class."""
        get = super().aget_tuple
        return await self.patiently(lambda: get(config))

    async def alist(self, *args: Any, **values: Any) -> AsyncIterator[CheckpointTuple]:
        """As in the base class; read as a whole, so that it can be read again."""
        walk = super().alist

        async def all_of_them() -> list[CheckpointTuple]:
            return [each async for each in walk(*args, **values)]

        for each in await self.patiently(all_of_them):
            yield each

    async def patiently(self, act: Callable[[], Awaitable[T]]) -> T:
        """Do it, again while the store is gone and `PATIENCE` lasts.

        Raises
        ------
        RunError
            ``run.checkpoints``. From then on there is one try each: the run is about to end.
        """
        began, pause, tries = time.monotonic(), FIRST_PAUSE, 0
        while True:
            try:
                if tries:
                    await self.mend()
                async with asyncio.timeout(self.attempt):
                    done = await act()
                self._said = False
                return done
            except BaseException as error:
                if not isinstance(error, (*self.lost, TimeoutError)):
                    raise
                tries += 1
                left = PATIENCE - (time.monotonic() - began)
                if self._impatient or not self.waits or left <= 0:
                    self._impatient = True
                    raise gone(self.place, error) from None
                if tries == 2:  # the first failure may be a connection that was idle for too long
                    await self._say_gone(error)
            try:
                await asyncio.sleep(min(pause, max(left, 0.01)))
            except asyncio.CancelledError:
                self._impatient = True
                raise
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _say_gone(self, error: BaseException) -> None:
        said, self._said = self._said, True
        if self._tell is not None and not said:  # several writes may wait at once
            since = time.strftime("%H:%M:%S UTC", time.gmtime())
            await self._tell(f"The checkpoints at {self.place.shown} do not answer since {since} ({reason(error)});"
                             f" the run waits up to {PATIENCE:g} s for them.")  # fmt: skip


def gone(place: Place, error: BaseException) -> RunError:
    """The store of checkpoints does not answer, or takes no more."""
    return RunError(
        "run.checkpoints",
        given=f"The checkpoints at {place.shown} cannot be read or written: {reason(error)}.",
        have="What was done before is kept.",
        try_="When they can be reached again, %agent resume goes on; %agent doctor looks.",
    )


def reason(error: BaseException) -> str:
    """The driver's reason in a few words, without secrets."""
    return " ".join(hide_secrets(str(error)).split()).rstrip(". ")[:200] or "no answer in time"


async def quietly(closing: Awaitable[object]) -> None:
    """Close what may be broken already."""
    with suppress(Exception):
        await closing
