"""What a market, a table or a frame holds, for whoever reads a goal or plans."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pandas as pd
import sqlalchemy as sa

from omc_agent.brief import PRICE_TABLE
from omc_agent.errors import DataError
from omc_agent.tools.bar_reader import as_prices, spans_of
from omc_agent.tools.column_kinds import task_of_column
from omc_agent.tools.connection import database_url, open_database
from omc_agent.tools.data import fetch_table
from omc_agent.tools.prices_table import PricesTable, find_prices_table, find_roles, find_table
from omc_agent.tools.secret_columns import WITHHELD, withhold
from omc_agent.tools.stored_time import parse_times

SAMPLE_ROWS = 1_000
SIMULATED_TABLE = "simulated_market"


def describe_market(db: str | None = None, table: str = PRICE_TABLE) -> dict[str, Any]:
    """What the table holds, for whoever reads a goal or plans; quick, as the database does the counting.

    Returns
    -------
    dict, ready for JSON
        ``table``; ``bar_minutes`` (median step, None when there are no two bars); ``columns``; ``coins``: symbol
        -> ``rows``, ``start``, ``end`` (ISO 8601 UTC, open times of the first and last bar); ``newest`` (ISO
        8601, or None); ``simulated``: bool; ``notes``: coin -> the truth of a simulated market.

    Raises
    ------
    DataError
        As `get_available_coins`.

    Examples
    --------
    >>> describe_market("sqlite:////no/such/market.db")  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    DataError: The database was sqlite:////no/such/market.db.
    """
    engine = open_database(database_url(db))
    found = find_prices_table(engine, table)
    spans = spans_of(engine, found)
    notes, simulated = _simulation(engine, found)
    return {
        "table": table,
        "bar_minutes": _bar_minutes(engine, found),
        "columns": list(found.columns),
        "coins": {
            coin: {"rows": int(rows), "start": first.isoformat(), "end": last.isoformat()}
            for coin, (rows, first, last) in spans.items()
        },
        "newest": max(last for _, _, last in spans.values()).isoformat() if spans else None,
        "simulated": simulated,
        "notes": notes if simulated else {},
    }


def describe_table(
    db: str | None, table: str, more: Collection[str] = (), allowed: Collection[str] = ()
) -> dict[str, Any]:
    """Columns and a count of any table.

    Parameters
    ----------
    db : str or None
        SQLAlchemy URL.
    table : str
        Its name.
    more, allowed
        As in `secret_columns.is_secret`.

    Returns
    -------
    dict, ready for JSON
        `table`, `columns`, `kinds` (column -> ``number`` or ``class``), `coins` (empty), `newest` (None); `withheld`:
        columns that are named as a secret, where there are any.

    Raises
    ------
    DataError
        ``data.no_database`` or ``data.no_table``.
    """
    sample, withheld = withhold(fetch_table(table, db, max_rows=SAMPLE_ROWS), more, allowed)
    columns = [str(name) for name in sample.columns]
    return {"table": table, "columns": columns, "kinds": column_kinds(sample), "coins": {}, "newest": None,
            **class_facts(sample), **({WITHHELD: withheld} if withheld else {})}  # fmt: skip


def column_kinds(frame: pd.DataFrame) -> dict[str, str]:
    """Whether each column holds classes (text, two values, few whole numbers) or numbers.

    Examples
    --------
    >>> column_kinds(pd.DataFrame({"size": [1, 2, 3], "sold": [0, 1, 0], "kind": ["a", "b", "c"]}))
    {'size': 'number', 'sold': 'class', 'kind': 'class'}
    """
    return {
        str(name): "number" if task_of_column(column)[0] == "regression" else "class"
        for name, column in frame.items()
    }


def class_facts(frame: pd.DataFrame) -> dict[str, Any]:
    """What a reader of goals may ask of class columns: how many classes, and which are an assumption.

    Examples
    --------
    >>> class_facts(pd.DataFrame({"kind": [0, 1, 2] * 20}))["classes"]
    {'kind': 3}
    """
    read = {str(name): task_of_column(column) for name, column in frame.items()}
    classes = {name: int(frame[name].nunique()) for name, (task, _) in read.items() if task == "classification"}
    return {"classes": classes, "assumed_classes": {name: why for name, (_, why) in read.items() if why}}


def describe_frame(frame: pd.DataFrame, name: str) -> dict[str, Any]:
    """A frame that was handed in: as a market when it holds bars of named coins, else its columns.

    Examples
    --------
    >>> describe_frame(pd.DataFrame({"size": [1], "y": [0]}), "houses")["columns"]
    ['size', 'y']
    """
    columns = [str(column) for column in frame.columns]
    kinds = column_kinds(frame)
    plain: dict[str, Any] = {"table": name, "columns": columns, "kinds": kinds, "coins": {}, "newest": None}
    plain |= class_facts(frame)
    if frame.attrs.get(WITHHELD):
        plain[WITHHELD] = frame.attrs[WITHHELD]
    if not {"coin", "timestamp", "close"} <= set(find_roles(columns)):
        return plain
    try:
        prices = as_prices(frame)
    except DataError as error:
        if error.code == "data.no_time":
            raise  # bars whose order is lost are no table of another kind
        return plain
    coins = {
        str(coin): {
            "rows": len(bars),
            "start": bars["timestamp"].min().isoformat(),
            "end": bars["timestamp"].max().isoformat(),
        }
        for coin, bars in prices.groupby("coin", observed=True)
    }
    minutes = pd.Timedelta(prices["timestamp"].drop_duplicates().sort_values().diff().median())
    return {
        **plain,
        "coins": coins,
        "newest": prices["timestamp"].max().isoformat(),
        "bar_minutes": minutes.total_seconds() / 60 if pd.notna(minutes) else None,
    }


def _bar_minutes(engine: sa.Engine, found: PricesTable) -> float | None:
    """The median step of the last bars of one coin."""
    time = found.column("timestamp")
    statement = sa.select(time).where(time.is_not(None)).order_by(time.desc()).limit(1000)
    with engine.connect() as connection:
        if "coin" in found.roles:
            coin = connection.scalar(sa.select(found.column("coin")).limit(1))
            statement = statement.where(found.column("coin") == coin)
        times = [row[0] for row in connection.execute(statement)]
    step = parse_times(pd.Series(times, dtype=object)).drop_duplicates().sort_values().diff().median()
    return None if pd.isna(step) else float(pd.Timedelta(step) / pd.Timedelta(minutes=1))


def _simulation(engine: sa.Engine, found: PricesTable) -> tuple[dict[str, str], bool]:
    """The truths of a simulated market, and whether the bars are simulated."""
    if "simulated" not in found.columns:
        return {}, False
    column = found.source.c["simulated"]
    with engine.connect() as connection:
        flag = sa.cast(column, sa.Integer) if engine.dialect.name == "postgresql" else column
        simulated = connection.scalar(sa.select(sa.literal(1)).where(flag == 1).limit(1)) is not None
    if not simulated or not sa.inspect(engine).has_table(SIMULATED_TABLE):
        return {}, simulated
    truths = find_table(engine, SIMULATED_TABLE)
    with engine.connect() as connection:
        rows = connection.execute(sa.select(truths.source.c["coin_type"], truths.source.c["truth"]))
        return {str(coin): str(truth) for coin, truth in rows}, simulated
