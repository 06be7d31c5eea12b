"""The ways in which a child kernel is started; behind each stands what holds it.

A way makes the child's folder and its process. What a child is told, and how it is listened to, is the same for all.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from typing import ClassVar

from omc_agent.sandbox import nursery, places
from omc_agent.sandbox.birth import ChildProcess, Line, not_started
from omc_agent.sandbox.places import Place
from omc_agent.sandbox.surroundings import PYTHON, child_environment
from omc_agent.sandbox.wall import bubblewrap, seccomp

START_SECONDS = 60.0
_CHILD = ("-B", "-m", "omc_agent.sandbox.child", "-f")


class Way:
    """How a child is started; one instance is shared by all children."""

    name: ClassVar[str] = ""
    tier: ClassVar[str] = ""
    walled: ClassVar[bool] = False  # own namespaces: folders have names of their own inside
    at_once: ClassVar[bool] = True  # its sockets are open when `launch` returns: one connection is all it takes

    def place(self) -> Place:
        """A folder for a new child."""
        return places.new_place(walled=self.walled, uid=nursery.sandbox_uid() if self.walled else 0)

    def launch(self, place: Place) -> ChildProcess:
        """Start the child that serves in `place`; blocks until it does, or raises SandboxError."""
        raise NotImplementedError


class ZygoteWay(Way):
    """A fork of the zygote in rings of its own: about 0.1 s and 30 MB."""

    name, tier, walled = "zygote", "walled", True

    def launch(self, place: Place) -> ChildProcess:
        """See `Way`."""
        return nursery.the_nursery.bear(place)


class PoolWay(Way):
    """A kernel of its own behind the outer ring: the same wall, but each imports for itself."""

    name, tier, walled = "pool", "walled", True

    def launch(self, place: Place) -> ChildProcess:
        """See `Way`."""
        folders = {place.inside(name): (str(place.folder / name), name != "in") for name in places.FOLDERS}
        _seed_fonts(place)
        with tempfile.TemporaryFile() as program:
            program.write(seccomp.program())
            program.seek(0)
            with Line() as line:
                command = [PYTHON, "-I", *_CHILD, "/omc/k/c.json", "--line", str(line.theirs.fileno())]
                ring = nursery.outer_ring(
                    command, folders=folders, home="/omc/work", nested=False, seccomp=program.fileno()
                )
                return _started(ring, place, line, [program.fileno()], alone=False)


class ReducedWay(Way):
    """An ordinary process that holds itself back with Landlock and the longer filter."""

    name, tier = "reduced", "reduced"

    def launch(self, place: Place) -> ChildProcess:
        """See `Way`."""
        system = ["/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/alternatives", "/proc", "/dev/null"]
        order = {
            "readable": [*bubblewrap.readable(), *system, place.inside("in")],
            "writable": [place.inside(name) for name in ("work", "out", "k")],
        }
        with Line() as line:
            command = [PYTHON, "-I", *_CHILD, f"{place.folder}/k/c.json", "--line",
                       str(line.theirs.fileno()), "--reduced", json.dumps(order)]  # fmt: skip
            return _started(command, place, line, [], alone=True)


class LimitedWay(Way):
    """An ordinary process with a clean environment and limits; no wall. Also for systems that have nothing else."""

    name, tier, at_once = "limited", "limited", False

    def launch(self, place: Place) -> ChildProcess:
        """See `Way`."""
        command = [PYTHON, *_CHILD, f"{place.folder}/k/c.json"]
        started = _popen(command, place, [])
        return ChildProcess(started.pid, started.pid, started)


WAYS: tuple[Way, ...] = (ZygoteWay(), PoolWay(), ReducedWay(), LimitedWay())


def _started(
    command: Sequence[str], place: Place, line: Line, descriptors: list[int], *, alone: bool
) -> ChildProcess:
    """Start `command` and wait on its line until it is ready."""
    log = place.folder / "start.log"
    if alone:
        started = _popen(command, place, [line.theirs.fileno(), *descriptors])
    else:
        with log.open("wb") as told:
            started = nursery.start_beside(command, told.fileno(), [line.theirs.fileno(), *descriptors])
    line.close_theirs()
    deadline = time.monotonic() + START_SECONDS
    try:
        pid = line.hear(b"kernel", deadline)
        process = ChildProcess(pid, pid if alone else _parent(pid), started)
        line.hear(b"ready", deadline)
    except BaseException:
        started.kill()
        started.wait(5.0)
        if said := nursery.said_in(log):
            raise not_started(said) from None
        raise
    return process


def _popen(command: Sequence[str], place: Place, descriptors: list[int]) -> subprocess.Popen[bytes]:
    work = place.inside("work")
    _seed_fonts(place)
    return subprocess.Popen(
        command,
        env=child_environment(work),
        cwd=work,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=descriptors,
        start_new_session=True,
    )


def _seed_fonts(place: Place) -> None:
    """A copy of matplotlib's list of fonts, which a zygote made once: finding them again takes seconds."""
    shutil.copytree(nursery.cache_folder(), place.folder / "work" / ".mpl", dirs_exist_ok=True)
    if place.walled and (uid := nursery.sandbox_uid()):
        for path in (place.folder / "work" / ".mpl", *(place.folder / "work" / ".mpl").iterdir()):
            os.chown(path, uid, uid)


def _parent(pid: int) -> int:
    """Pid 1 of the ring: bubblewrap's inner process, whose death ends the namespace."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        return int(file.read().rpartition(b")")[2].split()[1])


def on_linux() -> bool:
    """Whether this system has what the wall is made of."""
    return os.uname().sysname == "Linux" if hasattr(os, "uname") else False
