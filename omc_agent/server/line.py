"""The line of runs that wait, as this server asks for it: in a thread, and under one name."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from omc_agent.server.desk import Desk

if TYPE_CHECKING:
    from omc_agent.store.queue import Queue
    from omc_agent.store.records import SessionManager

T = TypeVar("T")


class Line:
    """`omc_agent.store.queue.Queue` behind the desk.

    Parameters
    ----------
    desk : Desk
        Settings and store.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._queue: Queue | None = None
        self._owner = ""

    @property
    def owner(self) -> str:
        """The server's name, as the owner of what it has in the line."""
        from omc_agent.store.leases import new_owner

        self._owner = self._owner or new_owner()
        return self._owner

    @property
    def here(self) -> str:
        """Which servers may begin what this one has in the line: those of this machine and this user."""
        return f"{os.uname().nodename}|{os.getuid()}"

    @property
    def limit(self) -> int:
        """Runs that may be on their way at once, in the whole store."""
        return self._desk.settings.max_runs or os.cpu_count() or 1

    async def ask(self, question: Callable[[Queue], T]) -> T:
        """``question(queue)``, in a thread."""

        def ask(store: SessionManager) -> T:
            from omc_agent.store.queue import Queue

            if self._queue is None:
                self._queue = Queue(store.engine, self.owner)
            return question(self._queue)

        return await self._desk.ask(ask)

    def is_there(self) -> bool:
        """Whether there is a store at all: looking for runs that wait makes none."""
        url = self._desk.settings.store_url()
        return not url.startswith("sqlite:///") or Path(url.removeprefix("sqlite:///")).exists()
