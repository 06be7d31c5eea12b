"""A database that is gone and comes back: nothing is lost, nothing is written twice, and nobody waits for ever."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from omc_agent.errors import StoreError
from omc_agent.events import Branched, Reason
from omc_agent.store.database import StoreBusy, open_database
from omc_agent.store.leases import Leases, new_owner
from omc_agent.store.patience import called_at, waiting_for_store
from omc_agent.store.records import SessionManager
from tests.servers import Postgres, why_no_postgres


@pytest.fixture(scope="module")
def server():
    """A server of this file's own: it is taken away."""
    if reason := why_no_postgres():
        pytest.skip(reason)
    with Postgres() as made:
        yield made


@pytest.fixture(scope="module")
def store(server):
    made = SessionManager(open_database(server.new_database()))
    yield made
    made.engine.dispose()


@pytest.fixture
def run(store, tmp_path):
    return store.create("g", workspaces=tmp_path, model="offline", settings={})["id"]


@contextmanager
def gone(server, seconds):
    """The server is away, and back after that many seconds."""
    server.kill()
    back = threading.Timer(seconds, server.start)
    back.start()
    try:
        yield
    finally:
        back.join()


@contextmanager
def lost_answers(store, count=1):
    """The line goes dead right after each of the next commits: they are written, and nobody hears of it."""
    left = [count]

    def commit(connection):
        if left[0]:
            left[0] -= 1
            raw = connection.connection.driver_connection
            raw.commit()
            raw.close()

    event.listen(store.engine, "commit", commit)
    try:
        yield left
    finally:
        event.remove(store.engine, "commit", commit)


def test_a_run_waits_for_a_server_that_comes_back(server, store, run):
    with waiting_for_store(30), gone(server, 0.5):
        assert store.append(run, run, [("k", Reason(text="one"))]) == 1
    assert [row["seq"] for row in store.told(run)] == [1]


def test_reading_goes_on_too(server, store, run):
    with waiting_for_store(30), gone(server, 0.5):
        assert store.read(run)["id"] == run
        assert Leases(store.engine).holder(run) is None


def test_at_a_prompt_a_sentence_comes_soon(server, store, run):
    server.kill()
    began = time.monotonic()
    try:
        with pytest.raises(StoreError) as told:
            store.list()
    finally:
        took = time.monotonic() - began
        server.start()
    assert told.value.code == "store.unreachable"
    assert server.password not in str(told.value)
    assert all((told.value.given, told.value.have, told.value.try_))
    assert took < 15
    assert store.count() >= 1, "and once it is back all is well"


def test_a_run_gives_up_after_its_time_and_hears_why(server, store, run):
    server.kill()
    try:
        with waiting_for_store(0.5), pytest.raises(StoreBusy):
            store.append(run, run, [("k", Reason(text="one"))])
    finally:
        server.start()
    assert store.events(run) == []


WRITES = {
    "append": lambda store, run, owner: store.append(run, run, [("k", Reason(text="x"))], owner=owner),
    "record_cell": lambda store, run, owner: store.record_cell(
        run, run, owner=owner, key="k", n=1, stage="planning", where="host", kind="look", code="1", status="ok"
    ),
    "open_request": lambda store, run, owner: store.open_request(
        run, run, f"q-{run}", owner=owner, gate="code", stage="planning", payload={}
    ),
    "send": lambda store, run, owner: store.send(run, "say", {"text": "once"}),
    "begin_call": lambda store, run, owner: store.begin_call(run, run, owner=owner, key=f"c-{run}", model="m"),
    "record_artifact": lambda store, run, owner: store.record_artifact(
        run, run, owner=owner, name="a", path="p", sha256="0", size=1
    ),
    "open_sealed": lambda store, run, owner: store.open_sealed(
        run, run, owner=owner, source=run, coins=["BTC"], family="f", start="1", end="2", frozen={}
    ),
    "fork": lambda store, run, owner: store.fork(
        run, f"{run}.2", Branched(new_branch=f"{run}.2", parent=run), [], owner=owner
    ),
    "renew": lambda store, run, owner: Leases(store.engine).renew(run, owner),
    "update": lambda store, run, owner: store.update(run, by=owner, status="parked"),
}


def rows_of(store, run):
    row = store.read(run)
    return {
        "told": [(each["seq"], each["kind"]) for each in store.told(run)],
        "cells": len(store.cells(run)),
        "requests": len(store.requests(run)),
        "calls": len(store.calls(run)),
        "artifacts": len(store.artifacts(run)),
        "stands": (row["status"], row["branch"], row["owner"]),
        "inbox": [each["payload"] for each in store.take_inbox(run)],
    }


@pytest.mark.parametrize("write", WRITES)
def test_a_commit_whose_answer_was_lost_is_not_written_twice(store, tmp_path, write):
    """The same write on a run whose line goes dead, and on one whose line does not: the rows are the same."""
    made = []
    for broken in (False, True):
        run = store.create("g", workspaces=tmp_path, model="offline", settings={})["id"]
        owner = new_owner()
        assert Leases(store.engine).take(run, owner)
        with waiting_for_store(20):
            if broken:
                with lost_answers(store) as left:
                    WRITES[write](store, run, owner)
                assert left == [0], "the answer was lost"
            else:
                WRITES[write](store, run, owner)
        found = rows_of(store, run)
        made.append(repr(found).replace(owner, "owner").replace(run, "run"))
    assert made[0] == made[1]


def test_of_a_lost_answer_the_first_decision_is_still_ours(store, run):
    store.open_request(run, run, f"q-{run}", gate="code", stage="planning", payload={})
    with waiting_for_store(20), lost_answers(store):
        assert store.decide(f"q-{run}", {"type": "approve"}, "ann")
    assert not store.decide(f"q-{run}", {"type": "reject"}, "ann")
    assert store.request(f"q-{run}")["decision"] == {"type": "approve"}


def test_a_word_that_was_taken_and_whose_answer_was_lost_is_heard(store, run):
    store.send(run, "say", {"text": "only momentum"})
    with waiting_for_store(20), lost_answers(store):
        assert [row["payload"]["text"] for row in store.take_inbox(run)] == ["only momentum"]
    assert store.take_inbox(run) == []


def test_a_run_that_was_made_and_whose_answer_was_lost_is_ours(store, tmp_path):
    with waiting_for_store(20), lost_answers(store):
        made = store.create("g", workspaces=tmp_path, model="offline", settings={}, session_id="once")
    assert made["id"] == "once"
    assert (tmp_path / "once" / "sealed").is_dir()


def test_what_does_not_pass_is_raised_at_once(store, run):
    """A mistake of ours is no outage."""
    began = time.monotonic()
    with waiting_for_store(60), pytest.raises(Exception, match="foreign key"):
        store.append("nobody", "nobody", [("k", Reason(text="x"))])
    assert time.monotonic() - began < 30


def test_the_moment_of_a_call_is_that_of_its_first_try(store, run):
    seen = []
    tries = iter([True, False])

    class Once:
        engine = store.engine

        def call(self):
            seen.append(called_at())
            if next(tries):
                raise OperationalError("", {}, lost)

    import psycopg

    from omc_agent.store.patience import patient

    lost = psycopg.OperationalError("server closed the connection unexpectedly")
    with waiting_for_store(5):
        patient(Once)().call()
    assert len(seen) == 2
    assert seen[0] == seen[1]
