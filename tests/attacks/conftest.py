"""What the attacks reach for: canaries in a folder of the test's own, and a child behind each kind of wall.

Every attempt runs in a real child. What it is after lies in folders that the tests made, so that an unwalled child
could do no harm.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import socket
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from omc_agent.config import MB, Confinement, Limits
from omc_agent.sandbox import Sandbox, tiers

LIMITS = Limits(memory=900 * MB, wall=20, cpu=20, output=200_000)
PRELUDE = "import os, sys, socket, subprocess, ctypes, pathlib\n"
WAYS = ("walled", "pool")


@dataclass
class Bait:
    """Canaries of the host: `secret` is in the file, in the environment and in an open descriptor."""

    folder: Path
    secret: str
    tcp4: int
    tcp6: int
    udp: int
    abstract: str
    heard: list[str]
    descriptor: int = -1

    @property
    def file(self) -> Path:
        return self.folder / "home" / ".ssh" / "id_rsa"

    @property
    def socket(self) -> Path:
        return self.folder / "docker.sock"

    def names(self) -> str:
        """The canaries as Python, for the code of an attempt."""
        return (
            f"FOLDER = {str(self.folder)!r}\nFILE = {str(self.file)!r}\nSOCKET = {str(self.socket)!r}\n"
            f"SECRET = {self.secret[:8]!r} + {self.secret[8:]!r}\n"
            f"TCP4, TCP6, UDP = {self.tcp4}, {self.tcp6}, {self.udp}\n"
            f"ABSTRACT = {self.abstract!r}\nHOST = {os.getpid()}\n"
        )


@pytest.fixture(scope="session")
def bait(tmp_path_factory):
    """The canaries, with somebody who listens at each socket."""
    folder = Path(f"/tmp/omcbait{os.getpid()}")  # the path of a socket must be short
    shutil.rmtree(folder, ignore_errors=True)
    secret, heard = secrets.token_hex(16), []
    made = Bait(folder, secret, 0, 0, 0, f"\0omc-attack-{secret[:6]}", heard)
    made.file.parent.mkdir(parents=True)
    made.file.write_text(f"canary {secret}")
    for path in (folder, folder / "home", folder / "home" / ".ssh", made.file):
        path.chmod(0o777)  # nothing but the wall stands in the way
    os.environ["OMC_ATTACK_SECRET"] = secret
    beside = subprocess.Popen(["sleep", "3600"])  # a process of the host with the secret in its environment
    descriptor = os.open(made.file, os.O_RDONLY)
    os.set_inheritable(descriptor, True)
    made.descriptor = descriptor
    listening = [
        socket.create_server(("127.0.0.1", 0)),
        socket.create_server(("::1", 0), family=socket.AF_INET6) if socket.has_ipv6 and _has_v6() else None,
        socket.socket(socket.AF_UNIX),
        socket.socket(socket.AF_UNIX),
    ]
    made.tcp4 = listening[0].getsockname()[1]
    made.tcp6 = listening[1].getsockname()[1] if listening[1] is not None else made.tcp4
    for one, where in ((listening[2], str(made.socket)), (listening[3], made.abstract)):
        one.bind(where)
        one.listen(8)
    made.socket.chmod(0o777)
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", 0))
    udp.settimeout(0.1)
    made.udp = udp.getsockname()[1]
    ended = threading.Event()

    def listen() -> None:
        while not ended.is_set():
            try:
                heard.append(udp.recv(100).decode())
            except OSError:
                continue

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    yield made
    ended.set()
    listener.join()
    beside.kill()
    beside.wait()
    for one in (*listening, udp):
        if one is not None:
            one.close()
    os.close(descriptor)
    del os.environ["OMC_ATTACK_SECRET"]
    shutil.rmtree(folder, ignore_errors=True)


def _has_v6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest_asyncio.fixture(loop_scope="session", scope="session", params=WAYS)
async def way(request):
    """Each way of the walled tier; skipped, with the reason, where this machine has none."""
    confinement = Confinement(best=request.param)
    found = await tiers.isolation(confinement)
    if found.tier != "walled":
        pytest.skip(f"no walled tier here: {'; '.join(found.refused)}; {found.advice}")
    assert found.means == {"walled": "zygote", "pool": "pool"}[request.param], found.refused
    return confinement


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def shared(way):
    async with Sandbox(limits=LIMITS, prelude=PRELUDE, confinement=way) as box:
        yield box


@pytest.fixture
def attempt(shared, bait):
    """``await attempt(code)`` runs `code` with the canaries' names; True when it got to its end."""

    async def run(code: str) -> bool:
        body = "\n".join(f"    {line}" for line in code.strip().splitlines())
        result = await shared.run(f"{bait.names()}\ndef attack():\n{body}\nattack()\nprint('WORKED', SECRET[:0])")
        assert result.status in ("ok", "error"), result.reason
        assert bait.secret not in result.text + str(result.error) + str(result.outputs)
        return "WORKED" in result.text

    return run


@pytest.fixture
def new_box(way):
    """A box of the test's own, for what ends it."""

    def make(**changes) -> Sandbox:
        return Sandbox(limits=changes.pop("limits", LIMITS), prelude=PRELUDE, confinement=way, **changes)

    return make


async def until(condition, seconds: float = 3.0) -> bool:
    """Whether `condition` becomes true."""
    for _ in range(int(seconds / 0.05)):
        if condition():
            return True
        await asyncio.sleep(0.05)
    return bool(condition())
