"""Landlock: what the reduced tier holds files, TCP and signals with, where no namespace may be made."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from omc_agent.sandbox.wall import syscalls

LOWEST = 6  # the version that also scopes signals and abstract sockets

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
IOCTL_DEV = 1 << 15
ALL_FILES = (1 << 16) - 1
BIND_TCP, CONNECT_TCP = 1, 2
ABSTRACT_SOCKETS, SIGNALS = 1, 2
READ = EXECUTE | READ_FILE | READ_DIR
# No devices, no sockets of other kinds: make, remove, rename, truncate plain files, folders, links, sockets.
WRITE = ALL_FILES & ~((1 << 6) | (1 << 11) | IOCTL_DEV | EXECUTE) | READ
ONE_FILE = EXECUTE | WRITE_FILE | READ_FILE | (1 << 14) | IOCTL_DEV  # the rights that a file can have


def restrict(readable: Iterable[str], writable: Iterable[str], devices: Iterable[str]) -> None:
    """Hold this process to these paths, with no TCP, no abstract sockets and no signals to others.

    Must be called before a second thread starts: only the calling thread, and what it starts, is held.

    Raises
    ------
    OSError
        When the kernel has no Landlock, or one older than version 6.
    """
    version = syscalls.landlock_version()
    if version < LOWEST:
        raise OSError(f"Landlock version {version or 'none'} is here; {LOWEST} is needed (Linux 6.12)")
    ruleset = syscalls.landlock_ruleset(ALL_FILES, BIND_TCP | CONNECT_TCP, ABSTRACT_SOCKETS | SIGNALS)
    for paths, rights in ((readable, READ), (writable, WRITE), (devices, READ_FILE | WRITE_FILE)):
        for path in paths:
            if Path(path).exists():
                allowed = rights if Path(path).is_dir() else rights & ONE_FILE
                syscalls.landlock_allow(ruleset, path, allowed)
    syscalls.prctl(syscalls.SET_NO_NEW_PRIVS, 1)
    syscalls.landlock_restrict(ruleset)
