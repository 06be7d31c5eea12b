"""The step before the outer ring, on the host: root becomes a user of its own, the child dies first when memory ends.

Run as ``python -I -S entry.py ORDER COMMAND ...`` where ORDER is JSON ``{uid, paths}``; it ends by becoming COMMAND.
As root a limit on processes is not kept, and files of root could be written: so root goes down to a uid that owns
nothing. That user cannot walk through folders such as ``/root`` to an interpreter that lies in there. A private
view of the mounts lays an empty folder over the closed one, with just the wanted paths in it.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from omc_agent.sandbox.wall import syscalls


def main() -> None:
    """Go down, then become the command."""
    order, command = json.loads(sys.argv[1]), sys.argv[2:]
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    if order["uid"]:
        open_the_way(order["paths"])
        os.setgroups([])
        os.setresgid(order["uid"], order["uid"], order["uid"])
        os.setresuid(order["uid"], order["uid"], order["uid"])
    os.execv(command[0], command)  # noqa: S606 - no shell, an absolute path of ours


def open_the_way(paths: list[str]) -> None:
    """Make `paths` reachable for a user who may not walk through every folder above them."""
    syscalls.unshare(syscalls.NEWNS)
    syscalls.mount(None, "/", None, syscalls.REC | syscalls.PRIVATE)
    # Held before anything is covered, and in these namespaces: what belongs to others cannot be bound.
    held = {path: os.open(path, os.O_PATH | os.O_CLOEXEC) for path in paths if os.path.exists(path)}
    covered: set[str] = set()
    for path, descriptor in held.items():
        closed = closed_above(path)
        if closed is None and not any(path.startswith(f"{folder}/") for folder in covered):
            continue
        if closed is not None:
            covered.add(closed)
            syscalls.mount("tmpfs", closed, "tmpfs", syscalls.NOSUID | syscalls.NODEV, "mode=0755,size=1m")
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):
            os.makedirs(path, mode=0o755, exist_ok=True)
        else:
            os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
            Path(path).touch()
        syscalls.mount(f"/proc/self/fd/{descriptor}", path, None, syscalls.BIND | syscalls.REC)


def closed_above(path: str) -> str | None:
    """The outermost folder above `path` that others may not walk through; None when there is none left."""
    for folder in reversed(Path(path).parents):
        if not folder.exists():  # covered already
            return None
        if not folder.stat().st_mode & 0o001:
            return str(folder)
    return None


if __name__ == "__main__":
    main()
