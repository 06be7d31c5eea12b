"""``make bench-rest``: reads while two runs go on, from POST to the first event, and how late a stream tells.

Ratios count: reads stand beside a trivial route of the same server (``/api/status``), the first event beside a bare
kernel that Jupyter starts until it is idle.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import requests
from machine import median, write_result
from tornado.websocket import websocket_connect

TOKEN, PREFIX = "for-the-bench", "/api/v1/lab/agent"
SECONDS, CLIENTS, ROUNDS = 4.0, 4, 3
GOAL = "Predict whether ETH rises over the next hour, using the last 60 days"


@contextlib.contextmanager
def server(folder: Path, db: str):
    """A Jupyter server of its own; its address."""
    config = folder / "config" / "jupyter_server_config.d"
    config.mkdir(parents=True)
    source = Path(__file__).parents[1] / "jupyter-config/jupyter_server_config.d/omc_agent.json"
    (config / "omc_agent.json").write_text(source.read_text())
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    env = {**os.environ, "JUPYTER_CONFIG_DIR": str(folder / "config"), "JUPYTER_DATA_DIR": str(folder / "data"),
           "JUPYTER_RUNTIME_DIR": str(folder / "runtime"), "OMC_AGENT_HOME": str(folder / "home"),
           "OMC_AGENT_DB": db}  # fmt: skip
    command = [sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root", f"--port={port}",
               f"--IdentityProvider.token={TOKEN}", "--AgentSettings.rest_rate=0", "--AgentSettings.max_runs=4",
               f"--ServerApp.root_dir={folder}"]  # fmt: skip
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command, env=env, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            with contextlib.suppress(requests.RequestException):
                requests.get(f"{url}/api", timeout=2)
                break
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(30)


class Client:
    """Requests to one server."""

    def __init__(self, url: str) -> None:
        self.url, self.http = url, requests.Session()
        self.http.headers["Authorization"] = f"token {TOKEN}"

    def __call__(self, method: str, path: str, body=None):
        answer = self.http.request(method, self.url + path, json=body, timeout=120)
        answer.raise_for_status()
        return answer.json() if answer.content else None


def reads(url: str, path: str) -> tuple[float, float]:
    """Requests a second of some clients at once, and the 99th percentile of their seconds."""
    took: list[float] = []

    def work() -> None:
        client = Client(url)
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            start = time.monotonic()
            client("GET", path)
            took.append(time.monotonic() - start)

    threads = [threading.Thread(target=work) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(took) / SECONDS, statistics.quantiles(took, n=100)[98]


def bare_kernel(client: Client) -> float:
    """Seconds from POST /api/kernels until that kernel is idle."""
    start = time.monotonic()
    kernel = client("POST", "/api/kernels", {})["id"]

    async def idle() -> None:
        address = client.url.replace("http", "ws", 1)
        channel = await websocket_connect(f"{address}/api/kernels/{kernel}/channels?token={TOKEN}")
        header = {"msg_id": "1", "msg_type": "kernel_info_request", "username": "", "session": "1", "version": "5.3"}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": {}, "channel": "shell"}
        await channel.write_message(json.dumps(message))
        while '"kernel_info_reply"' not in (await channel.read_message() or '"kernel_info_reply"'):
            pass
        channel.close()

    asyncio.run(idle())
    took = time.monotonic() - start
    client("DELETE", f"/api/kernels/{kernel}")
    return took


def events(url: str, run: str):
    """``(when it came, row)`` for each event of a run."""
    headers = {"Authorization": f"token {TOKEN}"}
    held = b""
    with requests.get(f"{url}{PREFIX}/sessions/{run}/stream", headers=headers, stream=True, timeout=300) as answer:
        for chunk in answer.iter_content(None):
            *whole, held = (held + chunk).split(b"\n\n")
            for text in whole:
                if text.startswith(b"id:"):
                    yield time.time(), json.loads(text.partition(b"\ndata: ")[2])


def first_event(client: Client, body: dict) -> float:
    """Seconds from POST /sessions to the first event at the client; the run is stopped then."""
    start = time.time()
    run = client("POST", f"{PREFIX}/sessions", body)["id"]
    came, _ = next(iter(events(client.url, run)))
    while client("GET", f"{PREFIX}/sessions/{run}")["status"] not in ("finished", "stopped", "failed"):
        time.sleep(0.1)
    return came - start


def lags(url: str, run: str, seen: list[float]) -> None:
    """How much later than it happened each event came, in seconds (both clocks are this machine's)."""
    import datetime

    for came, row in events(url, run):
        seen.append(came - datetime.datetime.fromisoformat(row["at"]).timestamp())


def written_lag(url: str, home: Path, client: Client) -> list[float]:
    """From the commit of an event to the client that follows, in seconds: events are written by this process."""
    from omc_agent.events import Said
    from omc_agent.store.database import open_database
    from omc_agent.store.leases import Leases, new_owner
    from omc_agent.store.records import SessionManager

    store, owner, took = SessionManager(open_database(f"sqlite:///{home / 'store.db'}")), new_owner(), []
    store.create("Explore BTC", workspaces=home / "runs", model="offline", settings={}, session_id="lag")
    leases = Leases(store.engine)
    leases.take("lag", owner)
    came = events(url, "lag")
    for n in range(60):
        store.append("lag", "lag", [(f"{n}", Said(text=f"word {n}"))], owner=owner)
        written = time.time()
        took.append(next(came)[0] - written)
        time.sleep(0.037 * (n % 7))
    came.close()
    leases.release("lag", owner)  # what is driven is not removed
    store.delete("lag")
    return took


def main() -> None:
    """Measure, print, and write down."""
    from omc_agent.demo import write_demo

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        db = f"sqlite:///{folder / 'market.db'}"
        write_demo(db, days=100)
        with server(folder, db) as url:
            client = Client(url)
            plan = {"goal": "Explore BTC over the last 5 days", "plan": True}
            first_event(client, plan)  # the server has imported what it needs
            bare = [bare_kernel(client) for _ in range(ROUNDS)]
            fresh = [first_event(client, plan) for _ in range(ROUNDS)]
            kernel = client("POST", "/api/kernels", {})["id"]
            first_event(client, {**plan, "kernel_id": kernel})
            warm = [first_event(client, {**plan, "kernel_id": kernel}) for _ in range(ROUNDS)]
            idle = written_lag(url, folder / "home", client)
            runs = [client("POST", f"{PREFIX}/sessions", {"goal": GOAL, "trials": 2})["id"] for _ in range(2)]
            late: list[float] = []
            following = [threading.Thread(target=lags, args=(url, run, late), daemon=True) for run in runs]
            for thread in following:
                thread.start()
            while len(late) < 30:
                time.sleep(0.1)
            one = f"{PREFIX}/sessions/{runs[0]}"
            paths = {"/api/status": "/api/status", "GET /sessions": f"{PREFIX}/sessions", "GET /sessions/{id}": one,
                     "GET /sessions/{id}/messages": f"{one}/messages",
                     "the same, new ones only": f"{one}/messages?after_seq=20&limit=20"}  # fmt: skip
            found: dict[str, list[tuple[float, float]]] = {what: [] for what in paths}
            for _ in range(ROUNDS):  # in turn, so that the runs' own work falls on all alike
                for what, path in paths.items():
                    found[what].append(reads(url, path))
            alive = sum(client("GET", f"{PREFIX}/sessions/{run}")["driven"] for run in runs)
            for run in runs:
                with contextlib.suppress(requests.HTTPError):
                    client("POST", f"{PREFIX}/sessions/{run}/stop", {})
            for thread in following:
                thread.join(30)
    report(found, alive, bare, fresh, warm, idle, late)


def report(found, alive, bare, fresh, warm, idle, late) -> None:
    rate = {what: median([each[0] for each in all_]) for what, all_ in found.items()}
    worst = {what: median([each[1] for each in all_]) for what, all_ in found.items()}
    base = rate["/api/status"]
    lines = [
        f"{CLIENTS} clients at once while two runs go on ({alive} of 2 were still at work at the end); medians of"
        f" {ROUNDS} rounds of {SECONDS:g} s.",
        "",
        "| read | requests/s | of `/api/status` | p99, ms |",
        "|---|---|---|---|",
        *(f"| {what} | {rate[what]:.0f} | {rate[what] / base:.2f} | {worst[what] * 1000:.0f} |" for what in found),
        "",
        "| from POST /sessions to the first event at the client | seconds | of a bare kernel |",
        "|---|---|---|",
        f"| a bare kernel of Jupyter until it is idle | {median(bare):.2f} | 1.0 |",
        f"| in a kernel of its own | {median(fresh):.2f} | {median(fresh) / median(bare):.1f} |",
        f"| in a kernel that has had a run | {median(warm):.2f} | {median(warm) / median(bare):.1f} |",
        "",
        "| stream lag | median, ms | p99, ms |",
        "|---|---|---|",
        f"| written -> client, nothing else at work | {median(idle) * 1000:.0f} |"
        f" {statistics.quantiles(idle, n=100)[98] * 1000:.0f} |",
        f"| happened -> client, two runs at work ({len(late)} events) | {median(late) * 1000:.0f} |"
        f" {statistics.quantiles(late, n=100)[98] * 1000:.0f} |",
    ]
    write_result("bench-rest", lines)


if __name__ == "__main__":
    main()
