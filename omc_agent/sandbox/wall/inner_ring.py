"""The inner ring: how a fork of the zygote walls itself in before it runs a kernel.

New namespaces, mounts of its own, no capabilities, the filter; in this order, because each step forbids the ones
before it. What it is told comes from the host; nothing of a cell has run yet.
"""

from __future__ import annotations

import os
import random
import signal
import socket
from typing import Any

from omc_agent.sandbox.wall import bubblewrap, seccomp, syscalls
from omc_agent.sandbox.wall.syscalls import BIND, NODEV, NOEXEC, NOSUID, RDONLY, REMOUNT

SESSIONS = "/run/s"
CACHE = "/run/cache"
_FOLDERS = {
    "in": ("/omc/in", RDONLY | NOEXEC),
    "work": ("/omc/work", 0),
    "out": ("/omc/out", NOEXEC),
    "k": ("/omc/k", NOEXEC),
}
# From statvfs to mount flags: what a mount was locked with must be said again, or the kernel answers EPERM.
_LOCKED = {os.ST_RDONLY: RDONLY, os.ST_NOSUID: NOSUID, os.ST_NODEV: NODEV, os.ST_NOEXEC: NOEXEC,
           os.ST_NOATIME: 1024, os.ST_NODIRATIME: 2048, os.ST_RELATIME: 1 << 21}  # fmt: skip


def be_born(order: dict[str, Any], line: socket.socket) -> None:
    """Become the kernel of the session that `order` names; tells how far it is on `line`, and never returns."""
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # the zygote reaps nobody; we wait for ours
        syscalls.prctl(syscalls.SET_PDEATHSIG, signal.SIGKILL)
        os.setsid()
        _namespaces()
        if child := os.fork():  # pid 1 of the new namespace
            _monitor(child, line)
        syscalls.prctl(syscalls.SET_PDEATHSIG, signal.SIGKILL)
        _mounts(order)
        line.send(b"first")  # the host reads our pid off the message: killing it kills all
        if os.fork():
            _reap(line)
        syscalls.prctl(syscalls.SET_PDEATHSIG, signal.SIGKILL)
        os.setsid()
        _forget_the_zygote(line)
        syscalls.drop_capabilities()
        syscalls.seccomp(seccomp.program())
        line.send(b"kernel")
        _serve(line)
    except BaseException as error:
        line.send(f"error: {type(error).__name__}: {error}"[:900].encode())
    finally:
        os._exit(1)


def _namespaces() -> None:
    uid, gid = os.getuid(), os.getgid()
    syscalls.unshare(
        syscalls.NEWUSER | syscalls.NEWNS | syscalls.NEWPID | syscalls.NEWNET | syscalls.NEWIPC | syscalls.NEWUTS
        | syscalls.NEWCGROUP
    )  # fmt: skip
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def _monitor(child: int, line: socket.socket) -> None:
    """Outside the new namespace: wait for its end, with nothing in hand."""
    line.close()
    syscalls.drop_capabilities()
    os.waitpid(child, 0)
    os._exit(0)


def _mounts(order: dict[str, Any]) -> None:
    mine = f"{SESSIONS}/{order['session']}"
    for name, (inside, flags) in _FOLDERS.items():
        syscalls.mount(f"{mine}/{name}", inside, None, BIND)
        _again(inside, flags | NOSUID | NODEV)
    _again(CACHE, RDONLY | NOSUID | NODEV | NOEXEC)
    # Other sessions' folders lie below; from here on nobody inside can name them.
    _empty(SESSIONS, 4096, RDONLY)
    _empty("/dev/shm", bubblewrap.SHARED_BYTES, 0)  # noqa: S108
    if order["private_tmp"]:
        _empty("/tmp", bubblewrap.SCRATCH_BYTES, 0)  # noqa: S108
    else:
        _again("/tmp", RDONLY | NOSUID | NODEV)  # noqa: S108
    syscalls.mount("proc", "/proc", "proc", RDONLY | NOSUID | NODEV | NOEXEC)


def _again(path: str, flags: int) -> None:
    held = os.statvfs(path).f_flag
    for bit, flag in _LOCKED.items():
        flags |= flag if held & bit else 0
    syscalls.mount(None, path, None, REMOUNT | BIND | flags)


def _empty(path: str, size: int, flags: int) -> None:
    syscalls.mount("tmpfs", path, "tmpfs", flags | NOSUID | NODEV, f"size={size},mode=0777")


def _reap(line: socket.socket) -> None:
    """Pid 1: clear up behind the dead until the kernel is gone; the namespace, and all in it, ends with us."""
    line.close()
    syscalls.drop_capabilities()
    while True:
        try:
            os.wait()
        except ChildProcessError:
            os._exit(0)


def _forget_the_zygote(line: socket.socket) -> None:
    null = os.open("/dev/null", os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.closerange(3, line.fileno())
    os.closerange(line.fileno() + 1, 4096)
    line.set_inheritable(False)
    random.seed()
    import numpy as np

    np.random.seed()  # forks share the zygote's generator


def _serve(line: socket.socket) -> None:
    from omc_agent.sandbox.child import serve

    def ready() -> None:
        line.send(b"ready")
        line.close()

    os.chdir("/omc/work")
    serve("/omc/k/c.json", ready=ready)
