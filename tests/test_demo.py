"""The embedded market is written once, labelled as simulated, and never over bars that are not."""

from __future__ import annotations

import pandas as pd
import pytest
import sqlalchemy as sa

from omc_agent.demo import write_demo
from omc_agent.errors import DataError, UsageError
from omc_agent.simulation import END, simulate_market
from omc_agent.tools.data import fetch_price_data
from omc_agent.tools.describing import describe_market


@pytest.fixture
def db(tmp_path):
    return f"sqlite:///{tmp_path / 'demo.db'}"


def test_the_demo_is_written_once_and_labelled(db):
    report = write_demo(db, days=3)
    assert report.written == report.rows > 4 * 864
    assert "SIMULATED" in report.lines()[0]
    seen = describe_market(db)
    assert seen["simulated"] is True
    assert seen["notes"] == report.truths
    assert set(seen["coins"]) == {"BTC", "ETH", "DOGE", "LTC", "XRP"}
    assert seen["newest"] == (END - pd.Timedelta(minutes=5)).isoformat()
    assert seen["bar_minutes"] == 5.0
    assert write_demo(db, days=3).written == 0
    again = write_demo(db, days=2, seed=8)
    assert again.written == again.rows == sum(coin["rows"] for coin in describe_market(db)["coins"].values())


def test_what_is_read_back_is_what_was_simulated(db):
    write_demo(db, days=2)
    prices = fetch_price_data(None, db=db)
    bars, _ = simulate_market(days=2)
    pd.testing.assert_frame_equal(prices, bars[list(prices.columns)], check_dtype=False, check_index_type=False)


def test_bars_that_are_not_simulated_are_never_touched(db):
    engine = sa.create_engine(db)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE price_data_5min (coin_type TEXT, timestamp TEXT, last REAL)")
        connection.exec_driver_sql("INSERT INTO price_data_5min VALUES ('BTC', '2024-01-01 00:00:00', 1)")
    with pytest.raises(DataError) as caught:
        write_demo(db, days=2)
    assert caught.value.code == "data.unreadable"
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT * FROM price_data_5min").fetchall() == [
            ("BTC", "2024-01-01 00:00:00", 1.0)
        ]
    engine.dispose()


def test_a_market_without_days_is_refused(db):
    with pytest.raises(UsageError):
        write_demo(db, days=1)
