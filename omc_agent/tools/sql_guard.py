"""The guard of queries: one SELECT is let through, and no row of the sealed stretch."""

from __future__ import annotations

import pandas as pd
import sqlalchemy as sa
import sqlglot
from sqlglot import exp

from omc_agent.errors import DataError
from omc_agent.tools.connection import database_url, open_database
from omc_agent.tools.prices_table import find_prices_table, time_style
from omc_agent.tools.time_span import as_utc

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
    shown = f"The query was {sql.strip()[:200] or 'empty'}."
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


def clip_query(sql: str, db: str | None, table: str, before: str | pd.Timestamp | None) -> str:
    """The same SELECT, reading nothing but rows of `table` from before a time.

    Parameters
    ----------
    sql : str
        One SELECT over that table; others are refused, as they may hold the same rows.
    db : str, optional
        SQLAlchemy URL; by default the environment's ``OMC_AGENT_DB``.
    table : str
        The table of bars.
    before : str or Timestamp
        ISO 8601, naive is UTC; rows at or after it are hidden. Where only the date of a stored time sorts, the
        whole day is.

    Returns
    -------
    str
        SQL in the database's dialect.

    Raises
    ------
    DataError
        ``data.not_read_only``; ``data.bad_query`` for another table, or when the rows cannot be clipped.

    Examples
    --------
    >>> clip_query("DELETE FROM bars", "sqlite:////no/such.db", "bars", None)  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    DataError: The database was sqlite:////no/such.db.
    """
    engine = open_database(database_url(db))
    dialect = dialect_of(engine)
    parsed = read_only(sql, dialect)
    found = find_prices_table(engine, table)
    with engine.connect() as connection:
        style = time_style(connection, found)
    bound = None if before is None else style.bound(as_utc(before))
    if bound is None:
        raise DataError(
            "data.bad_query",
            given="The query came before the rows were fetched and sealed." if before is None else f"SQL: {sql}",
            have=f"Rows of {table} can only be read up to the start of the sealed stretch.",
            try_="Try fetch_price_data first.",
        )
    value = exp.Literal.number(bound) if style.kind == "epoch" else exp.Literal.string(str(bound))
    time = exp.column(found.roles["timestamp"], quoted=True)
    source = exp.table_(found.source.name, db=found.source.schema, quoted=True)
    inner = exp.select("*").from_(source).where(exp.LT(this=time, expression=value))
    return _hide_behind(parsed, table, inner).sql(dialect=dialect)


def dialect_of(engine: sa.Engine) -> str:
    """What sqlglot calls the database's dialect."""
    return _DIALECTS.get(engine.dialect.name, engine.dialect.name)


def _hide_behind(parsed: exp.Query, table: str, inner: exp.Select) -> exp.Query:
    """Every mention of `table` replaced by `inner`; any other table is refused."""
    named = {cte.alias_or_name.lower() for cte in parsed.find_all(exp.CTE)}
    plain = table.rpartition(".")[2].lower()
    for node in list(parsed.find_all(exp.Table)):
        if node.name.lower() == plain and plain not in named:
            node.replace(inner.copy().subquery(alias=node.alias or node.name))
        elif node.name.lower() not in named or node.db or plain in named:
            raise DataError(
                "data.bad_query",
                given=f"The query reads {node.sql()}.",
                have=f"This run reads {table}, up to where its rows are sealed.",
                try_=f"Try a SELECT over {table} alone.",
            )
    return parsed
