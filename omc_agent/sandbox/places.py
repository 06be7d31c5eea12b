"""Where children live on the host: one short-named folder a process, one folder a child below it.

The folders of a process that was killed are found by the owner they name, and removed by whoever starts next.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

import psutil

from omc_agent.errors import SandboxError

PREFIX = "omc-"
SOCKET_PATH_MAX = 107  # bytes of a unix socket's path
FOLDERS = ("in", "work", "out", "k")
_lock = threading.Lock()
_roots: dict[tuple[int, int], Path] = {}  # by process and by the user that the children are
_count = itertools.count(1)


@dataclass(frozen=True)
class Place:
    """The folder of one child.

    Attributes
    ----------
    folder : Path
        On the host: ``in/`` what it is given, ``work/`` and ``out/`` where it writes, ``k/`` its sockets.
    walled : bool
        Whether the child sees them below ``/omc``: a name that hides no folder of an interpreter.
    """

    folder: Path
    walled: bool

    @property
    def session(self) -> str:
        """Its name below the root."""
        return self.folder.name

    def inside(self, name: str) -> str:
        """The path by which the child knows the folder `name`."""
        if not self.walled:
            return str(self.folder / name)
        return f"/omc/{name}"

    def remove(self) -> None:
        """Remove it; what cannot be removed is left to the next start."""
        remove_tree(self.folder)


def remove_tree(folder: Path) -> None:
    """Remove `folder` with all in it, however deep a child has nested it; never raises."""
    try:
        shutil.rmtree(folder, ignore_errors=True)
    except RecursionError:
        subprocess.run(["rm", "-rf", "--", str(folder)], check=False, capture_output=True)


def new_place(*, walled: bool, uid: int = 0) -> Place:
    """A fresh folder for a child, owned by `uid` when that is not 0."""
    folder = root_of_this_process(uid) / "s" / str(next(_count))
    for name in ("", *FOLDERS):
        (folder / name).mkdir(mode=0o700)
        if uid:
            os.chown(folder / name, uid, uid)
    return Place(folder, walled)


def root_of_this_process(uid: int = 0) -> Path:
    """The folder of this process's children; made at first use, when those of dead processes are removed."""
    with _lock:
        key = (os.getpid(), uid)
        if key not in _roots:
            sweep()
            _roots[key] = _make_root(uid)
        return _roots[key]


def remove_roots() -> None:
    """Remove this process's folders, at its end."""
    with _lock:
        for key in [key for key in _roots if key[0] == os.getpid()]:
            remove_tree(_roots.pop(key))


def sweep() -> int:
    """Remove the folders whose process is dead; how many they were."""
    removed = 0
    for owner in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/owner.json"):
        with contextlib.suppress(OSError, ValueError, KeyError):
            told = json.loads(owner.read_text())
            # Who wrote that file, not whose the folder is: ours may belong to the user that children are.
            if owner.lstat().st_uid != os.getuid() or _lives(told):
                continue
            remove_tree(owner.parent)
            removed += 1
    return removed


def _make_root(uid: int) -> Path:
    root = Path(tempfile.mkdtemp(prefix=PREFIX))
    longest = root / "s" / "99999" / "k" / "k-5"
    if len(os.fsencode(longest)) > SOCKET_PATH_MAX:
        root.rmdir()
        raise SandboxError(
            "sandbox.no_start",
            given=f"The folder for sockets has too long a path: {root.parent}.",
            have=f"A socket's path may have {SOCKET_PATH_MAX} bytes; ours would have {len(os.fsencode(longest))}.",
            try_="Set TMPDIR to a folder with a short path, such as /tmp.",
        )
    told = {"pid": os.getpid(), "started": psutil.Process().create_time(), "uid": os.getuid()}
    (root / "owner.json").write_text(json.dumps(told))
    (root / "s").mkdir(mode=0o700)
    if uid:
        os.chown(root, uid, uid)
        os.chown(root / "s", uid, uid)
    return root


def _lives(told: dict[str, float]) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return abs(psutil.Process(int(told["pid"])).create_time() - told["started"]) < 1.0
    return False
