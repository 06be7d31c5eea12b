"""Calls of one answer take their places in the record in the order in which the model wrote them."""

from __future__ import annotations

import asyncio

GRACE = 0.05  # seconds that a call waits for one before it to come; after a resume it may be done and never come
KEPT = 8


class InOrder:
    """A place for each call of an answer: `wait` returns when all calls before it have theirs."""

    def __init__(self) -> None:
        self._answers: dict[str, dict[int, asyncio.Event]] = {}

    async def wait(self, answer: str, place: int) -> asyncio.Event:
        """Wait for the calls before; the event that is returned has to be set once this call has its place."""
        while len(self._answers) > KEPT:
            self._answers.pop(next(iter(self._answers)))
        places = self._answers.setdefault(answer, {})
        mine = places[place] = asyncio.Event()
        end = asyncio.get_running_loop().time() + GRACE
        for earlier in range(place):
            while earlier not in places and asyncio.get_running_loop().time() < end:
                await asyncio.sleep(0.001)
            if earlier in places:
                await places[earlier].wait()
        return mine
