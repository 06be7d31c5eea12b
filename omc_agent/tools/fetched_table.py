"""The table that fetched bars go to: what it holds of a market, and pages written to it, each in one transaction."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from omc_agent.errors import DataError
from omc_agent.tools.bar_writer import create_table, holds_simulated, python_values, table_exists
from omc_agent.tools.bars import epoch_us
from omc_agent.tools.coins import base_symbol
from omc_agent.tools.connection import open_database, redact, why_not
from omc_agent.tools.prices_table import PricesTable, find_prices_table, time_style
from omc_agent.tools.stored_time import parse_times

MARKET = "market"  # the column that says where a row is from, in tables that are made here
_ROLES = ("coin", "timestamp", "open", "high", "low", "close", "volume")


class FetchedTable:
    """One table of bars in one database, opened for writing.

    Parameters
    ----------
    db : str
        SQLAlchemy URL; a SQLite file is made if there is none.
    table : str
        Made if there is none, with a unique index on coin and time.

    Raises
    ------
    DataError
        ``data.no_database``, ``data.no_time``, ``data.no_price``; ``data.unreadable`` where fetched bars do not fit
        into what is there.
    """

    def __init__(self, db: str, table: str) -> None:
        self.name, self._shown = table, redact(db)
        self._engine = open_database(db, write=True)
        with self._told():
            if not table_exists(self._engine, table):
                with self._engine.begin() as connection:
                    create_table(connection, table, _ROLES, market=True)
            self._found = find_prices_table(self._engine, table)
            if "coin" not in self._found.roles:
                raise self._unfit(f"It has no column of coins; its columns are {', '.join(self._found.columns)}.")
            with self._engine.connect() as connection:
                if holds_simulated(connection, self._found, True):
                    raise self._unfit("It holds simulated bars, and the two must not be mixed.")
                self._check_times(time_style(connection, self._found).kind)
                self._spelled = _spellings(connection, self._found)

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    def check_market(self, coin: str, market: str) -> None:
        """Refuse to put a second market of a coin beside the first: both would be the coin's bars.

        Raises
        ------
        DataError
            ``data.unreadable`` with the name of another table.
        """
        spelled = self._spelled.get(coin, coin)
        if spelled.upper() != coin and _plain(spelled) != _plain(market.split()[-1]):
            raise self._unfit(f"It calls its bars {spelled}, and these are from {market}.")
        if MARKET not in self._found.columns:
            return
        column = self._found.source.c[MARKET]
        query = sa.select(column).where(self._of(coin)).distinct()
        with self._told(), self._engine.connect() as connection:
            there = sorted(str(each) for each in connection.scalars(query) if each is not None)
        if others := [each for each in there if each != market]:
            suffix = market.rpartition("/")[2].partition(":")[0].lower()
            raise self._unfit(f"Its bars of {coin} are from {others[0]}, and these are from {market}.",
                              f"Try --table {self.name}_{market.split()[0]}_{suffix}.")  # fmt: skip

    def times_ms(self, coin: str, step_ms: int) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Times of a coin's bars, in milliseconds since the epoch, ascending.

        Raises
        ------
        DataError
            ``data.unreadable`` when they are bars of another length than `step_ms`.
        """
        query = sa.select(self._found.column("timestamp")).where(self._of(coin))
        with self._told(), self._engine.connect() as connection:
            read = connection.execute(query).scalars().all()
        times = parse_times(pd.Series(read, dtype=object)).dropna()
        found = np.unique(epoch_us(times).astype("int64") // 1000)
        steps = np.diff(found)
        usual = int(np.median(steps)) if len(steps) else step_ms
        if usual != step_ms or (found % step_ms).any():
            long, mine = f"{usual / 60_000:g}", f"{step_ms / 60_000:g}"
            raise self._unfit(f"Its bars of {coin} are {long} minutes long, and these are {mine}.",
                              "Give each length a table of its own (--table).")  # fmt: skip
        return found

    def close_at(self, coin: str, time_ms: int) -> float | None:
        """The close of a coin's bar of that time; None when there is none."""
        with self._told(), self._engine.connect() as connection:
            style = time_style(connection, self._found)
            moment = pd.Timestamp(time_ms, unit="ms", tz="UTC")
            column, price = self._found.column("timestamp"), self._found.column("close")
            near = column.between(style.bound(moment), style.bound(moment + pd.Timedelta("1s")))
            found = connection.execute(sa.select(price).where(self._of(coin), near)).first()
        return None if found is None or found[0] is None else float(found[0])

    def write(self, coin: str, market: str, bars: pd.DataFrame) -> None:
        """Write new bars in one transaction; those that another process wrote meanwhile stay as they are.

        Parameters
        ----------
        coin, market : str
            Whose they are.
        bars : DataFrame
            `timestamp` (datetime64, UTC), `open`, `high`, `low`, `close`, `volume`.
        """
        found = self._found
        roles = [role for role in _ROLES if role in found.roles]
        frame = bars.assign(coin=self._spelled.get(coin, coin))
        names = [found.roles[role] for role in roles]
        as_text = self._engine.dialect.name == "sqlite"
        values = [python_values(frame[role], as_text) for role in roles]
        if not as_text and not getattr(found.types[found.roles["timestamp"]], "timezone", True):
            at = roles.index("timestamp")  # a driver would shift aware times into the zone of its session
            values[at] = [each.replace(tzinfo=None) for each in values[at]]
        if MARKET in found.columns:
            names, values = [*names, MARKET], [*values, [market] * len(frame)]
        rows = [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]
        schema, _, plain = found.name.rpartition(".")
        typed = [sa.Column(name, sa.Text() if as_text and name == found.roles["timestamp"] else found.types[name])
                 for name in names]  # fmt: skip
        target = sa.Table(found.source.name or plain, sa.MetaData(), *typed, schema=schema or None)
        with self._told(), self._engine.begin() as connection:
            connection.execute(_insert_new(target, self._engine.dialect.name), rows)

    def _of(self, coin: str) -> sa.ColumnElement[bool]:
        return self._found.column("coin") == self._spelled.get(coin, coin)

    def _check_times(self, kind: str) -> None:
        fitting = ("iso", "empty") if self._engine.dialect.name == "sqlite" else ("datetime", "empty")
        if kind not in fitting:
            raise self._unfit("It stores its times in a form of its own, and two forms in one column do not sort.")

    def _unfit(self, have: str, try_: str = "Try another table (--table) or another database.") -> DataError:
        return DataError("data.unreadable", given=f"Fetched bars were to go to {self.name}.", have=have, try_=try_)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What the database refuses, as a sentence."""
        try:
            yield
        except SQLAlchemyError as problem:
            why = why_not(problem).removeprefix("It cannot be opened: ")
            raise DataError("data.unreadable", given=f"Fetched bars go to {self.name} in {self._shown}.",
                            have=f"The database answered: {why}",
                            try_="What is written stays; the same command goes on.") from problem  # fmt: skip


def _spellings(connection: sa.Connection, found: PricesTable) -> dict[str, str]:
    """Coin -> how the table spells it."""
    names = connection.scalars(sa.select(found.column("coin")).distinct())
    return {base_symbol(str(name)): str(name) for name in names if name is not None}


def _plain(symbol: str) -> str:
    return re.sub(r"[/\-_:\s]", "", symbol.upper())


def _insert_new(target: sa.Table, dialect: str) -> Any:
    """An insert that leaves rows alone whose coin and time are there, by the table's unique index."""
    if dialect == "sqlite":
        from sqlalchemy.dialects import sqlite

        return sqlite.insert(target).on_conflict_do_nothing()
    if dialect == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(target).on_conflict_do_nothing()
    plain = sa.insert(target)
    return plain.prefix_with("IGNORE") if dialect in ("mysql", "mariadb") else plain
