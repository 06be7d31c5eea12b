"""A table of bars keeps its names, holds no bar twice, and no simulated bar beside a real one."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from saved import frame, save

from omc_agent.errors import DataError
from omc_agent.tools.data import fetch_price_data
from omc_agent.tools.importing import import_bars


@pytest.fixture
def db(tmp_path):
    return f"sqlite:///{tmp_path / 'market.db'}"


def test_the_table_is_guarded_against_duplicates_and_missing_prices(tmp_path, db):
    import_bars(save(frame(5), tmp_path / "bars.csv"), db)
    engine = sa.create_engine(db)
    for values in ("'BTC', '2024-01-01 00:00:00.000000', 1", "'BTC', '2025-01-01 00:00:00.000000', NULL"):
        with engine.connect() as connection, pytest.raises(sa.exc.IntegrityError):
            connection.exec_driver_sql(f"INSERT INTO price_data_5min (coin_type, timestamp, last) VALUES ({values})")
    engine.dispose()


def test_an_existing_table_keeps_its_names_and_spelling(tmp_path, db):
    engine = sa.create_engine(db)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE bars (symbol TEXT, time DATETIME, close DECIMAL(20, 8))")
        connection.exec_driver_sql("INSERT INTO bars VALUES ('BTC/USDT', '2024-01-01 00:00:00', 1)")
    engine.dispose()
    report = import_bars(save(frame(), tmp_path / "bars.csv"), db, "bars")
    assert (report.written, report.already_there) == (49, 1)
    assert set(report.left_out) == {"open", "high", "low", "volume"}
    prices = fetch_price_data("BTC", db=db, table="bars")
    assert len(prices) == 50
    assert prices["close"].iloc[0] == 1.0


def test_real_bars_are_not_mixed_with_simulated_ones(tmp_path, db):
    engine = sa.create_engine(db)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE price_data_5min (coin_type TEXT, timestamp TEXT, last REAL, simulated BOOLEAN)"
        )
        connection.exec_driver_sql("INSERT INTO price_data_5min VALUES ('BTC', '2024-01-01 00:00:00', 1, 1)")
    engine.dispose()
    with pytest.raises(DataError, match="simulated"):
        import_bars(save(frame(), tmp_path / "bars.csv"), db)
