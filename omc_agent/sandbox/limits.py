"""Limits kept from outside: rlimits set on the child's pid, and a watchdog over its tree."""

from __future__ import annotations

import asyncio
import resource
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from omc_agent.config import MB, Limits

__all__ = ["Breach", "Limits", "Watchdog", "set_rlimits"]

POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Breach:
    """A limit that was passed: the status it gives, and a reason that names limit and setting."""

    status: str
    reason: str
    fatal: bool = True


def set_rlimits(pid: int, limits: Limits) -> None:
    """Set memory, open files, file size and core size of process `pid` from outside.

    RLIMIT_DATA gives a clean MemoryError where the watchdog could only kill. RLIMIT_NPROC is not set: it counts
    all processes of the person's user, not those of the child; the watchdog counts the tree instead.
    """
    wanted = {
        resource.RLIMIT_DATA: limits.memory,
        resource.RLIMIT_NOFILE: limits.files,
        resource.RLIMIT_FSIZE: limits.file_size,
        resource.RLIMIT_CORE: -1,
    }
    for name, value in wanted.items():
        if value:
            ceiling = max(value, 0)
            resource.prlimit(pid, name, (ceiling, ceiling))


class Watchdog:
    """Watches one process tree while a cell runs.

    Parameters
    ----------
    pid : int
        The child.
    folder : Path
        Its workspace.
    limits : Limits
        What it may use; zero means no limit.
    """

    def __init__(self, pid: int, folder: Path, limits: Limits) -> None:
        self.limits, self.folder = limits, folder
        self.peak_bytes = 0
        self._root = psutil.Process(pid)
        self._tree = [self._root]
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
        try:
            self._tree = [self._root, *self._root.children(recursive=True)]
        except psutil.NoSuchProcess:
            self._tree = [self._root]

    def _memory(self) -> Breach | None:
        used = 0
        for process in self._tree:
            try:
                used += process.memory_info().rss
            except psutil.Error:
                continue
        self.peak_bytes = max(self.peak_bytes, used)
        if self.limits.memory and used > self.limits.memory:
            have = f"{used // MB:,} MB of {self.limits.memory // MB:,} MB"
            return Breach("memory", f"memory limit: {have}; --memory BYTES raises it")
        return None

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
            try:
                times = process.cpu_times()
            except psutil.Error:
                continue
            total += times.user + times.system + times.children_user + times.children_system
        return total

    def _disk(self) -> Breach | None:
        used = sum(path.lstat().st_size for path in _files(self.folder))
        if self.limits.workspace and used > self.limits.workspace:
            have = f"{used // MB:,} MB of {self.limits.workspace // MB:,} MB"
            return Breach("killed", f"workspace limit: {have}; AgentSettings.workspace raises it")
        return None


def _files(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    except OSError:  # a file that goes away while we look
        return []
