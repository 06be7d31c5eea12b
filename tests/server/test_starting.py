"""Runs begun by REST: in kernels of their own or of a person, as many at a time as may be, the others in a line."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import pytest
import requests
from jupyter_client import BlockingKernelClient

from omc_agent.store.leases import Leases, new_owner
from tests.server.conftest import PREFIX, TOKEN, serving

pytestmark = pytest.mark.timeout(240)
PLAN = {"goal": "Explore BTC over the last 5 days", "plan": True}
WAITS = {**PLAN, "approve": "always"}  # it asks before its plan is taken


@pytest.fixture(scope="module")
def server(tmp_path_factory, market):
    """A server that lets one run at a time be on its way."""
    options = ("--AgentSettings.max_runs=1", "--AgentSettings.rest_rate=0", f"--AgentSettings.db={market}",
               "--AgentSettings.keep_kernel=2", "--AgentSettings.max_streams=3")  # fmt: skip
    with serving(tmp_path_factory.mktemp("starting"), *options, kernels=True, OMC_AGENT_DB=market) as running:
        yield running


@pytest.fixture(scope="module")
def kernel(server):
    """A kernel that a person has, with a DataFrame in it."""
    made = server.jupyter("POST", "/api/kernels", json={}).json()["id"]
    tell(server, made, "import pandas as pd\nbars = pd.DataFrame({'x': range(80), 'y': [0, 1] * 40})\nword = 'BTC'")
    yield made
    server.jupyter("DELETE", f"/api/kernels/{made}")


def tell(server, kernel_id: str, code: str, value: str = "None"):
    """Execute `code` in a kernel of the server, and return what `value` is there as text."""
    client = BlockingKernelClient(connection_file=str(server.home.parent / f"runtime/kernel-{kernel_id}.json"))
    client.load_connection_file()
    client.start_channels()
    try:
        client.wait_for_ready(60)
        reply = client.execute(code, user_expressions={"value": value}, reply=True, timeout=60)["content"]
        assert reply["status"] == "ok", reply
        return reply["user_expressions"]["value"]["data"]["text/plain"]
    finally:
        client.stop_channels()


def until(check, seconds: float = 90.0):
    """What `check` returns, once it is true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := check():
            return found
        time.sleep(0.05)
    pytest.fail(f"not within {seconds} s: {check()!r}")


def status(client, run: str, *wanted: str):
    """The run, once its status is one of those."""

    def look():
        told = client.get(f"/sessions/{run}").json()
        return told if told["status"] in wanted else None

    return until(look)


def begin(client, **body) -> str:
    """Begin a run; its name."""
    answer = client.post("/sessions", body)
    assert answer.status_code == 201, answer.text
    assert answer.json()["status"] == "queued"
    return answer.json()["id"]


def test_a_run_has_a_kernel_of_its_own_that_is_seen_and_then_ended(server, client):
    run = begin(client, **PLAN)
    told = status(client, run, "finished")
    assert told["driven"] is False
    kernel_id = told["kernel_id"]
    (session,) = [each for each in server.jupyter("GET", "/api/sessions").json() if each["name"] == f"run {run}"]
    assert (session["kernel"]["id"], session["type"]) == (kernel_id, "console")
    # Whoever opens a console there finds the result, and the magic knows the run.
    shown = "shown = str(get_ipython().run_line_magic('agent', 'list')); past = get_ipython().history_manager"
    value = tell(
        server, kernel_id, shown, "(agent_run.id, agent_run.status, agent_run.id in shown, past.input_hist_raw)"
    )
    assert f"('{run}', 'finished', True" in " ".join(value.split())
    assert "omc_agent.beginning" not in value  # what the server executed is in nobody's history
    until(lambda: kernel_id not in [each["id"] for each in server.jupyter("GET", "/api/kernels").json()])
    assert f"run {run}" not in server.jupyter("GET", "/api/sessions").text


def test_runs_wait_for_a_place_first_come_first_served(server, client, kernel):
    first = begin(client, **WAITS, kernel_id=kernel)
    asked = status(client, first, "awaiting_user")["open_requests"]
    assert client.get(f"/sessions/{first}").json()["driven"] is True
    second, third, fourth = (begin(client, **PLAN, kernel_id=kernel) for _ in range(3))
    places = client.get("/queue").json()
    assert places["limit"] == 1
    assert [each["id"] for each in places["running"]] == [first]
    assert [(each["id"], each["position"]) for each in places["queue"]] == [(second, 1), (third, 2), (fourth, 3)]
    told = client.get(f"/sessions/{third}").json()
    assert (told["status"], told["position"]) == ("queued", 2)

    # One that waits can be stopped, and removed then; the next one moves up.
    client.post(f"/sessions/{second}/stop")
    assert status(client, second, "stopped")["reason"] == "run.stopped"
    assert client.get(f"/sessions/{second}/messages").json()["messages"][-1]["kind"] == "run_finished"
    assert client.delete(f"/sessions/{first}").status_code == 409  # it is at work
    assert client.delete(f"/sessions/{second}").status_code == 204
    assert client.get(f"/sessions/{third}").json()["position"] == 1
    fifth = begin(client, **PLAN, kernel_id=kernel)
    assert client.delete(f"/sessions/{fifth}").status_code == 204

    answer = {"decision": "approve", "request": asked[0]}
    assert client.post(f"/sessions/{first}/respond", answer).json()["first"] is True
    status(client, first, "finished")
    status(client, fourth, "finished")
    began = {run: server.store.told(run, limit=1)[0]["at"] for run in (first, third, fourth)}
    assert began[first] < began[third] < began[fourth]
    assert client.get("/queue").json() == {"limit": 1, "running": [], "queue": []}


def test_frames_and_words_of_a_kernel_go_into_the_run(server, client, kernel):
    goal = "Explore the frame, not {word}, please"
    run = begin(client, goal=goal, plan=True, data=["bars"], target="y", out="mine", kernel_id=kernel)
    told = status(client, run, "finished", "failed", "stopped")
    assert (told["status"], told["reason"]) == ("finished", "")
    assert told["goal"] == "Explore the frame, not BTC, please"
    until(lambda: tell(server, kernel, "", "(mine.id, mine.status)") == f"('{run}', 'finished')")
    named = server.store.read(run)["settings"]["named"]
    assert set(named) == {"bars"}


def test_what_cannot_begin_says_why_and_leaves_the_place(server, client, kernel):
    run = begin(client, **PLAN, data=["nothing_of_that_name"], kernel_id=kernel)
    told = status(client, run, "failed")
    assert told["reason"] == "usage.value"
    (event,) = client.get(f"/sessions/{run}/messages").json()["messages"]
    assert "nothing_of_that_name is not a DataFrame" in event["metadata"]["error"]["given"]
    assert "bars" in event["metadata"]["error"]["have"]
    assert client.get("/queue").json()["running"] == []


def test_a_run_that_was_stopped_goes_on_in_the_kernel_that_it_had(server, client, kernel):
    run = begin(client, **WAITS, kernel_id=kernel)
    status(client, run, "awaiting_user")
    client.post(f"/sessions/{run}/stop")
    status(client, run, "stopped")
    answer = client.post(f"/sessions/{run}/continue", {})
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    told = status(client, run, "awaiting_user")
    assert told["kernel_id"] == kernel
    client.post(f"/sessions/{run}/respond", {"decision": "reject", "why": "not now"})
    status(client, run, "stopped", "failed")


def test_a_slip_is_told_before_there_is_a_run(server, client):
    count = len(client.get("/sessions", params={"limit": 500}).json()["sessions"])
    for body, code in (
        ({**PLAN, "kernel_id": "none-of-that-id"}, None),
        ({**PLAN, "db": "no_such_name"}, "usage.value"),
        ({**PLAN, "follow": "nothere"}, "run.unknown"),
        ({**PLAN, "budget": 1.0, "model": "openai:of-unknown-price"}, "usage.value"),
        ({**PLAN, "policy": str(Path("not") / "there.yaml")}, "usage.policy"),
    ):
        answer = client.post("/sessions", body)
        assert 400 <= answer.status_code < 500, answer.text
        assert code is None or answer.json()["code"] == code
    assert len(client.get("/sessions", params={"limit": 500}).json()["sessions"]) == count


def test_streams_have_a_limit_and_a_client_that_goes_gives_its_place_back(server, client):
    run = str(server.seed(status="running")["id"])
    owner = new_owner()
    leases = Leases(server.store.engine)
    assert leases.take(run, owner)
    url, headers = f"{server.url}{PREFIX}/sessions/{run}/stream", {"Authorization": f"token {TOKEN}"}
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(requests.get(url, headers=headers, stream=True, timeout=30)).raise_for_status()
        refused = requests.get(url, headers=headers, timeout=30)
        assert (refused.status_code, refused.json()["code"]) == (429, "rest.too_many")

    def again():
        with requests.get(url, headers=headers, stream=True, timeout=30) as answer:
            return answer.ok

    until(again, 20)
    leases.release(run, owner)
