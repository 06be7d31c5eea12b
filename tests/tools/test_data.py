"""Bars come out of any table in one shape; nothing can be written; what is not there is named."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from stored import STYLES, TABLE, bars, write

from omc_agent.errors import DataError
from omc_agent.tools.coins import UnknownCoinWarning
from omc_agent.tools.data import fetch_price_data, fetch_table, get_available_coins, get_data_statistics, query
from omc_agent.tools.describing import describe_market


@pytest.fixture
def db(tmp_path):
    return write(tmp_path / "m.db", bars(["BTC", "ETH/USDT", "doge"]))


@pytest.mark.parametrize("style", STYLES)
def test_bars_are_the_same_however_times_are_stored(tmp_path, style):
    kind, write_time = STYLES[style]
    rows = bars(style=write_time)
    url = write(tmp_path / "m.db", rows[::-1], f"coin_type TEXT, timestamp {kind}, last DECIMAL")
    prices = fetch_price_data(["BTC"], "2024-01-01 12:00", "2024-01-02T12:00Z", url)
    assert list(prices.columns) == ["coin", "timestamp", "close"]
    assert prices.dtypes.astype(str).tolist() == ["str", "datetime64[us, UTC]", "float64"]
    assert prices["timestamp"].iloc[0] == pd.Timestamp("2024-01-01 12:00", tz="UTC")
    assert prices["timestamp"].iloc[-1] == pd.Timestamp("2024-01-02 11:55", tz="UTC")
    assert prices["close"].tolist() == [100.0 + place for place in range(144, 432)]
    assert prices.index.equals(pd.RangeIndex(288))
    market = describe_market(url)
    assert market["coins"]["ETH"] == {
        "rows": 600,
        "start": "2024-01-01T00:00:00+00:00",
        "end": "2024-01-03T01:55:00+00:00",
    }
    assert market["newest"] == "2024-01-03T01:55:00+00:00"
    assert market["bar_minutes"] == 5.0


def test_columns_have_one_name_whatever_the_table_calls_them(tmp_path):
    columns = "symbol TEXT, Open_Time INTEGER, Open TEXT, High TEXT, Low TEXT, Close TEXT, Vol TEXT, note TEXT"
    url = write(tmp_path / "m.db", [("BTCUSDT", 1704067200, "1", "3", "0.5", "2", "n/a", "x")], columns)
    prices = fetch_price_data("btc", db=url)
    assert list(prices.columns) == ["coin", "timestamp", "open", "high", "low", "close", "volume"]
    assert prices.iloc[0, 2:6].tolist() == [1.0, 3.0, 0.5, 2.0]
    assert np.isnan(prices["volume"].iloc[0])


@pytest.mark.parametrize("asked", ["eth", "ETH", "ETH/USDT", "ETHUSDT", "ETH-USD"])
def test_a_coin_is_found_in_any_spelling(db, asked):
    assert fetch_price_data([asked], db=db)["coin"].unique().tolist() == ["ETH"]


def test_all_coins_come_sorted(db):
    assert get_available_coins(db) == ["BTC", "DOGE", "ETH"]
    prices = fetch_price_data(None, db=db)
    assert prices["coin"].unique().tolist() == ["BTC", "DOGE", "ETH"]
    assert prices.groupby("coin")["timestamp"].is_monotonic_increasing.all()


def test_one_unknown_coin_is_warned_of_and_all_unknown_refused(db):
    with pytest.warns(UnknownCoinWarning, match="DOGGE.*DOGE"):
        prices = fetch_price_data(["BTC", "DOGGE"], db=db)
    assert prices["coin"].unique().tolist() == ["BTC"]
    with pytest.raises(DataError) as caught:
        fetch_price_data(["DOGGE"], db=db)
    assert caught.value.code == "data.unknown_coin"
    assert "DOGE" in caught.value.try_
    assert "BTC, DOGE, ETH" in caught.value.have


@pytest.mark.parametrize(
    ("start", "end", "code"),
    [
        ("2024-01-02", "2024-01-01", "data.empty_span"),
        ("2024-01-02", "2024-01-02", "data.empty_span"),
        ("2024-01-01 00:01", "2024-01-01 00:04", "data.empty_span"),
        ("2023-01-01", "2024-01-01", "data.outside_span"),
        ("2025-01-01", None, "data.outside_span"),
        ("someday", None, "data.empty_span"),
    ],
)
def test_spans_without_bars_say_what_there_is(db, start, end, code):
    with pytest.raises(DataError) as caught:
        fetch_price_data(["BTC"], start, end, db)
    assert caught.value.code == code
    if code == "data.outside_span":
        assert "2024-01-01 00:00 to 2024-01-03 01:55" in caught.value.have


def test_the_last_of_duplicates_is_kept_and_counted(tmp_path):
    time = "2024-01-01 00:00:00"
    url = write(
        tmp_path / "m.db", [("BTC", time, 1), ("btc", time, 2), ("BTC", time, 3), ("BTC", "2024-01-01 00:05:00", 4)]
    )
    prices = fetch_price_data(["BTC"], db=url)
    assert len(prices) == 2
    assert prices.attrs == {"duplicates": 2, "untimed": 0}
    assert get_data_statistics(url).loc["BTC", "duplicates"] == 2


def test_rows_without_time_are_left_out_with_a_warning(tmp_path):
    url = write(tmp_path / "m.db", [("BTC", "2024-01-01 00:00:00", 1), ("BTC", None, 2)])
    with pytest.warns(UserWarning, match="1 rows have no readable time"):
        prices = fetch_price_data(["BTC"], db=url)
    assert prices.attrs["untimed"] == 1
    assert len(prices) == 1


def test_statistics_count_what_is_wrong(tmp_path):
    rows = bars(["BTC"], 20)
    rows[3] = (*rows[3][:2], None)
    rows[4] = (*rows[4][:2], 0.0)
    del rows[10:13]
    look = get_data_statistics(write(tmp_path / "m.db", rows)).loc["BTC"]
    assert look[["rows", "gaps", "missing_bars", "missing_values", "nonpositive", "duplicates"]].tolist() == [
        17,
        1,
        3,
        1,
        1,
        0,
    ]
    assert look["start"] == pd.Timestamp("2024-01-01", tz="UTC")


def test_a_table_of_one_coin_needs_no_coin_column(tmp_path):
    url = write(tmp_path / "m.db", [("2024-01-01 00:00:00", 1.0)], "time TEXT, close REAL", "btc_usdt")
    assert get_available_coins(url, "btc_usdt") == ["BTC"]
    assert fetch_price_data("BTC", db=url, table="btc_usdt")["coin"].tolist() == ["BTC"]
    assert describe_market(url, "btc_usdt")["coins"]["BTC"]["rows"] == 1


def test_the_environment_names_the_database(db, monkeypatch):
    monkeypatch.setenv("OMC_AGENT_DB", db)
    assert get_available_coins() == ["BTC", "DOGE", "ETH"]
    monkeypatch.delenv("OMC_AGENT_DB")
    with pytest.raises(DataError) as caught:
        get_available_coins()
    assert caught.value.code == "data.no_database"


def test_any_table_can_be_fetched_as_it_is(tmp_path):
    url = write(tmp_path / "m.db", [("a", 1), ("b", None)], "town TEXT, size INTEGER", "shops")
    frame = fetch_table("shops", url)
    assert frame["town"].tolist() == ["a", "b"]
    assert frame["size"].isna().tolist() == [False, True]
    short = fetch_table("shops", url, columns=["size"], max_rows=1)
    assert short.shape == (1, 1)
    assert short.attrs["truncated"]
    with pytest.raises(DataError, match="colour"):
        fetch_table("shops", url, columns=["colour"])


def test_a_query_has_a_limit_of_rows(db):
    assert len(query(f"SELECT * FROM {TABLE}", db, 10)) == 10
    assert query(f"SELECT * FROM {TABLE}", db, 10).attrs["truncated"]
    assert not query(f"SELECT * FROM {TABLE}", db).attrs["truncated"]
    for sql in ("SELECT nothing FROM nowhere", "SELEC 1"):
        with pytest.raises(DataError) as caught:
            query(sql, db)
        assert caught.value.code in ("data.bad_query", "data.not_read_only")


def test_reading_warns_of_nothing(db):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fetch_price_data(["BTC"], "2024-01-01", db=db)
        get_data_statistics(db)
