"""Open a file that a child wrote without being led astray: beneath its folder, no links, a plain file of one name."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from omc_agent.errors import SandboxError
from omc_agent.sandbox.wall import syscalls

NO_XDEV, NO_SYMLINKS, BENEATH = 0x01, 0x04, 0x08
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC


def open_beneath(folder: Path, name: str, cap: int) -> int:
    """A descriptor of the plain file `name` beneath `folder`, of at most `cap` bytes.

    Parameters
    ----------
    folder : Path
        The host's own folder; the child writes below it.
    name : str
        Relative; what the child may have planted under it is a link, a FIFO, a device, a hard link, a giant.
    cap : int
        Bytes.

    Raises
    ------
    SandboxError
        ``sandbox.no_frame`` when there is no such plain file, ``sandbox.too_large`` above `cap`.
    """
    try:
        descriptor = _open(folder, name)
    except OSError as error:
        raise _refused(name, error.strerror.split(": ")[-1] if error.strerror else str(error)) from None
    facts = os.fstat(descriptor)
    # One name only: a hard link could share its content with a file that is not the child's.
    if not stat.S_ISREG(facts.st_mode) or facts.st_nlink != 1:
        os.close(descriptor)
        raise _refused(name, "it is not a plain file")
    if facts.st_size > cap:
        os.close(descriptor)
        raise SandboxError(
            "sandbox.too_large",
            given=f"{Path(name).name} is larger than {cap:,} bytes.",
            have="",
            try_="Keep fewer rows or columns.",
        )
    return descriptor


def _open(folder: Path, name: str) -> int:
    root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if os.uname().sysname == "Linux":
            try:
                return syscalls.openat2(root, name, _FLAGS, NO_XDEV | NO_SYMLINKS | BENEATH)
            except OSError as error:
                if error.errno not in (errno.ENOSYS, errno.EPERM):
                    raise
        return _walk(root, name)
    finally:
        os.close(root)


def _walk(root: int, name: str) -> int:
    """The same step by step, for a system without openat2: each folder opened from the one before, none a link."""
    *folders, last = Path(name).parts
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
    at, opened = root, []
    try:
        for part in folders:
            at = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)
            opened.append(at)
        return os.open(last, _FLAGS, dir_fd=at)
    finally:
        for descriptor in opened:
            os.close(descriptor)


def _refused(name: str, why: str) -> SandboxError:
    return SandboxError("sandbox.no_frame", given=f"{Path(name).name}: {why}.", have="", try_="Run the cell again.")
