"""PostgreSQL on loopback, with its data in a folder of the test; it ends when the block does."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest


def programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres")) or [Path(shutil.which("postgres") or "")]
    if not found[-1].is_file():
        pytest.skip("PostgreSQL is not installed: apt install postgresql")
    return found[-1].parent


@contextlib.contextmanager
def postgres(folder: Path, timezone: str = "UTC") -> Iterator[str]:
    """A SQLAlchemy URL of an empty database; `timezone` is that of its sessions."""
    # It refuses root; its user has to reach the folder.
    user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    data = folder / "data"
    data.mkdir()
    if os.geteuid() == 0:
        shutil.chown(data, user)
        for above in [folder, *folder.parents][:-1]:
            if above.stat().st_uid == 0 and above != Path(above.root) and "pytest" in str(above):
                above.chmod(above.stat().st_mode | 0o011)
    become = {"user": user} if os.geteuid() == 0 else {}
    bin_ = programs()
    subprocess.run([bin_ / "initdb", "-D", data, "-A", "trust", "-U", user, "--no-sync", "-E", "UTF8"], check=True,
                   capture_output=True, cwd="/", **become)  # fmt: skip
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", "", "-F", "-c", f"timezone={timezone}"]
    server = subprocess.Popen([bin_ / "postgres", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              cwd="/", **become)  # fmt: skip
    try:
        ends = time.monotonic() + 60
        while True:
            try:
                psycopg.connect(f"host=127.0.0.1 port={port} user={user} dbname=postgres").close()
                break
            except psycopg.OperationalError:
                assert time.monotonic() < ends, "PostgreSQL did not start"
                time.sleep(0.1)
        yield f"postgresql+psycopg://{user}@127.0.0.1:{port}/postgres"
    finally:
        server.send_signal(signal.SIGINT)  # ends at once, without waiting for clients
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait(10)
