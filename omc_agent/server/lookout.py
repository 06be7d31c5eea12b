"""`Lookout`: looks after the line once a second: whose turn it is, who is told to stop, what is over."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from omc_agent import endings
from omc_agent.errors import AgentError
from omc_agent.events import RunFinished
from omc_agent.server.kernels import Kernels
from omc_agent.server.line import Line

if TYPE_CHECKING:
    from omc_agent.store.queue import Place, Queue

LOOK_SECONDS = 1.0  # at most so late a free place is seen
DRIVEN = ("running", "awaiting_user")


class Lookout:
    """The work of a server that goes on without a request.

    Parameters
    ----------
    line : Line
        Who waits.
    kernels : Kernels
        Of the server.
    begin_run : callable
        ``await begin_run(place)`` brings a run whose turn it is into a kernel.
    keep_kernel : float
        Seconds that the kernel of a run is kept when it has ended.
    log : Logger
        Of the server.
    """

    def __init__(
        self,
        line: Line,
        kernels: Kernels,
        begin_run: Callable[[Place], Awaitable[None]],
        *,
        keep_kernel: float,
        log: logging.Logger,
    ) -> None:
        self._line, self._kernels, self._begin_run = line, kernels, begin_run
        self._keep_kernel, self._log = keep_kernel, log
        self._beginning: dict[str, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self._work: asyncio.Task[None] | None = None
        self._renewed = 0.0
        self._away = ""

    def begin(self) -> None:
        """Begin to look; called on the server's loop."""
        if self._work is None:
            self._work = asyncio.create_task(self._look_on())

    def wake(self) -> None:
        """Look at once."""
        self.begin()
        self._wake.set()

    def give_up(self, run_id: str) -> None:
        """Do not bring that run into a kernel."""
        if (task := self._beginning.get(run_id)) is not None:
            task.cancel()

    async def close(self) -> None:
        """Stop. What waits stays in the line, for this server when it comes up again or for another one."""
        tasks = [task for task in (self._work, *self._beginning.values()) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _look_on(self) -> None:
        while True:
            self._wake.clear()
            try:
                if self._line.is_there():
                    await self.look()
                self._away = ""
            except AgentError as problem:  # the store is away: look again in a moment
                if self._away != problem.code:
                    self._log.warning("omc_agent: runs that wait are not begun. %s", problem.line())
                self._away = problem.code
            except Exception:  # a fault of ours must not end the line
                self._log.exception("omc_agent: the line of runs")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), LOOK_SECONDS)

    async def look(self) -> None:
        """One look."""
        admitted, driven = await self._line.ask(self._move)
        for place in admitted:
            task = asyncio.ensure_future(self._begin_run(place))
            self._beginning[place.run_id] = task
            task.add_done_callback(lambda _, name=place.run_id: self._beginning.pop(name, None))  # type: ignore[misc]
        needed = driven | set(self._beginning)
        await self._kernels.tend(lambda run_id: run_id in needed, self._keep_kernel)

    def _move(self, queue: Queue) -> tuple[list[Place], set[str]]:
        """The part of a look that speaks to the store; who may begin, and which runs are driven."""
        from omc_agent.store.leases import RENEW_SECONDS, is_dead

        if time.monotonic() - self._renewed >= RENEW_SECONDS:
            queue.renew()
            self._renewed = time.monotonic()
        queue.adopt(self._line.here)
        for run_id in queue.stopped():
            queue.leave(run_id, ended("stopped", endings.stopped(run_id)))
        seen = queue.look()
        for place in seen:
            if place.status in DRIVEN and place.owner is not None and is_dead(place.owner):
                queue.bury(place.run_id, place.owner, ended("stopped", endings.gone(place.run_id)))
        return queue.admit(self._line.limit), {place.run_id for place in seen if place.alive}


def ended(status: str, error: AgentError) -> RunFinished:
    """The event of a run that ended without an engine of its own."""
    return RunFinished(status=status, reason=error.code, error=error.to_dict())
