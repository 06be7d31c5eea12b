"""What the offline model is in: a `Situation`; and what it does: a `Move`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Facts = dict[str, Any]
SCORE = "cross_validate_model"
_DIED = ("The child kernel died", "The child kernel was replaced", "the child died")


@dataclass(frozen=True)
class Move:
    """Words, and a tool call; without a tool the stage ends."""

    reason: str
    tool: str = ""
    args: dict[str, Any] = field(default_factory=dict)

    @property
    def what(self) -> tuple[str, str]:
        """What the move is, whatever its other arguments: a stage makes each only once."""
        return self.tool, str(self.args.get("model", "")) if self.tool == SCORE else ""


@dataclass(frozen=True)
class Situation:
    """The facts that the stage opened with, the results since, and what a person said.

    Attributes
    ----------
    facts : dict
        The opening message's JSON.
    results : list of dict
        Tool, arguments and answer of each call, oldest first.
    said : list of str
        What the person said to the agent in this run, oldest first.
    heard : int
        How many of these were answered in an earlier stage.
    answers : list of str
        What the model said in this stage.
    """

    facts: Facts
    results: list[dict[str, Any]]
    said: list[str] = field(default_factory=list)
    heard: int = 0
    answers: list[str] = field(default_factory=list)


def is_lost(result: dict[str, Any]) -> bool:
    """Whether the child died under a cell, by no limit: the same cell may well run in the next child.

    Examples
    --------
    >>> is_lost({"ok": False, "status": "killed", "reason": "The child kernel died. Its variables are lost."})
    True
    >>> is_lost({"ok": False, "status": "killed", "reason": "files limit: 70. The child kernel was replaced."})
    False
    """
    if result["ok"] or result.get("status") not in ("killed", "error"):
        return False
    error = result.get("error") or {}
    parts = [result.get("reason") or "", *(error.values() if isinstance(error, dict) else [error])]
    told = " ".join(map(str, parts))
    return any(words in told for words in _DIED) and " limit: " not in told
