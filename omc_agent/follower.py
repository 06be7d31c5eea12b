"""Shows a run that another process drives, or drove: its events out of the store, as they are written."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from omc_agent.errors import AgentError, RunStopped, error_from_dict
from omc_agent.events import Event, RunFinished
from omc_agent.store.leases import Leases
from omc_agent.store.patience import waiting_for_store
from omc_agent.store.records import Row, SessionManager

LOOK_SECONDS = 0.2
STORE_SECONDS = 60.0  # a database that is gone is waited for, as by the run
TICK_SECONDS = 1.0
BETWEEN_SECONDS = 3.0  # from the last sign of an engine to calling it gone: it may just hand over


class Follower:
    """One run as a spectator sees it; stands where a `Session` stands in a handle.

    Parameters
    ----------
    store : SessionManager
        Of the run.
    row : Row
        Of `agent_sessions`.
    listener, on_past, on_end, on_tick : callable, optional
        Hears each new event; gets the earlier ones at once; is called when there is no more to come; is called each
        second with the cost so far.
    """

    def __init__(
        self,
        store: SessionManager,
        row: Row,
        *,
        listener: Callable[[Event], None] | None = None,
        on_past: Callable[[list[Event]], None] | None = None,
        on_end: Callable[[], None] | None = None,
        on_tick: Callable[[float], None] | None = None,
    ) -> None:
        self.store, self.row, self.id = store, row, str(row["id"])
        self.status, self.reason, self.stage = str(row["status"]), str(row["reason"]), str(row["stage"])
        self.error: AgentError | None = None
        self._listener, self._on_past, self._on_end, self._on_tick = listener, on_past, on_end, on_tick
        self._seen, self._ticked = 0, 0.0

    async def run(self) -> None:
        """Follow until the run ended, waits for nobody's engine, or its engine is gone."""
        with waiting_for_store(STORE_SECONDS):
            await self._run()

    async def _run(self) -> None:
        past = await self._new()
        if self._on_past is not None:
            self._on_past(past)
        try:
            await self._follow(past)
        finally:
            if self._on_end is not None:
                self._on_end()

    async def _follow(self, past: list[Event]) -> None:
        ended = next((e for e in reversed(past) if isinstance(e, RunFinished)), None)
        alive = time.monotonic()
        while await asyncio.to_thread(Leases(self.store.engine).holder, self.id) or (
            time.monotonic() - alive < BETWEEN_SECONDS and ended is None
        ):
            await asyncio.sleep(LOOK_SECONDS)
            await self._tick()
            for event in await self._new():
                alive = time.monotonic()
                ended = event if isinstance(event, RunFinished) else None
                if self._listener is not None:
                    self._listener(event)
            if ended is not None:
                break
        await self._settle(ended)

    async def _tick(self) -> None:
        if self._on_tick is not None and time.monotonic() - self._ticked >= TICK_SECONDS:
            self._ticked = time.monotonic()
            cost = await asyncio.to_thread(self.store.cost_of, self.id)
            self._on_tick(float(cost["usd"]))

    async def _settle(self, ended: RunFinished | None) -> None:
        if ended is None:
            self.status = "stopped"
            self.error = RunStopped(
                "run.stopped",
                given=f"Nobody drives run {self.id}: its process is gone.",
                have="The work so far is kept.",
                try_=f"%agent resume {self.id} goes on.",
            )
            return
        self.status, self.reason = ended.status, ended.reason
        self.error = error_from_dict(ended.error) if ended.error else None

    async def _new(self) -> list[Event]:
        told = await asyncio.to_thread(self.store.story, self.id)
        fresh = [each for each in told if each.seq > self._seen]
        self._seen = max([self._seen, *(each.seq for each in fresh)])
        self.stage = next((e.event.stage for e in reversed(fresh) if e.event.stage), self.stage)
        return [each.event for each in fresh]
