"""S3 for tests: moto's server on loopback, and a proxy before it that answers wrongly, late, or not at all."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import logging
import socket
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

ERROR = "<?xml version='1.0' encoding='UTF-8'?><Error><Code>{}</Code><Message>{}</Message></Error>"
ANSWERS = {
    "500": (500, "InternalError", "We encountered an internal error. Please try again."),
    "503": (503, "SlowDown", "Please reduce your request rate."),
    "denied": (403, "AccessDenied", "Access Denied"),
    "wrong key": (403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."),
}
KEYS = {"AWS_ACCESS_KEY_ID": "testing-id", "AWS_SECRET_ACCESS_KEY": "planted/secret+4711/of+the+bucket",
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/nonexistent/a", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent/b"}  # fmt: skip


@dataclass
class Server:
    """Where S3 answers."""

    url: str
    # What happens to the next requests, one each: a key of ANSWERS, reset, truncate, or seconds of delay.
    faults: list[str] = field(default_factory=list)
    always: str = ""
    seen: list[str] = field(default_factory=list)

    def variables(self) -> dict[str, str]:
        """What a process needs to use it."""
        return {**KEYS, "AWS_ENDPOINT_URL": self.url}


@contextlib.contextmanager
def moto_server(*buckets: str) -> Iterator[Server]:
    """moto's server on a free port of loopback, with empty buckets."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        for bucket in buckets:
            request(port, "PUT", f"/{bucket}")
        yield Server(f"http://{host}:{port}")
    finally:
        server.stop()


def request(port: int, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
    """One request to the server on `port`."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@contextlib.contextmanager
def faulty_proxy(upstream: Server) -> Iterator[Server]:
    """A proxy in front of `upstream` whose faults the test sets."""
    port = int(upstream.url.rpartition(":")[2])
    server = Server("")

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            return

        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            server.seen.append(f"{self.command} {self.path}")
            fault = server.faults.pop(0) if server.faults else server.always
            if fault == "reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True
                self.connection.close()
                return
            if fault in ANSWERS:
                status, code, message = ANSWERS[fault]
                self.answer(status, {"Content-Type": "application/xml"}, ERROR.format(code, message).encode())
                return
            if fault.replace(".", "").isdigit():
                time.sleep(float(fault))
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request(self.command, self.path, body, dict(self.headers))
            back = connection.getresponse()
            data = back.read()
            kept = {k: v for k, v in back.getheaders() if k.lower() not in ("transfer-encoding", "connection")}
            connection.close()
            self.answer(back.status, kept, data, cut=fault == "truncate")

        def answer(self, status: int, headers: dict[str, str], data: bytes, *, cut: bool = False) -> None:
            with contextlib.suppress(OSError):  # the client gave up
                self.send_response_only(status)
                for name, value in headers.items():
                    if name.lower() != "content-length" or self.command == "HEAD":
                        self.send_header(name, value)
                if self.command != "HEAD":
                    self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(data[: len(data) // 2] if cut else data)
                self.close_connection = self.close_connection or cut

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = pass_on

    proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    proxy.daemon_threads = True
    thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    server.url = f"http://127.0.0.1:{proxy.server_address[1]}"
    try:
        yield server
    finally:
        proxy.shutdown()
        proxy.server_close()
        thread.join(5)
