"""Nothing but one SELECT gets through, and no query sees a sealed row."""

from __future__ import annotations

import pandas as pd
import pytest
from stored import STYLES, TABLE, bars, write

from omc_agent.errors import DataError
from omc_agent.tools.data import fetch_price_data, query, query_before


@pytest.fixture
def db(tmp_path):
    return write(tmp_path / "m.db", bars(["BTC", "ETH/USDT", "doge"]))


@pytest.mark.parametrize(
    "sql",
    [
        f"DELETE FROM {TABLE}",
        f"DROP TABLE {TABLE}",
        f"UPDATE {TABLE} SET last = 0",
        f"INSERT INTO {TABLE} VALUES ('X', '2024', 1)",
        f"SELECT 1; DELETE FROM {TABLE}",
        f"WITH gone AS (DELETE FROM {TABLE} RETURNING *) SELECT * FROM gone",
        f"SELECT * INTO copy FROM {TABLE}",
        "CREATE TABLE t (x INTEGER)",
        "ATTACH DATABASE '/tmp/x.db' AS x",
        "PRAGMA writable_schema = 1",
        "VACUUM",
        "SELECT load_extension('/tmp/x.so')",
        "SELECT WriteFile('/tmp/x', 'x')",
        "BEGIN",
        "",
        "-- nothing",
    ],
)
def test_a_query_that_does_more_than_read_is_refused(db, sql):
    before = fetch_price_data(None, db=db)
    with pytest.raises(DataError) as caught:
        query(sql, db)
    assert caught.value.code in ("data.not_read_only", "data.bad_query")
    pd.testing.assert_frame_equal(fetch_price_data(None, db=db), before)


@pytest.mark.parametrize(
    ("sql", "answer"),
    [
        (f"SELECT count(*) AS n FROM {TABLE} -- DROP TABLE x", 1800),
        (f"WITH one AS (SELECT * FROM {TABLE} WHERE coin_type = 'BTC') SELECT count(*) FROM one", 600),
        ("SELECT 'delete; drop: update' AS text", "delete; drop: update"),
        ("SELECT 1 UNION ALL SELECT 1", 1),
        ("SELECT last FROM price_data_5min WHERE timestamp = '2024-01-01 00:05:00.000000' LIMIT 1", 101.0),
        ("SELECT '50 %' AS share", "50 %"),
    ],
)
def test_honest_queries_are_answered(db, sql, answer):
    assert query(sql, db).iloc[0, 0] == answer


@pytest.mark.parametrize("style", [name for name in STYLES if name != "american"])
@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT max(last) FROM {TABLE}",
        f"SELECT max(p.last) FROM {TABLE} AS p",
        f"SELECT max(b.last) FROM {TABLE} a JOIN {TABLE} b ON a.timestamp = b.timestamp",
        f"WITH late AS (SELECT * FROM {TABLE}) SELECT max(last) FROM late",
        f"SELECT (SELECT max(last) FROM {TABLE})",
        f"SELECT last FROM {TABLE} UNION SELECT max(last) FROM main.{TABLE} ORDER BY 1 DESC",
    ],
)
def test_a_clipped_query_never_sees_a_sealed_row(tmp_path, style, sql):
    kind, write_time = STYLES[style]
    url = write(tmp_path / "m.db", bars(style=write_time), f"coin_type TEXT, timestamp {kind}, last REAL")
    seen = query_before(sql, url, TABLE, "2024-01-02T12:00:00+00:00").iloc[0, 0]
    # 432 bars lie before the cut; where only the date sorts, the whole day is hidden.
    exact = style in ("iso text", "iso text with T", "epoch seconds", "epoch milliseconds")
    assert seen == 100.0 + 431 if exact else 0 < seen <= 100.0 + 431


@pytest.mark.parametrize(
    ("sql", "before"),
    [
        ("SELECT * FROM other", "2024-01-02"),
        (f"SELECT * FROM {TABLE}, other", "2024-01-02"),
        (f"WITH {TABLE} AS (SELECT 1 AS x) SELECT * FROM {TABLE}", "2024-01-02"),
        (f"SELECT * FROM {TABLE}", None),
        ("SELECT sql FROM sqlite_master", "2024-01-02"),
        (f"DELETE FROM {TABLE}", "2024-01-02"),
    ],
)
def test_what_cannot_be_clipped_is_refused(db, sql, before):
    with pytest.raises(DataError):
        query_before(sql, db, TABLE, before)
