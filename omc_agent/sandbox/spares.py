"""One warm child kept ready, so that no run waits for imports."""

from __future__ import annotations

import asyncio
import contextlib

from omc_agent.config import Limits
from omc_agent.errors import SandboxError
from omc_agent.sandbox.kernel import Child
from omc_agent.sandbox.limits import set_rlimits


class Spares:
    """Keeps one started child that has run `prelude`; belongs to one event loop.

    Parameters
    ----------
    limits : Limits
        Limits that the spare starts with; `take` sets those of the run.
    prelude : str
        The standard imports.
    """

    def __init__(self, limits: Limits, prelude: str) -> None:
        self._limits, self._prelude = limits, prelude
        self._coming: asyncio.Task[Child] | None = None
        self._closed = False

    def warm(self) -> None:
        """Begin to start a spare when there is none."""
        if self._coming is None:
            self._coming = asyncio.create_task(_started(self._limits, self._prelude))

    async def take(self, limits: Limits, prelude: str) -> Child:
        """Hand out the spare when it has run the same prelude, else a child started now; begin the next spare."""
        if prelude != self._prelude:
            return await _started(limits, prelude)
        coming, self._coming = self._coming, None
        try:
            return await self._hand_out(coming, limits)
        finally:
            if not self._closed:
                self.warm()

    async def _hand_out(self, coming: asyncio.Task[Child] | None, limits: Limits) -> Child:
        if coming is not None:
            with contextlib.suppress(SandboxError):
                child = await coming
                if await child.alive():
                    child.limits = limits
                    set_rlimits(child.pid, limits)
                    return child
                await child.end()
        return await _started(limits, self._prelude)

    async def close(self) -> None:
        """End the spare, and start no more."""
        self._closed = True
        coming, self._coming = self._coming, None
        if coming is not None:
            with contextlib.suppress(SandboxError, asyncio.CancelledError):
                child = await coming
                await child.end()


async def _started(limits: Limits, prelude: str) -> Child:
    child = Child(limits)
    await child.start(prelude)
    return child
