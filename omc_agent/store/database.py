"""Open the store's database and bring it to head."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import OperationalError, SQLAlchemyError

BUSY_TIMEOUT_MS = 30_000
StoreBusy = OperationalError  # what a store that cannot be written now raises, after BUSY_TIMEOUT_MS
DatabaseFault = SQLAlchemyError  # whatever a database says instead of an answer
_MIGRATIONS = Path(__file__).parent / "migrations"


def open_database(url: str, *, synchronous: str = "FULL") -> Engine:
    """An engine whose database is at head.

    Parameters
    ----------
    url : str
        SQLAlchemy URL. SQLite gets WAL, a busy timeout of 30 s and foreign keys.
    synchronous : str
        SQLite's pragma: FULL survives power loss, NORMAL survives ``kill -9``.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite" and parsed.database and parsed.database != ":memory:":
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(parsed)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", lambda connection, _: _tune_sqlite(connection, synchronous))
    migrate(engine)
    return engine


def migrate(engine: Engine, revision: str = "head") -> None:
    """Run the migrations up to `revision` in one transaction; two processes at once are safe."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # the second process waits, then finds the work done
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def begin_writing(connection: Connection) -> None:
    """Take SQLite's write lock now, so that what is read next still holds when it is written."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _tune_sqlite(connection: Any, synchronous: str) -> None:
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute(f"PRAGMA synchronous={synchronous}")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()
