"""`CellResult`: what came of one cell, made from what the child said."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from omc_agent.sandbox.cleaning import clean_text
from omc_agent.sandbox.reader import Spoken

LOST = "The child kernel was replaced: its variables are lost and must be rebuilt; frames put in are still there."


@dataclass(frozen=True)
class CellResult:
    """What came of one cell.

    Attributes
    ----------
    status : str
        ok, error, timeout, memory, output, killed or refused.
    text : str
        What it printed, without control sequences.
    outputs : list of dict
        Mimebundles of text/plain, text/html and image/png.
    error : dict or None
        ``{type, message, line}``; the line counts from 1 within the cell.
    seconds : float
        Confinement seconds.
    peak_bytes : int
        Largest resident size of the child's tree that was seen.
    reason : str
        Which limit was met and which setting raises it; empty when status is ok or error.
    """

    status: str
    text: str = ""
    outputs: list[dict[str, str]] = field(default_factory=list)
    error: dict[str, Any] | None = None
    seconds: float = 0.0
    peak_bytes: int = 0
    reason: str = ""

    @property
    def ok(self) -> bool:
        """Whether the cell ran to its end."""
        return self.status == "ok"


def result_of(spoken: Spoken, seconds: float) -> CellResult:
    """The result of a cell of which `spoken` is what the child said, and `seconds` what it took."""
    common: dict[str, Any] = {
        "text": clean_text(spoken.text),
        "outputs": spoken.outputs,
        "seconds": seconds,
        "peak_bytes": spoken.peak_bytes,
    }
    error = _error(spoken.error)
    if spoken.breach:
        lost = f" {LOST}" if spoken.died else ""
        return CellResult(spoken.breach.status, error=error, reason=spoken.breach.reason + lost, **common)
    if spoken.died:
        return CellResult("killed", reason=f"The child kernel died. {LOST}", **common)
    if error and error["type"] == "MemoryError":
        return CellResult(
            "memory",
            error=error,
            reason="memory limit: the cell asked for more; --memory BYTES raises it",
            **common,
        )
    return CellResult("error" if error else "ok", error=error, **common)


def _error(told: dict[str, Any] | None) -> dict[str, Any] | None:
    if told is None:
        return None
    text = "\n".join(told.get("traceback", []))
    lines = re.findall(r"Cell In\[\d+\], line (\d+)", text) or re.findall(r"-+> (\d+) ", text)
    return {"type": told["type"], "message": told["message"], "line": int(lines[0]) if lines else None}
