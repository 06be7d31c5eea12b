"""Where LangGraph keeps its checkpoints: a SQLite file beside the store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiosqlite
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from omc_agent.store.database import BUSY_TIMEOUT_MS


class Checkpoints(AsyncSqliteSaver):
    """A saver that first lets be written what led to a checkpoint: a step that counts as done is never entered again,
    so what it told must be on disk before it counts.
    """

    def __init__(self, connection: aiosqlite.Connection, before: Callable[[], Awaitable[None]] | None = None) -> None:
        super().__init__(connection)
        self._before = before

    async def aput(self, *args: Any, **values: Any) -> RunnableConfig:
        """As in the base class."""
        if self._before is not None:
            await self._before()
        return await super().aput(*args, **values)

    async def aput_writes(self, *args: Any, **values: Any) -> None:
        """As in the base class."""
        if self._before is not None:
            await self._before()
        await super().aput_writes(*args, **values)


@asynccontextmanager
async def open_checkpoints(
    path: Path, *, synchronous: str = "FULL", before: Callable[[], Awaitable[None]] | None = None
) -> AsyncIterator[Checkpoints]:
    """A saver that belongs to the running loop.

    Parameters
    ----------
    path : Path
        The file; made when it is missing.
    synchronous : str
        SQLite's pragma, FULL or NORMAL.
    before : callable, optional
        Awaited before each checkpoint.
    """
    async with aiosqlite.connect(path) as connection:
        await connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        await connection.execute("PRAGMA journal_mode=WAL")
        await connection.execute(f"PRAGMA synchronous={synchronous}")
        saver = Checkpoints(connection, before)
        await saver.setup()
        yield saver


async def prune_checkpoints(saver: AsyncSqliteSaver, thread_id: str) -> None:
    """Drop the inner checkpoints of a finished branch: each saved the agent's whole message list.

    The outer ones stay, for they are what a restart from a stage begins with.
    """
    for table in ("writes", "checkpoints"):
        await saver.conn.execute(
            f"DELETE FROM {table} WHERE thread_id = ? AND checkpoint_ns != ''",  # noqa: S608 - fixed names
            (thread_id,),
        )
    await saver.conn.commit()
