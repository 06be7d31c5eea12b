"""A child process as the host holds it: signals by pidfd, and the line on which it tells that it is ready."""

from __future__ import annotations

import array
import contextlib
import os
import select
import signal
import socket
import struct
import subprocess
import time
from typing import Any

from omc_agent.errors import SandboxError


class Line:
    """A socket pair: the child says `first`, `kernel`, `ready` or what went wrong; the kernel adds who says it.

    A process has another pid in every namespace. The credentials that the kernel puts to each message hold the one
    that is valid for the host.
    """

    def __init__(self) -> None:
        self.ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)

    def hear(self, word: bytes, deadline: float) -> int:
        """Wait for `word`; the host's pid of who said it. SandboxError with what was said instead."""
        while True:
            self.ours.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                said, attached, _, _ = self.ours.recvmsg(1024, socket.CMSG_SPACE(struct.calcsize("3i")))
            except TimeoutError:
                raise not_started("it did not answer in time") from None
            if said == word:
                return _pid_in(attached)
            if not said or said.startswith(b"error: "):
                raise not_started(said.decode(errors="replace").removeprefix("error: ") or "it ended at once")

    def close_theirs(self) -> None:
        """Once the child has its end: so that its death is heard."""
        self.theirs.close()

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        self.ours.close()
        self.theirs.close()


class ChildProcess:
    """The kernel process of a child, with the calls of `subprocess.Popen` that jupyter_client makes.

    Parameters
    ----------
    pid : int
        The host's pid of the kernel.
    first : int
        The process whose death ends all others of the child: pid 1 of its namespace. The kernel itself where there
        is none.
    started : subprocess.Popen, optional
        What we started, when it is not a fork of the zygote.
    """

    stdin = stdout = stderr = None

    def __init__(self, pid: int, first: int, started: subprocess.Popen[bytes] | None = None) -> None:
        self.pid, self.first = pid, first
        self.returncode: int | None = None
        self._started = started
        self._fds: list[int] = []
        try:
            # A pid may be given to another process once ours is gone; a pidfd stays with ours.
            self._fds = [os.pidfd_open(one) for one in (pid, first)]
        except ProcessLookupError:
            self.close()
            raise not_started("it ended at once") from None

    def poll(self) -> int | None:
        """None while it runs."""
        if self.returncode is None:
            if self._started is not None:
                self._started.poll()  # reaps it
            if not self._fds or select.select([self._fds[0]], [], [], 0)[0]:
                self.returncode = -1
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end."""
        if self._fds:
            select.select([self._fds[0]], [], [], timeout)
        if self._started is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._started.wait(timeout if timeout is not None else 5.0)
        return self.poll() or 0

    def send_signal(self, number: int) -> None:
        """To the kernel; SIGKILL goes to all of the child."""
        if number == signal.SIGKILL:
            self.kill()
        else:
            self._signal(0, number)

    def kill(self) -> None:
        """End the kernel and everything it started."""
        if self.first == self.pid:  # no namespace: the process group, which the filter lets nobody leave
            with contextlib.suppress(OSError):
                os.killpg(self.pid, signal.SIGKILL)
        self._signal(1, signal.SIGKILL)
        if self._started is not None:
            with contextlib.suppress(OSError):
                self._started.kill()

    terminate = kill

    def close(self) -> None:
        """Give the descriptors back."""
        while self._fds:
            os.close(self._fds.pop())

    def _signal(self, which: int, number: int) -> None:
        if self._fds:
            with contextlib.suppress(OSError):
                signal.pidfd_send_signal(self._fds[which], number)


def not_started(why: str) -> SandboxError:
    """The error of a child that did not come up."""
    return SandboxError(
        "sandbox.no_start",
        given=f"The child kernel did not start: {why[:300]}.",
        have="",
        try_="%agent doctor shows what is missing.",
    )


def _pid_in(attached: list[tuple[int, int, bytes]]) -> int:
    for level, kind, data in attached:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
            return int(struct.unpack("3i", data[: struct.calcsize("3i")])[0])
    raise not_started("the system did not say who it is")


def send_with(control: socket.socket, order: bytes, descriptor: int) -> None:
    """Send `order` with a descriptor beside it."""
    rights: Any = array.array("i", [descriptor])
    control.sendmsg([order], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
