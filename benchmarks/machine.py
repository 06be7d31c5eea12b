"""Where a figure was measured, and where it is written down."""

from __future__ import annotations

import datetime
import os
import platform
import statistics
from pathlib import Path

RESULTS = Path(__file__).parent / "RESULTS.md"


def machine() -> str:
    """Cores, memory, system and Python."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}, Python {platform.python_version()}"


def median(values: list[float]) -> float:
    """The middle one."""
    return statistics.median(values)


def write_result(title: str, lines: list[str]) -> None:
    """Replace the section `title` of RESULTS.md, and print it."""
    stamp = f"{datetime.date.today().isoformat()}; {machine()}; load {os.getloadavg()[0]:.1f}"
    section = f"## {title}\n\n{stamp}\n\n" + "\n".join(lines) + "\n"
    print(section)
    old = (
        RESULTS.read_text() if RESULTS.exists() else "# Measured\n\nEach section is what one command printed last.\n"
    )
    head, *rest = old.split("\n## ")
    kept = [part for part in rest if not part.startswith(f"{title}\n")]
    RESULTS.write_text("\n## ".join([head.rstrip() + "\n", *[p.rstrip() + "\n" for p in kept], section[3:]]))
