"""What all routes share: the settings, the store, who starts runs, and how often a user may ask."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from omc_agent.config import AgentSettings
from omc_agent.errors import AgentError, RestError
from omc_agent.server.failures import store_away
from omc_agent.server.rate import Rate

if TYPE_CHECKING:  # the store is imported when it is asked for: a server that nobody asks pays nothing
    from omc_agent.branching import Turn
    from omc_agent.store.records import Row, SessionManager

T = TypeVar("T")
KEY = "omc_agent"  # of the web application's settings
OPEN_SECONDS = 10.0  # after which a database that says nothing counts as away
THREADS = 8


class Starts(Protocol):
    """Who starts runs in kernels, and holds the queue."""

    async def start(self, goal: str, flags: Mapping[str, Any], kernel_id: str | None, user: str) -> Row:
        """Create the run's row, and start it in a kernel or leave it queued."""
        ...

    async def go_on(self, run_id: str, flags: Mapping[str, Any], turn: Turn | None, user: str) -> Row:
        """Go on with a run that nobody drives; with `turn` from a stage, on a branch of its own."""
        ...

    async def queue(self) -> dict[str, Any]:
        """``limit``; ``running`` and ``queue``, lists of ``{id, user, status, position}``, the next first."""
        ...

    async def position(self, run_id: str) -> int:
        """The place of a run among those that wait, from 1; 0 for one that does not."""
        ...

    async def leave(self, run_id: str) -> bool:
        """Take a run out of the line; False when it is in none."""
        ...

    async def forget(self, run_id: str) -> None:
        """The run is removed: its kernel is not needed any more."""
        ...


class Desk:
    """One for each web application.

    Parameters
    ----------
    settings : AgentSettings
        Of the server: its configuration and the environment.

    Attributes
    ----------
    starter : Starts or None
        Who starts runs.
    rate : Rate
        How often a user may ask.
    """

    def __init__(self, settings: AgentSettings) -> None:
        self.settings = settings
        self.starter: Starts | None = None
        self.rate = Rate(settings.rest_rate)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="omc-agent-rest")
        self._opening: asyncio.Task[SessionManager] | None = None
        self._store: SessionManager | None = None

    async def ask(self, question: Callable[[SessionManager], T]) -> T:
        """``question(store)``, in a thread: the loop never waits for a database.

        Raises
        ------
        RunError
            ``run.store`` when the database does not answer.
        """
        store = self._store or await self._opened()
        return await self.in_thread(lambda: question(store))

    async def in_thread(self, work: Callable[[], T]) -> T:
        """`work` in a thread of ours, so that a slow disk does not take those of the server."""

        def guarded() -> T:
            from omc_agent.store.database import DatabaseFault

            try:
                return work()
            except DatabaseFault as problem:
                raise store_away(problem) from None

        return await asyncio.get_running_loop().run_in_executor(self._threads, guarded)

    def who_starts(self) -> Starts:
        """The starter; RestError when there is none."""
        if self.starter is None:
            raise RestError("rest.not_ready", given="This server starts no runs.", have="Runs can be read.",
                            try_="Start the run in a notebook.")  # fmt: skip
        return self.starter

    async def _opened(self) -> SessionManager:
        """The store; those who ask while it is being opened wait for the same."""
        if self._opening is None or (self._opening.done() and self._store is None):
            self._opening = asyncio.create_task(self._open())
        try:
            return await asyncio.wait_for(asyncio.shield(self._opening), OPEN_SECONDS)
        except TimeoutError as problem:
            raise store_away(problem) from None

    async def _open(self) -> SessionManager:
        self._store = await asyncio.get_running_loop().run_in_executor(self._threads, self._open_now)
        return self._store

    def _forget(self, branches: Sequence[str]) -> None:
        from omc_agent.store.checkpoints import delete_checkpoints

        delete_checkpoints(self.settings.checkpoints_url(), branches[0])

    def _open_now(self) -> SessionManager:
        from omc_agent.store.database import DatabaseFault, open_database
        from omc_agent.store.records import SessionManager

        try:
            engine = open_database(self.settings.store_url(), synchronous=self.settings.synchronous)
            return SessionManager(engine, forget=self._forget)
        except AgentError:
            raise
        except (DatabaseFault, OSError, ImportError) as problem:
            raise store_away(problem) from None

    def close(self) -> None:
        """End the threads and the connections."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        if self._store is not None:
            self._store.engine.dispose()
