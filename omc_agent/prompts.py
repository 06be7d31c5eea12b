"""What was sent to the model, call by call: written before each call, read by ``show ID --prompts``.

A file of the run's workspace, a line of JSON each. A call holds only what is new since the call before it in that
stage, so the file grows with the length of the talk and not with its square. A line that a kill cut off is left out.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FILE = "prompts.jsonl"
Message = dict[str, Any]
_Place = tuple[str, str, int]


@dataclass
class SentCall:
    """One call of the model.

    Attributes
    ----------
    number : int
        From 1, over all branches of the run.
    branch, stage, visit, model
        Where it was, and who was asked.
    local : bool
        Whether the model runs in this process, so that nothing left the machine.
    at : float
        Seconds since the epoch, UTC.
    system : str
        The system prompt.
    tools : list of str
        Names of the tools.
    messages : list of dict
        All that was sent: ``role``, ``text``, and ``calls`` or ``tool`` where there are any.
    new : int
        How many of the last messages the call before did not have.
    answer : dict or None
        ``text`` and ``calls``; None where there was none.
    error : str
        Why there was none.
    usage : dict
        ``input_tokens``, ``output_tokens``, as the provider counted.
    seconds : float
    """

    number: int
    branch: str
    stage: str
    visit: int
    model: str
    local: bool = False
    at: float = 0.0
    system: str = ""
    tools: list[str] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    new: int = 0
    answer: Message | None = None
    error: str = ""
    usage: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0


class PromptLog:
    """Writes the calls of one branch.

    Parameters
    ----------
    workspace : Path
        Of the run.
    branch : str
    """

    def __init__(self, workspace: Path, branch: str) -> None:
        self.path, self.branch = workspace / FILE, branch
        self._last: dict[_Place, SentCall] | None = None
        self._number = 0

    def sent(
        self,
        *,
        stage: str,
        visit: int,
        model: str,
        local: bool,
        system: str,
        tools: list[str],
        messages: list[Message],
    ) -> int:
        """Write a call that is about to be made; returns its number."""
        before = self._before().get((self.branch, stage, visit))
        self._number += 1
        kept = 0
        if before is not None:
            pairs = list(zip(before.messages, messages, strict=False))
            kept = next((n for n, (old, new) in enumerate(pairs) if old != new), len(pairs))
        line: dict[str, Any] = {"kind": "sent", "n": self._number, "branch": self.branch, "stage": stage,
                                "visit": visit, "model": model, "local": local, "at": time.time(),
                                "kept": kept, "new": messages[kept:]}  # fmt: skip
        if before is None or before.system != system:
            line["system"] = system
        if before is None or before.tools != tools:
            line["tools"] = tools
        self._write(line)
        made = SentCall(self._number, self.branch, stage, visit, model, system=system, tools=tools, messages=messages)
        self._before()[(self.branch, stage, visit)] = made
        return self._number

    def answered(self, number: int, answer: Message, usage: dict[str, Any], seconds: float) -> None:
        """Write what came back."""
        self._write({"kind": "answered", "n": number, "answer": answer, "usage": usage, "seconds": round(seconds, 3)})

    def failed(self, number: int, why: str, seconds: float) -> None:
        """Write that nothing came back."""
        self._write({"kind": "failed", "n": number, "error": why, "seconds": round(seconds, 3)})

    def _before(self) -> dict[_Place, SentCall]:
        """The last call of each stage, also of the process that was there before."""
        if self._last is None:
            self._last = {}
            for call in read_calls(self.path.parent):
                self._last[(call.branch, call.stage, call.visit)] = call
                self._number = max(self._number, call.number)
        return self._last

    def _write(self, line: dict[str, Any]) -> None:
        text = json.dumps(line, default=lambda thing: type(thing).__name__)
        with contextlib.suppress(OSError):  # a full disk is told where the run itself writes
            torn = self.path.exists() and not _ends_whole(self.path)
            descriptor_mode = "a" if self.path.exists() else "x"
            with self.path.open(descriptor_mode, encoding="utf-8") as file:
                file.write(("\n" if torn else "") + text + "\n")
            if descriptor_mode == "x":
                self.path.chmod(0o600)


def read_calls(workspace: Path, branch: str | None = None) -> list[SentCall]:
    """The calls of a run, oldest first.

    Parameters
    ----------
    workspace : Path
        Of the run.
    branch : str, optional
        Only those of this branch.

    Returns
    -------
    list of SentCall
        Empty where none was written.
    """
    last: dict[_Place, SentCall] = {}
    found: dict[int, SentCall] = {}
    for line in _lines(workspace / FILE):
        if line["kind"] != "sent":
            if call := found.get(line["n"]):
                call.answer, call.error = line.get("answer"), str(line.get("error", ""))
                call.usage, call.seconds = dict(line.get("usage") or {}), float(line.get("seconds") or 0)
            continue
        place = (line["branch"], line["stage"], line["visit"])
        before = last.get(place)
        earlier = before.messages[: line["kept"]] if before is not None else []
        found[line["n"]] = last[place] = SentCall(
            number=line["n"], branch=line["branch"], stage=line["stage"], visit=line["visit"], model=line["model"],
            local=bool(line.get("local")), at=line["at"], messages=[*earlier, *line["new"]], new=len(line["new"]),
            system=line.get("system", before.system if before is not None else ""),
            tools=line.get("tools", before.tools if before is not None else []),
        )  # fmt: skip
    return [call for call in found.values() if branch in (None, call.branch)]


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    if not path.exists():
        return
    with path.open(encoding="utf-8", errors="replace") as file:
        for text in file:
            try:
                line = json.loads(text)
            except ValueError:
                continue
            if isinstance(line, dict) and "kind" in line and "n" in line:
                yield line


def _ends_whole(path: Path) -> bool:
    with path.open("rb") as file:
        if not file.seek(0, 2):
            return True
        file.seek(-1, 2)
        return file.read(1) == b"\n"
