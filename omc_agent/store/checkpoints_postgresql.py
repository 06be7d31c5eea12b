"""Checkpoints in PostgreSQL, in tables of their own beside whatever else is in that database."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from psycopg.conninfo import make_conninfo
from psycopg.rows import DictRow, dict_row
from sqlalchemy import make_url

from omc_agent.errors import RunError
from omc_agent.store.checkpoint_guard import Guarded, Told, gone, quietly
from omc_agent.store.checkpoint_place import Place, is_thread_of, unusable

CONNECT_SECONDS = 5
SETUP_SECONDS = 30.0
_SETUP_LOCK = 0x6F6D63_61  # of ours, among the advisory locks of a database
TABLES = ("checkpoint_writes", "checkpoint_blobs", "checkpoints")
# Each version of an agent's message list is a row of its own, whole. What a resume needs is the newest checkpoint,
# and the one before it for a step that was cut off. One statement sees one state, so blobs are judged by what stays.
# No sync of the disk is waited for: what comes back with a crash is dropped again by the next.
_DROP_SUPERSEDED = """
WITH old AS (
    DELETE FROM checkpoints WHERE thread_id = %(thread)s AND checkpoint_ns = %(ns)s AND checkpoint_id < %(parent)s
        AND (SELECT set_config('synchronous_commit', 'off', true)) = 'off'
), old_writes AS (
    DELETE FROM checkpoint_writes
    WHERE thread_id = %(thread)s AND checkpoint_ns = %(ns)s AND checkpoint_id < %(parent)s
)
DELETE FROM checkpoint_blobs b
WHERE b.thread_id = %(thread)s AND b.checkpoint_ns = %(ns)s AND NOT EXISTS (
    SELECT 1 FROM checkpoints c
    WHERE c.thread_id = b.thread_id AND c.checkpoint_ns = b.checkpoint_ns AND c.checkpoint_id >= %(parent)s
        AND c.checkpoint -> 'channel_versions' ->> b.channel = b.version
)
"""


class PostgresCheckpoints(Guarded, AsyncPostgresSaver):
    """A saver on one connection, which is made anew when it was lost."""

    lost = (psycopg.OperationalError, psycopg.InterfaceError)
    conn: psycopg.AsyncConnection[DictRow]

    async def mend(self) -> None:
        """As in the base class."""
        async with self.lock:
            if self.conn.closed or self.conn.broken:
                self.conn = await _connected(self.place)

    async def aput(self, *args: Any, **values: Any) -> RunnableConfig:
        """As in the base class, and drop what the new one supersedes of an agent's."""
        done = await super().aput(*args, **values)
        place = args[0]["configurable"]
        if place["checkpoint_ns"] and place.get("checkpoint_id"):
            old = {"thread": place["thread_id"], "ns": place["checkpoint_ns"], "parent": place["checkpoint_id"]}
            await self.patiently(lambda: self._run(_DROP_SUPERSEDED, old))
        return done

    async def drop_inner(self, thread_id: str) -> None:
        """As in the base class."""
        for table in TABLES:
            text = f"DELETE FROM {table} WHERE thread_id = %(thread)s AND checkpoint_ns <> ''"  # noqa: S608 - fixed
            await self.patiently(lambda text=text: self._run(text, {"thread": thread_id}))  # type: ignore[misc]

    async def _run(self, statement: str, values: dict[str, Any]) -> None:
        async with self._cursor() as cursor:
            await cursor.execute(statement, values)


@asynccontextmanager
async def opened(place: Place, *, synchronous: str, tell: Told | None) -> AsyncIterator[PostgresCheckpoints]:
    """A saver on that database, whose tables are made when they are missing."""
    try:
        saver = PostgresCheckpoints(await _connected(place))
        saver.place = place
        await _set_up(saver)
    except psycopg.Error as error:
        raise gone(place, error) from None
    try:
        yield saver
    finally:
        await quietly(saver.conn.close())


def delete(place: Place, run_id: str) -> int:
    """Delete the threads of a run; a database without the tables holds none."""
    try:
        with psycopg.connect(_conninfo(place), connect_timeout=CONNECT_SECONDS) as db:
            if db.execute("SELECT to_regclass('checkpoints')").fetchone() == (None,):
                return 0
            near = run_id.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + ".%"
            query = "SELECT DISTINCT thread_id FROM checkpoints WHERE thread_id = %s OR thread_id LIKE %s"
            mine = [name for (name,) in db.execute(query, (run_id, near)) if is_thread_of(run_id, name)]
            for table in TABLES:
                db.execute(f"DELETE FROM {table} WHERE thread_id = ANY(%s)", (mine,))  # noqa: S608 - fixed names
            return len(mine)
    except psycopg.Error as error:
        raise gone(place, error) from None


def check(place: Place) -> str:
    """The server's version."""
    try:
        with psycopg.connect(_conninfo(place), connect_timeout=CONNECT_SECONDS) as db:
            return f"PostgreSQL {db.info.server_version // 10_000}"
    except psycopg.Error as error:
        raise gone(place, error) from None


async def _connected(place: Place) -> psycopg.AsyncConnection[DictRow]:
    return await psycopg.AsyncConnection.connect(
        _conninfo(place), autocommit=True, prepare_threshold=0, row_factory=dict_row,
        connect_timeout=CONNECT_SECONDS,
    )  # fmt: skip


def _conninfo(place: Place) -> str:
    """A SQLAlchemy URL as libpq reads it, whatever driver it names."""
    url = make_url(place.url)
    given = {"host": url.host, "port": url.port, "user": url.username, "password": url.password,
             "dbname": url.database, "application_name": "omc_agent", "keepalives_idle": 20,
             "keepalives_interval": 5, "keepalives_count": 3}  # fmt: skip
    for name, value in url.query.items():
        given[name] = value if isinstance(value, str) else ",".join(value)
    try:
        return make_conninfo(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    except psycopg.ProgrammingError:  # its text may hold what was given
        known = ", ".join(sorted(url.query))
        raise unusable(place.url.partition("?")[0], f"libpq knows none, or not all, of the options {known}") from None


async def _set_up(saver: PostgresCheckpoints) -> None:
    """Bring the tables to head, one process at a time.

    Waiting for the lock in the server would hold a snapshot, for which the other one's CREATE INDEX CONCURRENTLY
    waits: so it is asked for again and again.
    """
    deadline = time.monotonic() + SETUP_SECONDS
    while not await _is_set_up(saver):
        if await _value(saver, "SELECT pg_try_advisory_lock(%s)", _SETUP_LOCK):
            try:
                await saver.setup()
            finally:
                await _value(saver, "SELECT pg_advisory_unlock(%s)", _SETUP_LOCK)
        elif time.monotonic() > deadline:
            raise RunError("run.checkpoints", given=f"The checkpoints at {saver.place.shown} have no tables yet.",
                           have=f"Another process makes them, for more than {SETUP_SECONDS:g} s.",
                           try_="Try again; %agent doctor looks at the store.")  # fmt: skip
        else:
            await asyncio.sleep(0.1)


async def _is_set_up(saver: PostgresCheckpoints) -> bool:
    if await _value(saver, "SELECT to_regclass('checkpoint_migrations')::text") is None:
        return False
    return bool(await _value(saver, "SELECT max(v) FROM checkpoint_migrations") == len(saver.MIGRATIONS) - 1)


async def _value(saver: PostgresCheckpoints, query: str, *values: Any) -> Any:
    cursor = await saver.conn.execute(query, values)
    row = await cursor.fetchone()
    return next(iter(row.values())) if row else None
