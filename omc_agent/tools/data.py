"""The tools that open a database: which coins there are, how good the bars are, and the bars themselves.

Everything here reads and nothing writes; `db` is any SQLAlchemy URL, or None for the environment's ``OMC_AGENT_DB``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlglot import exp

from omc_agent.brief import PRICE_TABLE
from omc_agent.errors import DataError
from omc_agent.tools.bar_reader import as_prices, dedupe, read_rows, spans_of, spellings
from omc_agent.tools.capped_reading import SECONDS, read_capped
from omc_agent.tools.clipping import Withheld, find_clips, nothing_withheld, put_in
from omc_agent.tools.coins import UnknownCoinWarning, choose_coins
from omc_agent.tools.connection import database_url, open_database
from omc_agent.tools.plain_frame import plain_frame
from omc_agent.tools.prices_table import PricesTable, find_prices_table, find_table
from omc_agent.tools.sql_guard import dialect_of, read_only, shown_query
from omc_agent.tools.sql_words import only_plain
from omc_agent.tools.time_column import no_times
from omc_agent.tools.time_span import as_span, stamp, told

__all__ = [
    "UnknownCoinWarning",
    "as_prices",
    "fetch_price_data",
    "fetch_table",
    "get_available_coins",
    "get_data_statistics",
    "query",
    "query_before",
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
    return plain_frame(read_capped(engine, statement, max_rows=max_rows))


def query(sql: str, db: str | None = None, max_rows: int = 100_000, seconds: float | None = SECONDS) -> pd.DataFrame:
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
    seconds : float, optional
        Time limit (SQLite, PostgreSQL, MySQL, MariaDB); None: none.

    Returns
    -------
    DataFrame (rows, columns), index 0..rows-1

    Raises
    ------
    DataError
        ``data.not_read_only`` for anything but one reading statement, ``data.bad_query`` when the database
        refuses it or takes too long.

    Examples
    --------
    >>> query("DROP TABLE price_data_5min", "sqlite:////no/such.db")  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    DataError: The database was sqlite:////no/such.db.
    """
    engine = open_database(database_url(db))
    read_only(sql, dialect_of(engine))
    return read_capped(engine, _as_text(sql), max_rows=max_rows, seconds=seconds)


def query_before(
    sql: str,
    db: str | None,
    table: str,
    before: str | pd.Timestamp | None,
    *,
    time: str | None = None,
    sealed: bool = True,
    max_rows: int = 1_000,
    seconds: float = SECONDS,
    withheld: Withheld = nothing_withheld,
) -> pd.DataFrame:
    """The answer to one SELECT that sees no sealed row.

    Every table is replaced by its rows from before a time (`clipping.find_clips`), and the query is made of ordinary
    parts only (`sql_words.only_plain`). In SQLite the database itself then refuses what is read past that.

    Parameters
    ----------
    sql : str
        One SELECT (or WITH ... SELECT, UNION) in the database's dialect.
    db : str, optional
        SQLAlchemy URL; by default the environment's ``OMC_AGENT_DB``.
    table : str
        The table of the run.
    before : str or Timestamp or None
        Where its rows are sealed; ISO 8601, naive is UTC. None: not known, and the query is refused.
    time : str, optional
        The table's column of times, where its name does not say so.
    sealed : bool
        False where a run seals nothing (task analysis): tables are read whole.
    max_rows, seconds
        As in `query`.
    withheld : callable
        ``withheld(name)`` says whether a column of that name stays out.

    Returns
    -------
    DataFrame (rows, columns), index 0..rows-1
        ``attrs["truncated"]`` says whether there were more.

    Raises
    ------
    DataError
        ``data.not_read_only``; ``data.no_table``; ``data.bad_query`` when rows cannot be clipped, a column is
        withheld, or the database refuses the query or takes too long.

    Examples
    --------
    >>> query_before("SELECT 1", "sqlite:////no/such.db", "bars", None)  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    DataError: The database was sqlite:////no/such.db.
    """
    engine = open_database(database_url(db))
    dialect = dialect_of(engine)
    parsed = read_only(sql, dialect)
    only_plain(parsed, shown_query(sql))
    clips = find_clips(engine, parsed, table, before, time, sealed=sealed, withheld=withheld)
    views: dict[str, tuple[str, str]] = {}
    stands: list[tuple[str, exp.Expression]] = [(name, clip.rows) for name, clip in clips.items()]
    if dialect == "sqlite" and sealed:
        views = {
            f"omc_rows_{number}": (clip.rows.sql(dialect), clip.name if clip.view else "")
            for number, clip in enumerate(clips.values())
        }
        stands = [(name, exp.table_(view, db="temp", quoted=True)) for name, view in zip(clips, views, strict=True)]
    text = put_in(parsed, clips, stands).sql(dialect=dialect, comments=False)
    return read_capped(engine, _as_text(text), max_rows=max_rows, seconds=seconds, views=views)


def _as_text(sql: str) -> sa.TextClause:
    return sa.text(sql.replace(":", r"\:"))


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
