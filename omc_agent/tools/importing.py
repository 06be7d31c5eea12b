"""Bars from a file into a table: every row is written, or counted among those that were not."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from omc_agent.brief import PRICE_TABLE
from omc_agent.errors import DataError, UsageError
from omc_agent.tools.data import as_prices
from omc_agent.tools.prices_table import (
    NUMBER_ROLES,
    QUOTES,
    PricesTable,
    base_symbol,
    find_prices_table,
    find_roles,
    find_table,
    open_database,
    parse_times,
    redact,
    require_roles,
    to_prices,
)
from omc_agent.tools.targets import epoch_us

CHUNK_ROWS = 50_000
_READERS: dict[str, Callable[..., pd.DataFrame]] = {
    ".csv": pd.read_csv,
    ".csv.gz": pd.read_csv,
    ".parquet": pd.read_parquet,
    ".feather": pd.read_feather,
}
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


@dataclass(frozen=True)
class ImportReport:
    """What became of a file's rows: `read` = `written` + `already_there` + `duplicates` + `missing`.

    Attributes
    ----------
    path, table : str
        From where, to where.
    coins : list of str
        Symbols in the file.
    read : int
        Rows in the file.
    written : int
        New rows in the table.
    already_there : int
        Rows whose coin and time the table had; the table's were kept.
    duplicates : int
        Rows whose coin and time come again later in the file; the last was taken.
    missing : int
        Rows without a readable time or price; they cannot be stored as bars.
    out_of_order : int
        Rows whose time is not after that of the coin's row before, in the file's own order.
    nonpositive : int
        Rows with a price of zero or less; they are stored as they are, for cleaning to treat.
    gaps : int
        Interruptions: steps longer than the coin's usual one.
    left_out : list of str
        Columns of the file that the table does not keep.
    """

    path: str
    table: str
    coins: list[str]
    read: int
    written: int
    already_there: int
    duplicates: int
    missing: int
    out_of_order: int
    nonpositive: int
    gaps: int
    left_out: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """The report, a line a fact; facts that are nought are left out."""
        coins = ", ".join(self.coins)
        facts = [
            (self.already_there, "rows were already there and were kept as they are"),
            (self.duplicates, "rows repeat a bar; the last of each was taken"),
            (self.missing, "rows have no readable time or price and were not written"),
            (self.out_of_order, "rows are not in order of time; the table does not mind"),
            (self.nonpositive, "rows have a price of zero or less and were written as they are"),
            (self.gaps, "gaps: stretches where bars are missing"),
        ]
        head = f"{self.read:,} rows read from {self.path}, {self.written:,} written to {self.table} ({coins})"
        left = [f"columns left out: {', '.join(self.left_out)}"] if self.left_out else []
        return [head, *(f"{count:,} {text}" for count, text in facts if count), *left]


def import_bars(path: str | Path, db: str, table: str = PRICE_TABLE, coin: str | None = None) -> ImportReport:
    """Append the bars of a file to a table; rows that are already there stay as they are.

    Parameters
    ----------
    path : str or Path
        ``.csv``, ``.csv.gz``, ``.parquet`` or ``.feather`` with columns of time and price (`close` or `last`) and
        optionally coin, `open`, `high`, `low`, `bid`, `ask`, `volume`, in any common spelling. Naive times are
        UTC and taken as the bar's open.
    db : str
        SQLAlchemy URL; a SQLite file is made if there is none.
    table : str
        Made if there is none, with a unique index on coin and time.
    coin : str, optional
        The coin of a file without a coin column; by default it is read from the file's name.

    Returns
    -------
    ImportReport

    Raises
    ------
    DataError
        ``data.unreadable`` when the file cannot be read, its coin is unknown, or the table holds simulated bars;
        ``data.no_time``, ``data.no_price``, ``data.no_database``.
    UsageError
        ``usage.value`` when `coin` is given for a file that names its coins.

    Examples
    --------
    >>> import_bars("bars.txt", "sqlite:///market.db")  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    DataError: The file was bars.txt.
    """
    file = Path(path)
    frame = _read_file(file)
    roles = find_roles(frame.columns)
    require_roles(roles, frame.columns, f"The file {file.name}")
    bars = to_prices(frame, _coin_of(file, roles, coin))
    readable = bars["timestamp"].notna() & bars["close"].notna()
    kept = bars[readable].drop_duplicates(["coin", "timestamp"], keep="last")
    engine = open_database(db, write=True)
    try:
        written, left_out = _write(engine, kept, table)
    except SQLAlchemyError as problem:
        reason = str(getattr(problem, "orig", None) or problem).splitlines()[0]
        raise DataError(
            "data.unreadable",
            given=f"The bars of {file.name} were to go to {table} in {redact(db)}.",
            have=f"The database answered: {redact(reason)}. Nothing was written.",
            try_="Try another table name.",
        ) from problem
    prices = [name for name in NUMBER_ROLES if name in bars.columns and name != "volume"]
    return ImportReport(
        path=str(file),
        table=table,
        coins=sorted(bars["coin"].unique().tolist()),
        read=len(frame),
        written=written,
        already_there=len(kept) - written,
        duplicates=int(readable.sum()) - len(kept),
        missing=int((~readable).sum()),
        out_of_order=_out_of_order(frame, roles),
        nonpositive=int((kept[prices] <= 0).any(axis=1).sum()),
        gaps=count_gaps(kept),
        left_out=[*(str(name) for name in frame.columns if name not in roles.values()), *left_out],
    )


def read_bars(path: str | Path, coin: str | None = None) -> pd.DataFrame:
    """The bars of a file as `prices`, without a database.

    Parameters
    ----------
    path, coin
        As in `import_bars`.

    Returns
    -------
    DataFrame (bars, ...)
        In the shape of `fetch_price_data`; ``attrs`` count duplicates and rows without a readable time.

    Raises
    ------
    DataError, UsageError
        As in `import_bars`.

    Examples
    --------
    >>> read_bars("bars.txt")  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    DataError: The file was bars.txt.
    """
    file = Path(path)
    frame = _read_file(file)
    roles = find_roles(frame.columns)
    require_roles(roles, frame.columns, f"The file {file.name}")
    return as_prices(frame, _coin_of(file, roles, coin))


def create_table(connection: sa.Connection, table: str, roles: Sequence[str], simulated: bool = False) -> None:
    """Make the table of bars with a unique index on coin and time."""
    schema, _, plain = table.rpartition(".")
    columns: list[sa.Column[Any]] = [
        sa.Column("coin_type", sa.String(32), nullable=False),
        sa.Column("timestamp", sa.DateTime(timezone=True), nullable=False),
        *[sa.Column(NEW_TABLE[role], sa.Double, nullable=role != "close") for role in NUMBER_ROLES if role in roles],
    ]
    if simulated:
        columns.append(sa.Column("simulated", sa.Boolean, nullable=False))
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
        lists = [_python_values(chunk[role], as_text) for role in roles]
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


def count_gaps(bars: pd.DataFrame) -> int:
    """Steps longer than the coin's median step, summed over coins."""
    steps = bars.sort_values(["coin", "timestamp"]).groupby("coin")["timestamp"].diff()
    return int((steps > steps.groupby(bars["coin"]).transform("median")).sum())


def _write(engine: sa.Engine, bars: pd.DataFrame, table: str) -> tuple[int, list[str]]:
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


def table_exists(engine: sa.Engine, table: str) -> bool:
    """Whether the database has a table or view of that name."""
    try:
        find_table(engine, table)
    except DataError as problem:
        if problem.code == "data.no_table":
            return False
        raise
    return True


def _read_file(file: Path) -> pd.DataFrame:
    reader = next((read for ending, read in _READERS.items() if file.name.lower().endswith(ending)), None)
    if reader is None or not file.is_file():
        raise DataError(
            "data.unreadable",
            given=f"The file was {file}.",
            have="There is no such file." if reader else f"Files that can be read end in {', '.join(_READERS)}.",
            try_="Try the full path." if reader else "Try to save it as one of these.",
        )
    try:
        frame = reader(file)
        if not ({"timestamp", "close"} <= set(find_roles(frame.columns))) and reader is pd.read_csv:
            # Some vendors put a line of credits above the header.
            second = reader(file, skiprows=1)
            frame = second if "close" in find_roles(second.columns) else frame
    except (ValueError, OSError, ImportError, UnicodeDecodeError) as problem:
        reason = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
        raise DataError(
            "data.unreadable",
            given=f"The file was {file}.",
            have=f"It cannot be read: {reason}.",
            try_="Try to open it with pandas to see what is in it.",
        ) from problem
    if isinstance(frame.index, pd.DatetimeIndex):
        frame = frame.rename_axis(str(frame.index.name or "timestamp")).reset_index()
    return frame


def _coin_of(file: Path, roles: dict[str, str], coin: str | None) -> str | None:
    """The coin of a file that does not say it in a column."""
    if "coin" in roles:
        if coin is not None:
            raise UsageError(
                "usage.value",
                given=f"The coin was {coin!r}.",
                have=f"{file.name} names the coin of each row in {roles['coin']!r}.",
                try_="Try it without.",
            )
        return None
    named = coin or _coin_in_name(file.name)
    if named is None:
        raise DataError(
            "data.unreadable",
            given=f"The file was {file.name}.",
            have="Neither a column nor the name says which coin it is of.",
            try_="Try --coin BTC, or a name such as BTC_USDT-5m.csv.",
        )
    return named


def _coin_in_name(name: str) -> str | None:
    """The coin before a quote currency: ``BTC_USDT-5m.feather``, ``Coinbase_BTCUSD_1h.csv``."""
    words = re.split(r"[^A-Za-z0-9]+", name.split(".")[0].upper())
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if following in QUOTES and re.fullmatch(r"[A-Z0-9]{2,10}", word):
            return word
        if word not in QUOTES and base_symbol(word) != word:
            return base_symbol(word)
    return None


def _out_of_order(frame: pd.DataFrame, roles: dict[str, str]) -> int:
    times = parse_times(frame[roles["timestamp"]]).reset_index(drop=True)
    coins = frame[roles["coin"]].reset_index(drop=True) if "coin" in roles else pd.Series(0, index=times.index)
    return int((times.groupby(coins).diff() <= pd.Timedelta(0)).sum())


def _python_values(values: pd.Series[Any], as_text: bool) -> list[Any]:
    if pd.api.types.is_datetime64_any_dtype(values):
        if as_text:
            text = np.datetime_as_string(epoch_us(values).astype("datetime64[us]"), unit="us")
            return [one.replace("T", " ") for one in text.tolist()]
        return list(values.dt.to_pydatetime())
    if pd.api.types.is_float_dtype(values):
        return np.where(values.isna(), None, values.astype(object)).tolist()  # type: ignore[call-overload,no-any-return]
    return list(values.tolist())
