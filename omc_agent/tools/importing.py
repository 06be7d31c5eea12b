"""Bars from a file into a table: every row is written, or counted among those that were not."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from sqlalchemy.exc import SQLAlchemyError

from omc_agent.brief import PRICE_TABLE
from omc_agent.errors import DataError
from omc_agent.tools.bar_files import coin_of, read_file
from omc_agent.tools.bar_reader import as_prices
from omc_agent.tools.bar_writer import write_new
from omc_agent.tools.connection import open_database, redact
from omc_agent.tools.prices_table import NUMBER_ROLES, find_roles, require_roles, to_prices
from omc_agent.tools.stored_time import parse_times


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
    frame = read_file(file)
    roles = find_roles(frame.columns)
    require_roles(roles, frame.columns, f"The file {file.name}")
    bars = to_prices(frame, coin_of(file, roles, coin))
    readable = bars["timestamp"].notna() & bars["close"].notna()
    kept = bars[readable].drop_duplicates(["coin", "timestamp"], keep="last")
    engine = open_database(db, write=True)
    try:
        written, left_out = write_new(engine, kept, table)
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
    frame = read_file(file)
    roles = find_roles(frame.columns)
    require_roles(roles, frame.columns, f"The file {file.name}")
    return as_prices(frame, coin_of(file, roles, coin))


def count_gaps(bars: pd.DataFrame) -> int:
    """Steps longer than the coin's median step, summed over coins."""
    steps = bars.sort_values(["coin", "timestamp"]).groupby("coin")["timestamp"].diff()
    return int((steps > steps.groupby(bars["coin"]).transform("median")).sum())


def _out_of_order(frame: pd.DataFrame, roles: dict[str, str]) -> int:
    times = parse_times(frame[roles["timestamp"]]).reset_index(drop=True)
    coins = frame[roles["coin"]].reset_index(drop=True) if "coin" in roles else pd.Series(0, index=times.index)
    return int((times.groupby(coins).diff() <= pd.Timedelta(0)).sum())
