"""A run that one process began with checkpoints in a server is finished by another one with the same URL."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter

import pytest

from omc_agent import face
from omc_agent.config import settings_with
from omc_agent.deciding import decide
from omc_agent.errors import RunError
from omc_agent.request import Decision
from omc_agent.store.checkpoints import delete_checkpoints

GOAL = "Explore BTC over the last 5 days"


@pytest.mark.parametrize("kind", ["postgresql", pytest.param("redis", marks=pytest.mark.long)])
def test_it_parks_here_and_is_finished_there(kind, request, market, own_home, monkeypatch):
    server = request.getfixturevalue("postgres" if kind == "postgresql" else "redis_stack")
    url = server.new_database() if kind == "postgresql" else server.url
    begin = [sys.executable, "-m", "omc_agent.cli", "run", GOAL, "--db", market, "--approve", "always", "--id", "r",
             "--json"]  # fmt: skip
    environment = {**os.environ, "OMC_AGENT_CHECKPOINT_URL": url}
    began = subprocess.run(begin, env=environment, capture_output=True, text=True, timeout=200)
    assert began.returncode == 3, began.stderr[-1000:]
    assert json.loads(began.stdout)["reason"] == "scope"
    assert not (own_home / "checkpoints.db").exists()

    elsewhere = settings_with(home=str(own_home), db=market, warm_spare=False)
    store = face.orchestrator_for(elsewhere).store
    assert server.password not in json.dumps(store.read("r")["settings"])
    with pytest.raises(RunError, match=r"has no checkpoints at sqlite:.*began with") as raised:
        face.resume("r", settings=elsewhere).wait()
    assert raised.value.code == "run.checkpoints"
    assert store.read("r")["status"] == "parked"  # it can still be resumed where they are

    monkeypatch.setenv("OMC_AGENT_CHECKPOINT_URL", url)
    decide(store, "r", Decision(rest=True), "ann")
    result = face.resume("r", settings=settings_with(elsewhere, approve="never"), given={"approve": "never"}).wait()
    assert result.status == "finished"
    told = [event.kind for event in store.events("r")]
    assert told.count("request_opened") == len(store.requests("r", status=None)) > 0
    stages = Counter(event.stage for event in store.events("r") if event.kind == "stage_started")
    assert set(stages.values()) == {1}, stages
    assert server.password not in json.dumps([event.to_dict() for event in store.events("r")], default=str)
    assert delete_checkpoints(url, "r") == 1
