"""One warm child kept ready, so that no run waits for imports."""

from __future__ import annotations

import asyncio
import contextlib

from omc_agent.config import Confinement, Limits
from omc_agent.errors import SandboxError
from omc_agent.sandbox import tiers
from omc_agent.sandbox.kernel import Child


class Spares:
    """Keeps one started child that has run `prelude`; belongs to one event loop.

    Parameters
    ----------
    limits : Limits
        Limits that the spare starts with; `take` sets those of the run.
    prelude : str
        The standard imports.
    confinement : Confinement, optional
        What holds the children.
    """

    def __init__(self, limits: Limits, prelude: str, confinement: Confinement | None = None) -> None:
        self._limits, self._prelude, self._confinement = limits, prelude, confinement or Confinement()
        self._coming: asyncio.Task[Child] | None = None
        self._closed = False

    def warm(self) -> None:
        """Begin to start a spare when there is none."""
        if self._coming is None:
            self._coming = asyncio.create_task(_unbound(self._limits, self._prelude, self._confinement))

    async def take(self, limits: Limits, prelude: str, confinement: Confinement) -> Child:
        """Hand out the spare when it is of the wanted kind, else a child started now; begin the next spare."""
        # A socket's cap on messages is set before it connects, so the spare's may be too small.
        if (prelude, confinement) != (self._prelude, self._confinement) or limits.output > self._limits.output:
            return await new_child(limits, prelude, confinement)
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
                    await child.bound(limits)
                    return child
                await child.end()
        return await new_child(limits, self._prelude, self._confinement)

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
    child = await _unbound(limits, prelude, confinement)
    try:
        await child.bound(limits)
    except BaseException:
        await child.end()
        raise
    return child


async def _unbound(limits: Limits, prelude: str, confinement: Confinement) -> Child:
    """Without rlimits yet: they can be lowered later, but not raised."""
    child = Child(limits, way=await tiers.way(confinement), kernel=confinement.kernel)
    await child.start(prelude)
    return child
