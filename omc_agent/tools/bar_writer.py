"""Bars into a table: made if there is none, real and simulated bars kept apart, no bar written twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa

from omc_agent.errors import DataError
from omc_agent.tools.bars import epoch_us
from omc_agent.tools.coins import base_symbol
from omc_agent.tools.prices_table import NUMBER_ROLES, PricesTable, find_prices_table, find_table
from omc_agent.tools.stored_time import parse_times

CHUNK_ROWS = 50_000
# The names of a new table; an existing one keeps its own.
NEW_TABLE = {
    "coin": "coin_type",
    "timestamp": "timestamp",
    "open": "open",
    "high": "high",
    "low": "low",
    "close": "last",
    "bid": "bid",
    "ask": "ask",
    "volume": "volume",
}


def write_new(engine: sa.Engine, bars: pd.DataFrame, table: str) -> tuple[int, list[str]]:
    """Write what is new in one transaction; how many rows that were, and which columns found no place."""
    if not table_exists(engine, table):
        with engine.begin() as connection:
            create_table(connection, table, list(bars.columns))
    found = find_prices_table(engine, table)
    if "coin" not in found.roles:
        raise DataError(
            "data.unreadable",
            given=f"The bars were to go to {table}.",
            have=f"It has no column of coins; its columns are {', '.join(found.columns)}.",
            try_="Try another table name.",
        )
    with engine.begin() as connection:
        if holds_simulated(connection, found, True):
            raise DataError(
                "data.unreadable",
                given=f"Real bars were to go to {table}.",
                have="It holds simulated bars, and the two must not be mixed.",
                try_="Try another table (--table) or another database.",
            )
        fresh = _not_there(connection, found, bars)
        insert_bars(connection, found, fresh)
    return len(fresh), [role for role in NUMBER_ROLES if role in bars.columns and role not in found.roles]


def create_table(
    connection: sa.Connection, table: str, roles: Sequence[str], simulated: bool = False, market: bool = False
) -> None:
    """Make the table of bars with a unique index on coin and time; `market` adds a column of where rows are from."""
    schema, _, plain = table.rpartition(".")
    columns: list[sa.Column[Any]] = [
        sa.Column("coin_type", sa.String(32), nullable=False),
        sa.Column("timestamp", sa.DateTime(timezone=True), nullable=False),
        *[sa.Column(NEW_TABLE[role], sa.Double, nullable=role != "close") for role in NUMBER_ROLES if role in roles],
    ]
    if simulated:
        columns.append(sa.Column("simulated", sa.Boolean, nullable=False))
    if market:
        columns.append(sa.Column("market", sa.String(96)))
    made = sa.Table(plain, sa.MetaData(), *columns, schema=schema or None)
    sa.Index(f"ux_{plain}_coin_time", made.c.coin_type, made.c.timestamp, unique=True)
    made.create(connection)


def insert_bars(
    connection: sa.Connection, found: PricesTable, bars: pd.DataFrame, constants: dict[str, Any] | None = None
) -> None:
    """Insert bars in chunks; `bars` is in the shape of `prices`, `constants` are the same for each row."""
    roles = [role for role in NEW_TABLE if role in found.roles and role in bars.columns]
    extra = constants or {}
    names = [found.roles[role] for role in roles] + list(extra)
    schema, _, plain = found.name.rpartition(".")
    typed = [sa.Column(name, found.types[name]) for name in names]
    target = sa.Table(found.source.name or plain, sa.MetaData(), *typed, schema=schema or None)
    # SQLite stores text for times; written as SQLAlchemy writes it, but without a call for each value.
    as_text = connection.dialect.name == "sqlite"
    statement = str(sa.insert(target).compile(dialect=connection.dialect)) if as_text else ""
    for begin in range(0, len(bars), CHUNK_ROWS):
        chunk = bars.iloc[begin : begin + CHUNK_ROWS]
        lists = [python_values(chunk[role], as_text) for role in roles]
        rows = zip(*lists, *([value] * len(chunk) for value in extra.values()), strict=True)
        if as_text:
            connection.exec_driver_sql(statement, list(rows))
        else:
            connection.execute(sa.insert(target), [dict(zip(names, row, strict=True)) for row in rows])


def holds_simulated(connection: sa.Connection, found: PricesTable, value: bool) -> bool:
    """Whether some row of the table is simulated (`value` True), or some row is not (False)."""
    if "simulated" not in found.columns:
        return not value and connection.scalar(sa.select(sa.literal(1)).select_from(found.source).limit(1)) == 1
    flag = sa.column("simulated", sa.Boolean)
    wanted = flag.is_(True) if value else sa.or_(flag.is_(False), flag.is_(None))
    statement = sa.select(sa.literal(1)).select_from(found.source).where(wanted).limit(1)
    return connection.scalar(statement) == 1


def table_exists(engine: sa.Engine, table: str) -> bool:
    """Whether the database has a table or view of that name."""
    try:
        find_table(engine, table)
    except DataError as problem:
        if problem.code == "data.no_table":
            return False
        raise
    return True


def _not_there(connection: sa.Connection, found: PricesTable, bars: pd.DataFrame) -> pd.DataFrame:
    """The bars whose coin and time the table lacks, in the table's spelling of the coins."""
    coin, time = found.column("coin"), found.column("timestamp")
    spelled = {base_symbol(str(name)): str(name) for (name,) in connection.execute(sa.select(coin).distinct())}
    bars = bars.assign(coin=bars["coin"].map(lambda name: spelled.get(name, name)))
    there: list[pd.DataFrame] = []
    for name in bars["coin"].unique():
        rows = connection.execute(sa.select(time).where(coin == str(name))).scalars().all()
        there.append(pd.DataFrame({"coin": str(name), "timestamp": parse_times(pd.Series(rows, dtype=object))}))
    known = pd.MultiIndex.from_frame(pd.concat(there)) if there else pd.MultiIndex.from_frame(bars.head(0)[["coin"]])
    mine = pd.MultiIndex.from_frame(bars[["coin", "timestamp"]])
    return bars[~mine.isin(known)] if len(known) else bars


def python_values(values: pd.Series[Any], as_text: bool) -> list[Any]:
    """A column as a driver takes it: missing numbers None, times as datetimes, or as SQLAlchemy's text for SQLite."""
    if pd.api.types.is_datetime64_any_dtype(values):
        if as_text:
            text = np.datetime_as_string(epoch_us(values).astype("datetime64[us]"), unit="us")
            return [one.replace("T", " ") for one in text.tolist()]
        return list(values.dt.to_pydatetime())
    if pd.api.types.is_float_dtype(values):
        return np.where(values.isna(), None, values.astype(object)).tolist()  # type: ignore[call-overload,no-any-return]
    return list(values.tolist())
