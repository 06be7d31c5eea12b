"""The tools that open a database: which coins there are, how good the bars are, and the bars themselves.

Everything here reads and nothing writes; `db` is any SQLAlchemy URL, or None for the environment's ``OMC_AGENT_DB``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from omc_agent.brief import PRICE_TABLE
from omc_agent.errors import DataError
from omc_agent.tools.bar_reader import as_prices, dedupe, read_rows, spans_of, spellings
from omc_agent.tools.coins import UnknownCoinWarning, choose_coins
from omc_agent.tools.connection import database_url, open_database
from omc_agent.tools.plain_frame import plain_frame
from omc_agent.tools.prices_table import PricesTable, find_prices_table, find_table
from omc_agent.tools.sql_guard import clip_query, dialect_of, read_only
from omc_agent.tools.time_column import no_times
from omc_agent.tools.time_span import as_span, stamp, told

__all__ = [
    "UnknownCoinWarning",
    "as_prices",
    "clip_query",
    "fetch_price_data",
    "fetch_table",
    "get_available_coins",
    "get_data_statistics",
    "query",
]


def get_available_coins(db: str | None = None, table: str = PRICE_TABLE) -> list[str]:
    """The coins of the table, as upper-case symbols.

    Parameters
    ----------
    db : str, optional
        SQLAlchemy URL; by default the environment's ``OMC_AGENT_DB``.
    table : str
        The table of bars.

    Returns
    -------
    list of str
        Sorted. ``BTC``, ``BTC/USDT`` and ``BTCUSDT`` in the table are all ``BTC``.

    Raises
    ------
    DataError
        ``data.no_database``, ``data.no_table``, ``data.no_time`` or ``data.no_price``.

    Examples
    --------
    >>> get_available_coins("sqlite:////no/such/market.db")  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    DataError: The database was sqlite:////no/such/market.db.
    """
    engine = open_database(database_url(db))
    return sorted(spellings(engine, find_prices_table(engine, table)))


def fetch_price_data(
    coins: Sequence[str] | str | None,
    start: str | pd.Timestamp | None = None,
    end: str | pd.Timestamp | None = None,
    db: str | None = None,
    table: str = PRICE_TABLE,
) -> pd.DataFrame:
    """The bars of some coins within a span.

    Parameters
    ----------
    coins : sequence of str, str or None
        Any spelling: ``"BTC"``, ``"btc"``, ``"BTC/USDT"``; None for all.
    start, end : str or Timestamp, optional
        ISO 8601, naive is UTC; `start` inclusive, `end` exclusive, by the bar's open time.
    db : str, optional
        SQLAlchemy URL; by default the environment's ``OMC_AGENT_DB``.
    table : str
        The table of bars.

    Returns
    -------
    DataFrame (bars, 3 to 9)
        `coin` (str), `timestamp` (datetime64[us, UTC], open time), then float64: `open`, `high`, `low`, `close`
        (always, whatever the source calls it), `bid`, `ask`, `volume` where the table has them. Sorted by coin
        and time, index 0..bars-1. Missing or unreadable numbers are NaN. Of bars with the same coin and time the
        last is kept; ``attrs["duplicates"]`` counts the others, ``attrs["untimed"]`` rows without a readable
        time, which are left out with a warning.

    Warns
    -----
    UnknownCoinWarning
        When some, but not all, coins are unknown; it names the nearest.

    Raises
    ------
    DataError
        ``data.unknown_coin`` when none is known, ``data.empty_span``, ``data.outside_span`` with the span there
        is, and what `get_available_coins` raises.

    Examples
    --------
    >>> fetch_price_data("BTC", "2024-02-01", "2024-01-01", db="sqlite:///x.db")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    omc_agent.errors.DataError: The span was 2024-02-01 00:00 to 2024-01-01 00:00 UTC. It ends before it starts. ...
    """
    first, last = as_span(start, end)
    engine = open_database(database_url(db))
    found = find_prices_table(engine, table)
    chosen = choose_coins(coins, spellings(engine, found))
    prices = dedupe(read_rows(engine, found, chosen, first, last))
    if prices.empty:
        raise _no_bars(engine, found, list(chosen), first, last)
    return prices


def get_data_statistics(
    db: str | None = None, coins: Sequence[str] | str | None = None, table: str = PRICE_TABLE
) -> pd.DataFrame:
    """How many bars there are of each coin, and how good they are.

    Parameters
    ----------
    db : str, optional
        SQLAlchemy URL; by default the environment's ``OMC_AGENT_DB``.
    coins : sequence of str, str or None
        Any spelling; None for all.
    table : str
        The table of bars.

    Returns
    -------
    DataFrame (coins, 8), indexed by `coin`
        `rows`, `start` and `end` (UTC, open times), `gaps` (interruptions), `missing_bars`, `missing_values`
        (NaN cells in number columns), `nonpositive` (prices of zero or less), `duplicates` (same coin and time).

    Raises
    ------
    DataError
        As in `fetch_price_data`.

    Examples
    --------
    >>> get_data_statistics("sqlite:////no/such/market.db")  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    DataError: The database was sqlite:////no/such/market.db.
    """
    engine = open_database(database_url(db))
    found = find_prices_table(engine, table)
    chosen = choose_coins(coins, spellings(engine, found))
    rows = {coin: _statistics(read_rows(engine, found, {coin: chosen[coin]}, None, None)) for coin in chosen}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("coin")


def fetch_table(
    table: str, db: str | None = None, columns: Sequence[str] | None = None, max_rows: int | None = None
) -> pd.DataFrame:
    """Any table or view as it is, for goals that are not about bars.

    Parameters
    ----------
    table : str
        Its name, with the schema if need be.
    db : str, optional
        SQLAlchemy URL; by default the environment's ``OMC_AGENT_DB``.
    columns : sequence of str, optional
        Which columns; all by default.
    max_rows : int, optional
        Read no more than this; ``attrs["truncated"]`` says whether there were more.

    Returns
    -------
    DataFrame (rows, columns), index 0..rows-1
        Columns in the driver's types; DECIMAL becomes float64, mixed types text; bytes are left out, see
        `plain_frame.plain_frame`.

    Raises
    ------
    DataError
        ``data.no_database``, ``data.no_table``; ``data.bad_query`` for a column that is not there.

    Examples
    --------
    >>> fetch_table("sales", "sqlite:////no/such/shop.db")  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    DataError: The database was sqlite:////no/such/shop.db.
    """
    engine = open_database(database_url(db))
    found = find_table(engine, table)
    unknown = [name for name in columns or () if name not in found.columns]
    if unknown:
        raise DataError(
            "data.bad_query",
            given=f"The columns asked for hold {', '.join(unknown)}.",
            have=f"{table} has {', '.join(found.columns)}.",
            try_="Try some of these.",
        )
    statement = sa.select(*[found.source.c[name] for name in columns or found.columns])
    return plain_frame(_collect(engine, statement, max_rows))


def query(sql: str, db: str | None = None, max_rows: int = 100_000) -> pd.DataFrame:
    """The answer to one SELECT; nothing that writes is let through.

    The statement is parsed first, then run in a read-only session that is rolled back.

    Parameters
    ----------
    sql : str
        One SELECT (or WITH ... SELECT, UNION) in the database's dialect.
    db : str, optional
        SQLAlchemy URL; by default the environment's ``OMC_AGENT_DB``.
    max_rows : int
        Rows to return at most; ``attrs["truncated"]`` says whether there were more.

    Returns
    -------
    DataFrame (rows, columns), index 0..rows-1

    Raises
    ------
    DataError
        ``data.not_read_only`` for anything but one reading statement, ``data.bad_query`` when the database
        refuses it.

    Examples
    --------
    >>> query("DROP TABLE price_data_5min", "sqlite:////no/such.db")  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    DataError: The database was sqlite:////no/such.db.
    """
    engine = open_database(database_url(db))
    read_only(sql, dialect_of(engine))
    return _collect(engine, sa.text(sql.replace(":", r"\:")), max_rows)


def _collect(engine: sa.Engine, statement: sa.Executable, max_rows: int | None) -> pd.DataFrame:
    records: list[Any] = []
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA query_only = ON")
            result = connection.execution_options(stream_results=True).execute(statement)
            names = list(result.keys())
            records = [tuple(row) for row in (result.fetchmany(max_rows + 1) if max_rows else result.fetchall())]
            connection.rollback()
    except SQLAlchemyError as problem:
        reason = str(getattr(problem, "orig", None) or problem).splitlines()[0]
        raise DataError(
            "data.bad_query",
            given="The query was refused.",
            have=f"The database answered: {reason}.",
            try_="Try names of tables and columns that are there.",
        ) from problem
    truncated = max_rows is not None and len(records) > max_rows
    frame = pd.DataFrame.from_records(records[:max_rows], columns=names, coerce_float=True)
    frame.attrs["truncated"] = truncated
    return frame


def _statistics(rows: pd.DataFrame) -> dict[str, Any]:
    prices = rows.drop(columns=["coin", "timestamp"])
    times = rows["timestamp"].dropna().drop_duplicates().sort_values()
    steps = times.diff().dropna()
    usual = steps.median()
    long = steps[steps > usual]
    return {
        "rows": len(rows),
        "start": times.min(),
        "end": times.max(),
        "gaps": len(long),
        "missing_bars": int((long / usual - 1).round().sum()) if len(long) else 0,
        "missing_values": int(prices.isna().sum().sum()),
        "nonpositive": int((prices.drop(columns="volume", errors="ignore") <= 0).sum().sum()),
        "duplicates": int(rows.duplicated(["coin", "timestamp"]).sum()),
    }


def _no_bars(
    engine: sa.Engine, found: PricesTable, coins: list[str], first: pd.Timestamp | None, last: pd.Timestamp | None
) -> DataError:
    spans = {coin: span for coin, span in spans_of(engine, found).items() if coin in coins}
    asked = f"The span was {told(first, last)}."
    if not spans:
        with engine.connect() as connection:
            time = found.column("timestamp")
            values = [row[0] for row in connection.execute(sa.select(time).where(time.is_not(None)).limit(3))]
        if values:
            return no_times(found.roles["timestamp"], pd.Series(values))
        return DataError("data.empty_span", given=asked, have="The table has no bars.", try_="Try omc-agent import.")
    earliest, latest = min(span[1] for span in spans.values()), max(span[2] for span in spans.values())
    have = f"{', '.join(coins)} has bars from {stamp(earliest)} to {stamp(latest)} UTC."
    outside = (last is not None and last <= earliest) or (first is not None and first > latest)
    code = "data.outside_span" if outside else "data.empty_span"
    return DataError(code, given=asked, have=have, try_="Try a span within that." if outside else "Try a longer one.")
