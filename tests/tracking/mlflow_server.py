"""The tracking server of MLflow's own package on loopback; and a server that answers as one that is not well."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

READY_SECONDS = 90


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextlib.contextmanager
def tracking_server(folder: Path) -> Iterator[str]:
    """Its URL; it ends, with its worker, when the block does."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    # What `mlflow server` starts as its worker, without the process above it.
    words = ["uvicorn", "--host", "127.0.0.1", "--port", str(port), "mlflow.server.fastapi_app:app"]
    store = f"sqlite:///{folder / 'server.db'}"
    environment = {
        **os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "_MLFLOW_SERVER_FILE_STORE": store, "_MLFLOW_SERVER_REGISTRY_STORE": store,
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/", "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": str(folder / "files"),
    }  # fmt: skip
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen([sys.executable, "-m", *words], env=environment, cwd=folder, stdout=log,
                                  stderr=log, start_new_session=True)  # fmt: skip
        try:
            wait_for(f"{url}/health", server, folder / "server.log")
            yield url
        finally:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait(10)


def wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    ends = time.monotonic() + READY_SECONDS
    while time.monotonic() < ends and server.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2):
            return
        time.sleep(0.2)
    raise AssertionError(f"MLflow's server did not start: {log.read_text()[-2000:]}")


@contextlib.contextmanager
def unwell(kind: str) -> Iterator[str]:
    """A server that answers every request with an error of its own, with HTML, or not at all."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if kind == "silent":
                over.wait(60)
                return
            body = b"<html>Sign in</html>" if kind == "html" else b'{"error_code": "INTERNAL_ERROR", "message": "no"}'
            self.send_response(200 if kind == "html" else 403)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        over.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
