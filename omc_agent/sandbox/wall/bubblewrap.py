"""The outer ring: the command line of bubblewrap, and what of the host's files is readable behind it."""

from __future__ import annotations

import os
import site
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

# Where the interpreter's own settings may hold tokens of a package index.
MASKED = ("pip.conf", ".condarc", "conda-meta/history")
_SYSTEM = ("/lib", "/lib32", "/lib64", "/libx32", "/bin", "/sbin")
# Names of libraries only; nothing of /etc says who or where we are.
_ETC = ("/etc/ld.so.cache", "/etc/alternatives")
SCRATCH_BYTES, SHARED_BYTES = 256 * 2**20, 512 * 2**20


def readable() -> list[str]:
    """What a cell's Python needs to read: the interpreter, its packages, and this package; outermost only.

    Returns
    -------
    list of str
        Absolute folders outside ``/usr``.
    """
    package = Path(__file__).resolve().parents[2]
    found = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix, str(package)}
    found |= {path for path in site.getsitepackages() if os.path.isdir(path)}
    # The program may be a link into a folder of its own (a version manager, a Nix store).
    found.add(str(Path(os.path.realpath(sys.executable)).parent.parent))
    wanted = sorted({os.path.abspath(path) for path in found} | {os.path.realpath(path) for path in found})
    kept: list[str] = []
    for path in wanted:
        if not _below(path, [*kept, "/usr"]) and path != "/":
            kept.append(path)
    return kept


def below_tmp(paths: Iterable[str]) -> bool:
    """Whether one of `paths` lies in ``/tmp``, which then cannot be hidden."""
    return any(_below(path, ["/tmp"]) for path in paths)  # noqa: S108 - the name inside the ring


def command_line(
    bwrap: str,
    command: Sequence[str],
    *,
    paths: Iterable[str],
    folders: Mapping[str, tuple[str, bool]],
    environment: Mapping[str, str],
    nested: bool,
    seccomp: int | None = None,
) -> list[str]:
    """The arguments that start `command` in the outer ring.

    Parameters
    ----------
    bwrap : str
        The program.
    command : sequence of str
        What runs inside.
    paths : iterable of str
        Readable at their own names; see `readable`.
    folders : mapping of str to (str, bool)
        Name inside -> (folder of the host, writable).
    environment : mapping of str to str
        All of it; nothing else is inherited.
    nested : bool
        Whether the zygote must make namespaces of its own in there; otherwise that is switched off.
    seccomp : int, optional
        Descriptor of a filter; the zygote's children install theirs themselves, after their mounts.
    """
    paths = list(paths)
    line = [bwrap, "--unshare-all", "--die-with-parent", "--new-session", "--clearenv", "--hostname", "omc",
            "--cap-drop", "ALL"]  # fmt: skip
    if not nested:
        line += ["--unshare-user", "--disable-userns"]
    for name, value in environment.items():
        line += ["--setenv", name, value]
    line += _empty_places() + _host_files(paths)
    for inside, (host, writable) in folders.items():
        line += ["--bind" if writable else "--ro-bind", host, inside]
    if nested:
        for inside in ("/omc/in", "/omc/work", "/omc/out", "/omc/k"):
            line += ["--dir", inside]
    else:
        line += ["--remount-ro", "/proc"]  # the zygote's children mount a fresh one over it
    line += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/" if nested else environment["HOME"]]
    if seccomp is not None:
        line += ["--seccomp", str(seccomp)]
    return [*line, "--", *command]


def _empty_places() -> list[str]:
    """They come before the files: a later tmpfs on /tmp would hide an interpreter that lies there."""
    scratch = ["--size", str(SCRATCH_BYTES), "--tmpfs", "/tmp"]  # noqa: S108
    shared = ["--size", str(SHARED_BYTES), "--tmpfs", "/dev/shm"]  # noqa: S108
    return ["--proc", "/proc", "--dev", "/dev", *scratch, *shared]


def _host_files(paths: Sequence[str]) -> list[str]:
    line = ["--ro-bind", "/usr", "/usr"]
    for path in _SYSTEM:
        if os.path.islink(path):
            line += ["--symlink", os.readlink(path), path]
        elif os.path.isdir(path):
            line += ["--ro-bind", path, path]
    for path in (*_ETC, *paths):
        line += ["--ro-bind-try", path, path]
    for path in paths:
        for name in MASKED:
            if os.path.exists(f"{path}/{name}"):
                line += ["--ro-bind", "/dev/null", f"{path}/{name}"]
    return line


def _below(path: str, folders: Iterable[str]) -> bool:
    return any(path == folder or path.startswith(f"{folder.rstrip('/')}/") for folder in folders)
