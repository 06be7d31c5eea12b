"""A whole run on PostgreSQL whose server goes away under it: for a moment, and for longer than a run waits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter

import pytest

from omc_agent import face
from omc_agent.config import settings_with
from omc_agent.errors import RunError
from tests.servers import Postgres, why_no_postgres

GOAL = "Explore ETH over the last 5 days"


class Outage:
    """A view that takes the server away: for a moment at the plan, for good at the first cell."""

    def __init__(self, server):
        self.server, self.was = server, []

    def handle(self, event):
        if event.kind in ("plan_made", "cell_finished") and event.kind not in self.was:
            self.was.append(event.kind)
            self.server.kill()
            if event.kind == "plan_made":
                threading.Timer(0.3, self.server.start).start()


def waited_for(look, seconds=60):
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.long
def test_a_run_whose_database_goes_away_twice_ends_like_any_other(market, tmp_path):
    """Once it waits; once it gives up in one sentence, and another process goes on: nothing is lost or done twice."""
    if reason := why_no_postgres():
        pytest.skip(reason)
    with Postgres() as server:
        url = server.new_database()
        settings = settings_with(None, db=market, database_url=url, home=str(tmp_path), warm_spare=False,
                                 approve="never", store_wait=3)  # fmt: skip
        outage = Outage(server)
        handle = face.start(GOAL, settings=settings, view=outage, session_id="gone")
        with pytest.raises(RunError) as failed:
            handle.wait()
        server.start()
        assert outage.was == ["plan_made", "cell_finished"]
        assert failed.value.code == "run.store"
        assert "%agent resume gone" in failed.value.try_
        assert server.password not in failed.value.line()
        store = handle.store
        waited_for(lambda: store.read("gone")["owner"] is None)
        assert (store.read("gone")["status"], store.read("gone")["reason"]) == ("failed", "run.store")
        before = store.told("gone")

        env = {**os.environ, "OMC_AGENT_DATABASE_URL": url, "OMC_AGENT_HOME": str(tmp_path)}
        command = [sys.executable, "-m", "omc_agent.cli", "resume", "gone", "--json"]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=200)
        assert done.returncode == 0, done.stderr[-2000:]
        told = json.loads(done.stdout)
        assert told["status"] == "finished"
        assert "report.md" in {each["name"] for each in told["artifacts"]}

        rows = store.told("gone")
        assert rows[: len(before)] == before, "what was told is told"
        assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))
        started = Counter((row["stage"], row["fields"]["visit"]) for row in rows if row["kind"] == "stage_started")
        assert set(started.values()) == {1}, "no stage began twice"
        assert set(Counter(row["n"] for row in store.cells("gone")).values()) == {1}, "no cell ran twice"
        assert [row["kind"] for row in rows].count("run_finished") == 1
        history = store.history("gone")
        assert (history[0]["role"], history[0]["content"]) == ("user", GOAL)
        assert history[-1]["content"] == "The run is finished."
        store.engine.dispose()


def test_a_store_that_is_gone_is_not_taken_for_a_provider_that_does_not_answer(tmp_path):
    """What a call costs is written around it: a failure there is the store's, and no other model is asked."""
    import asyncio

    from sqlalchemy.exc import OperationalError

    from omc_agent.spending import Spending

    class Gone(Spending):
        def __init__(self):
            self.run_id = "r"

    def write():
        raise OperationalError("", {}, Exception("server closed the connection unexpectedly"))

    with pytest.raises(RunError) as failed:
        asyncio.run(Gone()._written(write))
    assert failed.value.code == "run.store"
    assert "server closed the connection" in failed.value.given
