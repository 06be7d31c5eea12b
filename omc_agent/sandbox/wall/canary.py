"""The canary: tries from inside what the wall must forbid, and says what worked.

It is our own code in a child of its own, before any other code runs, so what it says can be believed. A tier in
which anything works is not in force, whatever is installed. Where there is no wall the attempts do work: so each is
chosen to do no harm then, also to a host that is root.
"""

from __future__ import annotations

import errno
import json
import os
import socket
from collections.abc import Callable
from typing import Any

from omc_agent.sandbox.wall import syscalls


def report(told: str) -> None:
    """Print the names of the attempts that worked, as JSON; `told` is JSON of what the host planted."""
    bait = json.loads(told)
    print(json.dumps([name for name, attempt in ATTEMPTS.items() if worked(attempt, bait)]))  # noqa: T201


def worked(attempt: Callable[[dict[str, Any]], bool], bait: dict[str, Any]) -> bool:
    """Whether `attempt` did what it must not."""
    try:
        return bool(attempt(bait))
    except Exception:
        return False


def _read_a_file(bait: dict[str, Any]) -> bool:
    with open(bait["file"]) as file:
        return bait["secret"] in file.read()


def _write_beside_it(bait: dict[str, Any]) -> bool:
    with open(bait["file"] + ".planted", "w") as file:
        return file.write("x") == 1


def _see_the_host(bait: dict[str, Any]) -> bool:
    with open(f"/proc/{bait['pid']}/stat", "rb") as file:
        if file.read().rpartition(b")")[2].split()[19].decode() != bait["started"]:
            return False  # another process has that number in here
    with open(f"/proc/{bait['pid']}/environ", "rb") as file:
        return bool(file.read())


def _share_its_processes(bait: dict[str, Any]) -> bool:
    if not bait["walled"]:
        return False  # only the walled tier promises a namespace of pids
    with open(f"/proc/{bait['pid']}/stat", "rb") as file:
        return bool(file.read().rpartition(b")")[2].split()[19].decode() == bait["started"])


def _have_the_environment(bait: dict[str, Any]) -> bool:
    return bait["variable"] in os.environ


def _write_packages(bait: dict[str, Any]) -> bool:
    with open(os.__file__, "r+b"):  # to open it for writing changes nothing yet
        return True


def _connect(family: int, kind: int, where: Any) -> bool:
    with socket.socket(family, kind) as one:
        one.settimeout(1.0)
        one.connect(where)
    return True


def _open_tcp(bait: dict[str, Any]) -> bool:
    return _connect(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", bait["port"]))


def _send_udp(bait: dict[str, Any]) -> bool:
    return _connect(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 9))


def _open_abstract(bait: dict[str, Any]) -> bool:
    return _connect(socket.AF_UNIX, socket.SOCK_STREAM, bait["abstract"].encode())


def _open_socket_file(bait: dict[str, Any]) -> bool:
    return _connect(socket.AF_UNIX, socket.SOCK_STREAM, bait["socket"])


def _open_vsock(bait: dict[str, Any]) -> bool:
    socket.socket(40, socket.SOCK_STREAM).close()
    return True


def _make_namespaces(bait: dict[str, Any]) -> bool:
    syscalls.unshare(syscalls.NEWUSER)
    return True


def _mount(bait: dict[str, Any]) -> bool:
    try:
        syscalls.mount("none", "/", "no_such_file_system", 0)
    except OSError as error:
        return error.errno == errno.ENODEV  # asked only of those who may mount
    return True


def _change_a_mode(bait: dict[str, Any]) -> bool:
    before = os.stat(bait["file"]).st_mode
    os.chmod(bait["file"], 0o600)
    return os.stat(bait["file"]).st_mode != before


ATTEMPTS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "read a file of the host": _read_a_file,
    "write a file of the host": _write_beside_it,
    "read the host's environment": _see_the_host,
    "see the host's processes": _share_its_processes,
    "inherit a variable": _have_the_environment,
    "write the interpreter's packages": _write_packages,
    "open a TCP connection": _open_tcp,
    "send UDP": _send_udp,
    "open an abstract socket": _open_abstract,
    "open a socket that is a file": _open_socket_file,
    "open AF_VSOCK": _open_vsock,
    "make namespaces": _make_namespaces,
    "mount": _mount,
    "change the mode of a file of the host": _change_a_mode,
}
