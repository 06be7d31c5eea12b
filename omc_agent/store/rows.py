"""How rows are written by whoever may: once, by the engine that drives the run, in the name of a user."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, literal_column, select

from omc_agent.store.database import begin_writing
from omc_agent.store.leases import lost
from omc_agent.store.tables import AgentSession

Row = dict[str, Any]
Rows = list[Row]


def fence(db: Connection, run_id: str, owner: str | None) -> None:
    """Let nobody else write to the run until this transaction ends, and nobody at all who lost its lease.

    Raises
    ------
    RunError
        ``run.lease_lost`` when `owner` is given and drives the run no more.
    """
    begin_writing(db)
    query = select(AgentSession.owner).where(AgentSession.id == run_id)
    held = db.scalar(query if db.dialect.name == "sqlite" else query.with_for_update(key_share=True))
    if owner is not None and held != owner:
        raise lost(run_id)


def insert_or_ignore(db: Connection, table: Any, row: Row) -> bool:
    """Insert, unless a row of the same key is there; whether it was new."""
    if db.dialect.name == "sqlite":
        from sqlalchemy.dialects.sqlite import insert as upsert
    else:
        from sqlalchemy.dialects.postgresql import insert as upsert  # type: ignore[assignment]
    # A count of rows is no answer: where the database hands back the new id, there is none.
    made: Any = upsert(table).values(**row).on_conflict_do_nothing().returning(literal_column("1"))
    return db.execute(made).first() is not None


def recorded(rows: Iterable[Row]) -> Rows:
    """Only cells that ran to their end."""
    return [row for row in rows if row["status"] == "ok"]


def user_name() -> str:
    """Whose name stands on what is written."""
    try:
        return os.environ.get("JUPYTERHUB_USER") or getpass.getuser()
    except (KeyError, OSError):  # no such uid in the password file, as in some containers
        return str(os.getuid())
