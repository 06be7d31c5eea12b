"""What goes on beside a run: its inbox is read, its lease renewed, its clocks kept."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from omc_agent.errors import LeaseLost
from omc_agent.store.database import StoreBusy
from omc_agent.store.leases import RENEW_SECONDS, Leases
from omc_agent.store.patience import waiting_for_store
from omc_agent.store.records import Row, SessionManager

INBOX_SECONDS = 0.1
TICK_SECONDS = 1.0


class Watch:
    """The tasks beside one run; they end with the ``async with``.

    Parameters
    ----------
    store : SessionManager
        Of the run.
    run_id, owner : str
        The run, and who drives it here.
    hear : callable
        ``await hear(row)`` for each word in the inbox, in order.
    on_lost, on_overrun : callable
        Called when another process took the run over; when the run took longer than `run_wall` seconds.
    run_wall : float
        0: no limit.
    on_tick : callable, optional
        Called once a second.
    """

    def __init__(
        self,
        store: SessionManager,
        run_id: str,
        owner: str,
        *,
        hear: Callable[[Row], Awaitable[None]],
        on_lost: Callable[[], None],
        on_overrun: Callable[[], None],
        run_wall: float = 0.0,
        on_tick: Callable[[], None] | None = None,
    ) -> None:
        self.store, self.run_id, self.owner = store, run_id, owner
        self._hear, self._on_lost, self._on_overrun = hear, on_lost, on_overrun
        self._run_wall, self._on_tick = run_wall, on_tick
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Watch:
        work: list[Coroutine[Any, Any, None]] = [self._inbox(), self._lease()]
        work += [self._clock()] if self._run_wall else []
        work += [self._ticks(self._on_tick)] if self._on_tick is not None else []
        self._tasks = [asyncio.create_task(one) for one in work]
        return self

    async def __aexit__(self, *error: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def wake(self) -> None:
        """Read the inbox at once; called on the loop by whoever sent something from this process."""
        self._wake.set()

    async def _inbox(self) -> None:
        while True:
            self._wake.clear()
            with contextlib.suppress(StoreBusy):  # a store that is locked is read again in a moment
                for row in await asyncio.to_thread(self.store.take_inbox, self.run_id):
                    await self._hear(row)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), INBOX_SECONDS)

    async def _lease(self) -> None:
        leases = Leases(self.store.engine)
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            with contextlib.suppress(StoreBusy):  # it holds for longer than a lock can
                if not await asyncio.to_thread(leases.renew, self.run_id, self.owner):
                    self._on_lost()
                    return

    async def _clock(self) -> None:
        await asyncio.sleep(self._run_wall)
        self._on_overrun()

    async def _ticks(self, on_tick: Callable[[], None]) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            on_tick()


GIVE_BACK_SECONDS, GIVE_BACK_TRIES = 2.0, 1800  # an hour


async def give_back(store: SessionManager, run_id: str, owner: str, status: str, reason: str) -> None:
    """Say how a run ended, and let others drive it, as soon as the store that was gone is there again.

    Without it whoever lives on would hold the run until its lease is over.
    """
    leases = Leases(store.engine)
    with waiting_for_store(0.0):
        for _ in range(GIVE_BACK_TRIES):
            await asyncio.sleep(GIVE_BACK_SECONDS)
            with contextlib.suppress(StoreBusy):
                with contextlib.suppress(LeaseLost):
                    await asyncio.to_thread(store.update, run_id, by=owner, status=status, reason=reason)
                    await asyncio.to_thread(leases.release, run_id, owner)
                return
