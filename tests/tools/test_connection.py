"""Databases are never made or changed by reading, and no error tells a secret."""

from __future__ import annotations

import sqlite3

import pytest
import sqlalchemy as sa

from omc_agent.errors import DataError
from omc_agent.tools.connection import open_database, redact


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
