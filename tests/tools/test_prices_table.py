"""Columns by role, numbers of every kind, and any frame of bars in one shape."""

from __future__ import annotations

import sqlite3
from decimal import Decimal

import pandas as pd
import pytest

from omc_agent.errors import DataError
from omc_agent.tools.connection import open_database
from omc_agent.tools.prices_table import find_prices_table, find_roles, parse_numbers, to_prices


@pytest.mark.parametrize(
    ("columns", "roles"),
    [
        (["Symbol", "Open Time", "Close"], {"coin": "Symbol", "timestamp": "Open Time", "close": "Close"}),
        (["coin", "date", "last", "close"], {"coin": "coin", "timestamp": "date", "close": "close"}),
        (["x"], {}),
    ],
)
def test_roles_are_found_by_name(columns, roles):
    assert find_roles(columns) == roles


def test_numbers_of_every_kind():
    assert parse_numbers(pd.Series([Decimal("1.25"), "2", 3, None, "n/a"])).tolist()[:3] == [1.25, 2.0, 3.0]
    assert parse_numbers(pd.Series([None, "n/a"])).isna().all()


def test_a_frame_becomes_prices_sorted_and_whole():
    frame = pd.DataFrame(
        {
            "Symbol": ["ETHUSDT", "BTCUSDT", "BTCUSDT"],
            "Date": ["2024-01-02", "2024-01-02", "2024-01-01"],
            "Last": ["3", "2", "1"],
        }
    )
    made = to_prices(frame)
    assert made["coin"].tolist() == ["BTC", "BTC", "ETH"]
    assert made["close"].tolist() == [1.0, 2.0, 3.0]
    with pytest.raises(DataError) as caught:
        to_prices(frame.drop(columns="Symbol"))
    assert caught.value.code == "data.unknown_coin"


def test_tables_without_time_price_or_name_say_what_there_is(tmp_path):
    path = tmp_path / "m.db"
    with sqlite3.connect(path) as raw:
        raw.execute("CREATE TABLE Timeless (coin TEXT, last REAL)")
        raw.execute("CREATE TABLE priceless (timestamp TEXT, mood MONEYBAG)")
        raw.execute("CREATE VIEW seen AS SELECT 'BTC' AS coin, '2024-01-01' AS date, 1 AS close")
    raw.close()
    engine = open_database(f"sqlite:///{path}")
    for table, code in [("timeless", "data.no_time"), ("priceless", "data.no_price"), ("bars", "data.no_table")]:
        with pytest.raises(DataError) as caught:
            find_prices_table(engine, table)
        assert caught.value.code == code
    assert "Timeless, priceless" in caught.value.have
    assert find_prices_table(engine, "seen").roles == {"coin": "coin", "timestamp": "date", "close": "close"}
