"""The Jupyter server stays light and quick: nothing heavy is imported in it, and nobody waits for a database."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import requests

from tests.server.conftest import PREFIX, TOKEN, serving

HEAVY = ("pandas", "numpy", "pyarrow", "sklearn", "langchain", "langchain_core", "langgraph", "matplotlib", "IPython")
ANSWERING = ("server.extension", "server.routes", "store.records", "deciding", "turning", "outcome")


def test_no_route_imports_what_only_runs_need():
    code = "import sys\n" + "\n".join(f"import omc_agent.{name}" for name in ANSWERING)
    code += f"\nprint([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_server_that_answered_has_loaded_nothing_heavy(server, client):
    name = server.seed(status="parked")["id"]
    for path in ("", "/messages", "/requests", "/results", "/artifacts"):
        assert client.get(f"/sessions/{name}{path}").ok
    client.post(f"/sessions/{name}/restart", {"stage": "planning"})
    client.post(f"/sessions/{name}/respond", {"decision": "approve"})
    maps = Path(f"/proc/{server.process.pid}/maps")
    if not maps.exists():
        pytest.skip("needs /proc/PID/maps, which Linux has")
    loaded = maps.read_text()
    assert [name for name in ("pandas", "numpy", "pyarrow", "sklearn") if f"/{name}/" in loaded] == []


def test_a_store_that_is_locked_holds_up_nobody_else(server, client):
    name = server.seed(status="parked")["id"]
    lock = sqlite3.connect(server.home / "store.db", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    answers = []
    other = client.as_user(TOKEN)

    def say() -> None:
        answers.append(other.post(f"/sessions/{name}/say", {"text": "hello"}))

    waits = threading.Thread(target=say)
    waits.start()
    try:
        for _ in range(5):
            assert requests.get(f"{server.url}/api", timeout=10).ok
            assert client.get(f"/sessions/{name}").json()["status"] == "parked"
        assert answers == []  # it waits for the lock, in a thread
    finally:
        lock.execute("ROLLBACK")
        lock.close()
        waits.join(60)
        other.http.close()
    assert answers[0].status_code == 202


def test_jupyter_lab_has_the_routes_too(tmp_path):
    with serving(tmp_path, "--LabApp.extension_manager=readonly", app="jupyterlab") as lab:
        assert lab.client.get("/sessions").json() == {"sessions": [], "more": False}
        assert requests.get(f"{lab.url}{PREFIX}/sessions", timeout=10).status_code == 401
