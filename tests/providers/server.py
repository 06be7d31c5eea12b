"""The server: one thread a connection, on a free port of loopback."""

from __future__ import annotations

import json
import select
import socket
import sys
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.providers.scripts import Fault, Reply, Script, Turn, as_offline
from tests.providers.wires import JSON, WIRES, Wire


class ProviderServer:
    """A provider on loopback, as a context manager.

    Parameters
    ----------
    script : callable
        ``script(turn)`` gives the reply or the fault; by default the offline model answers.
    pause : float
        Seconds between the pieces of a stream.

    Attributes
    ----------
    closes : bool
        Close the connection after each answer: a test's loop ends before the client's idle connections would.
    turns : list of Turn
        All requests so far, failed ones too.
    keys : list of str
        The key that came with each.
    left : list of int
        Numbers of the requests whose client left before the answer was whole.
    pulled : list of str
        Models that the Ollama server says it has.
    left_at : list of float
        When each of them left, as ``time.monotonic`` says; noticed while the server waits or writes.

    Examples
    --------
    >>> with ProviderServer() as server:
    ...     server.url("openai").startswith("http://127.0.0.1:")
    True
    """

    def __init__(self, script: Script = as_offline, *, pause: float = 0.0) -> None:
        self.script, self.pause = script, pause
        self.closes = True
        self.turns: list[Turn] = []
        self.keys: list[str] = []
        self.seconds: list[float] = []
        self.left: list[int] = []
        self.pulled: list[str] = []
        self.left_at: list[float] = []
        self._lock = threading.Lock()
        self._ending = threading.Event()

    def __enter__(self) -> ProviderServer:
        self._http = _on_a_new_port()
        self._http.owner = self
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def url(self, wire: str) -> str:
        """The base URL that this wire's client wants."""
        root = f"http://127.0.0.1:{self._http.server_address[1]}"
        return f"{root}/v1" if wire == "openai" else root

    def environment(self) -> dict[str, str]:
        """Variables that send all three clients here, with keys that open nothing."""
        return {
            "OPENAI_BASE_URL": self.url("openai"),
            "OPENAI_API_KEY": "sk-loopback-openai",
            "ANTHROPIC_BASE_URL": self.url("anthropic"),
            "ANTHROPIC_API_KEY": "sk-loopback-anthropic",
            "OLLAMA_HOST": self.url("ollama"),
        }

    def take(self, wire: Wire, body: dict[str, Any], key: str) -> tuple[Turn, Reply | Fault]:
        """Number the request, keep it, and ask the script."""
        with self._lock:
            turn = replace(wire.read(body, len(self.turns)), streamed=wire.streams(body))
            self.turns.append(turn)
            self.keys.append(key)
        return turn, self.script(turn)

    def note_left(self, number: int) -> None:
        """A client is gone."""
        with self._lock:
            self.left.append(number)
            self.left_at.append(time.monotonic())


class _Provider(ThreadingHTTPServer):
    """The HTTP server, which knows whose it is."""

    owner: ProviderServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that left between two requests is no error."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


_ports: set[int] = set()


def _on_a_new_port() -> _Provider:
    """The client packages keep a client for each address, and its event loop is gone when a port comes again."""
    while True:
        made = _Provider(("127.0.0.1", 0), _Handler)
        if made.server_address[1] not in _ports:
            _ports.add(made.server_address[1])
            return made
        made.server_close()


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: _Provider
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each small piece waits 40 ms for the client's system to say it has the last

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Quiet."""

    def do_GET(self) -> None:
        if self.path == "/api/tags":  # Ollama's list of the models that it has
            self._send(200, {"models": [{"name": name, "model": name} for name in self.server.owner.pulled]})
        else:
            self._send(404, {"error": {"message": f"no such path: {self.path}"}})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        wire = next((each for each in WIRES if self.path.split("?")[0].endswith(each.path)), None)
        if wire is None:
            self._send(404, {"error": {"message": f"no such path: {self.path}"}})
            return
        began = time.perf_counter()
        key = self.headers.get("x-api-key") or self.headers.get("Authorization", "").removeprefix("Bearer ")
        turn, answer = self.server.owner.take(wire, body, key)
        try:
            self._answer(wire, body, turn, answer)
        except ConnectionAbortedError:  # the server ends
            self.close_connection = True
        except (BrokenPipeError, ConnectionResetError):
            self.server.owner.note_left(turn.number)
            self.close_connection = True
        self.server.owner.seconds.append(time.perf_counter() - began)

    def _answer(self, wire: Wire, body: dict[str, Any], turn: Turn, answer: Reply | Fault) -> None:
        if isinstance(answer, Fault) and answer.kind == "status":
            body = json.dumps(wire.error(answer.status))
            told = body.replace(f"scripted {answer.status}", answer.text) if answer.text else body
            self._send_text(answer.status, told, JSON, retry_after=answer.retry_after)
        elif isinstance(answer, Fault) and answer.kind == "garbage":
            self._send_text(200, "<html>not a chat model</html>", "text/html")
        elif isinstance(answer, Fault) and answer.kind == "hang":
            self._pause(float("inf"))
        elif isinstance(answer, Fault):
            begun = answer.reply or Reply("This sentence is cut in the middle of its words")
            self._stream(wire, turn, begun, cut=answer.kind)
        elif wire.streams(body):
            self._pause(answer.wait)
            self._stream(wire, turn, answer)
        else:
            self._pause(answer.wait)
            self._send(200, wire.whole(turn, answer))

    def _pause(self, seconds: float) -> None:
        """Wait, but no longer than the client and the server are there; a client that left is a broken pipe."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if self.server.owner._ending.is_set():
                self.close_connection = True
                raise ConnectionAbortedError
            ready, _, _ = select.select([self.connection], [], [], min(left, 0.02))
            if ready and not self.connection.recv(1, socket.MSG_PEEK):
                raise BrokenPipeError

    def _stream(self, wire: Wire, turn: Turn, reply: Reply, *, cut: str = "") -> None:
        self.send_response(200)
        self.send_header("Content-Type", wire.stream_type)
        self.send_header("Transfer-Encoding", "chunked")
        self._end_headers()
        pieces = list(wire.pieces(turn, reply))
        for piece in pieces[: len(pieces) // 2] if cut else pieces:
            data = piece.encode()
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            self.wfile.flush()
            self._pause(self.server.owner.pause)
        if cut == "cut":
            self.close_connection = True
            return
        self.wfile.write(b"0\r\n\r\n")

    def _send(self, status: int, value: dict[str, Any], *, retry_after: float = 0.0) -> None:
        self._send_text(status, json.dumps(value), JSON, retry_after=retry_after)

    def _send_text(self, status: int, text: str, kind: str, *, retry_after: float = 0.0) -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        if retry_after:
            self.send_header("Retry-After", f"{retry_after:g}")
        self._end_headers()
        self.wfile.write(data)

    def _end_headers(self) -> None:
        if self.server.owner.closes:
            self.send_header("Connection", "close")
        self.end_headers()
