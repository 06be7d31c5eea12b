"""Bars out of a table or a frame, in one shape: converted, sorted, of the coins and the span asked for."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from omc_agent.errors import DataError
from omc_agent.tools.coins import choose_coins, symbols
from omc_agent.tools.prices_table import NUMBER_ROLES, PricesTable, find_roles, parse_numbers, time_style, to_prices
from omc_agent.tools.stored_time import parse_times
from omc_agent.tools.time_column import no_times
from omc_agent.tools.time_span import as_span, stamp, told, within

CHUNK_ROWS = 200_000
_DAY = pd.Timedelta(days=1)


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
    first, last = as_span(start, end)
    if isinstance(frame.index, pd.DatetimeIndex):
        frame = frame.rename_axis(str(frame.index.name or "timestamp")).reset_index()
    asked = [coins] if isinstance(coins, str) else list(coins or [])
    prices = to_prices(frame, asked[0] if len(asked) == 1 else None)
    if prices["timestamp"].isna().all() and len(prices):
        name = find_roles(frame.columns)["timestamp"]
        raise no_times(name, frame[name])
    coinless = int(prices["coin"].isna().sum())
    chosen = choose_coins(coins, {str(name): [str(name)] for name in prices["coin"].dropna().unique()})
    span = f"{stamp(prices['timestamp'].min())} to {stamp(prices['timestamp'].max())}"
    prices = prices[prices["coin"].isin(list(chosen))]
    prices = dedupe(within(prices, first, last))
    if prices.empty:
        raise DataError(
            "data.outside_span",
            given=f"No bar of {', '.join(chosen)} lies within {told(first, last)}.",
            have=f"The frame has {span} UTC.",
            try_="Try a span within it.",
        )
    prices.attrs["coinless"] = coinless
    return prices


def read_rows(
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
        # A day wider than asked: text may carry zones or lack seconds; `within` is exact.
        low = None if first is None else style.bound(first - _DAY)
        high = None if last is None else style.bound(last + _DAY)
        statement = statement if low is None else statement.where(found.column("timestamp") >= low)
        statement = statement if high is None else statement.where(found.column("timestamp") < high)
        for rows in _chunks(connection, statement):
            raw = pd.DataFrame.from_records(rows, columns=roles)
            made = {"coin": found.only_coin if every else raw["coin"].map(symbol)}
            made |= {"timestamp": parse_times(raw["timestamp"])}
            made |= {role: parse_numbers(raw[role]) for role in NUMBER_ROLES if role in roles}
            parts.append(within(pd.DataFrame(made), first, last))
    return _joined(parts, [role for role in NUMBER_ROLES if role in roles])


def dedupe(prices: pd.DataFrame) -> pd.DataFrame:
    """The last bar of each coin and time; ``attrs`` count the others, and rows without a readable time."""
    timed = prices[prices["timestamp"].notna()]
    untimed = len(prices) - len(timed)
    if untimed:
        warnings.warn(f"{untimed} rows have no readable time and are left out", UserWarning, stacklevel=3)
    kept = timed.drop_duplicates(["coin", "timestamp"], keep="last").reset_index(drop=True)
    kept.attrs = {"duplicates": len(timed) - len(kept), "untimed": untimed}
    return kept


def spellings(engine: sa.Engine, found: PricesTable) -> dict[str, list[str]]:
    """Symbol -> how the table spells it."""
    if "coin" not in found.roles:
        return {found.only_coin: [found.only_coin]}
    column = found.column("coin")
    with engine.connect() as connection:
        return symbols(str(name) for (name,) in connection.execute(sa.select(column).distinct()) if name is not None)


def spans_of(engine: sa.Engine, found: PricesTable) -> dict[str, tuple[int, pd.Timestamp, pd.Timestamp]]:
    """Rows, first and last time of each symbol."""
    spelled = spellings(engine, found)
    time = found.column("timestamp")
    with engine.connect() as connection:
        style = time_style(connection, found)
        if style.kind == "empty":
            return {}
        sorts = style.sorts
        if sorts:
            counted = [sa.func.count(), sa.func.min(time), sa.func.max(time)]
            if "coin" in found.roles:
                coin = found.column("coin")
                rows = [tuple(row) for row in connection.execute(sa.select(coin, *counted).group_by(coin))]
            else:
                rows = [(found.only_coin, *connection.execute(sa.select(*counted).select_from(found.source)).one())]
            table = pd.DataFrame(rows, columns=["coin", "rows", "first", "last"])
            table["first"], table["last"] = parse_times(table["first"]), parse_times(table["last"])
            # One text that is no time sorts before or after all others, and would hide the coin.
            sorts = not bool(table[["first", "last"]].isna().any(axis=None))
    if not sorts:
        read = read_rows(engine, found, spelled, None, None)
        table = read.groupby("coin")["timestamp"].agg(rows="size", first="min", last="max").reset_index()
    table["coin"] = table["coin"].map(
        {name: symbol for symbol, names in spelled.items() for name in [symbol, *names]}
    )
    merged = table.dropna().groupby("coin").agg({"rows": "sum", "first": "min", "last": "max"})
    return {
        str(coin): (int(rows), pd.Timestamp(first), pd.Timestamp(last))
        for coin, rows, first, last in merged[["rows", "first", "last"]].itertuples(name=None)
    }


def _joined(parts: list[pd.DataFrame], numbers: list[str]) -> pd.DataFrame:
    empty = pd.DataFrame(columns=["coin", "timestamp", *numbers])
    prices = pd.concat(parts, ignore_index=True) if parts else empty
    types = {"coin": "str", "timestamp": "datetime64[us, UTC]"} | dict.fromkeys(numbers, "float64")
    return prices.astype(types).sort_values(["coin", "timestamp"], kind="stable", ignore_index=True)


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
