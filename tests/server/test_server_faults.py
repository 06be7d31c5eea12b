"""What dies under a run by REST: its kernel, its server, another server; what is told then, and how it goes on."""

from __future__ import annotations

import os
import signal

import psutil
import pytest

from tests.server.conftest import serving
from tests.server.test_starting import WAITS, begin, status, until

pytestmark = pytest.mark.timeout(280)


def servers(tmp_path_factory, market):
    """Opens servers one after the other, on one home."""
    home = tmp_path_factory.mktemp("one-home")
    return lambda name: serving(
        tmp_path_factory.mktemp(name), "--AgentSettings.max_runs=1", kernels=True, OMC_AGENT_HOME=str(home),
        OMC_AGENT_DB=market,
    )  # fmt: skip


def engine_of(server, run: str) -> psutil.Process:
    """The process that drives the run."""
    return psutil.Process(int(server.store.read(run)["owner"].split("|")[2]))


def test_a_run_outlives_its_kernel_and_its_servers(tmp_path_factory, market):
    opened = servers(tmp_path_factory, market)
    with opened("first") as first:
        run = begin(first.client, **WAITS)
        (asked,) = status(first.client, run, "awaiting_user")["open_requests"]

        # The kernel is killed: the run is told as stopped, its question is kept, and it goes on.
        engine_of(first, run).kill()
        told = status(first.client, run, "stopped")
        assert (told["driven"], told["open_requests"]) == (False, [asked])
        last = first.client.get(f"/sessions/{run}/messages", params={"limit": 1000}).json()["messages"][-1]
        assert "is gone" in last["metadata"]["error"]["given"]
        assert first.client.post(f"/sessions/{run}/continue", {}).status_code == 202
        assert status(first.client, run, "awaiting_user")["open_requests"] == [asked]
        engine = engine_of(first, run)
        waits = begin(first.client, **WAITS)
        assert first.client.get(f"/sessions/{waits}").json()["position"] == 1

        # The server is killed: kernels live, and another server shows, answers and follows their runs.
        os.kill(first.process.pid, signal.SIGKILL)
        first.process.wait(10)
        with opened("second") as second:
            listed = {each["id"]: each for each in second.client.get("/sessions").json()["sessions"]}
            assert {run, waits} == set(listed)
            assert second.client.get(f"/sessions/{run}").json()["driven"] is True
            # What was in the line is taken over, and still waits for a place.
            until(lambda: second.store.read(waits)["owner"].split("|")[2] == str(second.process.pid))
            assert second.client.get(f"/sessions/{waits}").json()["status"] == "queued"
            second.client.post(f"/sessions/{run}/respond", {"decision": "approve"})
            status(second.client, run, "finished")
            until(lambda: not psutil.pid_exists(engine.pid) or engine.status() == psutil.STATUS_ZOMBIE, 60)
            status(second.client, waits, "awaiting_user")
            kernel = engine_of(second, waits)

            # A server that is told to end ends its kernels; the run says so, and goes on with the next server.
            second.process.terminate()
            second.process.wait(20)
            assert until(lambda: not psutil.pid_exists(kernel.pid) or kernel.status() == psutil.STATUS_ZOMBIE, 20)
        with opened("third") as third:
            told = status(third.client, waits, "stopped")
            assert told["driven"] is False
            assert third.client.post(f"/sessions/{waits}/continue", {}).status_code == 202
            status(third.client, waits, "awaiting_user")
            third.client.post(f"/sessions/{waits}/respond", {"decision": "approve"})
            status(third.client, waits, "finished")
