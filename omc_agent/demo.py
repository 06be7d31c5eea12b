"""The embedded market: simulated bars whose truth is known, written to a table and plainly labelled as simulated."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from omc_agent.brief import PRICE_TABLE
from omc_agent.errors import DataError, UsageError
from omc_agent.simulation import END, simulate_market
from omc_agent.tools.bar_writer import create_table, holds_simulated, insert_bars, table_exists
from omc_agent.tools.connection import open_database, redact
from omc_agent.tools.prices_table import PricesTable, find_prices_table

__all__ = ["DemoReport", "simulate_market", "write_demo"]

TRUTH_TABLE = "simulated_market"


@dataclass(frozen=True)
class DemoReport:
    """What the simulated market holds.

    Attributes
    ----------
    table : str
        Its table.
    rows : int
        Bars in it.
    written : int
        Bars written by this call; 0 when they were there.
    start, end : Timestamp
        Span in UTC, `end` exclusive.
    truths : dict
        Coin -> what is true of it.
    """

    table: str
    rows: int
    written: int
    start: pd.Timestamp
    end: pd.Timestamp
    truths: dict[str, str]

    def lines(self) -> list[str]:
        """The report, ready to print."""
        state = "written" if self.written else "already there"
        span = f"{self.start:%Y-%m-%d} to {self.end:%Y-%m-%d}"
        head = f"{self.rows:,} SIMULATED 5-minute bars {state} in {self.table}, {span}"
        return [head, *(f"{coin}: {truth}" for coin, truth in self.truths.items())]


def write_demo(db: str, days: int = 120, seed: int = 7, table: str = PRICE_TABLE) -> DemoReport:
    """Write the simulated market; a second call with the same arguments changes nothing.

    Parameters
    ----------
    db : str
        SQLAlchemy URL; a SQLite file is made if there is none.
    days : int
        Length, at least 2; the market always ends at 2024-09-01 00:00 UTC.
    seed : int
        Of the simulation. Another seed or length replaces the simulated bars that are there.
    table : str
        The table of bars, with a boolean column `simulated`. The truths go to the table ``simulated_market``
        (`coin_type`, `truth`, `seed`).

    Returns
    -------
    DemoReport

    Raises
    ------
    DataError
        ``data.unreadable`` when the table holds bars that are not simulated; ``data.no_database``.
    UsageError
        ``usage.value`` for fewer than 2 days.

    Examples
    --------
    >>> write_demo("sqlite:////no/such/folder/demo.db")  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    DataError: The database was sqlite:////no/such/folder/demo.db.
    """
    if days < 2:
        raise UsageError(
            "usage.value", given=f"The days were {days}.", have="A market needs 2 or more.", try_="Try 120."
        )
    engine = open_database(db, write=True)
    bars, truths = simulate_market(days, seed)
    try:
        if not table_exists(engine, table):
            with engine.begin() as connection:
                create_table(connection, table, list(bars.columns), simulated=True)
        found = find_prices_table(engine, table)
        with engine.begin() as connection:
            written = _replace(connection, found, bars, truths, seed)
    except SQLAlchemyError as problem:
        raise DataError(
            "data.unreadable",
            given=f"The simulated market was to go to {table} in {redact(db)}.",
            have=f"The database answered: {redact(str(getattr(problem, 'orig', problem)))}. Nothing was written.",
            try_="Try a new database.",
        ) from problem
    start = END - pd.Timedelta(days=days)
    return DemoReport(table, len(bars), written, start, END, truths)


def _replace(
    connection: sa.Connection, found: PricesTable, bars: pd.DataFrame, truths: dict[str, str], seed: int
) -> int:
    """Write the market unless it is there already; how many bars were written."""
    if holds_simulated(connection, found, False):
        raise DataError(
            "data.unreadable",
            given=f"The simulated market was to go to {found.name}.",
            have="That table holds bars that are not simulated, and the two must not be mixed.",
            try_="Try another database, e.g. --db sqlite:///demo.db.",
        )
    truth = sa.Table(
        TRUTH_TABLE,
        sa.MetaData(),
        sa.Column("coin_type", sa.String(32), primary_key=True),
        sa.Column("truth", sa.Text, nullable=False),
        sa.Column("seed", sa.BigInteger, nullable=False),
    )
    truth.create(connection, checkfirst=True)
    seeds = set(connection.scalars(sa.select(truth.c.seed)))
    rows = connection.scalar(sa.select(sa.func.count()).select_from(found.source))
    if seeds == {seed} and rows == len(bars):
        return 0
    connection.execute(sa.delete(found.source))
    connection.execute(sa.delete(truth))
    connection.execute(sa.insert(truth), [{"coin_type": c, "truth": t, "seed": seed} for c, t in truths.items()])
    insert_bars(connection, found, bars, {"simulated": True})
    return len(bars)
