"""The guard of queries: one SELECT that only reads is let through."""

from __future__ import annotations

import sqlalchemy as sa
import sqlglot
from sqlglot import exp

from omc_agent.errors import DataError

_DIALECTS = {"postgresql": "postgres", "mariadb": "mysql", "mssql": "tsql"}
_WRITES = (
    exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Create, exp.Drop, exp.Alter, exp.Command, exp.Into,
    exp.Lock, exp.Set, exp.Pragma, exp.Attach, exp.Detach, exp.Copy, exp.TruncateTable, exp.Transaction,
)  # fmt: skip
# Functions that act or read files though they stand in a SELECT.
_ACTING = (
    "load_extension", "writefile", "readfile", "load_file", "setval", "nextval", "set_config", "dblink",
    "dblink_exec", "lo_import", "lo_export", "pg_read_file", "pg_read_binary_file", "pg_ls_dir",
    "pg_terminate_backend", "pg_cancel_backend", "read_csv", "read_text", "read_parquet", "fts3_tokenizer",
    "pg_sleep", "pg_reload_conf", "query_to_xml", "lo_put", "edit",
)  # fmt: skip


def read_only(sql: str, dialect: str | None = None) -> exp.Query:
    """The parsed query, which only reads.

    Raises
    ------
    DataError
        ``data.bad_query`` when it cannot be parsed, ``data.not_read_only`` when it is not one reading statement.

    Examples
    --------
    >>> read_only("select 1 as one").sql()
    'SELECT 1 AS one'
    """
    shown = shown_query(sql)
    try:
        statements = [one for one in sqlglot.parse(sql, dialect=dialect) if one is not None]
    except sqlglot.errors.SqlglotError as problem:
        reason = str(problem).splitlines()[0]
        raise DataError(
            "data.bad_query", given=shown, have=f"It cannot be parsed: {reason}", try_="Try one SELECT."
        ) from problem
    called = [
        node.name if isinstance(node, exp.Anonymous) else node.sql_name()
        for one in statements
        for node in one.find_all(exp.Func)
    ]
    acting = [name for name in called if name.lower() in _ACTING]
    only = statements[0] if len(statements) == 1 else None
    if isinstance(only, exp.Query) and not acting and only.find(*_WRITES) is None:
        return only
    have = f"{acting[0]} does more than read." if acting else "Only one statement that reads is let through."
    raise DataError("data.not_read_only", given=shown, have=have, try_="Try one SELECT.")


def shown_query(sql: str) -> str:
    """The query as an error shows it.

    Examples
    --------
    >>> shown_query("SELECT 1 ")
    'The query was SELECT 1.'
    """
    return f"The query was {sql.strip()[:200] or 'empty'}."


def dialect_of(engine: sa.Engine) -> str:
    """What sqlglot calls the database's dialect."""
    return _DIALECTS.get(engine.dialect.name, engine.dialect.name)
