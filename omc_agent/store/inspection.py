"""Whether a store is whole: its revision, its pages, its ledgers, and how large it is. Looks, and changes nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, func, select, text

from omc_agent.store.address import network_under, shown
from omc_agent.store.database import head_revision, revision_of
from omc_agent.store.leases import database_time
from omc_agent.store.tables import AgentSession, AgentSessionMessage, Base, now
from omc_agent.store.values import in_utc

_AHEAD = 300.0  # seconds that clocks may differ before it is said


@dataclass
class Examination:
    """What was found; it is whole when `problems` is empty.

    Attributes
    ----------
    url, revision, head : str
        Without a password; what it has, and what this version writes.
    tables : dict of str to int
        Rows by table.
    runs : dict of str to int
        Runs by status.
    bytes : int
        On disk, with its log of writes; of PostgreSQL the whole database.
    problems, notes : list of str
        What is wrong, and what one should know.
    """

    url: str
    revision: str
    head: str
    tables: dict[str, int] = field(default_factory=dict)
    runs: dict[str, int] = field(default_factory=dict)
    bytes: int = 0
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def examine_store(engine: Engine) -> Examination:
    """Look at every page of SQLite and at every ledger; of PostgreSQL that all tables can be read."""
    found = Examination(shown(engine.url), revision_of(engine) or "none", head_revision())
    if found.revision != found.head:
        found.problems.append(f"Its revision is {found.revision}, not {found.head}: omc-agent db upgrade.")
        return found
    with engine.connect() as db:
        if engine.dialect.name == "sqlite":
            _sqlite(db, found)
        else:
            found.bytes = int(db.scalar(text("SELECT pg_database_size(current_database())")) or 0)
        for name, table in Base.metadata.tables.items():
            found.tables[name] = int(db.scalar(select(func.count()).select_from(table)) or 0)
        found.runs = {row[0]: row[1] for row in db.execute(_BY_STATUS)}
        for run_id, count, last in db.execute(_BROKEN):
            found.problems.append(f"The ledger of run {run_id} has {count} rows and ends at number {last}.")
        _look_at_clocks(db, found)
    return found


_BY_STATUS = select(AgentSession.status, func.count()).group_by(AgentSession.status).order_by(AgentSession.status)
_SEQ = AgentSessionMessage.seq
_BROKEN = (
    select(AgentSessionMessage.session_id, func.count(), func.max(_SEQ))
    .group_by(AgentSessionMessage.session_id)
    .having((func.count(_SEQ.distinct()) != func.count()) | (func.max(_SEQ) != func.count()))
)


def compact(engine: Engine) -> None:
    """Give room that is free within the files back (SQLite), or clean up and count anew (PostgreSQL)."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as db:
        if engine.dialect.name == "sqlite":
            db.exec_driver_sql("VACUUM")
            db.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            return
        for name in Base.metadata.tables:
            db.exec_driver_sql(f"VACUUM (ANALYZE) {name}")


def _sqlite(db: Connection, found: Examination) -> None:
    said = [str(row[0]) for row in db.exec_driver_sql("PRAGMA integrity_check(20)")]
    found.problems += [f"SQLite: {line}" for line in said if line != "ok"]
    stray: list[Any] = list(db.exec_driver_sql("PRAGMA foreign_key_check"))
    found.problems += [f"{len(stray)} rows belong to no run."] if stray else []
    if str(db.exec_driver_sql("PRAGMA journal_mode").scalar()) != "wal":
        found.problems.append("It has no write-ahead log: a reader would hold up a writer.")
    pages, size = (int(db.exec_driver_sql(f"PRAGMA {name}").scalar() or 0) for name in ("page_count", "page_size"))
    path = Path(str(db.engine.url.database))
    log = path.with_name(f"{path.name}-wal")
    found.bytes = pages * size + (log.stat().st_size if log.exists() else 0)
    if kind := network_under(path):
        found.problems.append(
            f"It lies on {kind}, where locks of SQLite do not hold: take PostgreSQL, or a local disk."
        )


def _look_at_clocks(db: Connection, found: Examination) -> None:
    apart = (now() - database_time(db)).total_seconds()
    if abs(apart) > _AHEAD:
        where = "ahead of" if apart > 0 else "behind"
        found.notes.append(f"This machine's clock is {abs(apart):.0f} s {where} the database's.")
    newest = db.scalar(select(func.max(AgentSession.updated_at)))
    if newest is not None and (in_utc(newest) - database_time(db)).total_seconds() > _AHEAD:
        found.notes.append(
            f"A run was written at {newest:%Y-%m-%d %H:%M} UTC, which is yet to come: a clock was wrong."
        )
