"""How bars lie in a database: opening it without writing, finding the columns by role, reading times and numbers."""

from __future__ import annotations

import re
import sqlite3
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import numpy as np
import pandas as pd
import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from omc_agent.errors import DataError

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
# In the order in which one is preferred, where a table holds several pairs of the same coin.
QUOTES = ("USDT", "USDC", "USD", "FDUSD", "BUSD", "TUSD", "EUR", "GBP")
_SECRET_KEYS = re.compile(r"(?i)((?:password|passwd|pwd|token|secret|api_?key|sslpassword)=)[^&\s]+")
_READ_ONLY_SQL = {
    "postgresql": "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    "mysql": "SET SESSION TRANSACTION READ ONLY",
    "mariadb": "SET SESSION TRANSACTION READ ONLY",
}
_HOUR_AM_PM = "%Y-%m-%d %I-%p"


def redact(url: str) -> str:
    """A database URL without its password and other secrets, fit for a transcript.

    Examples
    --------
    >>> redact("postgresql://me:hunter2@db/market?sslpassword=x")
    'postgresql://me:***@db/market?sslpassword=***'
    """
    hidden = re.sub(r"(://[^:/@\s]*):.*@", r"\1:***@", url)
    return _SECRET_KEYS.sub(r"\1***", hidden)


def base_symbol(name: str) -> str:
    """The base coin of a pair, upper case.

    Examples
    --------
    >>> [base_symbol(name) for name in ("btc", "BTC/USDT", "BTCUSDT", "BTC-USD", "btc_usdt", "BTC/USDT:USDT")]
    ['BTC', 'BTC', 'BTC', 'BTC', 'BTC', 'BTC']
    >>> base_symbol("TUSD")
    'TUSD'
    """
    first = re.split(r"[/\-_:\s]", name.strip().upper())[0] or name.strip().upper()
    if first in QUOTES:
        return first
    for quote_name in sorted(QUOTES, key=len, reverse=True):
        if first.endswith(quote_name) and len(first) >= len(quote_name) + 2:
            return first[: -len(quote_name)]
    return first


def symbols(spellings: Iterable[str]) -> dict[str, list[str]]:
    """Symbol -> the table's own spellings.

    Of several pairs of one coin the one in the preferred quote (USDT, then USDC, USD, ...) has the base symbol;
    the others keep their name, so that no two markets are mixed.

    Examples
    --------
    >>> symbols(["BTC/EUR", "BTC/USDT", "btc/usdt", "ETH"])
    {'BTC': ['BTC/USDT', 'btc/usdt'], 'BTC/EUR': ['BTC/EUR'], 'ETH': ['ETH']}
    """
    pairs: dict[str, dict[str, list[str]]] = {}
    for spelling in sorted(spellings):
        plain = re.sub(r"[/\-_:\s]", "", spelling.upper())
        pairs.setdefault(base_symbol(spelling), {}).setdefault(plain, []).append(spelling)
    found: dict[str, list[str]] = {}
    for base, markets in pairs.items():
        for rank, plain in enumerate(sorted(markets, key=lambda market: _quote_rank(base, market))):
            found[base if rank == 0 else markets[plain][0].upper()] = markets[plain]
    return dict(sorted(found.items()))


def open_database(db: str, *, write: bool = False) -> sa.Engine:
    """An engine on any SQLAlchemy URL, read-only unless asked otherwise.

    SQLite files are opened with ``mode=ro``, so a slip in a path never makes an empty database; PostgreSQL and
    MySQL sessions are set read-only.

    Raises
    ------
    DataError
        ``data.no_database`` with the redacted URL and what to try.
    """
    try:
        url = sa.make_url(db)
        if url.get_backend_name() == "sqlite":
            return _open_sqlite(url, write)
        engine = sa.create_engine(url, poolclass=NullPool)
    except (ArgumentError, NoSuchModuleError, ImportError) as problem:
        raise _cannot_open(db, _why_not(problem), _driver_line(db)) from problem
    if not write:
        _set_read_only(engine)
    try:
        engine.connect().close()
    except SQLAlchemyError as problem:
        raise _cannot_open(
            db, _why_not(problem), "Try to check host, port, name and password in the URL."
        ) from problem
    return engine


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
        raise _cannot_open(_url(engine), _why_not(problem), "Try another file or URL.") from problem
    if name is None:
        raise DataError(
            "data.no_table",
            given=f"The table was {table!r}.",
            have=f"{_url(engine)} has {', '.join(sorted(there)) or 'no tables'}.",
            try_="Try --table with one of these." if there else "Try omc-agent import, or omc-agent demo.",
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


def parse_times(values: pd.Series[Any]) -> pd.Series[Any]:
    """Times of any kind as datetime64[us, UTC]; naive is UTC, NaT where a value is no time.

    Understood are datetimes, epochs (seconds, milliseconds, microseconds or nanoseconds, told by size), ISO 8601
    text, ``2019-10-17 09-AM``, and other dates that can be read in one way: with slashes or dots the month
    comes first unless some value shows a day there.

    Examples
    --------
    >>> parse_times(pd.Series(["2024-01-01 00:05", "2024-01-01T02:05:00+02:00"])).dt.minute.tolist()
    [5, 5]
    >>> bool((parse_times(pd.Series([1704067200])) == parse_times(pd.Series([1704067200000]))).all())
    True
    """
    if pd.api.types.is_datetime64_any_dtype(values):
        aware = values.dt.tz_localize("UTC") if values.dt.tz is None else values.dt.tz_convert("UTC")
        return cast("pd.Series[Any]", aware.astype("datetime64[us, UTC]"))
    number = values if pd.api.types.is_numeric_dtype(values) else _numbers_or_none(values)
    if number is not None:
        return _from_epoch(number)
    text = values.map(lambda value: value if value is None or isinstance(value, str) else str(value))
    times = pd.to_datetime(text, format="ISO8601", utc=True, errors="coerce")
    for fallback in (_HOUR_AM_PM, "mixed"):
        rest = times.isna() & values.notna()
        if rest.any():
            times = times.astype("datetime64[us, UTC]")
            times[rest] = _parse_text(text[rest], fallback)
    return times.astype("datetime64[us, UTC]")


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
        ``data.no_time``, ``data.no_price``; ``data.unknown_coin`` without a coin column and `coin`.

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
        own = frame[roles["coin"]].astype(str)
        spelled = {name: symbol for symbol, names in symbols(own.unique()).items() for name in names}
        made = {"coin": own.map(spelled)}
    else:
        made = {"coin": pd.Series(base_symbol(str(coin)), index=frame.index)}
    made["timestamp"] = parse_times(frame[roles["timestamp"]])
    for role in (role for role in NUMBER_ROLES if role in roles):
        made[role] = parse_numbers(frame[roles[role]])
    prices: pd.DataFrame = pd.DataFrame(made).astype({"coin": "str"})
    return prices.sort_values(["coin", "timestamp"], kind="stable", ignore_index=True)


@dataclass(frozen=True)
class TimeStyle:
    """How a table stores its times, told from one value, so that spans can be asked for in SQL.

    `kind` is ``datetime`` (aware or naive), ``date``, ``epoch`` (with `unit` in microseconds), ``iso`` (text
    that sorts by time, with `separator`), ``day`` (text that sorts by its date only), ``text`` or ``empty``.
    """

    kind: str
    aware: bool = False
    unit: float = 1e6
    separator: str = " "

    @classmethod
    def of(cls, value: Any) -> TimeStyle:
        """The style of one stored value; None is ``empty``."""
        if value is None:
            return cls("empty")
        if isinstance(value, datetime):
            return cls("datetime", aware=value.tzinfo is not None)
        if isinstance(value, date):
            return cls("date")
        text = str(value)
        if re.fullmatch(r"-?\d+(\.\d*)?", text):
            return cls("epoch", unit=_epoch_unit(abs(float(text))))
        full = re.fullmatch(r"\d{4}-\d\d-\d\d([ T])\d\d:\d\d:\d\d(\.\d+)?", text)
        if full:
            return cls("iso", separator=full[1])
        return cls("day" if re.match(r"\d{4}-\d\d-\d\d", text) else "text")

    @property
    def sorts(self) -> bool:
        """Whether the database's order of stored times is their order in time."""
        return self.kind not in ("day", "text")

    def bound(self, moment: pd.Timestamp) -> Any:
        """`moment` as it would be stored; for dates and ``day`` text the day it is in; None if it has no form."""
        if self.kind == "datetime":
            naive = moment.tz_convert("UTC").to_pydatetime()
            return naive if self.aware else naive.replace(tzinfo=None)
        if self.kind == "date":
            return moment.date()
        if self.kind == "epoch":
            return int(moment.timestamp() * 1e6 // self.unit)
        if self.kind == "iso":
            return moment.strftime(f"%Y-%m-%d{self.separator}%H:%M:%S")
        return moment.strftime("%Y-%m-%d") if self.kind == "day" else None


def time_style(connection: sa.Connection, table: PricesTable) -> TimeStyle:
    """The style of the table's times."""
    column = table.column("timestamp")
    return TimeStyle.of(connection.scalar(sa.select(column).where(column.is_not(None)).limit(1)))


def _quote_rank(base: str, market: str) -> tuple[int, str]:
    quote_name = market.removeprefix(base)
    ranks = {name: rank for rank, name in enumerate(("", *QUOTES))}
    return ranks.get(quote_name, len(ranks)), market


def _open_sqlite(url: sa.URL, write: bool) -> sa.Engine:
    path = url.database or ""
    if path in ("", ":memory:") or path.startswith("file:"):
        raise _cannot_open(
            url.render_as_string(), "It names no file.", "Try sqlite:////full/path/market.db (four slashes)."
        )
    file = Path(path)
    if not (file.parent.is_dir() if write else file.is_file()):
        missing = f"There is no {'folder' if write else 'file'} {file.parent if write else file.resolve()}."
        raise _cannot_open(
            url.render_as_string(), missing, f"Try omc-agent demo --db {url.render_as_string()}, or another path."
        )
    mode = "rwc" if write else "ro"

    def connect() -> sqlite3.Connection:
        uri = f"file:{quote(str(file.resolve()))}?mode={mode}"
        return sqlite3.connect(uri, uri=True, timeout=30, check_same_thread=False)

    engine = sa.create_engine("sqlite://", creator=connect, poolclass=NullPool)
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("SELECT name FROM sqlite_master LIMIT 1").fetchall()
    except SQLAlchemyError as problem:
        raise _cannot_open(
            url.render_as_string(), _why_not(problem), "Try a file that SQLite has written."
        ) from problem
    return engine


def _set_read_only(engine: sa.Engine) -> None:
    statement = _READ_ONLY_SQL.get(engine.dialect.name)
    if statement is None:
        return

    @sa.event.listens_for(engine, "connect")
    def forbid_writes(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute(statement)
        cursor.close()
        connection.commit()


def _cannot_open(db: str, why: str, cure: str) -> DataError:
    return DataError("data.no_database", given=f"The database was {redact(db)}.", have=why, try_=cure)


def _why_not(problem: BaseException) -> str:
    reason = str(getattr(problem, "orig", None) or problem).strip().splitlines() or [type(problem).__name__]
    return f"It cannot be opened: {redact(reason[0]).rstrip('.')}."


def _driver_line(db: str) -> str:
    driver = {"postgresql": "psycopg", "postgres": "psycopg", "mysql": "pymysql", "duckdb": "duckdb-engine"}
    backend = re.split(r"[+:]", db)[0]
    if backend in driver:
        return f"Try pip install {driver[backend]}, and {backend}+{driver[backend]}:// where it is not the default."
    return "Try sqlite:////full/path/market.db or postgresql+psycopg://user@host/name."


def _url(engine: sa.Engine) -> str:
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            return str(connection.exec_driver_sql("PRAGMA database_list").fetchone()[2])  # type: ignore[index]
    return redact(engine.url.render_as_string())


def _numbers_or_none(values: pd.Series[Any]) -> pd.Series[Any] | None:
    number = pd.to_numeric(values, errors="coerce")
    return number if number.notna().any() and number.notna().eq(values.notna()).all() else None


def _epoch_unit(size: float) -> float:
    """Microseconds in the unit of an epoch of that size."""
    # Each limit lies in the year 5138 of its unit and in 1973 of the next.
    return next((unit for limit, unit in ((1e11, 1e6), (1e14, 1e3), (1e17, 1.0)) if size < limit), 1e-3)


def _from_epoch(number: pd.Series[Any]) -> pd.Series[Any]:
    size = float(number.abs().max()) if number.notna().any() else 0.0
    factor = _epoch_unit(size)
    known = number.notna()
    micro = np.zeros(len(number), dtype=np.int64)
    exact = number[known].to_numpy()
    micro[known] = exact * factor if factor >= 1 else exact // 1000
    times = pd.Series(pd.to_datetime(micro, unit="us", utc=True), index=number.index)
    return times.astype("datetime64[us, UTC]").where(known)


def _parse_text(text: pd.Series[Any], form: str) -> pd.Series[Any]:
    if form != "mixed":
        return pd.to_datetime(text, format=form, utc=True, errors="coerce").astype("datetime64[us, UTC]")
    first = pd.to_numeric(text.str.extract(r"^\s*(\d{1,2})[/.]\d{1,2}[/.]")[0], errors="coerce")
    day_first = bool((first > 12).any())
    with warnings.catch_warnings():
        # pandas warns where dayfirst does not fit a single value; that value shows its own order.
        warnings.simplefilter("ignore", UserWarning)
        read = pd.to_datetime(text, format="mixed", utc=True, errors="coerce", dayfirst=day_first)
    return read.astype("datetime64[us, UTC]")
