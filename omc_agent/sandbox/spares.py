"""One warm child kept ready, so that no run waits for imports."""

from __future__ import annotations

import asyncio
import contextlib

from omc_agent.config import Confinement, Limits
from omc_agent.errors import SandboxError
from omc_agent.sandbox import tiers
from omc_agent.sandbox.kernel import Child

PAUSE_SECONDS = 0.25


class Spares:
    """Keeps one started child that has run `prelude`; belongs to one event loop.

    Parameters
    ----------
    limits : Limits
        Limits of the spare. They cannot be raised later, so a run with others gets a child of its own.
    prelude : str
        The standard imports.
    confinement : Confinement, optional
        What holds the children.
    """

    def __init__(self, limits: Limits, prelude: str, confinement: Confinement | None = None) -> None:
        self._kind = (limits, prelude, confinement or Confinement())
        self._coming: asyncio.Task[Child] | None = None
        self._closed = False

    def warm(self) -> None:
        """Begin to start a spare when there is none."""
        if self._coming is None:
            self._coming = asyncio.create_task(self._spare(0.0))

    async def _spare(self, pause: float) -> Child:
        """A child that has run one cell: the first one imports here and there what no later one has to."""
        await asyncio.sleep(pause)
        child = await new_child(*self._kind)
        await child.execute("None")
        return child

    async def take(self, limits: Limits, prelude: str, confinement: Confinement) -> Child:
        """Hand out the spare when it is of the wanted kind, else a child started now; begin the next spare."""
        if (limits, prelude, confinement) != self._kind:
            return await new_child(limits, prelude, confinement)
        coming, self._coming = self._coming, None
        try:
            return await self._hand_out(coming)
        finally:
            if not self._closed and self._coming is None:
                # The child that is handed out has the machine to itself for its first cell.
                self._coming = asyncio.create_task(self._spare(PAUSE_SECONDS))

    async def _hand_out(self, coming: asyncio.Task[Child] | None) -> Child:
        if coming is not None:
            with contextlib.suppress(SandboxError):
                child = await coming
                if await child.alive():
                    return child
                await child.end()
        return await new_child(*self._kind)

    async def close(self) -> None:
        """End the spare, and start no more."""
        self._closed = True
        coming, self._coming = self._coming, None
        if coming is not None:
            with contextlib.suppress(SandboxError, asyncio.CancelledError):
                child = await coming
                await child.end()


async def new_child(limits: Limits, prelude: str, confinement: Confinement) -> Child:
    """A child in the tier that is in force for `confinement`, with `prelude` run and its limits set.

    Raises
    ------
    SandboxError
        When none can be started, or only in a lower tier than `confinement.require`.
    """
    child = Child(limits, way=await tiers.way(confinement), kernel=confinement.kernel)
    await child.start(prelude)
    return child
