"""D: the hostile snippets of the sandbox's benchmark, given to each executor; how many it held, in one row each."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

HOSTILE = Path(__file__).resolve().parents[1] / "hostile.py"
LIMIT, LATE = 3.0, 3.0  # seconds a snippet may take, and how much later an answer still counts as in time


def run() -> list[dict[str, Any]]:
    """One row an executor; a failure of the whole is told as one."""
    done = subprocess.run([sys.executable, str(HOSTILE)], capture_output=True, text=True, cwd=HOSTILE.parent)
    if done.returncode:
        return [{"executor": "all", "failures": [(done.stderr.strip().splitlines() or ["died"])[-1]]}]
    return rows_of(done.stdout)


def rows_of(table: str) -> list[dict[str, Any]]:
    """Counts out of the table that `hostile.py` prints."""
    lines = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("|")]
    names, cells = lines[0][1:], [line for line in lines[2:] if len(line) == len(lines[0])]
    rows = []
    for place, name in enumerate(names, start=1):
        told = [line[place] for line in cells]
        seconds = [float(found[-1]) for text in told if (found := re.findall(r"(\d+\.\d) s", text))]
        rows.append(
            {
                "executor": name,
                "snippets": len(told),
                "got_through": sum("got through" in text for text in told),
                "late": sum(took > LIMIT + LATE for took in seconds),
                "left_behind": sum("process stayed" in text for text in told),
                "worst_overrun": max(0.0, max(seconds, default=0.0) - LIMIT),
            }
        )
    return rows
