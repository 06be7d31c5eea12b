"""Every row of a file is written or counted, twice is once, and the three real files go in."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from saved import frame, save

from omc_agent.errors import DataError, UsageError
from omc_agent.tools.data import fetch_price_data, get_available_coins
from omc_agent.tools.describing import describe_market
from omc_agent.tools.importing import import_bars, read_bars

REAL = Path(os.environ.get("OMC_AGENT_TEST_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))


@pytest.fixture
def db(tmp_path):
    return f"sqlite:///{tmp_path / 'market.db'}"


def test_a_file_can_be_read_without_a_database(tmp_path, db):
    path = save(pd.concat([frame(5), frame(1)]).iloc[::-1].drop(columns="coin"), tmp_path / "BTC_USDT.csv")
    prices = read_bars(path)
    assert prices.attrs["duplicates"] == 1
    import_bars(path, db)
    pd.testing.assert_frame_equal(prices, fetch_price_data("BTC", db=db))


def test_a_second_import_adds_only_what_is_new(tmp_path, db):
    import_bars(save(frame(30), tmp_path / "a.csv"), db)
    report = import_bars(save(frame(50).assign(close=7.0), tmp_path / "b.csv"), db)
    assert (report.written, report.already_there) == (20, 30)
    prices = fetch_price_data(["BTC"], db=db)
    assert prices["close"].tolist() == [100.0 + place for place in range(30)] + [7.0] * 20
    assert any("30 rows were already there" in line for line in report.lines())


def test_what_is_wrong_is_counted_and_kept_where_it_can_be(tmp_path, db):
    made = frame()
    made.loc[3, "close"] = 0.0
    made.loc[4, "low"] = -1.0
    made.loc[5, "close"] = None
    made = made.drop(index=[20, 21, 30])
    made = pd.concat([made.iloc[10:], made.iloc[:10], made.iloc[[0]].assign(close=5.0)], ignore_index=True)
    report = import_bars(save(made, tmp_path / "bars.csv"), db)
    assert report.read == 48
    assert report.written == 46
    assert (report.duplicates, report.missing, report.nonpositive) == (1, 1, 2)
    assert report.out_of_order == 2
    assert report.gaps == 3
    prices = fetch_price_data(["BTC"], db=db)
    assert prices["close"].iloc[0] == 5.0
    assert prices["close"].iloc[3] == 0.0
    lines = "\n".join(report.lines())
    for word in ("repeat a bar", "no readable time or price", "not in order", "zero or less", "gaps"):
        assert word in lines


@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from([1.0, 0.0, None])), min_size=1, max_size=30))
@settings(max_examples=15, deadline=None)
def test_every_row_is_accounted_for(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("rows")
    made = pd.DataFrame(rows, columns=["timestamp", "last"]).assign(coin="BTC")
    made["timestamp"] = 1_704_067_200 + 300 * made["timestamp"]
    made["last"] = made["last"].astype(float)
    report = import_bars(save(made, folder / "bars.csv"), f"sqlite:///{folder}/m.db")
    assert report.read == len(rows) == report.written + report.already_there + report.duplicates + report.missing
    again = import_bars(folder / "bars.csv", f"sqlite:///{folder}/m.db")
    assert again.written == 0
    assert again.already_there == report.written


def test_a_coin_can_be_named_where_the_file_does_not(tmp_path, db):
    path = save(frame().drop(columns="coin"), tmp_path / "bars.csv")
    with pytest.raises(DataError) as caught:
        import_bars(path, db)
    assert caught.value.code == "data.unreadable"
    import_bars(path, db, coin="ltc/usdt")
    assert get_available_coins(db) == ["LTC"]
    with pytest.raises(UsageError):
        import_bars(save(frame(), tmp_path / "named.csv"), db, coin="LTC")


@pytest.mark.skipif(not REAL.is_dir(), reason=f"the real bars are not in {REAL} (set OMC_AGENT_TEST_DATA)")
@pytest.mark.parametrize(
    ("name", "rows", "gaps", "out_of_order", "coins"),
    [
        ("binance_1h_btc_2017_2024.parquet", 58_419, 28, 0, 1),
        ("coinbase_1h_btc_2017_2019.csv.gz", 20_111, 0, 20_105, 1),
        ("binance_5m_10coins_2024.parquet", 719_513, 0, 0, 10),
    ],
)
def test_the_real_files_go_in_whole(db, name, rows, gaps, out_of_order, coins):
    report = import_bars(REAL / name, db)
    assert (report.read, report.written, report.gaps, report.out_of_order) == (rows, rows, gaps, out_of_order)
    assert (report.duplicates, report.missing, report.nonpositive) == (0, 0, 0)
    market = describe_market(db)
    assert sum(coin["rows"] for coin in market["coins"].values()) == rows
    assert len(market["coins"]) == coins
    assert market["bar_minutes"] == (5.0 if coins == 10 else 60.0)
