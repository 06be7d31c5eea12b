"""The tools that open a database: which coins there are, how good the bars are, and the bars themselves.

Everything here reads and nothing writes; `db` is any SQLAlchemy URL, or None for the environment's ``OMC_AGENT_DB``.
"""

from __future__ import annotations

import difflib
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa
import sqlglot
from sqlalchemy.exc import SQLAlchemyError
from sqlglot import exp

from omc_agent.brief import PRICE_TABLE
from omc_agent.errors import DataError
from omc_agent.tools.prices_table import (
    NUMBER_ROLES,
    PricesTable,
    base_symbol,
    find_prices_table,
    find_table,
    open_database,
    parse_numbers,
    parse_times,
    symbols,
    time_style,
    to_prices,
)

CHUNK_ROWS = 200_000
SIMULATED_TABLE = "simulated_market"
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
_DAY = pd.Timedelta(days=1)


class UnknownCoinWarning(UserWarning):
    """A coin that was asked for beside others is not in the table."""


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
    return sorted(_spellings(engine, find_prices_table(engine, table)))


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
    first, last = _span(start, end)
    engine = open_database(database_url(db))
    found = find_prices_table(engine, table)
    chosen = _choose(coins, _spellings(engine, found))
    prices = _dedupe(_read(engine, found, chosen, first, last))
    if prices.empty:
        raise _no_bars(engine, found, list(chosen), first, last)
    return prices


def as_prices(
    frame: pd.DataFrame,
    coins: Sequence[str] | str | None = None,
    start: str | pd.Timestamp | None = None,
    end: str | pd.Timestamp | None = None,
) -> pd.DataFrame:
    """The bars of a DataFrame that the person holds, in the shape and by the rules of `fetch_price_data`.

    A frame without a coin column is taken to be of the one coin that was asked for; its index may hold the times.

    Examples
    --------
    >>> bars = pd.DataFrame({"date": ["2024-01-01", "2024-01-02"], "last": [1, 2]})
    >>> as_prices(bars, "BTC", end="2024-01-02")["close"].tolist()
    [1.0]
    """
    first, last = _span(start, end)
    if isinstance(frame.index, pd.DatetimeIndex):
        frame = frame.rename_axis(str(frame.index.name or "timestamp")).reset_index()
    asked = [coins] if isinstance(coins, str) else list(coins or [])
    prices = to_prices(frame, asked[0] if len(asked) == 1 else None)
    chosen = _choose(coins, {str(name): [str(name)] for name in prices["coin"].unique()})
    span = f"{_stamp(prices['timestamp'].min())} to {_stamp(prices['timestamp'].max())}"
    prices = prices[prices["coin"].isin(list(chosen))]
    prices = _dedupe(_within(prices, first, last))
    if prices.empty:
        raise DataError(
            "data.outside_span",
            given=f"No bar of {', '.join(chosen)} lies within {_told(first, last)}.",
            have=f"The frame has {span} UTC.",
            try_="Try a span within it.",
        )
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
    chosen = _choose(coins, _spellings(engine, found))
    rows = {coin: _statistics(_read(engine, found, {coin: chosen[coin]}, None, None)) for coin in chosen}
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
        Columns in the driver's types; DECIMAL becomes float64.

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
    return _collect(engine, statement, max_rows)


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
    read_only(sql, _dialect(engine))
    return _collect(engine, sa.text(sql.replace(":", r"\:")), max_rows)


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
    dialect = _dialect(engine)
    parsed = read_only(sql, dialect)
    found = find_prices_table(engine, table)
    with engine.connect() as connection:
        style = time_style(connection, found)
    bound = None if before is None else style.bound(_utc(before))
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
    spans = _spans(engine, found)
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


def _read(
    engine: sa.Engine,
    found: PricesTable,
    chosen: Mapping[str, list[str]],
    first: pd.Timestamp | None,
    last: pd.Timestamp | None,
) -> pd.DataFrame:
    """All rows of those coins and that span, converted and sorted, duplicates still there."""
    roles = [role for role in ("coin", "timestamp", *NUMBER_ROLES) if role in found.roles]
    statement = sa.select(*[found.column(role).label(role) for role in roles])
    every = "coin" not in found.roles
    if not every:
        names = [name for spelled in chosen.values() for name in spelled]
        statement = statement.where(found.column("coin").in_(names))
    symbol = {name: coin for coin, spelled in chosen.items() for name in spelled}
    parts: list[pd.DataFrame] = []
    with engine.connect() as connection:
        style = time_style(connection, found)
        # A day wider than asked: text may carry zones or lack seconds; `_within` is exact.
        low = None if first is None else style.bound(first - _DAY)
        high = None if last is None else style.bound(last + _DAY)
        statement = statement if low is None else statement.where(found.column("timestamp") >= low)
        statement = statement if high is None else statement.where(found.column("timestamp") < high)
        for rows in _chunks(connection, statement):
            raw = pd.DataFrame.from_records(rows, columns=roles)
            made = {"coin": found.only_coin if every else raw["coin"].map(symbol)}
            made |= {"timestamp": parse_times(raw["timestamp"])}
            made |= {role: parse_numbers(raw[role]) for role in NUMBER_ROLES if role in roles}
            parts.append(_within(pd.DataFrame(made), first, last))
    return _joined(parts, [role for role in NUMBER_ROLES if role in roles])


def _joined(parts: list[pd.DataFrame], numbers: list[str]) -> pd.DataFrame:
    empty = pd.DataFrame(columns=["coin", "timestamp", *numbers])
    prices = pd.concat(parts, ignore_index=True) if parts else empty
    types = {"coin": "str", "timestamp": "datetime64[us, UTC]"} | dict.fromkeys(numbers, "float64")
    return prices.astype(types).sort_values(["coin", "timestamp"], kind="stable", ignore_index=True)


def _within(prices: pd.DataFrame, first: pd.Timestamp | None, last: pd.Timestamp | None) -> pd.DataFrame:
    # Rows without a readable time stay until they are counted.
    keep = np.ones(len(prices), dtype=bool)
    if first is not None:
        keep &= ~(prices["timestamp"] < first).to_numpy(dtype=bool)
    if last is not None:
        keep &= ~(prices["timestamp"] >= last).to_numpy(dtype=bool)
    return prices[keep]


def _dedupe(prices: pd.DataFrame) -> pd.DataFrame:
    timed = prices[prices["timestamp"].notna()]
    untimed = len(prices) - len(timed)
    if untimed:
        warnings.warn(f"{untimed} rows have no readable time and are left out", UserWarning, stacklevel=3)
    kept = timed.drop_duplicates(["coin", "timestamp"], keep="last").reset_index(drop=True)
    kept.attrs = {"duplicates": len(timed) - len(kept), "untimed": untimed}
    return kept


def _chunks(connection: sa.Connection, statement: sa.Executable) -> Iterator[Sequence[Any]]:
    try:
        result = connection.execution_options(stream_results=True).execute(statement)
        for rows in result.partitions(CHUNK_ROWS):
            yield [tuple(row) for row in rows]
    except SQLAlchemyError as problem:
        reason = str(getattr(problem, "orig", None) or problem).splitlines()[0]
        raise DataError(
            "data.bad_query",
            given="The database was asked to read.",
            have=f"It answered: {reason}.",
            try_="Try other column or table names.",
        ) from problem


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


def _spellings(engine: sa.Engine, found: PricesTable) -> dict[str, list[str]]:
    if "coin" not in found.roles:
        return {found.only_coin: [found.only_coin]}
    column = found.column("coin")
    with engine.connect() as connection:
        return symbols(str(name) for (name,) in connection.execute(sa.select(column).distinct()) if name is not None)


def _choose(coins: Sequence[str] | str | None, there: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """The coins asked for, by symbol; one that is not there is named with its nearest."""
    asked = list(there) if coins is None else [coins] if isinstance(coins, str) else list(coins)
    chosen: dict[str, list[str]] = {}
    unknown: list[str] = []
    for coin in asked:
        spelled = coin.strip().upper()
        symbol = spelled if spelled in there else base_symbol(coin)
        if symbol in there:
            chosen[symbol] = there[symbol]
        else:
            unknown.append(coin)
    if not chosen:
        raise DataError(
            "data.unknown_coin",
            given=f"The coins were {', '.join(unknown) or 'none'}.",
            have=f"The table has {', '.join(list(there)[:20]) or 'no coins'}{', ...' if len(there) > 20 else ''}.",
            try_=f"Try {_nearest(unknown, there)}.",
        )
    if unknown:
        text = f"{', '.join(unknown)} is not in the table; the nearest is {_nearest(unknown, there)}"
        warnings.warn(text, UnknownCoinWarning, stacklevel=3)
    return chosen


def _nearest(unknown: Sequence[str], there: Mapping[str, list[str]]) -> str:
    near = [name for coin in unknown for name in difflib.get_close_matches(base_symbol(coin), there, 3, 0.4)]
    return " or ".join(list(dict.fromkeys(near))[:3] or list(there)[:3]) or "omc-agent import FILE"


def _spans(engine: sa.Engine, found: PricesTable) -> dict[str, tuple[int, pd.Timestamp, pd.Timestamp]]:
    """Rows, first and last time of each symbol."""
    spelled = _spellings(engine, found)
    time = found.column("timestamp")
    with engine.connect() as connection:
        style = time_style(connection, found)
        if style.kind == "empty":
            return {}
        if style.sorts:
            counted = [sa.func.count(), sa.func.min(time), sa.func.max(time)]
            if "coin" in found.roles:
                coin = found.column("coin")
                rows = [tuple(row) for row in connection.execute(sa.select(coin, *counted).group_by(coin))]
            else:
                rows = [(found.only_coin, *connection.execute(sa.select(*counted).select_from(found.source)).one())]
            table = pd.DataFrame(rows, columns=["coin", "rows", "first", "last"])
            table["first"], table["last"] = parse_times(table["first"]), parse_times(table["last"])
    if not style.sorts:
        read = _read(engine, found, spelled, None, None)
        table = read.groupby("coin")["timestamp"].agg(rows="size", first="min", last="max").reset_index()
    table["coin"] = table["coin"].map(
        {name: symbol for symbol, names in spelled.items() for name in [symbol, *names]}
    )
    merged = table.dropna().groupby("coin").agg({"rows": "sum", "first": "min", "last": "max"})
    return {
        str(coin): (int(rows), pd.Timestamp(first), pd.Timestamp(last))
        for coin, rows, first, last in merged[["rows", "first", "last"]].itertuples(name=None)
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


def _utc(moment: str | pd.Timestamp) -> pd.Timestamp:
    try:
        stamp = pd.Timestamp(moment)
    except (ValueError, TypeError):
        stamp = pd.NaT  # type: ignore[assignment]
    if pd.isna(stamp):
        raise DataError(
            "data.empty_span",
            given=f"The time was {moment!r}.",
            have="Times are ISO 8601, UTC where no zone is named.",
            try_="Try 2024-01-31 or 2024-01-31T12:00.",
        )
    return stamp.tz_localize("UTC") if stamp.tz is None else stamp.tz_convert("UTC")


def _span(
    start: str | pd.Timestamp | None, end: str | pd.Timestamp | None
) -> tuple[pd.Timestamp | None, pd.Timestamp | None]:
    first = None if start is None else _utc(start)
    last = None if end is None else _utc(end)
    if first is not None and last is not None and first >= last:
        raise DataError(
            "data.empty_span",
            given=f"The span was {_told(first, last)}.",
            have="It ends before it starts." if first > last else "It ends where it starts.",
            try_="Try an end after the start; the end is exclusive.",
        )
    return first, last


def _no_bars(
    engine: sa.Engine, found: PricesTable, coins: list[str], first: pd.Timestamp | None, last: pd.Timestamp | None
) -> DataError:
    spans = {coin: span for coin, span in _spans(engine, found).items() if coin in coins}
    asked = f"The span was {_told(first, last)}."
    if not spans:
        return DataError("data.empty_span", given=asked, have="The table has no bars.", try_="Try omc-agent import.")
    earliest, latest = min(span[1] for span in spans.values()), max(span[2] for span in spans.values())
    have = f"{', '.join(coins)} has bars from {_stamp(earliest)} to {_stamp(latest)} UTC."
    outside = (last is not None and last <= earliest) or (first is not None and first > latest)
    code = "data.outside_span" if outside else "data.empty_span"
    return DataError(code, given=asked, have=have, try_="Try a span within that." if outside else "Try a longer one.")


def _told(first: pd.Timestamp | None, last: pd.Timestamp | None) -> str:
    begin = "the first bar" if first is None else _stamp(first)
    return f"{begin} to {'the last bar' if last is None else _stamp(last)} UTC"


def _stamp(moment: pd.Timestamp) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"


def _dialect(engine: sa.Engine) -> str:
    """What sqlglot calls the database's dialect."""
    return _DIALECTS.get(engine.dialect.name, engine.dialect.name)
