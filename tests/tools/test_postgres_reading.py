"""Bars and queries out of a real PostgreSQL: the rows of SQLite, and no write that the server lets pass."""

from __future__ import annotations

import re
import time

import pandas as pd
import psycopg
import pytest
import sqlalchemy as sa

from omc_agent.errors import DataError
from omc_agent.tools.capped_reading import read_capped
from omc_agent.tools.connection import open_database
from omc_agent.tools.data import (
    fetch_price_data,
    fetch_table,
    get_available_coins,
    get_data_statistics,
    query,
    query_before,
)
from omc_agent.tools.importing import import_bars

TABLE = "price_data_5min"
CUT = "2024-01-02T12:00:00+00:00"
MARK = 777_000
TIMES = {
    "timestamptz": lambda t: t.tz_convert("Asia/Tokyo").isoformat(),
    "timestamp": lambda t: t.tz_localize(None).isoformat(),
    "bigint": lambda t: str(int(t.timestamp() * 1000)),
    "text": lambda t: t.strftime("%Y-%m-%d %H:%M:%S"),
}


@pytest.fixture(scope="module")
def bars():
    """Bars of two coins, of which those from the cut on hold a mark."""
    times = pd.date_range("2024-01-01", periods=600, freq="5min", tz="UTC")
    rows = []
    for coin in ("BTC", "ETH"):
        last = [str(MARK) if at >= pd.Timestamp(CUT) else f"{100 + n / 7:.8f}" for n, at in enumerate(times)]
        rows.append(pd.DataFrame({"coin_type": coin, "timestamp": times, "last": last, "volume": range(600)}))
    return pd.concat(rows, ignore_index=True)


@pytest.fixture(scope="module")
def files(bars, tmp_path_factory):
    """The same bars in SQLite."""
    folder = tmp_path_factory.mktemp("bars")
    bars.to_csv(folder / "bars.csv", index=False)
    url = f"sqlite:///{folder / 'bars.db'}"
    import_bars(folder / "bars.csv", url)
    return url


@pytest.fixture(scope="module", params=TIMES)
def db(request, bars, postgres):
    """A database of PostgreSQL whose times are kept in one of the ways, prices as DECIMAL, in a zone far away."""
    url = postgres.new_database()
    name, written = url.rpartition("/")[2], TIMES[request.param]
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as raw:
        raw.execute(f"ALTER DATABASE {name} SET timezone TO 'America/New_York'")
        raw.execute(f"CREATE TABLE {TABLE} (id serial, coin_type varchar(10), timestamp {request.param},"
                    " last numeric(20, 8), volume double precision)")  # fmt: skip
        copy = f"COPY {TABLE} (coin_type, timestamp, last, volume) FROM STDIN"
        with raw.cursor() as cursor, cursor.copy(copy) as into:
            for row in bars.itertuples():
                into.write_row((row.coin_type, written(row.timestamp), row.last, float(row.volume)))
        raw.execute("CREATE TABLE other (timestamp timestamptz, last numeric)")
        raw.execute(f"INSERT INTO other SELECT now(), {MARK}")
        raw.execute(f"CREATE VIEW seen AS SELECT max(last) AS last FROM {TABLE}")
    return url


@pytest.fixture(scope="module")
def one(bars, postgres):
    """One database for what does not depend on how times are kept."""
    url = postgres.new_database()
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as raw:
        raw.execute(f"CREATE TABLE {TABLE} (coin_type text, timestamp timestamptz, last numeric)")
        raw.execute(f"INSERT INTO {TABLE} VALUES ('BTC', '2024-01-01', 1), ('BTC', '2024-01-01 00:05', 2)")
        raw.execute("CREATE FUNCTION burn() RETURNS int LANGUAGE sql AS $$ DELETE FROM price_data_5min; SELECT 1 $$")
        raw.execute("CREATE SEQUENCE counter")
    return url


def test_bars_are_those_of_sqlite(db, files):
    assert get_available_coins(db) == get_available_coins(files) == ["BTC", "ETH"]
    for words in ((None,), ("BTC", "2024-01-01 06:00", "2024-01-02"), (["eth"], None, "2024-01-02T12:00+03:00")):
        found, there = fetch_price_data(*words, db=db), fetch_price_data(*words, db=files)
        pd.testing.assert_frame_equal(found, there[list(found.columns)])
    pd.testing.assert_frame_equal(get_data_statistics(db), get_data_statistics(files))
    assert fetch_table(TABLE, db, columns=["last"])["last"].dtype == "float64"


def test_each_spelling_of_the_url_is_read(one):
    for scheme in ("postgresql", "postgres"):
        assert get_available_coins(one.replace("postgresql+psycopg", scheme)) == ["BTC"]


SEALED = [
    f"SELECT max(last) FROM {TABLE}",
    f"SELECT max(last) FROM public.{TABLE}",
    f"SELECT last FROM {TABLE} ORDER BY timestamp DESC LIMIT 1",
    f"SELECT count(*) FROM {TABLE} WHERE last > 1000",
    f"SELECT (SELECT max(b.last) FROM {TABLE} b)",
    f"SELECT max(b.last) FROM {TABLE} a LEFT JOIN {TABLE} b ON b.timestamp > a.timestamp",
    f"WITH a AS (SELECT * FROM {TABLE}) SELECT max(last) FROM a",
    f"SELECT max(lead) FROM (SELECT lead(last) OVER (ORDER BY timestamp) AS lead FROM {TABLE}) x",
    "SELECT max(last) FROM seen",
    "SELECT max(last) FROM other",
    f"SELECT max(last) FROM {TABLE} TABLESAMPLE SYSTEM (100)",
    f"TABLE {TABLE}",
    "SELECT most_common_vals FROM pg_stats",
    "SELECT * FROM information_schema.tables",
    f"SELECT query_to_xml('SELECT max(last) FROM {TABLE}', true, false, '')",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT * FROM dblink('x', 'y') AS t(a int)",
    f"SELECT row_to_json(x) FROM {TABLE} x WHERE last > 1000",
    f"SELECT max(x.last) FROM ONLY {TABLE} x",
]


@pytest.mark.parametrize("sql", SEALED)
def test_no_query_of_a_run_brings_back_a_sealed_row(db, sql):
    try:
        found = query_before(sql, db, TABLE, CUT)
    except DataError as refused:
        found, code = pd.DataFrame(), refused.code
    else:
        code = "data.bad_query"
    assert code in ("data.bad_query", "data.no_table", "data.not_read_only")
    values = {word for row in found.itertuples(index=False) for word in re.findall(r"\d+", str(tuple(row)))}
    assert str(MARK) not in values
    if "count" in sql and len(found):
        assert int(found.iloc[0, 0]) == 0


def test_what_is_not_sealed_is_all_there(db):
    found = query_before(f"SELECT coin_type, count(*) AS n FROM {TABLE} GROUP BY 1 ORDER BY 1", db, TABLE, CUT)
    assert found["n"].tolist() == [432, 432]
    whole = query_before(f"SELECT count(*) AS n FROM {TABLE}", db, TABLE, None, sealed=False)
    assert whole["n"].tolist() == [1200]


WRITES = [
    f"INSERT INTO {TABLE} VALUES ('BTC', '2024-01-02', 1)",
    f"DELETE FROM {TABLE}",
    f"UPDATE {TABLE} SET last = 0",
    f"TRUNCATE {TABLE}",
    "CREATE TABLE made (x int)",
    f"WITH gone AS (DELETE FROM {TABLE} RETURNING *) SELECT count(*) FROM gone",
    f"SELECT * INTO made FROM {TABLE}",
    f"SELECT * FROM {TABLE} FOR UPDATE",
    "SELECT nextval('counter')",
    "SELECT burn()",
    "DROP TABLE price_data_5min",
    "COPY price_data_5min FROM PROGRAM 'true'",
]


@pytest.mark.parametrize("sql", WRITES)
def test_a_write_is_refused_by_the_server_itself(one, sql):
    """Past the parser: the session is read-only, whatever the words are, also where nothing caps it."""
    engine = open_database(one)
    with pytest.raises(DataError) as refused:
        read_capped(engine, sa.text(sql), max_rows=10)
    assert refused.value.code == "data.bad_query"
    with engine.begin() as db, pytest.raises(sa.exc.SQLAlchemyError, match="read-only transaction"):
        db.execute(sa.text(sql))
    assert fetch_price_data(None, db=one)["close"].tolist() == [1.0, 2.0]


def test_a_write_is_refused_before_it_reaches_the_server_too(one):
    for sql in (WRITES[0], WRITES[1], WRITES[5], WRITES[6], "SELECT 1; DROP TABLE price_data_5min", "COMMIT"):
        with pytest.raises(DataError) as refused:
            query(sql, one)
        assert refused.value.code == "data.not_read_only", sql


@pytest.mark.parametrize("sql", ["SELECT pg_sleep(30)", "SELECT count(*) FROM generate_series(1, 1000000000000)"])
def test_what_takes_too_long_is_ended_by_the_server(one, sql):
    began = time.monotonic()
    with pytest.raises(DataError) as ended:
        read_capped(open_database(one), sa.text(sql), max_rows=10, seconds=0.3)
    assert time.monotonic() - began < 15
    assert "took more than 0.3 s" in ended.value.given
    with psycopg.connect(one.replace("+psycopg", ""), autocommit=True) as raw:
        left = raw.execute("SELECT count(*) FROM pg_stat_activity WHERE query = %s AND state = 'active'", [sql])
        assert left.fetchone() == (0,), "nothing goes on behind"


def test_rows_and_bytes_are_capped(one):
    found = query("SELECT n FROM generate_series(1, 1000000) AS t(n)", one, max_rows=5)
    assert (found["n"].tolist(), found.attrs["truncated"]) == ([1, 2, 3, 4, 5], True)
    wide = query("SELECT repeat('x', 1000000) AS wide FROM generate_series(1, 1000)", one)
    assert wide.attrs["truncated"]
    assert len(wide) < 20


def test_a_database_that_does_not_answer_is_one_sentence_without_the_password(postgres):
    for url in (postgres.url("nowhere"), postgres.url(password="wrong-Secret-1"),
                "postgresql+psycopg://ann:wrong-Secret-1@127.0.0.1:1/market"):  # fmt: skip
        with pytest.raises(DataError) as refused:
            fetch_price_data("BTC", db=url)
        assert refused.value.code == "data.no_database"
        assert len(refused.value.line().splitlines()) == 1
        assert "wrong-Secret" not in refused.value.line()
        assert postgres.password not in refused.value.line()
