"""Bars come in one shape, from a table read in chunks or from a frame that a person holds."""

from __future__ import annotations

import sqlite3

import pandas as pd
import pytest
from stored import bars, write

from omc_agent.errors import DataError
from omc_agent.tools import bar_reader
from omc_agent.tools.bar_reader import as_prices
from omc_agent.tools.data import fetch_price_data
from omc_agent.tools.describing import describe_market


@pytest.fixture
def db(tmp_path):
    return write(tmp_path / "m.db", bars(["BTC", "ETH/USDT", "doge"]))


def test_chunks_do_not_show(db, monkeypatch):
    whole = fetch_price_data(None, db=db)
    monkeypatch.setattr(bar_reader, "CHUNK_ROWS", 7)
    pd.testing.assert_frame_equal(fetch_price_data(None, db=db), whole)


def test_a_persons_frame_obeys_the_same_rules():
    times = pd.date_range("2024-01-01", periods=4, freq="1D")
    frame = pd.DataFrame({"last": [1, 2, 3, 4]}, index=times)
    prices = as_prices(frame, ["btc"], start="2024-01-02")
    assert prices["coin"].tolist() == ["BTC"] * 3
    assert prices["close"].tolist() == [2.0, 3.0, 4.0]
    with pytest.raises(DataError) as caught:
        as_prices(frame, ["btc"], start="2025-01-01")
    assert caught.value.code == "data.outside_span"
    with pytest.raises(DataError) as caught:
        as_prices(frame.assign(coin="ETH"), ["BTC"])
    assert caught.value.code == "data.unknown_coin"


def test_bars_without_a_readable_time_or_a_coin_are_a_sentence():
    frame = pd.DataFrame({"timestamp": ["soon", "later"], "coin": "BTC", "close": [1.0, 2.0]})
    with pytest.raises(DataError, match="'timestamp' could not be read as times"):
        as_prices(frame)
    times = pd.date_range("2024-01-01", periods=2, freq="1D", tz="UTC")
    with pytest.raises(DataError, match="Its column 'coin' is empty"):
        as_prices(frame.assign(timestamp=times, coin=None))
    three = pd.DataFrame({"timestamp": times.repeat(2), "coin": ["BTC", None, "BTC", "BTC"], "close": 1.0})
    with pytest.warns(UserWarning, match="1 rows have no readable time"):
        prices = as_prices(three.assign(timestamp=[times[0], times[0], times[1], pd.NaT]))
    assert (len(prices), prices.attrs["coinless"], prices.attrs["untimed"]) == (2, 1, 1)


def test_one_unreadable_time_hides_no_coin(tmp_path):
    times = pd.date_range("2024-01-01", periods=5, freq="1D").astype(str).tolist()
    frame = pd.DataFrame({"coin_type": "BTC", "timestamp": [*times, "soon"], "last": 1.0})
    with sqlite3.connect(tmp_path / "odd.db") as database:
        frame.to_sql("price_data_5min", database, index=False)
    database.close()
    found = describe_market(f"sqlite:///{tmp_path / 'odd.db'}")["coins"]["BTC"]
    assert (found["start"][:10], found["end"][:10]) == ("2024-01-01", "2024-01-05")
