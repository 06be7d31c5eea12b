"""Where LangGraph keeps its checkpoints: a SQLite file beside the store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiosqlite
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from omc_agent.store.database import BUSY_TIMEOUT_MS


@asynccontextmanager
async def open_checkpoints(path: Path, *, synchronous: str = "FULL") -> AsyncIterator[AsyncSqliteSaver]:
    """A saver that belongs to the running loop.

    Parameters
    ----------
    path : Path
        The file; made when it is missing.
    synchronous : str
        SQLite's pragma, FULL or NORMAL.
    """
    async with aiosqlite.connect(path) as connection:
        await connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        await connection.execute("PRAGMA journal_mode=WAL")
        await connection.execute(f"PRAGMA synchronous={synchronous}")
        saver = AsyncSqliteSaver(connection)
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
