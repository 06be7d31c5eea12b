"""Checkpoints in a SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

import aiosqlite
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from omc_agent.store.checkpoint_guard import Guarded, Told, gone
from omc_agent.store.checkpoint_place import Place, is_thread_of
from omc_agent.store.database import BUSY_TIMEOUT_MS

TABLES = ("writes", "checkpoints")
# Each checkpoint of an agent holds its whole message list. What a resume needs is the newest, and the one before it
# for a step that was cut off; older ones go in the transaction that writes the next, at no further sync of the disk.
_DROP_SUPERSEDED = """
CREATE TEMP TRIGGER drop_superseded AFTER INSERT ON main.checkpoints
WHEN NEW.checkpoint_ns != '' AND NEW.parent_checkpoint_id IS NOT NULL
BEGIN
    DELETE FROM writes WHERE thread_id = NEW.thread_id AND checkpoint_ns = NEW.checkpoint_ns
        AND checkpoint_id < NEW.parent_checkpoint_id;
    DELETE FROM checkpoints WHERE thread_id = NEW.thread_id AND checkpoint_ns = NEW.checkpoint_ns
        AND checkpoint_id < NEW.parent_checkpoint_id;
END
"""


class SqliteCheckpoints(Guarded, AsyncSqliteSaver):
    """A saver on one connection; SQLite itself waits for a lock, and a full disk does not mend itself."""

    lost = (sqlite3.OperationalError,)
    waits, attempt = False, None

    async def drop_inner(self, thread_id: str) -> None:
        """As in the base class."""
        for table in TABLES:
            await self.conn.execute(
                f"DELETE FROM {table} WHERE thread_id = ? AND checkpoint_ns != ''",  # noqa: S608 - fixed names
                (thread_id,),
            )
        await self.conn.commit()


@asynccontextmanager
async def opened(place: Place, *, synchronous: str, tell: Told | None) -> AsyncIterator[SqliteCheckpoints]:
    """A saver on that file, which is made when it is missing."""
    try:
        place.file.parent.mkdir(parents=True, exist_ok=True)
        connection = await aiosqlite.connect(place.file)
    except (OSError, sqlite3.Error) as error:
        raise gone(place, error) from None
    saver = SqliteCheckpoints(connection)
    try:
        try:
            await connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
            await connection.execute("PRAGMA journal_mode=WAL")
            await connection.execute(f"PRAGMA synchronous={synchronous}")
            await saver.setup()
            await connection.execute(_DROP_SUPERSEDED)
        except sqlite3.Error as error:
            raise gone(place, error) from None
        yield saver
    finally:
        await connection.close()


def delete(place: Place, run_id: str) -> int:
    """Delete the threads of a run; a file that is not there holds none."""
    if not place.file.exists():
        return 0
    with closing(sqlite3.connect(place.file, timeout=BUSY_TIMEOUT_MS / 1000)) as file:
        if not file.execute("SELECT 1 FROM sqlite_master WHERE name = 'checkpoints'").fetchone():
            return 0
        there = {name for table in TABLES for (name,) in file.execute(f"SELECT DISTINCT thread_id FROM {table}")}  # noqa: S608
        mine = [(name,) for name in there if is_thread_of(run_id, name)]
        for table in TABLES:
            file.executemany(f"DELETE FROM {table} WHERE thread_id = ?", mine)  # noqa: S608 - fixed names
        file.commit()
    return len(mine)


def check(place: Place) -> str:
    """Nothing to say of a file that can be read, or is not there yet."""
    if place.file.exists():
        with closing(sqlite3.connect(f"{place.file.resolve().as_uri()}?mode=ro", uri=True, timeout=5)) as file:
            file.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return ""
