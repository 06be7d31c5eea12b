"""A PostgreSQL of a test: loopback, a free port, data in a folder of its own, and nobody else's server touched."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from itertools import count
from pathlib import Path

USER, PASSWORD = "omc", "pg-secret-4711"
_ROOT_USES = ("postgres", "nobody")
_FAST = ("-c", "fsync=off", "-c", "full_page_writes=off", "-c", "shared_buffers=16MB", "-c", "max_wal_size=64MB",
         "-c", "max_connections=60", "-c", "autovacuum=off", "-c", "log_min_messages=warning")  # fmt: skip


class Postgres:
    """A server of its own, as a context manager; databases are made on demand and end with it.

    `url` takes the name of a database, `new_database` makes one; `stop` and `start` take the server away and bring it
    back.

    Parameters
    ----------
    folder : Path, optional
        Where its data lies. Root starts it as another user, who must be able to get there; by default a folder below
        the system's temporary one.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.port = _free_port()
        self._own = folder is None
        self.folder = folder or Path(tempfile.mkdtemp(prefix="omc-pg-", dir=_memory()))
        self.password = PASSWORD
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = count(1)
        self._as = _other_user() if os.geteuid() == 0 else {}
        if self._as:
            os.chown(self.folder, self._as["user"], self._as["group"])
        self._initialise()

    def __enter__(self) -> Postgres:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()  # nobody reads its data again
        if self._own:
            shutil.rmtree(self.folder, ignore_errors=True)

    def url(
        self, database: str = "postgres", *, password: str | None = None, driver: str = "postgresql+psycopg"
    ) -> str:
        """A SQLAlchemy URL; another `password` is a wrong one."""
        return f"{driver}://{USER}:{password or self.password}@127.0.0.1:{self.port}/{database}"

    def new_database(self, timezone: str = "") -> str:
        """The URL of an empty database; `timezone` is that of its sessions, where they set none."""
        import psycopg

        name = f"db{next(self._numbers)}"
        with psycopg.connect(self.url(driver="postgresql"), autocommit=True) as db:
            db.execute(f"CREATE DATABASE {name}")  # its name is ours
            if timezone:
                db.execute(f"ALTER DATABASE {name} SET timezone TO '{timezone}'")
        return self.url(name)

    def start(self, *, within: float = 30.0) -> None:
        """Start, again if need be, at the same port with the data that is there."""
        log = (self.folder / "log").open("ab")
        command = [_binary("postgres"), "-D", self.folder / "data", "-p", str(self.port), "-k", "", "-h", "127.0.0.1"]
        self._process = subprocess.Popen([*command, *_FAST], stdout=log, stderr=log, cwd="/", **self._as)
        log.close()
        deadline = time.monotonic() + within
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start: {(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.05)

    def stop(self, *, within: float = 30.0) -> None:
        """Stop at once: whoever is connected is thrown out."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)  # a "fast" shutdown; SIGTERM would wait for the clients
        self._process.wait(within)
        self._process = None

    def kill(self) -> None:
        """Stop as a crash does: nothing is said to anyone, and the next start recovers."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(30)
            self._process = None

    def _initialise(self) -> None:
        secret = self.folder / "password"
        secret.write_text(self.password)
        if self._as:
            os.chown(secret, self._as["user"], self._as["group"])
        command = [_binary("initdb"), "-D", self.folder / "data", "-U", USER, "--pwfile", secret]
        command += ["-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
        done = subprocess.run(command, capture_output=True, text=True, cwd="/", timeout=120, **self._as)
        if done.returncode:
            raise RuntimeError(f"initdb failed: {done.stderr[-2000:]}")

    def _answers(self) -> bool:
        import psycopg

        try:
            psycopg.connect(self.url(driver="postgresql"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


def why_no_postgres() -> str:
    """Why no server can be started here, as a sentence that says what to do; empty where it can."""
    if not _binary("postgres") or not _binary("initdb"):
        return "no PostgreSQL server is installed: apt-get install postgresql (`make servers` does)"
    if os.geteuid() == 0 and not _other_user():
        return f"PostgreSQL refuses root, and there is no user {' or '.join(_ROOT_USES)} to start it as: add one"
    return ""


def _memory() -> str | None:
    """A file system in memory, where there is room in one: a thousand small files are made and removed quickly."""
    shm = Path("/dev/shm")
    roomy = shm.is_dir() and os.access(shm, os.W_OK) and shutil.disk_usage(shm).free > 2_000_000_000
    return str(shm) if roomy else None


def _binary(name: str) -> str:
    """The newest one that is installed: Debian keeps them out of the path."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    return str(found[-1]) if found else shutil.which(name) or ""


def _other_user() -> dict[str, object]:
    """Options of a process that root starts as somebody else; none where nobody else is there."""
    for name in _ROOT_USES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    return {}


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
