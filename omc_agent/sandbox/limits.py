"""Limits: those that the system keeps once they are set, and a watchdog from outside over the child's tree."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from omc_agent.config import MB, Limits

__all__ = ["Breach", "Limits", "Watchdog", "end_others", "kernel_limits"]

POLL_SECONDS = 0.05
FILES_MAX = 50_000  # in the child's folder; more could not be counted in time


@dataclass(frozen=True)
class Breach:
    """A limit that was passed: the status it gives, and a reason that names limit and setting."""

    status: str
    reason: str
    fatal: bool = True


def kernel_limits(limits: Limits, *, own_user: bool) -> dict[str, int]:
    """The limits that the system keeps, by the name of the rlimit; the child sets them before any cell has run.

    RLIMIT_DATA gives a clean MemoryError where the watchdog could only kill.

    Parameters
    ----------
    limits : Limits
        Zero sets none.
    own_user : bool
        Whether the child has a user namespace of its own: then RLIMIT_NPROC counts the child alone. Elsewhere it
        would count all processes of the person; there only the watchdog counts the tree.
    """
    wanted = {
        "RLIMIT_DATA": limits.memory,
        "RLIMIT_NOFILE": limits.files,
        "RLIMIT_FSIZE": limits.file_size,
        "RLIMIT_NPROC": limits.processes if own_user else 0,
    }
    return {"RLIMIT_CORE": 0, **{name: value for name, value in wanted.items() if value}}


class Watchdog:
    """Watches one process tree while a cell runs.

    Parameters
    ----------
    pid : int or None
        The child; None where it is on another machine, then only wall time is watched.
    folder : Path
        Its workspace.
    limits : Limits
        What it may use; zero means no limit.
    kernel : int, optional
        The kernel itself, where `pid` is what holds it.
    """

    def __init__(self, pid: int | None, folder: Path, limits: Limits, kernel: int | None = None) -> None:
        self.limits, self.folder = limits, folder
        self.peak_bytes = 0
        self._root = psutil.Process(pid) if pid is not None else None
        # Looking for the whole tree takes as long as a short cell: until the first scan these two are all we know.
        self._tree = [psutil.Process(one) for one in {pid, kernel} if one is not None]
        self._began = time.time()
        self._cpu_start = self._cpu()

    async def watch(self) -> Breach:
        """Return the first breach; never returns when there is none (cancel it)."""
        start = last_scan = last_disk = time.monotonic()
        while True:
            await asyncio.sleep(POLL_SECONDS)
            now = time.monotonic()
            if now - last_scan > 4 * POLL_SECONDS:
                last_scan = now
                self._scan()
            if now - last_disk > 1.0:
                last_disk = now
                breach = await asyncio.to_thread(self._disk)
                if breach:
                    return breach
            breach = self._memory() or self._processes() or self._clock(now - start)
            if breach:
                return breach

    def _scan(self) -> None:
        known = self._tree
        self._tree = [self._root] if self._root is not None else []
        with contextlib.suppress(psutil.NoSuchProcess):
            self._tree += self._root.children(recursive=True) if self._root is not None else []
        # What an earlier cell left running has used its time before this one began.
        for process in set(self._tree) - set(known):
            with contextlib.suppress(psutil.Error):
                if process.create_time() < self._began:
                    self._cpu_start += _cpu_of(process)

    def _memory(self) -> Breach | None:
        used = self._resident()
        self.peak_bytes = max(self.peak_bytes, used)
        if self.limits.memory and used > self.limits.memory and self._proportional() > self.limits.memory:
            have = f"{used // MB:,} MB of {self.limits.memory // MB:,} MB"
            return Breach("memory", f"memory limit: {have}; --memory BYTES raises it")
        return None

    def _resident(self) -> int:
        used = 0
        for process in self._tree:
            with contextlib.suppress(psutil.Error):
                used += process.memory_info().rss
        return used

    def _proportional(self) -> int:
        """Pages that forks share counted once; as `_resident` where the system does not let us look."""
        used = 0
        for process in self._tree:
            try:
                used += process.memory_full_info().pss
            except psutil.NoSuchProcess:
                continue
            except (psutil.Error, AttributeError):
                return self._resident()
        return used

    def _processes(self) -> Breach | None:
        if not self.limits.processes:
            return None
        count = 0
        for process in self._tree:
            try:
                count += process.num_threads()
            except psutil.Error:
                continue
        if count > self.limits.processes:
            have = f"{count} of {self.limits.processes} processes and threads"
            return Breach("killed", f"processes limit: {have}; AgentSettings.processes raises it")
        return None

    def _clock(self, wall: float) -> Breach | None:
        if self.limits.wall and wall > self.limits.wall:
            return Breach(
                "timeout", f"wall limit: {self.limits.wall:g} s a cell; --wall SECONDS raises it", fatal=False
            )
        if self.limits.cpu and self._cpu() - self._cpu_start > self.limits.cpu:
            return Breach(
                "timeout",
                f"cpu limit: {self.limits.cpu:g} s a cell; AgentSettings.cpu raises it",
                fatal=False,
            )
        return None

    def _cpu(self) -> float:
        total = 0.0
        for process in self._tree:
            with contextlib.suppress(psutil.Error):
                total += _cpu_of(process)
        return total

    def _disk(self) -> Breach | None:
        if not self.limits.workspace:
            return None
        used, count, too_deep = _measured(self.folder)
        have = f"{used // MB:,} MB of {self.limits.workspace // MB:,} MB"
        if too_deep or count > FILES_MAX:
            have = "folders nested too deeply to be counted" if too_deep else f"more than {FILES_MAX:,} files"
        elif used <= self.limits.workspace:
            return None
        return Breach("killed", f"workspace limit: {have}; AgentSettings.workspace raises it")


def _cpu_of(process: psutil.Process) -> float:
    """CPU seconds of a process and of those of its children that it has reaped."""
    times = process.cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)


def end_others(first: int, kernel: int) -> None:
    """Kill what the kernel has started, and leave the kernel: at a limit an interrupt reaches the kernel alone."""
    with contextlib.suppress(psutil.Error):
        for process in psutil.Process(first).children(recursive=True):
            if process.pid != kernel:
                with contextlib.suppress(psutil.Error):
                    process.kill()


def _measured(folder: Path) -> tuple[int, int, bool]:
    """Bytes and number of the files below `folder`, and whether a path was too long to look at. Follows no link."""
    used, count, todo = 0, 0, [str(folder)]
    while todo and count <= FILES_MAX:
        try:
            with os.scandir(todo.pop()) as entries:
                for entry in entries:
                    count += 1
                    if entry.is_dir(follow_symlinks=False):
                        todo.append(entry.path)
                    else:
                        used += entry.stat(follow_symlinks=False).st_blocks * 512
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                return used, count, True
    return used, count, False
