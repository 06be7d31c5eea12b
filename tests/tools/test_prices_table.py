"""Columns by role, times and numbers of every kind, and databases that are never made or changed by reading."""

from __future__ import annotations

import sqlite3
from datetime import UTC, date, datetime
from decimal import Decimal

import pandas as pd
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from omc_agent.errors import DataError
from omc_agent.tools.prices_table import (
    TimeStyle,
    base_symbol,
    find_prices_table,
    find_roles,
    open_database,
    parse_numbers,
    parse_times,
    redact,
    symbols,
    to_prices,
)


def utc(text):
    return pd.Timestamp(text, tz="UTC")


@pytest.mark.parametrize(
    ("url", "secret"),
    [
        ("postgresql+psycopg://me:s3cret@host/db", "s3cret"),
        ("postgresql://me:p@ss@host/db", "p@ss"),
        ("mysql://host/db?user=me&password=s3cret&x=1", "s3cret"),
        ("no url at all ://a:s3cret@b", "s3cret"),
    ],
)
def test_no_secret_survives_redaction(url, secret):
    assert secret not in redact(url)
    assert "***" in redact(url)


def test_a_path_without_secret_is_left_alone():
    assert redact("sqlite:////data/market.db") == "sqlite:////data/market.db"


@pytest.mark.parametrize(("name", "base"), [("eth-perp", "ETH"), ("SOLUSDC", "SOL"), ("USDT", "USDT"), ("T", "T")])
def test_base_symbols(name, base):
    assert base_symbol(name) == base


@given(
    st.lists(
        st.sampled_from(["BTC", "btc", "BTC/USDT", "BTC-EUR", "ETHUSD", "eth", "FDUSD", "XRP_USDT"]), unique=True
    )
)
@settings(max_examples=50, deadline=None)
def test_every_spelling_has_exactly_one_symbol(names):
    found = symbols(names)
    assert sorted(name for spelled in found.values() for name in spelled) == sorted(names)


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


@pytest.mark.parametrize(
    "values",
    [
        ["2024-01-02 03:00:00"],
        ["2024-01-02T03:00:00Z"],
        ["2024-01-02 05:00:00+02:00"],
        ["2024-01-02 03-AM"],
        ["01/02/2024 03:00"],
        [1704164400],
        ["1704164400000"],
        [1704164400000000],
        [1704164400.0],
        [Decimal("1704164400")],
        [datetime(2024, 1, 2, 3)],
        [datetime(2024, 1, 2, 3, tzinfo=UTC)],
        pd.to_datetime(["2024-01-02 03:00"]).as_unit("ms"),
        pd.to_datetime(["2024-01-01 22:00"]).tz_localize("US/Eastern"),
    ],
    ids=str,
)
def test_times_of_every_kind_are_the_same_moment(values):
    made = parse_times(pd.Series(values))
    assert made.tolist() == [utc("2024-01-02 03:00")]
    assert str(made.dtype) == "datetime64[us, UTC]"


def test_mixed_and_broken_times_become_nat_only_where_broken():
    made = parse_times(pd.Series(["2024-01-02", "2024-01-02 12-PM", None, "soon", "2024-01-02 13:30"]))
    assert made.tolist()[:2] == [utc("2024-01-02"), utc("2024-01-02 12:00")]
    assert made.isna().tolist() == [False, False, True, True, False]
    assert parse_times(pd.Series([1704164400, None])).isna().tolist() == [False, True]
    assert parse_times(pd.Series([], dtype=object)).empty


def test_a_day_above_twelve_settles_the_order_of_slashes():
    assert parse_times(pd.Series(["03/01/2024", "25/01/2024"])).tolist() == [utc("2024-01-03"), utc("2024-01-25")]


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


@pytest.mark.parametrize(
    ("value", "kind", "bound"),
    [
        ("2024-01-01 00:00:00.000000", "iso", "2024-01-02 00:00:00"),
        ("2024-01-01T00:00:00", "iso", "2024-01-02T00:00:00"),
        ("2024-01-01T00:00:00+00:00", "day", "2024-01-02"),
        ("2024-01-01", "day", "2024-01-02"),
        ("01/01/2024", "text", None),
        (1704067200, "epoch", 1704153600),
        ("1704067200000", "epoch", 1704153600000),
        (datetime(2024, 1, 1), "datetime", datetime(2024, 1, 2)),
        (datetime(2024, 1, 1, tzinfo=UTC), "datetime", datetime(2024, 1, 2, tzinfo=UTC)),
        (date(2024, 1, 1), "date", date(2024, 1, 2)),
        (None, "empty", None),
    ],
)
def test_a_span_is_asked_for_as_times_are_stored(value, kind, bound):
    style = TimeStyle.of(value)
    assert style.kind == kind
    assert style.bound(utc("2024-01-02")) == bound


def test_reading_never_makes_a_file(tmp_path):
    missing = tmp_path / "none.db"
    with pytest.raises(DataError) as caught:
        open_database(f"sqlite:///{missing}")
    assert caught.value.code == "data.no_database"
    assert str(missing) in caught.value.line()
    assert not missing.exists()


@pytest.mark.parametrize(
    "url", ["", "market.db", "sqlite://", "nosuch://host/db", "postgresql+nosuch://me:s3cret@host/db"]
)
def test_what_is_no_database_is_told_without_secrets(url):
    with pytest.raises(DataError) as caught:
        open_database(url)
    assert caught.value.code == "data.no_database"
    assert "s3cret" not in caught.value.line()
    assert caught.value.try_


def test_a_file_that_is_no_database_is_told(tmp_path):
    path = tmp_path / "notes.db"
    path.write_text("hello, I am not a database at all, whatever my name says" * 50)
    with pytest.raises(DataError) as caught:
        open_database(f"sqlite:///{path}")
    assert caught.value.code == "data.no_database"


def test_a_read_only_engine_cannot_write(tmp_path):
    path = tmp_path / "a b#c?.db"
    with sqlite3.connect(path) as raw:
        raw.execute("CREATE TABLE t (x INTEGER)")
    raw.close()
    engine = open_database(str(sa.URL.create("sqlite", database=str(path)).render_as_string()))
    with engine.connect() as connection, pytest.raises(sa.exc.OperationalError, match="readonly"):
        connection.exec_driver_sql("INSERT INTO t VALUES (1)")


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
