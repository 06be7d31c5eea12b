"""Reading with caps: a transaction that cannot write, and at most so many rows, bytes and seconds."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from omc_agent.errors import DataError

MAX_BYTES = 16_000_000
SECONDS = 30.0
_STEPS = 2_000  # virtual machine steps of SQLite between two looks at the clock
_LENGTH = 1_000_000  # bytes of one value
# How a server is told its time; milliseconds, or seconds for MariaDB.
_TIMEOUTS = {
    "postgresql": "SET LOCAL statement_timeout = {milliseconds}",
    "mysql": "SET SESSION max_execution_time = {milliseconds}",
    "mariadb": "SET SESSION max_statement_time = {seconds}",
}


def read_capped(
    engine: sa.Engine,
    statement: sa.Executable,
    *,
    max_rows: int | None = None,
    seconds: float | None = None,
    views: Mapping[str, tuple[str, str]] | None = None,
) -> pd.DataFrame:
    """The rows of one reading statement.

    Parameters
    ----------
    engine : Engine
        Opened for reading; see `connection.open_database`.
    statement : Executable
        What reads.
    max_rows : int, optional
        Rows to return at most; ``attrs["truncated"]`` says whether there were more. With it no more than 16 MB of
        text come back either.
    seconds : float, optional
        Time limit, kept by SQLite, PostgreSQL, MySQL and MariaDB; other databases go on until they are done.
    views : mapping, optional
        For SQLite: name of a temporary view to its SELECT and the table that it reads. The statement then reads
        these views and nothing else.

    Raises
    ------
    DataError
        ``data.bad_query`` with what the database said, or with the time limit.
    """
    started = time.monotonic()
    try:
        with engine.connect() as connection:
            _bound(connection, engine.dialect.name, seconds, views or {})
            with connection.execution_options(stream_results=True).execute(statement) as result:
                names = list(result.keys())
                records, truncated = _rows(result, max_rows)
            connection.rollback()
    except SQLAlchemyError as problem:
        reason = str(getattr(problem, "orig", None) or problem).splitlines()[0]
        if seconds is not None and time.monotonic() - started >= seconds * 0.99:
            raise _too_long(seconds) from problem
        raise DataError(
            "data.bad_query",
            given="The query was refused.",
            have=f"The database answered: {reason.rstrip('.')}.",
            try_="Try names of tables and columns that are there.",
        ) from problem
    frame = pd.DataFrame.from_records(records, columns=names, coerce_float=True)
    frame.attrs["truncated"] = truncated
    return frame


def _rows(result: sa.CursorResult[Any], max_rows: int | None) -> tuple[list[Any], bool]:
    if max_rows is None:
        return [tuple(row) for row in result.fetchall()], False
    records: list[Any] = []
    size = 0
    for row in result:
        size += sum(len(value) for value in row if isinstance(value, (str, bytes)))
        if len(records) == max_rows or size > MAX_BYTES:
            return records, True
        records.append(tuple(row))
    return records, False


def _bound(
    connection: sa.Connection, dialect: str, seconds: float | None, views: Mapping[str, tuple[str, str]]
) -> None:
    if dialect == "postgresql":
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")
    if dialect in _TIMEOUTS and seconds is not None:
        told = _TIMEOUTS[dialect].format(milliseconds=max(1, round(seconds * 1000)), seconds=seconds)
        connection.exec_driver_sql(told)
    if dialect == "sqlite":
        _bound_sqlite(connection, seconds, views)


def _bound_sqlite(connection: sa.Connection, seconds: float | None, views: Mapping[str, tuple[str, str]]) -> None:
    for name, (select, _) in views.items():
        connection.exec_driver_sql(f'CREATE TEMP VIEW "{name}" AS {select}')
    connection.exec_driver_sql("PRAGMA query_only = ON")
    raw = connection.connection.driver_connection
    assert isinstance(raw, sqlite3.Connection)
    if seconds is not None:
        end = time.monotonic() + seconds
        raw.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
        raw.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LENGTH)
    if views:
        raw.set_authorizer(_only_views(views))


def _only_views(views: Mapping[str, tuple[str, str]]) -> Any:
    """SQLite's own check: a table is read from within its view, or not at all."""

    def allowed(action: int, first: str | None, second: str | None, place: str | None, within: str | None) -> int:
        if action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_FUNCTION):
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_READ and (first in views or within in views or within in beneath):
            return sqlite3.SQLITE_OK
        return sqlite3.SQLITE_DENY

    beneath = {source for _, source in views.values() if source}  # a view of the database, within ours
    return allowed


def _too_long(seconds: float) -> DataError:
    return DataError(
        "data.bad_query",
        given=f"The query took more than {seconds:g} s.",
        have="It was ended; nothing came back.",
        try_="Try fewer rows, a WHERE on the time, or one join less.",
    )
