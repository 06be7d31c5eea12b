"""Opening a database without writing to it by accident, and telling what went wrong without telling secrets."""

from __future__ import annotations

import importlib.util
import os
import re
import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from omc_agent.errors import DataError

_SECRET_KEYS = re.compile(r"(?i)((?:password|passwd|pwd|token|secret|api_?key|sslpassword)=)[^&\s]+")
CONNECT_SECONDS = 10
_LIBPQ = ("psycopg", "psycopg2")  # drivers that take its options
_READ_ONLY_SQL = {
    "postgresql": "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    "mysql": "SET SESSION TRANSACTION READ ONLY",
    "mariadb": "SET SESSION TRANSACTION READ ONLY",
}


def redact(url: str) -> str:
    """A database URL without its password and other secrets, fit for a transcript.

    Examples
    --------
    >>> redact("postgresql://me:hunter2@db/market?sslpassword=x")
    'postgresql://me:***@db/market?sslpassword=***'
    """
    hidden = re.sub(r"(://[^:/@\s]*):.*@", r"\1:***@", url)
    return _SECRET_KEYS.sub(r"\1***", hidden)


def database_url(db: str | None) -> str:
    """The URL that was given, or the environment's ``OMC_AGENT_DB``.

    Raises
    ------
    DataError
        ``data.no_database`` when there is neither.
    """
    url = db or os.environ.get("OMC_AGENT_DB")
    if url:
        return url
    raise DataError(
        "data.no_database",
        given="No database was named.",
        have="OMC_AGENT_DB is not set either.",
        try_="Try --db sqlite:////full/path/market.db, or omc-agent demo --db URL for simulated bars.",
    )


def open_database(db: str, *, write: bool = False) -> sa.Engine:
    """An engine on any SQLAlchemy URL, read-only unless asked otherwise.

    SQLite files are opened with ``mode=ro``, so a slip in a path never makes an empty database; PostgreSQL and
    MySQL sessions are set read-only.

    Raises
    ------
    DataError
        ``data.no_database`` with the redacted URL and what to try.
    """
    try:
        url = _spoken(sa.make_url(db))
        if url.get_backend_name() == "sqlite":
            return _open_sqlite(url, write)
        hurried = url.get_driver_name() in _LIBPQ and "connect_timeout" not in url.query
        options = {"connect_timeout": CONNECT_SECONDS} if hurried else {}
        engine = sa.create_engine(url, poolclass=NullPool, connect_args=options)
    except (ArgumentError, NoSuchModuleError, ImportError) as problem:
        raise cannot_open(db, why_not(problem), _driver_line(db)) from problem
    if not write:
        _set_read_only(engine)
    try:
        engine.connect().close()
    except SQLAlchemyError as problem:
        raise cannot_open(db, why_not(problem), "Try to check host, port, name and password in the URL.") from problem
    return engine


def url_of(engine: sa.Engine) -> str:
    """The engine's URL without secrets; for SQLite the file."""
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            return str(connection.exec_driver_sql("PRAGMA database_list").fetchone()[2])  # type: ignore[index]
    return redact(engine.url.render_as_string())


def cannot_open(db: str, why: str, cure: str) -> DataError:
    """The error ``data.no_database``, the URL redacted."""
    return DataError("data.no_database", given=f"The database was {redact(db)}.", have=why, try_=cure)


def why_not(problem: BaseException) -> str:
    """The driver's reason in one sentence, without secrets."""
    reason = str(getattr(problem, "orig", None) or problem).strip().splitlines() or [type(problem).__name__]
    return f"It cannot be opened: {redact(reason[0]).rstrip('.')}."


def _open_sqlite(url: sa.URL, write: bool) -> sa.Engine:
    path = url.database or ""
    if path in ("", ":memory:") or path.startswith("file:"):
        raise cannot_open(
            url.render_as_string(), "It names no file.", "Try sqlite:////full/path/market.db (four slashes)."
        )
    file = Path(path)
    if not (file.parent.is_dir() if write else file.is_file()):
        missing = f"There is no {'folder' if write else 'file'} {file.parent if write else file.resolve()}."
        raise cannot_open(
            url.render_as_string(), missing, f"Try omc-agent demo --db {url.render_as_string()}, or another path."
        )
    mode = "rwc" if write else "ro"

    def connect() -> sqlite3.Connection:
        uri = f"file:{quote(str(file.resolve()))}?mode={mode}"
        return sqlite3.connect(uri, uri=True, timeout=30, check_same_thread=False)

    engine = sa.create_engine("sqlite://", creator=connect, poolclass=NullPool)
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("SELECT name FROM sqlite_master LIMIT 1").fetchall()
    except SQLAlchemyError as problem:
        raise cannot_open(
            url.render_as_string(), why_not(problem), "Try a file that SQLite has written."
        ) from problem
    return engine


def _spoken(url: sa.URL) -> sa.URL:
    """Plain ``postgresql://``, and ``postgres://``, are spoken by psycopg 3 where it is installed."""
    if url.drivername in ("postgres", "postgresql"):
        there = importlib.util.find_spec("psycopg") is not None
        return url.set(drivername="postgresql+psycopg" if there else "postgresql")
    return url


def _set_read_only(engine: sa.Engine) -> None:
    statement = _READ_ONLY_SQL.get(engine.dialect.name)
    if statement is None:
        return

    @sa.event.listens_for(engine, "connect")
    def forbid_writes(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute(statement)
        cursor.close()
        connection.commit()


def _driver_line(db: str) -> str:
    driver = {"postgresql": "psycopg", "postgres": "psycopg", "mysql": "pymysql", "duckdb": "duckdb-engine"}
    backend = re.split(r"[+:]", db)[0]
    if backend in driver:
        return f"Try pip install {driver[backend]}, and {backend}+{driver[backend]}:// where it is not the default."
    return "Try sqlite:////full/path/market.db or postgresql+psycopg://user@host/name."
