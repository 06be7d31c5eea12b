"""A URL that cannot be used is one sentence with a code, soon, and without the password."""

from __future__ import annotations

import socket
import sqlite3
import time

import pytest

from omc_agent.errors import StoreError
from omc_agent.store.address import address_of, network_under, shown
from omc_agent.store.database import open_database

SECRET = "hunter2-Xy9"


def refused(url):
    began = time.monotonic()
    with pytest.raises(StoreError) as caught:
        open_database(url)
    assert time.monotonic() - began < 20
    error = caught.value
    assert all((error.given, error.have, error.try_))
    assert SECRET not in error.line()
    assert "\n" not in error.line()
    return error


@pytest.mark.parametrize(
    ("url", "code", "said"),
    [
        ("not a url", "store.url", "cannot be read"),
        ("", "store.url", "cannot be read"),
        (f"postgresql://ann:{SECRET}@db:port/runs", "store.url", "cannot be read"),
        (f"postgresql://ann:{SECRET}@:99999999/runs", "store.", ""),
        (f"mysql://ann:{SECRET}@db/runs", "store.url", "not in mysql"),
        (f"postgresql+asyncpg://ann:{SECRET}@db/runs", "store.url", "not in postgresql+asyncpg"),
        (f"nosuchdb://ann:{SECRET}@db/runs", "store.url", "not in nosuchdb"),
        ("sqlite://", "store.url", "names no file"),
        ("sqlite:///:memory:", "store.url", "names no file"),
        (f"postgresql://ann:{SECRET}@no.such.host.invalid/runs", "store.unreachable", "no.such.host.invalid"),
        ("sqlite:////proc/nowhere/store.db", "store.unreachable", "folder cannot be made"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused(url, code, said):
    error = refused(url)
    assert error.code.startswith(code)
    assert said in error.line()


def test_a_port_where_nobody_listens_is_said():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        error = refused(f"postgresql://ann:{SECRET}@127.0.0.1:{port}/runs")
    assert error.code == "store.unreachable"
    assert "refused" in error.have


def test_a_server_that_says_nothing_is_not_waited_for_long():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        error = refused(f"postgresql://ann:{SECRET}@127.0.0.1:{silent.getsockname()[1]}/runs?connect_timeout=2")
    assert error.code == "store.unreachable"
    assert "timeout" in error.have


def test_a_wrong_password_and_a_database_that_is_not_there_say_what_to_do(postgres):
    error = refused(postgres.url("postgres", password=SECRET))
    assert (error.code, "user and password" in error.try_) == ("store.unreachable", True)
    error = refused(postgres.url("nowhere"))
    assert (error.code, "createdb nowhere" in error.try_) == ("store.unreachable", True)
    assert postgres.password not in error.line()


def test_who_may_not_make_tables_is_told_and_uses_those_that_are_there(postgres):
    import psycopg

    url = postgres.new_database()
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as db:
        db.execute("CREATE ROLE reader LOGIN PASSWORD 'reads-4711'")
    guest = url.replace(f"omc:{postgres.password}", "reader:reads-4711")
    assert "may make tables" in refused(guest).try_ or "make tables there" in refused(guest).try_
    open_database(url).dispose()
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as db:
        db.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO reader")
    open_database(guest).dispose()


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_each_spelling_of_postgresql_is_spoken_by_psycopg(postgres, scheme):
    engine = open_database(postgres.new_database().replace("postgresql+psycopg", scheme))
    assert engine.dialect.driver == "psycopg"
    engine.dispose()


def test_a_missing_driver_is_the_pip_line(monkeypatch):
    monkeypatch.setattr("omc_agent.store.address.importlib.util.find_spec", lambda name: None)
    error = refused(f"postgresql://ann:{SECRET}@db/runs")
    assert error.code == "store.driver"
    assert "pip install" in error.try_


def test_a_file_that_is_no_store_is_told_from_one(tmp_path):
    (tmp_path / "text.db").write_bytes(b"no database at all" * 100)
    assert refused(f"sqlite:///{tmp_path / 'text.db'}").code == "store.unreadable"
    with sqlite3.connect(tmp_path / "half.db") as file:
        file.execute("CREATE TABLE agent_sessions (id TEXT)")
    file.close()
    assert refused(f"sqlite:///{tmp_path / 'half.db'}").code == "store.unreadable"


def test_a_password_is_shown_nowhere():
    for url in (f"postgresql://a:{SECRET}@h/d", f"postgresql://a@h/d?password={SECRET}", f"x://{SECRET}:y@h:p/d",
                f"postgresql://a@h/d?sslpassword={SECRET}"):  # fmt: skip
        assert SECRET not in shown(url)
    assert address_of(f"postgresql://a:{SECRET}@h/d").password == SECRET, "but it is used"


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/data/a/store.db", "nfs4"), ("/data2/store.db", ""), ("/mnt/my share/x", "cifs"), ("/data/fast/x", ""),
     ("/store.db", "")],
)  # fmt: skip
def test_a_network_file_system_is_seen_by_its_mount(path, kind, tmp_path):
    from pathlib import Path

    mounts = "\n".join([
        "/dev/sda1 / ext4 rw 0 0", "server:/x /data nfs4 rw 0 0", "//s/y /mnt/my\\040share cifs rw 0 0",
        "/dev/sdb1 /data/fast xfs rw 0 0", "broken",
    ])  # fmt: skip
    assert network_under(Path(path), mounts) == kind
    assert network_under(tmp_path) == ""
