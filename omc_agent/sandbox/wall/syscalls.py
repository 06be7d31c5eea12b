"""The system calls that Python has no name for, by ctypes; each raises OSError with what was tried."""

from __future__ import annotations

import ctypes
import os
import platform

# linux/sched.h
NEWNS, NEWCGROUP, NEWUTS, NEWIPC = 0x0002_0000, 0x0200_0000, 0x0400_0000, 0x0800_0000
NEWUSER, NEWPID, NEWNET = 0x1000_0000, 0x2000_0000, 0x4000_0000
# sys/mount.h
RDONLY, NOSUID, NODEV, NOEXEC, REMOUNT, BIND, REC, PRIVATE = 1, 2, 4, 8, 32, 4096, 16384, 1 << 18
# sys/prctl.h
SET_PDEATHSIG, CAPBSET_DROP, SET_NO_NEW_PRIVS, SET_CHILD_SUBREAPER = 1, 24, 38, 36
LAST_CAP = 63  # the kernel answers EINVAL above the last one it has

_MACHINE = platform.machine()
_SECCOMP = {"x86_64": 317, "aarch64": 277}.get(_MACHINE, 0)
_CAPSET = {"x86_64": 126, "aarch64": 91}.get(_MACHINE, 0)
# New calls have one number on every architecture.
_OPENAT2, _LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 437, 444, 445, 446

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else text.encode()


def unshare(flags: int) -> None:
    """Leave the namespaces of `flags` for new ones."""
    _checked(_libc.unshare(flags), "unshare")


def mount(source: str | None, target: str, kind: str | None, flags: int, data: str = "") -> None:
    """mount(2)."""
    done = _libc.mount(_bytes(source), target.encode(), _bytes(kind), ctypes.c_ulong(flags), data.encode())
    _checked(done, f"mount {target}")


def prctl(option: int, value: int = 0) -> None:
    """prctl(2) with one argument."""
    _checked(_libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0), f"prctl {option}")


def drop_capabilities() -> None:
    """No capability now, and none to be had by any later exec."""
    for capability in range(LAST_CAP + 1):
        # EINVAL above the kernel's last one; EPERM without CAP_SETPCAP, and then there is nothing to drop.
        _libc.prctl(CAPBSET_DROP, ctypes.c_ulong(capability), 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    _checked(_libc.syscall(_CAPSET, header, (ctypes.c_uint32 * 6)()), "capset")
    prctl(SET_NO_NEW_PRIVS, 1)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def seccomp(program: bytes) -> None:
    """Install a filter of system calls on every thread of this process; it cannot be taken off."""
    tsync = 1
    held = _Program(len(program) // 8, program)
    done = _checked(_libc.syscall(_SECCOMP, 1, tsync, ctypes.byref(held)), "seccomp")
    if done:  # the id of a thread that could not be synchronised
        raise OSError(f"seccomp: thread {done} could not be filtered")


def openat2(folder: int, path: str, flags: int, resolve: int) -> int:
    """Open `path` below the open `folder` as `resolve` allows."""
    how = (ctypes.c_uint64 * 3)(flags, 0, resolve)
    return _checked(_libc.syscall(_OPENAT2, folder, path.encode(), how, ctypes.sizeof(how)), f"openat2 {path}")


def landlock_version() -> int:
    """The version of Landlock that the kernel speaks, 0 when it has none or it is switched off."""
    version = _libc.syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), 1)
    return max(0, int(version))


def landlock_ruleset(files: int, net: int, scoped: int) -> int:
    """A ruleset that handles these rights; its descriptor."""
    attributes = (ctypes.c_uint64 * 3)(files, net, scoped)
    size = ctypes.c_size_t(ctypes.sizeof(attributes))
    return _checked(_libc.syscall(_LANDLOCK_CREATE, attributes, size, 0), "landlock_create_ruleset")


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def landlock_allow(ruleset: int, path: str, rights: int) -> None:
    """Allow `rights` beneath `path`."""
    parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = _Beneath(rights, parent)
        _checked(_libc.syscall(_LANDLOCK_ADD, ruleset, 1, ctypes.byref(rule), 0), f"landlock_add_rule {path}")
    finally:
        os.close(parent)


def landlock_restrict(ruleset: int) -> None:
    """Hold this thread, and all it starts, to the ruleset."""
    _checked(_libc.syscall(_LANDLOCK_RESTRICT, ruleset, 0), "landlock_restrict_self")
