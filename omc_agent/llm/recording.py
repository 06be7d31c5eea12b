"""A run's calls are written into a record as they are answered."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage

from omc_agent import __version__
from omc_agent.llm.kept import KEPT, NO_USAGE, Plain
from omc_agent.llm.prices import price_of
from omc_agent.llm.record import FORMAT, HEAD, Call, Request, answered, choice_of, head_of, read_record, without


class Recording:
    """Writes a run's calls as they are answered.

    Parameters
    ----------
    path : Path
        Its folder is there. What the same run recorded before is gone on with; a record of another run is written
        over when the first answer comes, not before.
    head : dict
        ``model, run, goal``.
    secrets : sequence of str
        Texts that never reach the file.
    """

    def __init__(self, path: Path, head: dict[str, Any], *, secrets: Sequence[str] = ()) -> None:
        self.path, self.secrets = path, [secret for secret in secrets if secret]
        made = f"{datetime.now(UTC):%Y-%m-%d}"
        self.head = {HEAD: FORMAT, "omc_agent": __version__, "made": made, **head}
        self._before: Call | None = None
        self._numbered = 0
        self._unused: Call | None = None
        self._is_open = head_of(path).get("run") == head["run"]
        if self._is_open:
            self._take_up()

    def _take_up(self) -> None:
        """A line without an end goes. The last call was perhaps not yet obeyed when the process died."""
        record = read_record(self.path)
        text = self.path.read_bytes()
        whole = text[: text.rfind(b"\n") + 1]
        if whole != text:
            self.path.write_bytes(whole)
        self._numbered = len(record.calls)
        self._before = self._unused = record.calls[-1] if record.calls else None

    def request(self, stage: str, messages: list[Plain], tools: dict[str, str]) -> Request:
        """A request as it is written."""
        return Request.of(stage, messages, tools, self.secrets)

    def find(self, request: Request) -> tuple[AIMessage, str] | None:
        """The answer of a call that was recorded, and not used before the process died; the model is asked else."""
        unused, self._unused = self._unused, None
        if unused is not None and unused.request.key() == request.key():
            return answered(unused, self._numbered)
        return None

    def keep(self, request: Request, message: AIMessage, model: str) -> None:
        """Write one call, whole.

        Raises
        ------
        OSError
            When it cannot be written.
        """
        usage = message.usage_metadata or NO_USAGE
        counts = {"in": int(usage.get("input_tokens") or 0), "out": int(usage.get("output_tokens") or 0)}
        usd = 0.0 if message.response_metadata.get(KEPT) else price_of(model, usage)
        answer: Plain = {"text": message.text}
        if message.tool_calls:
            answer["calls"] = [{"name": call["name"], "args": call["args"]} for call in message.tool_calls]
        if refused := _refusal(message):
            answer["refused"] = refused
        call = Call(request, model, dict(without(answer, self.secrets)), counts, usd)
        self._write(call)
        self._before, self._numbered = call, self._numbered + 1

    def _write(self, call: Call) -> None:
        old = self._before.request if self._before is not None else Request("", [], {})
        new = call.request
        same = next(
            (n for n, pair in enumerate(zip(old.messages, new.messages, strict=False)) if pair[0] != pair[1]),
            min(len(old.messages), len(new.messages)),
        )
        row: dict[str, Any] = {"call": self._numbered + 1, "stage": new.stage, "model": call.model, "same": same}
        if new.tools != old.tools or self._before is None:
            row["tools"] = new.tools
        row |= {"messages": new.messages[same:], "answer": call.answer, "usage": call.usage,
                "usd": None if call.usd is None else round(call.usd, 8)}  # fmt: skip
        self._append(row)

    def opening(self, frozen: Plain) -> None:
        """A run that is recorded opens sealed rows as any run does."""

    def opened(self, branch: str, frozen: Plain, count: int) -> None:
        """Write which opening of these rows it was.

        Raises
        ------
        OSError
            When it cannot be written.
        """
        self._append({"opened": count, "branch": branch, "for": without(choice_of(frozen), self.secrets)})

    def _append(self, row: dict[str, Any]) -> None:
        lines = "" if self._is_open else json.dumps(self.head, ensure_ascii=False) + "\n"
        lines += json.dumps(row, ensure_ascii=False) + "\n"
        # One write: a process that is killed leaves whole lines.
        with self.path.open("ab" if self._is_open else "wb", buffering=0) as file:
            file.write(lines.encode("utf-8", errors="replace"))
        self._is_open = True


def _refusal(message: AIMessage) -> str:
    stopped = message.response_metadata.get("stop_reason") == "refusal"
    return str(message.additional_kwargs.get("refusal") or (message.text or "It gave no reason." if stopped else ""))
