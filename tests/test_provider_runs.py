"""Whole runs over the wire: each call fails once, a model dies in the middle, all of them die, Stop is pressed."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time

import pytest

import omc_agent
from omc_agent import face
from omc_agent.config import settings_with
from omc_agent.errors import ModelError, RunStopped
from tests.conftest import QUICK
from tests.providers import Fault, ProviderServer, Reply, as_offline

GOAL = "Predict whether ETH rises over the next hour with logistic regression, using the last 40 days"
LOOK = "Explore DOGE volatility over the last 10 days"


@pytest.fixture
def provider(monkeypatch):
    """``provider(script)`` starts a server, and sends all clients there; no pause between tries."""
    monkeypatch.setattr("omc_agent.agents.calling.FIRST_PAUSE", 0.001)
    servers = []

    def start(script, **more):
        server = ProviderServer(script, **more)
        server.closes = True
        servers.append(server.__enter__())
        for key, value in server.environment().items():
            monkeypatch.setenv(key, value)
        return server

    yield start
    for server in servers:
        server.__exit__()


class FailsFirst:
    """Answers as the offline model would, but each call fails first, each time in another way."""

    def __init__(self):
        kinds = ("429", "cut", "500", "empty", "short", "json", "garbage")
        self.kinds, self.failed, self.used = itertools.cycle(kinds), False, []

    def __call__(self, turn):
        self.failed = not self.failed
        answer = as_offline(turn)
        if not self.failed:
            return answer
        kind = next(self.kinds)
        self.used.append(kind)
        if kind in ("429", "500"):
            return Fault(status=int(kind))
        if kind == "empty":
            return Reply("")
        if kind == "json":
            return Reply("I try.", [(name, "not json at all") for name, _ in answer.calls[:1]])
        return Fault(kind, reply=answer)


def same(run, other):
    assert run.verdict == other.verdict
    assert run.metrics.drop(columns="fit_seconds").equals(other.metrics.drop(columns="fit_seconds"))
    mine, theirs = (each._row["summary"]["things"]["frames"] for each in (run, other))
    assert {n: r["sha"] for n, r in mine.items() if not n.endswith("_trials")} == {
        n: r["sha"] for n, r in theirs.items() if not n.endswith("_trials")
    }


@pytest.mark.timeout(300)
def test_a_run_in_which_each_call_fails_once_comes_to_the_same_result(market, finished, provider):
    script = FailsFirst()
    provider(script)
    run = omc_agent.run(GOAL, db=market, model="openai:m", **QUICK)
    same(run, finished)
    assert len(script.used) > 20
    assert set(script.used) == {"429", "cut", "500", "empty", "short", "json", "garbage"}
    told = [warning for warning in run.warnings if warning["code"] == "model_try"]
    assert len(told) == sum(kind not in ("empty", "json") for kind in script.used)


@pytest.mark.timeout(300)
@pytest.mark.long
def test_a_stand_in_goes_on_and_when_it_dies_too_another_model_can_be_named(market, finished, provider):
    def script(turn):
        dead = turn.number >= 12 if turn.model == "one" else turn.number >= 24
        return Fault(status=500) if dead else as_offline(turn)

    server = provider(script)
    settings = settings_with(None, db=market, model="openai:one,anthropic:two", **QUICK)
    handle = face.start(GOAL, settings=settings)
    with pytest.raises(ModelError) as caught:
        handle.wait()
    assert caught.value.code == "model.failed"
    assert caught.value.given.startswith("anthropic:two")
    asked = [turn.model for turn in server.turns]
    assert asked[:12] == ["one"] * 12
    assert asked.index("two") == 16  # four tries of the first; from then on it is left alone
    assert "one" not in asked[16:24]
    store = handle.store
    row = store.read(handle.id)
    assert (row["status"], row["reason"]) == ("failed", "model.failed")
    cells = store.cells(handle.id)
    assert cells
    told = [event for event in (each.event for each in store.story(handle.id, handle.id)) if event.kind == "warned"]
    assert "anthropic:two stands in for openai:one for the next 5 minutes." in [event.text for event in told]
    assert not any(each.event.kind == "writing" for each in store.story(handle.id, handle.id))

    again = face.resume(handle.id, settings=settings, given={"model": "offline"})
    run = again.wait()
    same(run, finished)
    kept = store.cells(handle.id)[: len(cells)]
    assert [(cell["n"], cell["code"]) for cell in kept] == [(cell["n"], cell["code"]) for cell in cells]


def stopped_while_it_hangs(server, settings):
    """A run that was stopped while the provider kept its third call waiting; closed after, ended after (seconds)."""
    handle = face.start(LOOK, settings=settings)
    while len(server.turns) < 3:
        assert not handle.done()
        time.sleep(0.01)
    time.sleep(0.1)
    pressed = time.monotonic()
    handle.stop()
    with pytest.raises(RunStopped) as caught:
        handle.wait()
    assert caught.value.code == "run.stopped"
    return handle, server.left_at[0] - pressed, time.monotonic() - pressed


@pytest.mark.parametrize("wire", ["openai", "anthropic", "ollama"])
def test_stop_while_the_provider_hangs_ends_the_run_and_closes_the_connection(market, provider, wire):
    server = provider(lambda turn: Fault("hang") if turn.number == 2 else as_offline(turn))
    settings = settings_with(None, db=market, model=f"{wire}:m", **QUICK)
    handle, closed, ended = stopped_while_it_hangs(server, settings)
    print(f"{wire}: closed after {closed:.3f} s, ended after {ended:.3f} s")
    assert server.left == [2]
    assert closed < 2
    assert handle.store.read(handle.id)["status"] == "stopped"


def test_a_run_that_was_stopped_in_a_call_goes_on_with_it(market, provider):
    server = provider(lambda turn: Fault("hang") if turn.number == 2 else as_offline(turn))
    settings = settings_with(None, db=market, model="openai:m", **QUICK)
    handle, *_ = stopped_while_it_hangs(server, settings)
    run = face.resume(handle.id, settings=settings).wait()
    assert run.status == "finished"
    asked = [[message.text for message in turn.messages] for turn in server.turns]
    assert asked[3] == asked[2]
    assert asked.count(asked[0]) == asked.count(asked[1]) == 1


def test_ctrl_c_of_the_command_line_closes_the_connection_and_ends_with_130(market, provider, own_home):
    server = provider(lambda turn: Fault("hang") if turn.number == 2 else as_offline(turn))
    command = [sys.executable, "-m", "omc_agent.cli", "run", LOOK, "--db", market, "-m", "openai:m", "--id", "held"]
    run = subprocess.Popen(
        command, env={**os.environ}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    while len(server.turns) < 3:
        assert run.poll() is None, run.communicate()
        time.sleep(0.02)
    time.sleep(0.2)
    pressed = time.monotonic()
    run.send_signal(signal.SIGINT)
    _, told = run.communicate(timeout=60)
    print(f"closed after {server.left_at[0] - pressed:.3f} s, ended after {time.monotonic() - pressed:.3f} s")
    assert run.returncode == 130, told.decode()
    assert server.left == [2]
    assert face.orchestrator_for(settings_with(None)).store.read("held")["status"] == "stopped"


def test_stop_from_another_process_closes_the_connection(market, provider):
    server = provider(lambda turn: Fault("hang") if turn.number == 2 else as_offline(turn))
    handle = face.start(LOOK, settings=settings_with(None, db=market, model="ollama:m", **QUICK))
    while len(server.turns) < 3:
        assert not handle.done()
        time.sleep(0.01)
    pressed = time.monotonic()
    handle.store.send(handle.id, "stop", {})  # as `omc-agent stop ID` does
    with pytest.raises(RunStopped):
        handle.wait()
    print(f"closed after {server.left_at[0] - pressed:.3f} s")
    assert server.left == [2]
