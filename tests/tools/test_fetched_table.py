"""The table that fetched bars go to, in PostgreSQL whose sessions are in a zone of their own, and in SQLite."""

from __future__ import annotations

import pandas as pd
import pytest
import sqlalchemy as sa

from omc_agent.errors import DataError
from omc_agent.tools.data import fetch_price_data
from omc_agent.tools.fetched_table import FetchedTable
from omc_agent.tools.fetching import fetch_bars
from tests.tools.exchange_server import START, STEP, World, exchange


@pytest.fixture(scope="module")
def database(postgres):
    return postgres.new_database(timezone="Asia/Tokyo")


def bars(count, first=START):
    times = pd.to_datetime([first + n * STEP for n in range(count)], unit="ms", utc=True)
    return pd.DataFrame({"timestamp": times, "open": 1.0, "high": 2.0, "low": 0.5, "close": 1.5, "volume": 3.0})


def test_postgresql_is_fetched_into_and_gone_on_with(database):
    with exchange(World()) as url:
        for until, written in (("2024-01-02", 288), ("2024-01-04", 576), ("2024-01-04", 0)):
            report = fetch_bars("binance", ["BTC/USDT"], database, "2024-01-01", until, base_url=url)
            assert report.symbols[0].written == written
    prices = fetch_price_data(["BTC"], db=database)
    assert prices["timestamp"].iloc[0] == pd.Timestamp("2024-01-01", tz="UTC")
    assert set(prices["timestamp"].diff().dropna()) == {pd.Timedelta("5min")}


def test_times_without_a_zone_stay_in_utc(database):
    engine = sa.create_engine(database)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE plain_bars (coin TEXT, ts TIMESTAMP, price NUMERIC, volume NUMERIC)")
    table = FetchedTable(database, "plain_bars")
    table.write("BTC", "binance BTC/USDT", bars(3))
    assert table.times_ms("BTC", STEP).tolist() == [START, START + STEP, START + 2 * STEP]
    assert table.close_at("BTC", START + STEP) == 1.5
    table.close()
    with engine.connect() as connection:
        assert str(connection.exec_driver_sql("SELECT min(ts) FROM plain_bars").scalar()) == "2024-01-01 00:00:00"
    engine.dispose()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_bar_that_another_process_wrote_meanwhile_stays_as_it_is(kind, database, tmp_path):
    db = database if kind == "postgresql" else f"sqlite:///{tmp_path / 'm.db'}"
    mine, other = FetchedTable(db, "twice"), FetchedTable(db, "twice")
    other.write("ETH", "binance ETH/USDT", bars(3).assign(close=9.0))
    mine.write("ETH", "binance ETH/USDT", bars(5))
    assert len(mine.times_ms("ETH", STEP)) == 5
    assert (mine.close_at("ETH", START), mine.close_at("ETH", START + 4 * STEP)) == (9.0, 1.5)
    assert mine.close_at("ETH", START - STEP) is None
    with pytest.raises(DataError, match="kraken ETH/USDT"):
        mine.check_market("ETH", "kraken ETH/USDT")
    mine.close()
    other.close()


def test_pairs_that_a_table_names_in_full_are_not_mixed(tmp_path):
    db = f"sqlite:///{tmp_path / 'm.db'}"
    table = FetchedTable(db, "bars")
    table.write("BTC/USDT", "binance BTC/USDT", bars(2))
    table.close()
    again = FetchedTable(db, "bars")
    again.check_market("BTC", "binance BTC/USDT")
    with pytest.raises(DataError, match="calls its bars BTC/USDT"):
        again.check_market("BTC", "binance BTC/USD")
    again.close()


def test_what_the_database_refuses_is_a_sentence(tmp_path):
    db = f"sqlite:///{tmp_path / 'm.db'}"
    engine = sa.create_engine(db)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE strict (coin TEXT, timestamp TIMESTAMP, close REAL, who TEXT NOT NULL)"
        )
    engine.dispose()
    table = FetchedTable(db, "strict")
    with pytest.raises(DataError) as told:
        table.write("BTC", "binance BTC/USDT", bars(2))
    table.close()
    assert "NOT NULL constraint failed" in told.value.line()
    assert "What is written stays" in told.value.line()
