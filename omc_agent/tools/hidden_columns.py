"""A query that cannot read columns that are named as a secret: each table stands there without them."""

from __future__ import annotations

from collections.abc import Collection

from sqlglot import exp

from omc_agent.errors import DataError
from omc_agent.tools.connection import database_url, open_database
from omc_agent.tools.prices_table import find_table
from omc_agent.tools.secret_columns import is_secret
from omc_agent.tools.sql_guard import dialect_of, read_only


def hide_columns(sql: str, db: str | None, more: Collection[str] = (), allowed: Collection[str] = ()) -> str:
    """The same SELECT, with every table replaced by its columns that are no secret.

    Renaming, ``SELECT *``, unions and common table expressions read only what is left.

    Parameters
    ----------
    sql : str
        One SELECT.
    db : str, optional
        SQLAlchemy URL; by default the environment's ``OMC_AGENT_DB``.
    more, allowed
        As in `secret_columns.is_secret`.

    Returns
    -------
    str
        SQL in the database's dialect; `sql` as it was where no table has such a column.

    Raises
    ------
    DataError
        ``data.bad_query`` for a query that names such a column or whose table has no other, and what `read_only`
        raises.

    Examples
    --------
    >>> hide_columns("SELECT 1", "sqlite:////no/such.db")  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    DataError: The database was sqlite:////no/such.db.
    """
    engine = open_database(database_url(db))
    dialect = dialect_of(engine)
    parsed = read_only(sql, dialect)
    ctes = {cte.alias_or_name.lower() for cte in parsed.find_all(exp.CTE)}
    changed = False
    hidden: set[str] = set()
    for node in list(parsed.find_all(exp.Table)):
        if not node.name or (node.name.lower() in ctes and not node.db):
            continue
        try:
            found = find_table(engine, f"{node.db}.{node.name}" if node.db else node.name)
        except DataError:
            continue  # the database says so itself
        open_ones = [name for name in found.columns if not is_secret(name, more, allowed)]
        if len(open_ones) == len(found.columns):
            continue
        hidden |= {name.lower() for name in found.columns if name not in open_ones}
        source = exp.table_(node.name, db=node.db or None, quoted=True)
        inner = exp.select(*(exp.column(name, quoted=True) for name in open_ones)).from_(source)
        if not open_ones:
            raise _withheld(node.name)
        alias = node.args.get("alias")
        made = inner.subquery(alias=node.alias or node.name)
        if alias is not None:
            made.set("alias", alias.copy())
        node.replace(made)
        changed = True
    # A database may take an unknown name in quotes for a text, so it is refused by name.
    named = sorted({column.name for column in parsed.find_all(exp.Column) if column.name.lower() in hidden})
    if named:
        raise _withheld(", ".join(named))
    return parsed.sql(dialect=dialect) if changed else sql


def _withheld(names: str) -> DataError:
    return DataError(
        "data.bad_query",
        given=f"The query reads {names}.",
        have="What is named as a secret is withheld.",
        try_="Try other columns; a person can allow it with AgentSettings.allow_columns.",
    )
