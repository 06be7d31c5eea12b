"""Cells in their order: calls of the host run side by side, and are still numbered and recorded as they came."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager


class Ticket:
    """One cell on its way, and those that came before it."""

    def __init__(self, earlier: Sequence[Ticket]) -> None:
        self.n = 0
        self.done = asyncio.Event()
        self._earlier = list(earlier)

    async def mine(self) -> None:
        """Return when every cell that came before is recorded, or given up."""
        for other in self._earlier:
            await other.done.wait()


class Turns:
    """The cells of a run that are on their way, the oldest first.

    Attributes
    ----------
    beginning : Lock
        One cell gets its number at a time.
    """

    def __init__(self) -> None:
        self.beginning = asyncio.Lock()
        self._open: list[Ticket] = []

    @asynccontextmanager
    async def enter(self) -> AsyncIterator[Ticket]:
        """Take a ticket; it is given back with the block, however that ends."""
        ticket = Ticket(self._open)
        self._open.append(ticket)
        try:
            yield ticket
        finally:
            self._open.remove(ticket)
            ticket.done.set()

    def newest(self) -> int:
        """The highest number of a cell that is on its way; 0 without any."""
        return max((ticket.n for ticket in self._open), default=0)
