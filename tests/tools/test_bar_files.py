"""Every format is read, the coin is found in the name, and what is no file of bars is told."""

from __future__ import annotations

import pandas as pd
import pytest
from saved import frame, save

from omc_agent.errors import DataError
from omc_agent.tools.data import fetch_price_data, get_available_coins
from omc_agent.tools.importing import import_bars


@pytest.fixture
def db(tmp_path):
    return f"sqlite:///{tmp_path / 'market.db'}"


@pytest.mark.parametrize("name", ["bars.csv", "bars.csv.gz", "bars.parquet", "bars.feather"])
def test_every_format_gives_the_bars_back(tmp_path, db, name):
    report = import_bars(save(frame(), tmp_path / name), db)
    assert (report.read, report.written, report.gaps, report.out_of_order) == (50, 50, 0, 0)
    prices = fetch_price_data(["BTC"], db=db)
    expected = frame()
    expected["timestamp"] = expected["timestamp"].dt.tz_localize("UTC")
    pd.testing.assert_frame_equal(prices, expected[list(prices.columns)], check_dtype=False)


@pytest.mark.parametrize(
    ("name", "coin"),
    [("BTC_USDT-5m.csv", "BTC"), ("Coinbase_ETHUSD_1h.csv", "ETH"), ("doge-usd.csv", "DOGE"), ("SOLUSDT.csv", "SOL")],
)
def test_a_single_coin_is_read_from_the_files_name(tmp_path, db, name, coin):
    import_bars(save(frame().drop(columns="coin"), tmp_path / name), db)
    assert get_available_coins(db) == [coin]


def test_a_line_of_credits_above_the_header_is_passed_over(tmp_path, db):
    path = save(frame(), tmp_path / "bars.csv")
    path.write_text("https://www.example.org/a vendor\n" + path.read_text())
    assert import_bars(path, db).written == 50


def test_text_dates_and_epochs_are_read(tmp_path, db):
    made = frame(3).assign(timestamp=["2024-01-01 09-AM", "2024-01-01 10-AM", "2024-01-01 01-PM"])
    report = import_bars(save(made, tmp_path / "bars.csv"), db)
    assert report.written == 3
    assert fetch_price_data("BTC", db=db)["timestamp"].dt.hour.tolist() == [9, 10, 13]


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("none.csv", None, "data.unreadable"),
        ("bars.txt", "coin,timestamp,close\n", "data.unreadable"),
        ("bars.parquet", "not parquet", "data.unreadable"),
        ("empty.csv", "", "data.unreadable"),
        ("timeless.csv", "coin,close\nBTC,1\n", "data.no_time"),
        ("priceless.csv", "coin,timestamp\nBTC,2024-01-01\n", "data.no_price"),
    ],
)
def test_files_that_are_no_bars_are_told(tmp_path, db, name, content, code):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(DataError) as caught:
        import_bars(tmp_path / name, db)
    assert caught.value.code == code
    assert name in caught.value.line()
