"""A record of a run's calls: JSON, a line a call behind one line of head, to lie beside a notebook in git.

A line holds of a conversation only what is new since the line before (`same` counts the messages that are not), so
that a step is a short line. Numbers are rounded, and what is made up anew in each process is left out: recorded again
without a change, the lines are the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage

from omc_agent import __version__
from omc_agent.errors import ModelError
from omc_agent.llm.kept import KEPT, NO_USAGE, Plain

FORMAT = 1
HEAD = "omc_agent_record"
HEAD_LARGEST = 1_000_000  # bytes
# The last digits of a figure differ between processors; whoever reads six has read the figure.
_LONG = re.compile(r"(?<![\w.:])-?\d+\.\d{4,}(?:[eE][-+]?\d+)?(?![\w.:])")


@dataclass(frozen=True)
class Request:
    """What an agent asks: the stage it is in, the conversation, and the tools at hand (see `kept`)."""

    stage: str
    messages: list[Plain]
    tools: dict[str, str]

    @classmethod
    def of(cls, stage: str, messages: list[Plain], tools: dict[str, str], secrets: Sequence[str] = ()) -> Request:
        """A request with its figures rounded, and without secrets."""
        clean = without(messages, secrets)
        return cls(stage, json.loads(json.dumps(clean), parse_float=_float), tools).rounded()

    def rounded(self) -> Request:
        """Figures within texts with six digits."""
        messages = [{**each, "text": _LONG.sub(_six, each["text"])} for each in self.messages]
        return Request(self.stage, messages, self.tools)

    def key(self) -> str:
        """Equal for equal requests."""
        return json.dumps([self.messages, self.tools], sort_keys=True)


@dataclass(frozen=True)
class Call:
    """One line: who answered what, and what it cost then (`usd` is None where no price is known)."""

    request: Request
    model: str
    answer: Plain
    usage: dict[str, int] = field(default_factory=dict)
    usd: float | None = None


@dataclass(frozen=True)
class Opening:
    """A line of another kind: the sealed rows were opened for a frozen choice, which was the `count`th time.

    The verdict depends on it. A replay takes no new look at the rows: it repeats this opening, whatever else was
    opened in the store that it runs in.
    """

    run: str
    branch: str
    choice: Plain
    count: int


@dataclass(frozen=True)
class Record:
    """A whole file: its head, its calls and its openings in order."""

    name: str
    head: dict[str, Any]
    calls: list[Call]
    openings: list[Opening] = field(default_factory=list)

    @property
    def model(self) -> str:
        """``provider:model`` as the run was asked for; several with commas."""
        return str(self.head["model"])

    def cost(self) -> str:
        """What the calls cost when they were recorded, in words.

        Examples
        --------
        >>> Record("eth.jsonl", {"model": "ollama:qwen3", "made": "2026-11-28"}, []).cost()
        '0 calls of ollama:qwen3, recorded on 2026-11-28: 0 tokens and $0.0000 then'
        """
        tokens = sum(sum(call.usage.values()) for call in self.calls)
        dollars = sum(call.usd or 0.0 for call in self.calls)
        price = "no known price" if any(call.usd is None for call in self.calls) else f"${dollars:.4f}"
        calls = f"{len(self.calls)} calls of {self.model}, recorded on {self.head['made']}"
        return f"{calls}: {tokens:,} tokens and {price} then"


def without(value: Any, secrets: Sequence[str]) -> Any:
    """Plain JSON with each of `secrets` replaced by stars.

    Examples
    --------
    >>> without({"text": "my key is sk-1"}, ["sk-1"])
    {'text': 'my key is ***'}
    """
    text = json.dumps(value, ensure_ascii=False)
    for secret in secrets:
        text = text.replace(json.dumps(secret, ensure_ascii=False)[1:-1], "***")
    return json.loads(text)


def head_of(path: Path) -> dict[str, Any]:
    """The head of a record; empty where there is no file, or one that is no record."""
    try:
        with path.open("rb") as file:
            head = _object(file.readline(HEAD_LARGEST).decode("utf-8", errors="replace"))
    except OSError:
        return {}
    return head if head is not None and HEAD in head else {}


def is_record(path: Path) -> bool:
    """Whether a file begins as a record does."""
    return bool(head_of(path))


def read_record(path: Path) -> Record:
    """Read a file that `Recording` wrote.

    A last line that a killed process left without its end is no call.

    Raises
    ------
    ModelError
        ``model.replay`` for what is no record, a format of another version, or a broken line.
    OSError
        When it cannot be read.
    """
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    whole = lines[:-1]  # behind the last line end there is nothing, or a line that was not finished
    head = _object(whole[0]) if whole else None
    if head is None or HEAD not in head or not all(isinstance(head.get(name), str) for name in ("model", "made")):
        raise _unreadable(f"{path.name} is no record of a run.", "Its first line is not the head of one.")
    if head[HEAD] != FORMAT:
        raise _unreadable(
            f"{path.name} has format {head[HEAD]!r}.", f"This version of omc_agent, {__version__}, reads {FORMAT}."
        )
    record = Record(path.name, head, [], [])
    for number, line in enumerate(whole[1:], start=2):
        row = _object(line)
        opening = _opening(row, str(head.get("run")))
        call = _call(row, record.calls[-1].request if record.calls else None) if opening is None else None
        if opening is not None:
            record.openings.append(opening)
        elif call is not None:
            record.calls.append(call)
        else:
            have = "Each line holds one call, and belongs behind the line that it was written behind."
            raise _unreadable(f"Line {number} of {path.name} is broken.", have)
    return record


def _unreadable(given: str, have: str) -> ModelError:
    return ModelError("model.replay", given=given, have=have, try_="Take the file back from git, or record anew.")


def _object(line: str) -> dict[str, Any] | None:
    try:
        read = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return read if isinstance(read, dict) else None


def choice_of(frozen: Plain) -> Plain:
    """What names a frozen choice on every machine: no figure that a processor rounds."""
    return {"choice": frozen["choice"], "brief": frozen["brief"], "seed": frozen["seed"]}


def _opening(row: dict[str, Any] | None, run: str) -> Opening | None:
    if row is None or not isinstance(row.get("opened"), int) or not isinstance(row.get("for"), dict):
        return None
    return Opening(run, str(row.get("branch")), row["for"], max(1, row["opened"]))


def _call(row: dict[str, Any] | None, before: Request | None) -> Call | None:
    """A line as a call; None when it is none."""
    if row is None:
        return None
    try:
        same = int(row["same"])
        shared = before.messages[:same] if before is not None else []
        tools = row["tools"] if "tools" in row or before is None else before.tools
        messages = [{**each, "role": str(each["role"]), "text": str(each["text"])} for each in row["messages"]]
        answer = {**row["answer"], "text": str(row["answer"]["text"])}
        answer["calls"] = [{"name": str(c["name"]), "args": dict(c["args"])} for c in answer.get("calls", [])]
        usage = {name: int(count) for name, count in row["usage"].items()}
        usd = None if row["usd"] is None else float(row["usd"])
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    if len(shared) != same or not isinstance(tools, dict):
        return None
    return Call(
        Request(str(row.get("stage")), [*shared, *messages], tools), str(row.get("model")), answer, usage, usd
    )


def answered(call: Call, number: int) -> tuple[AIMessage, str]:
    """The answer of a recorded call, at no cost, and who gave it."""
    calls = [
        {"name": each["name"], "args": each["args"], "id": f"recorded_{number}_{k}", "type": "tool_call"}
        for k, each in enumerate(call.answer.get("calls", []))
    ]
    refused = {"refusal": call.answer["refused"]} if call.answer.get("refused") else {}
    message = AIMessage(content=call.answer["text"], tool_calls=calls, additional_kwargs=refused,
                        response_metadata={KEPT: True}, usage_metadata=NO_USAGE)  # fmt: skip
    return message, call.model


def _float(text: str) -> float:
    return float(f"{float(text):.6g}")


def _six(match: re.Match[str]) -> str:
    return f"{float(match[0]):.6g}"
