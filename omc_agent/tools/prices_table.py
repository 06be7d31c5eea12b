"""A table of bars: its columns found by role, and any frame of bars brought into one shape."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from omc_agent.errors import DataError
from omc_agent.tools.coins import base_symbol, symbols
from omc_agent.tools.connection import cannot_open, url_of, why_not
from omc_agent.tools.stored_time import TimeStyle, parse_times

ROLES: dict[str, tuple[str, ...]] = {
    "coin": ("coin_type", "coin", "symbol", "ticker", "pair"),
    "timestamp": ("timestamp", "time", "datetime", "date", "open_time", "opentime", "bar_time", "ts"),
    "close": ("close", "last", "close_price", "last_price", "price"),
    "open": ("open", "open_price"),
    "high": ("high", "high_price"),
    "low": ("low", "low_price"),
    "bid": ("bid", "bid_price"),
    "ask": ("ask", "ask_price"),
    "volume": ("volume", "vol", "base_volume"),
}
NUMBER_ROLES = ("open", "high", "low", "close", "bid", "ask", "volume")


@dataclass(frozen=True)
class PricesTable:
    """A table of bars, its columns found by role.

    Attributes
    ----------
    name : str
        As it was asked for, with its schema where one was given.
    source : TableClause
        What SQL is written against; its columns have no types, so values come as the driver gives them.
    roles : mapping of str to str
        Role (`coin`, `timestamp`, `close`, ...) -> the table's column. `coin` may be absent: one coin.
    columns : tuple of str
        All columns, in order.
    types : mapping of str to type
        Column -> SQLAlchemy type.
    """

    name: str
    source: sa.TableClause
    roles: Mapping[str, str]
    columns: tuple[str, ...]
    types: Mapping[str, Any]

    def column(self, role: str) -> sa.ColumnClause[Any]:
        """The column of that role."""
        return self.source.c[self.roles[role]]

    @property
    def only_coin(self) -> str:
        """The symbol of a table without a coin column: the table's own name."""
        return base_symbol(self.name.rpartition(".")[2])


def _tables(names: list[str]) -> str:
    if not names:
        return "no tables"
    return f"the table{'s' * (len(names) > 1)} {', '.join(sorted(names))}"


def find_table(engine: sa.Engine, table: str) -> PricesTable:
    """The table or view of that name, with whatever roles its columns have.

    Raises
    ------
    DataError
        ``data.no_table`` with the tables there are.
    """
    schema, _, plain = table.rpartition(".")
    try:
        with warnings.catch_warnings():
            # Types that SQLAlchemy does not know are no trouble: values are converted here.
            warnings.simplefilter("ignore", sa.exc.SAWarning)
            inspector = sa.inspect(engine)
            there = inspector.get_table_names(schema or None) + inspector.get_view_names(schema or None)
            name = next((one for one in there if one == plain), None) or next(
                (one for one in there if one.lower() == plain.lower()), None
            )
            columns = [] if name is None else inspector.get_columns(name, schema or None)
    except SQLAlchemyError as problem:
        raise cannot_open(url_of(engine), why_not(problem), "Try another file or URL.") from problem
    if name is None:
        raise DataError(
            "data.no_table",
            given=f"The table was {table!r}.",
            have=f"{url_of(engine)} has {_tables(there)}.",
            try_=f"Try --table {sorted(there)[0]}." if there else "Try omc-agent import, or omc-agent demo.",
        )
    names = tuple(str(column["name"]) for column in columns)
    source = sa.table(name, *[sa.column(one) for one in names], schema=schema or None)
    types = {str(column["name"]): column["type"] for column in columns}
    return PricesTable(table, source, find_roles(names), names, types)


def find_prices_table(engine: sa.Engine, table: str) -> PricesTable:
    """The table of that name, which must hold times and prices.

    Raises
    ------
    DataError
        ``data.no_table``, ``data.no_time`` or ``data.no_price``.
    """
    found = find_table(engine, table)
    require_roles(found.roles, found.columns, f"The table {table!r}")
    return found


def find_roles(columns: Iterable[str]) -> dict[str, str]:
    """Role -> column, by name and without regard to case; the earlier name of a role wins.

    Examples
    --------
    >>> find_roles(["coin_type", "Timestamp", "last", "bid"])
    {'coin': 'coin_type', 'timestamp': 'Timestamp', 'close': 'last', 'bid': 'bid'}
    """
    by_name = {str(name).strip().lower().replace(" ", "_"): str(name) for name in columns}
    found: dict[str, str] = {}
    for role, names in ROLES.items():
        hit = next((by_name[name] for name in names if name in by_name), None)
        if hit is not None:
            found[role] = hit
    return found


def require_roles(roles: Mapping[str, str], columns: Iterable[str], what: str) -> None:
    """Raise ``data.no_time`` or ``data.no_price`` where a role that bars need is missing."""
    needed = {"timestamp": ("data.no_time", "times"), "close": ("data.no_price", "prices")}
    for role, (code, word) in needed.items():
        if role not in roles:
            raise DataError(
                code,
                given=f"{what} has no column of {word}.",
                have=f"Its columns are {', '.join(map(str, columns))}.",
                try_=f"Try to name one {ROLES[role][0]}, or give --target for a table that holds no bars.",
            )


def parse_numbers(values: pd.Series[Any]) -> pd.Series[Any]:
    """Numbers of any kind (DECIMAL, text) as float64; NaN where a value is no number.

    Examples
    --------
    >>> parse_numbers(pd.Series(["1.5", "n/a", None])).tolist()
    [1.5, nan, nan]
    """
    return pd.to_numeric(values, errors="coerce").astype("float64")


def to_prices(frame: pd.DataFrame, coin: str | None = None) -> pd.DataFrame:
    """A frame of bars in any spelling as `prices`: renamed, converted and sorted, no row left out.

    Parameters
    ----------
    frame : DataFrame (rows, ...)
        With columns of the roles `timestamp` and `close`, optionally `coin`, `open`, `high`, `low`, `bid`,
        `ask`, `volume`; other columns are left behind.
    coin : str, optional
        The coin of a frame without a coin column.

    Returns
    -------
    DataFrame
        `coin` (upper-case symbol), `timestamp` (datetime64[us, UTC]), `close` (float64) and what else is there,
        sorted by coin and time (stable), index 0..rows-1. Duplicates stay, unreadable values are NaN or NaT.

    Raises
    ------
    DataError
        ``data.no_time``, ``data.no_price``; ``data.unknown_coin`` without a coin column and `coin`, or where that
        column is empty.

    Examples
    --------
    >>> to_prices(pd.DataFrame({"date": ["2024-01-01"], "last": ["7"]}), coin="btc")[["coin", "close"]].values
    array([['BTC', 7.0]], dtype=object)
    """
    roles = find_roles(frame.columns)
    require_roles(roles, frame.columns, "The data")
    if "coin" not in roles and coin is None:
        raise DataError(
            "data.unknown_coin",
            given="The data does not say which coin it is of.",
            have=f"Its columns are {', '.join(map(str, frame.columns))}.",
            try_="Try a column named coin, or name the coin.",
        )
    if "coin" in roles:
        own = frame[roles["coin"]]
        if own.isna().all() and len(own):
            raise DataError(
                "data.unknown_coin",
                given="The data does not say which coin it is of.",
                have=f"Its column {roles['coin']!r} is empty.",
                try_="Try to name the coin of each row in it.",
            )
        own = own.astype("str")
        spelled = {name: symbol for symbol, names in symbols(own.dropna().unique()).items() for name in names}
        made = {"coin": own.map(spelled)}
    else:
        made = {"coin": pd.Series(base_symbol(str(coin)), index=frame.index)}
    made["timestamp"] = parse_times(frame[roles["timestamp"]])
    for role in (role for role in NUMBER_ROLES if role in roles):
        made[role] = parse_numbers(frame[roles[role]])
    prices: pd.DataFrame = pd.DataFrame(made).astype({"coin": "str"})
    return prices.sort_values(["coin", "timestamp"], kind="stable", ignore_index=True)


def time_style(connection: sa.Connection, table: PricesTable) -> TimeStyle:
    """The style of the table's times."""
    column = table.column("timestamp")
    return TimeStyle.of(connection.scalar(sa.select(column).where(column.is_not(None)).limit(1)))
