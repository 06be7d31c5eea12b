"""The zygote as the host holds it: one a process, started at first use and again when it dies."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import pwd
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from omc_agent.sandbox import places
from omc_agent.sandbox.birth import ChildProcess, Line, not_started, send_with
from omc_agent.sandbox.places import Place
from omc_agent.sandbox.surroundings import PYTHON, child_environment
from omc_agent.sandbox.wall import bubblewrap, entry, inner_ring

START_SECONDS, FORK_SECONDS = 60.0, 20.0
# Nobody's uid on any distribution (60000 to 64999 are reserved on Debian); used when we are root.
UIDS = range(64_737, 64_900)


class Nursery:
    """Starts the zygote behind the outer ring, and asks it for children."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._control: socket.socket | None = None
        self._ring: subprocess.Popen[bytes] | None = None

    def bear(self, place: Place) -> ChildProcess:
        """A fork of the zygote that is walled in and serves on the sockets of `place`; blocks about 0.1 s."""
        order = {"session": place.session, "private_tmp": not bubblewrap.below_tmp(bubblewrap.readable())}
        with Line() as line:
            self._order(json.dumps(order).encode(), line)
            line.close_theirs()
            deadline = time.monotonic() + FORK_SECONDS
            first = line.hear(b"first", deadline)
            process = ChildProcess(line.hear(b"kernel", deadline), first)
            try:
                line.hear(b"ready", deadline)
            except BaseException:
                process.kill()
                process.close()
                raise
            return process

    def _order(self, order: bytes, line: Line) -> None:
        """Hand `order` and the child's end of `line` to the zygote, which is started first when it is not there."""
        with self._lock:
            if self._ring is None or self._ring.poll() is not None:
                self._start()
            assert self._control is not None
            try:
                send_with(self._control, order, line.theirs.fileno())
            except OSError:
                self._end()
                raise not_started("the zygote is gone") from None

    @property
    def pid(self) -> int | None:
        """The host's pid of the outer ring, while it runs."""
        ring = self._ring
        return ring.pid if ring is not None and ring.poll() is None else None

    def close(self) -> None:
        """End the zygote, and with it every child of it."""
        with self._lock:
            self._end()

    def _start(self) -> None:
        self._end()
        root = places.root_of_this_process(sandbox_uid())
        log = root / "zygote.log"
        folders = {inner_ring.SESSIONS: (str(root / "s"), True), inner_ring.CACHE: (str(cache_folder()), True)}
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with contextlib.ExitStack() as unless_it_answers, theirs:
            unless_it_answers.callback(self._end)
            unless_it_answers.callback(ours.close)
            command = [PYTHON, "-I", "-B", "-m", "omc_agent.sandbox.zygote", str(theirs.fileno())]
            line = outer_ring(command, folders=folders, home="/omc/work", nested=True)
            with log.open("wb") as told:
                self._ring = start_beside(line, told.fileno(), [theirs.fileno()])
            theirs.close()
            ours.settimeout(START_SECONDS)
            with contextlib.suppress(OSError):
                hello = ours.recv(4096)
                if hello and json.loads(hello)["threads"] == 1:  # a second thread of its own would hang the forks
                    unless_it_answers.pop_all()
                    ours.settimeout(FORK_SECONDS)
                    self._control = ours
                    return
            raise not_started(said_in(log) or "the zygote did not answer")

    def _end(self) -> None:
        control, self._control = self._control, None
        ring, self._ring = self._ring, None
        if control is not None:
            control.close()
        if ring is not None:
            with contextlib.suppress(OSError):
                ring.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                ring.wait(5.0)


def outer_ring(
    command: Sequence[str],
    *,
    folders: dict[str, tuple[str, bool]],
    home: str,
    nested: bool,
    seccomp: int | None = None,
) -> list[str]:
    """The whole command line on the host: entry, bubblewrap, `command`."""
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        raise not_started("bubblewrap is not installed")
    paths = bubblewrap.readable()
    environment = child_environment(home)
    environment |= {"IPYTHONDIR": "/tmp/ipython", "TMPDIR": "/tmp"}  # noqa: S108 - the ring's own
    if inner_ring.CACHE in folders:
        environment["MPLCONFIGDIR"] = inner_ring.CACHE
    if bubblewrap.below_tmp(paths):
        environment |= {"IPYTHONDIR": "/omc/work/.ipython", "TMPDIR": "/omc/work"}
    inner = bubblewrap.command_line(
        bwrap, command, paths=paths, folders=folders, environment=environment, nested=nested, seccomp=seccomp
    )
    order = {"uid": sandbox_uid(), "paths": [*paths, *(host for host, _ in folders.values()), bwrap]}
    return [PYTHON, "-I", "-S", str(Path(entry.__file__)), json.dumps(order), *inner]


def start_beside(line: Sequence[str], stderr: int, descriptors: Sequence[int]) -> subprocess.Popen[bytes]:
    """Start `line` from a thread that lives as long as it: a death signal comes when the starting *thread* ends."""
    started: list[subprocess.Popen[bytes]] = []
    up = threading.Event()

    def keep() -> None:
        try:
            started.append(
                subprocess.Popen(
                    line,
                    env={"PATH": "/usr/bin:/bin"},  # bubblewrap's own memory must not hold our environment either
                    cwd="/",
                    stdin=subprocess.DEVNULL,
                    stdout=stderr,
                    stderr=stderr,
                    pass_fds=list(descriptors),
                    start_new_session=True,
                )
            )
        finally:
            up.set()
        started[0].wait()

    threading.Thread(target=keep, name="omc-agent-ring", daemon=True).start()
    up.wait()
    if not started:
        raise not_started("no process could be made")
    return started[0]


def sandbox_uid() -> int:
    """The uid that root goes down to; 0 when we are not root."""
    if os.getuid():
        return 0
    taken = {entry.pw_uid for entry in pwd.getpwall()}
    return next(uid for uid in UIDS if uid not in taken)


def cache_folder() -> Path:
    """Where matplotlib's list of fonts is kept from one zygote to the next."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    uid = sandbox_uid()
    for folder in (Path(base) / "omc_agent" / "fonts", places.root_of_this_process(uid) / "fonts"):
        with contextlib.suppress(OSError):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if uid:
                os.chown(folder, uid, uid)
            return folder
    raise not_started("no folder for matplotlib's cache can be made")


def said_in(log: Path) -> str:
    """The last line that a program wrote before it ended."""
    with contextlib.suppress(OSError):
        lines = log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""
    return ""


the_nursery = Nursery()


@atexit.register
def _close() -> None:
    the_nursery.close()
    places.remove_roots()
