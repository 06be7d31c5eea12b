"""Events on their way out: shown at once, written in order, flushed before anything waits."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable

from omc_agent.errors import LeaseLost
from omc_agent.events import Event
from omc_agent.store.branches import Told
from omc_agent.store.database import StoreBusy
from omc_agent.store.records import SessionManager

FLUSH_SECONDS = 0.2


class Ledger:
    """The stream of one run's events.

    Parameters
    ----------
    store : SessionManager
        Where they are written.
    run_id, branch : str
        Whose they are.
    listener : callable, optional
        Hears each event at once, in the order of emission.
    owner : str, optional
        Whoever lost the run by that name writes nothing more.
    """

    def __init__(
        self,
        store: SessionManager,
        run_id: str,
        branch: str,
        listener: Callable[[Event], None] | None = None,
        *,
        owner: str | None = None,
    ) -> None:
        self.store, self.run_id, self.branch, self.listener = store, run_id, branch, listener
        self.owner = owner
        self.stage = ""
        self._pending: list[tuple[str, Event]] = []
        self._keys: set[str] = set()
        self._writing = asyncio.Lock()
        self._timer: asyncio.Task[None] | None = None

    async def emit(self, event: Event, key: str) -> bool:
        """Show the event and queue it; the same `key` again is not shown twice. Whether it was new.

        What is transient is only shown.
        """
        if event.transient:
            self.show(event)
            return True
        if key in self._keys:
            return False
        self._keys.add(key)
        self.stage = event.stage or self.stage
        self._pending.append((key, event))
        if self.listener is not None:
            self.listener(event)
        if self._timer is None or self._timer.done():
            self._timer = asyncio.create_task(self._later())
        return True

    def show(self, event: Event) -> None:
        """Show an event that is written already, such as a question that waits again."""
        if self.listener is not None:
            self.listener(event)

    async def flush(self) -> None:
        """Return when everything emitted so far is on disk."""
        async with self._writing:
            batch, self._pending = self._pending, []
            try:
                if batch:
                    await asyncio.to_thread(self.store.append, self.run_id, self.branch, batch, owner=self.owner)
            except StoreBusy:  # what could not be written is written with what comes next; a key is written once
                self._pending = batch + self._pending
                raise

    def remember(self, told: Iterable[Told]) -> None:
        """Know what was told before this process: it is not shown again."""
        mine = f"{self.branch}:"
        for each in told:
            self.stage = each.event.stage or self.stage
            if each.key.startswith(mine):
                self._keys.add(each.key.removeprefix(mine))

    def turn_to(self, branch: str) -> None:
        """Go on with another branch of the run: its events have keys of their own."""
        self.branch = branch
        self._keys.clear()

    def close(self) -> None:
        """Nothing more will be told."""
        if self._timer is not None:
            self._timer.cancel()

    async def _later(self) -> None:
        await asyncio.sleep(FLUSH_SECONDS)
        # Whoever drives the run finds out before the next cell that it is another's, or that the store is gone.
        with contextlib.suppress(LeaseLost, StoreBusy):
            await self.flush()
