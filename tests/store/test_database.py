"""The store's database: brought to head, tuned for crashes, and safe for two processes at once."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import inspect, text
from sqlalchemy.exc import IntegrityError

from omc_agent.events import Reason
from omc_agent.store.database import open_database
from omc_agent.store.records import SessionManager
from omc_agent.store.tables import Base


def _pragma(engine, name):
    with engine.connect() as connection:
        return connection.execute(text(f"PRAGMA {name}")).scalar()


@pytest.mark.parametrize(("synchronous", "number"), [("FULL", 2), ("NORMAL", 1)])
def test_sqlite_writes_ahead_waits_and_keeps_references(tmp_path, synchronous, number):
    engine = open_database(f"sqlite:///{tmp_path / 'new' / 'store.db'}", synchronous=synchronous)
    assert _pragma(engine, "journal_mode") == "wal"
    assert _pragma(engine, "synchronous") == number
    assert _pragma(engine, "busy_timeout") == 30_000
    assert _pragma(engine, "foreign_keys") == 1
    engine.dispose()


def test_all_tables_are_there_and_opening_again_loses_nothing(empty_url, tmp_path):
    url = empty_url
    engine = open_database(url)
    assert set(Base.metadata.tables) <= set(inspect(engine).get_table_names())
    SessionManager(engine).create("goal", workspaces=tmp_path, model="offline", settings={}, session_id="r")
    engine.dispose()
    again = open_database(url)
    assert SessionManager(again).read("r")["goal"] == "goal"
    again.dispose()


def test_several_may_open_a_new_database_at_once(empty_url):
    url, failures = empty_url, []

    def open_it():
        try:
            open_database(url).dispose()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_writers_at_once_lose_no_event_and_share_no_number(url, tmp_path):
    first, second = (SessionManager(open_database(url)) for _ in range(2))
    first.create("goal", workspaces=tmp_path, model="offline", settings={}, session_id="r")
    failures = []

    def write(store, name):
        try:
            for number in range(15):
                store.append("r", "r", [(f"{name}{number}", Reason(text=f"{name}{number}"))])
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=pair) for pair in ((first, "a"), (second, "b"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with first.engine.connect() as connection:
        numbers = list(connection.execute(text("SELECT seq FROM agent_session_messages")).scalars())
    assert sorted(numbers) == list(range(1, 31))
    for store in (first, second):
        store.engine.dispose()


def test_of_two_that_decide_at_once_one_wins(url, tmp_path):
    won = []
    stores = [SessionManager(open_database(url)) for _ in range(2)]
    stores[0].create("goal", workspaces=tmp_path, model="offline", settings={}, session_id="r")
    stores[0].open_request("r", "r", "q", gate="code", stage="planning", payload={})
    ready = threading.Barrier(2)

    def decide(store, name):
        ready.wait()
        if store.decide("q", {"type": "approve", "why": name}, name):
            won.append(name)

    threads = [threading.Thread(target=decide, args=(store, f"p{n}")) for n, store in enumerate(stores)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert stores[0].requests("r", status="decided")[0]["decided_by"] == won[0]
    for store in stores:
        store.engine.dispose()


def test_what_belongs_to_no_run_cannot_be_written(store):
    with pytest.raises(IntegrityError):
        store.append("nobody", "nobody", [("k", Reason(text="x"))])
