"""Two kernels and a server on one store: nobody hears that it is locked, nothing is lost or numbered twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import text

from omc_agent.store.database import open_database
from omc_agent.store.records import SessionManager

CROWD = Path(__file__).with_name("crowd.py")
PROCESSES = int(os.environ.get("OMC_CROWD", "3"))
SECONDS = float(os.environ.get("OMC_CROWD_SECONDS", "2"))


def test_several_processes_write_and_read_for_some_seconds(store, url, new, tmp_path):
    new(session_id="shared")
    names = [f"p{n}" for n in range(PROCESSES)]
    started = [
        subprocess.Popen([sys.executable, CROWD, url, name, "shared", str(SECONDS), str(tmp_path / "runs")],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for name in names
    ]  # fmt: skip
    done = [process.communicate(timeout=120) for process in started]
    assert [error for _, error in done] == [""] * PROCESSES
    told = [json.loads(out) for out, _ in done]
    assert [each["failures"] for each in told] == [[] for _ in told]
    assert all(each["n"] >= 2 for each in told)
    said = sorted(f"{each['name']}-{n}" for each in told for n in range(1, each["n"] + 1))
    heard = sorted([text for each in told for text in each["heard"]]
                   + [row["payload"]["text"] for row in store.take_inbox("shared")])  # fmt: skip
    assert heard == said, "each word is heard once, by one of them"
    rows = store.told("shared")
    assert [row["seq"] for row in rows] == list(range(1, len(said) + 1))
    assert sorted(row["content"] for row in rows) == said
    for each in told:
        own = f"own-{each['name']}"
        assert [row["seq"] for row in store.told(own)] == list(range(1, 2 * each["n"] + 1))
        assert [row["n"] for row in store.cells(own)] == list(range(1, each["n"] + 1))
        assert len(store.requests(own, status="decided")) == each["n"]


OPEN = "import sys; from omc_agent.store.database import open_database; open_database(sys.argv[1]).dispose()"


def test_several_processes_may_make_the_tables_at_once(empty_url):
    started = [subprocess.Popen([sys.executable, "-c", OPEN, empty_url], stderr=subprocess.PIPE, text=True)
               for _ in range(PROCESSES)]  # fmt: skip
    assert [process.communicate(timeout=120)[1] for process in started] == [""] * PROCESSES
    engine = open_database(empty_url)
    with engine.connect() as db:
        assert db.execute(text("SELECT count(*) FROM alembic_version")).scalar_one() == 1
    assert SessionManager(engine).count() == 0
    engine.dispose()


@pytest.mark.parametrize("count", [6])
def test_of_runs_that_open_the_same_rows_at_once_one_is_the_first(store, new, count):
    """On PostgreSQL each would see only its own opening, and all of them would be the first."""
    rows = {"source": "s", "coins": ["BTC"], "family": "direction", "start": "1", "end": "2", "frozen": {}}
    names = [new()["id"] for _ in range(count)]
    start, found = threading.Barrier(count), []

    def open_rows(name):
        start.wait()
        found.append(store.open_sealed(name, name, **rows))

    threads = [threading.Thread(target=open_rows, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == list(range(1, count + 1))


def test_a_word_is_taken_by_one_of_those_who_look_at_once(store, new):
    new(session_id="r")
    for n in range(30):
        store.send("r", "say", {"n": n})
    start, taken = threading.Barrier(4), []

    def take():
        start.wait()
        taken.extend(row["payload"]["n"] for row in store.take_inbox("r"))

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(30))
