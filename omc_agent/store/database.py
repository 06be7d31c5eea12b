"""Open the store's database and bring it to head."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, ExceptionContext, create_engine, event, func, inspect, select
from sqlalchemy.exc import DatabaseError, OperationalError, SQLAlchemyError

from omc_agent import __version__
from omc_agent.errors import StoreError
from omc_agent.secrecy import hide_secrets
from omc_agent.store.address import address_of, shown
from omc_agent.store.patience import is_passing
from omc_agent.store.values import plain_parameters, read_json, write_json

BUSY_TIMEOUT_MS = 30_000
CONNECT_SECONDS = 5
StoreBusy = OperationalError  # what a store that cannot be written now raises, after BUSY_TIMEOUT_MS
DatabaseFault = SQLAlchemyError  # whatever a database says instead of an answer
_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK_MIGRATION, _LOCK_OPENINGS = 4_711_001, 4_711_002  # PostgreSQL's advisory locks, numbers of our own
# A line that went dead is noticed within half a minute, whatever the network's own patience.
_LIBPQ = {"connect_timeout": CONNECT_SECONDS, "application_name": "omc_agent", "keepalives_idle": 10,
          "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 20_000}  # fmt: skip
_SESSION = ("SET TIME ZONE 'UTC'", f"SET lock_timeout = {BUSY_TIMEOUT_MS}",
            "SET idle_in_transaction_session_timeout = 60000")  # fmt: skip


def open_database(url: str, *, synchronous: str = "FULL", upgrade: bool = True) -> Engine:
    """An engine whose database is at head.

    Parameters
    ----------
    url : str
        SQLAlchemy URL. SQLite gets WAL, a busy timeout of 30 s and foreign keys; PostgreSQL a limit of 5 s to connect
        and of 30 s to wait for a lock.
    synchronous : str
        SQLite's pragma: FULL survives power loss, NORMAL survives ``kill -9``.
    upgrade : bool
        False: leave it at the revision it has, to look at it.

    Raises
    ------
    StoreError
        ``store.url`` and ``store.driver`` as :func:`address_of`; ``store.unreachable`` where it cannot be opened;
        ``store.newer`` when a newer version of omc_agent has written it; ``store.unreadable`` when it is no store.
    """
    parsed = address_of(url)
    engine = _sqlite(parsed, synchronous) if parsed.get_backend_name() == "sqlite" else _postgresql(parsed)
    event.listen(engine, "before_cursor_execute", _plain, retval=True)
    try:
        found = revision_of(engine)
        _check(engine, found)
        if upgrade and found != head_revision():
            migrate(engine)
    except StoreError:
        engine.dispose()
        raise
    except (SQLAlchemyError, sqlite3.Error) as problem:
        engine.dispose()
        raise _cannot_open(parsed, problem) from problem
    return engine


def migrate(engine: Engine, revision: str = "head") -> None:
    """Run the migrations up to `revision` in one transaction; two processes at once are safe."""
    config = _config()
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # the second process waits, then finds the work done
        else:
            connection.exec_driver_sql("SET LOCAL lock_timeout = 0")  # as long as the other one needs
            connection.execute(select(func.pg_advisory_xact_lock(_LOCK_MIGRATION)))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def revision_of(engine: Engine) -> str | None:
    """The revision that the database has; None for an empty one."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def revisions() -> list[str]:
    """All revisions that this version knows, oldest first."""
    return [script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()][::-1]


def head_revision() -> str:
    """The revision that this version writes."""
    return revisions()[-1]


def begin_writing(connection: Connection) -> None:
    """Take SQLite's write lock now, so that what is read next still holds when it is written."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def one_opening_at_a_time(connection: Connection) -> None:
    """Let openings of sealed rows be counted one after the other, over all runs; SQLite's lock does so anyway."""
    if connection.dialect.name != "sqlite":
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK_OPENINGS)))


def why_not(problem: BaseException) -> str:
    """The driver's reason in a few words, without secrets."""
    reason = str(getattr(problem, "orig", None) or problem).strip().splitlines() or [type(problem).__name__]
    return hide_secrets(reason[0]).strip().rstrip(".:")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    return config


def _check(engine: Engine, found: str | None) -> None:
    where = f"The store is {shown(engine.url)}."
    if found is not None and found not in revisions():
        raise StoreError("store.newer", given=where, have=f"Its revision {found} is newer than this version "
                         f"{__version__} of omc_agent knows ({head_revision()}).",
                         try_="Install the version that the others use: pip install -U omc-agent.")  # fmt: skip
    # Asked again: another process may just have made the tables.
    if found is None and inspect(engine).has_table("agent_sessions") and revision_of(engine) is None:
        raise StoreError("store.unreadable", given=where, have="It has tables of runs and no revision of them.",
                         try_="Restore a backup, or name another database.")  # fmt: skip


def _sqlite(parsed: URL, synchronous: str) -> Engine:
    folder = Path(str(parsed.database)).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise StoreError("store.unreachable", given=f"The store is {shown(parsed)}.",
                         have=f"Its folder cannot be made: {problem.strerror or problem}.",
                         try_="Set OMC_AGENT_HOME to a folder that you may write.") from None  # fmt: skip
    engine = create_engine(parsed, json_serializer=write_json, json_deserializer=read_json)
    event.listen(engine, "connect", lambda connection, _: _tune_sqlite(connection, synchronous))
    return engine


def _postgresql(parsed: URL) -> Engine:
    options = {name: value for name, value in _LIBPQ.items() if name not in parsed.query}
    engine = create_engine(parsed, connect_args=options, pool_pre_ping=True, json_serializer=write_json,
                           json_deserializer=read_json)  # fmt: skip
    event.listen(engine, "connect", lambda connection, _: _tune_postgresql(connection))
    event.listen(engine, "handle_error", _as_busy)
    return engine


def _as_busy(context: ExceptionContext) -> None:
    """What passes is one kind of error, whatever the driver calls it: a standby, say, is an "internal" one."""
    error = context.sqlalchemy_exception
    if error is not None and is_passing(error) and not isinstance(error, StoreBusy):
        raise StoreBusy(error.statement, error.params, context.original_exception)


def _tune_sqlite(connection: Any, synchronous: str) -> None:
    connection.create_function("lower", 1, _lower, deterministic=True)  # SQLite's own knows ASCII only
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute(f"PRAGMA synchronous={synchronous}")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _tune_postgresql(connection: Any) -> None:
    for statement in _SESSION:
        connection.execute(statement)
    connection.commit()


def _lower(text: Any) -> Any:
    return text.lower() if isinstance(text, str) else text


def _plain(_1: Any, _2: Any, statement: str, parameters: Any, _3: Any, _4: bool) -> tuple[str, Any]:
    return statement, plain_parameters(parameters)


def _cannot_open(parsed: URL, problem: Exception) -> StoreError:
    why = why_not(problem)
    if parsed.password:
        why = why.replace(str(parsed.password), "***")
    given = f"The store is {shown(parsed)}."
    no_store = isinstance(problem, DatabaseError) and ("not a database" in why or "malformed" in why)
    if no_store:
        return StoreError("store.unreadable", given=given, have=f"It is no database, or damaged: {why}.",
                          try_="Restore a backup, or name another file.")  # fmt: skip
    return StoreError("store.unreachable", given=given, have=f"It cannot be opened: {why}.",
                      try_=_cure(parsed, why))  # fmt: skip


def _cure(parsed: URL, why: str) -> str:
    if parsed.get_backend_name() == "sqlite":
        return "Look at the rights of the folder, at the room on its disk, and who else holds it."
    if "password" in why or "role" in why:
        return "Look at user and password in OMC_AGENT_DATABASE_URL."
    if "does not exist" in why:
        return f"createdb {parsed.database} makes it; omc_agent makes its tables."
    if "permission denied" in why:
        return f"Let {parsed.username} make tables there, or let somebody who may run omc-agent db upgrade."
    return "Look whether the server runs, and at host and port in OMC_AGENT_DATABASE_URL."
