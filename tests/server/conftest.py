"""A real Jupyter server, one a session, and a client for it; stores are seeded with rows, not with runs."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from omc_agent.store.database import open_database
from omc_agent.store.records import Row, SessionManager

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "a-token-for-tests"
PREFIX = "/api/v1/lab/agent"
BARE = {"AgentSettings.rest_rate": "0"}
FAKE = {"zz_fake_starter": True}


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@dataclass
class Client:
    """Requests to one server, as one user."""

    url: str
    token: str | None = TOKEN
    http: requests.Session = field(default_factory=requests.Session)

    def __call__(self, method: str, path: str, **more: Any) -> requests.Response:
        """A request to a path below ours."""
        headers = {"Authorization": f"token {self.token}"} if self.token else {}
        headers |= more.pop("headers", {})
        return self.http.request(method, f"{self.url}{PREFIX}{path}", headers=headers, timeout=60, **more)

    def get(self, path: str, **more: Any) -> requests.Response:
        return self("GET", path, **more)

    def post(self, path: str, body: Any = None, **more: Any) -> requests.Response:
        return self("POST", path, json={} if body is None else body, **more)

    def delete(self, path: str) -> requests.Response:
        return self("DELETE", path)

    def as_user(self, token: str | None) -> Client:
        """The same server, another user."""
        return Client(self.url, token)


@dataclass
class Server:
    """A server that runs: its process, its address, its log, its home and its store."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path
    home: Path
    numbers: itertools.count[int] = field(default_factory=itertools.count)
    client: Client = field(init=False)
    store: SessionManager = field(init=False)

    def __post_init__(self) -> None:
        self.client = Client(self.url)
        self.store = SessionManager(open_database(f"sqlite:///{self.home / 'store.db'}"))

    def move(self, home: Path) -> None:
        """The store of another home, which the server was given by the environment."""
        self.store.engine.dispose()
        self.home, self.store = home, SessionManager(open_database(f"sqlite:///{home / 'store.db'}"))

    def jupyter(self, method: str, path: str, **more: Any) -> requests.Response:
        """A request to Jupyter itself."""
        headers = {"Authorization": f"token {TOKEN}"}
        return requests.request(method, f"{self.url}{path}", headers=headers, timeout=60, **more)

    def seed(self, goal: str = "Predict whether BTC rises", *, status: str = "finished", **values: Any) -> Row:
        """A row of a run with its workspace, as if it had been; nobody drives it."""
        name = values.pop("id", f"run{next(self.numbers)}")
        user, settings = values.pop("user_id", ""), values.pop("settings", {})
        self.store.create(goal, workspaces=self.home / "runs", model="offline", settings=settings, session_id=name,
                          user_id=user)  # fmt: skip
        self.store.update(name, status=status, **values)
        return self.store.read(name)


@contextlib.contextmanager
def serving(
    folder: Path,
    *options: str,
    app: str = "jupyter_server",
    files: dict[str, str] | None = None,
    kernels: bool = False,
    **env: str,
):
    """A Jupyter server with folders of its own, until the block ends; with `kernels` runs are begun in some."""
    config = folder / "config" / "jupyter_server_config.d"
    config.mkdir(parents=True)
    shutil.copy(ROOT / "jupyter-config/jupyter_server_config.d/omc_agent.json", config)
    (folder / "files").mkdir()
    for name, text in (files or {}).items():
        (folder / "config" / name).write_text(text)
    if not kernels:
        (config / "omc_fake_starter.json").write_text(json.dumps({"ServerApp": {"jpserver_extensions": FAKE}}))
    names = {"JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data", "JUPYTER_RUNTIME_DIR": "runtime",
             "IPYTHONDIR": "ipython", "HOME": "", "OMC_AGENT_HOME": "home"}  # fmt: skip
    whole = {**os.environ, **{name: str(folder / part) for name, part in names.items()}, **env}
    whole["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), whole.get("PYTHONPATH", "")]).rstrip(
        os.pathsep
    )
    home = Path(whole["OMC_AGENT_HOME"])
    home.mkdir(exist_ok=True)
    port = free_port()
    command = [sys.executable, "-m", app, "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}",
               "--ServerApp.port_retries=0", f"--IdentityProvider.token={TOKEN}",
               f"--ServerApp.root_dir={folder / 'files'}", *options]  # fmt: skip
    log = folder / "server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=whole, stdout=out, stderr=out, stdin=subprocess.DEVNULL, cwd=folder)
    base = next((o.partition("=")[2] for o in options if o.startswith("--ServerApp.base_url")), "/").rstrip("/")
    url = f"http://127.0.0.1:{port}{base}"
    try:
        _wait_for(url, process, log)
        server = Server(process, url, log, home)
        yield server
        server.client.http.close()
        server.store.engine.dispose()
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(requests.RequestException):
            if requests.get(f"{url}/api", timeout=2).ok:
                return
        time.sleep(0.1)
    pytest.fail(f"The server did not start: {log.read_text()[-2000:]}")


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """The server that most tests share; no limit of requests."""
    options = [f"--{name}={value}" for name, value in BARE.items()]
    with serving(tmp_path_factory.mktemp("server"), *options) as running:
        yield running


@pytest.fixture
def client(server) -> Client:
    """A client with the token."""
    return server.client
