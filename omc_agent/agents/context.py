"""What an agent is handed: the things of the state, and whatever acts.

Nothing here opens a database, a sandbox or a model; the session does, and hands in what it opened.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Protocol

import pandas as pd
from langchain_core.messages import AIMessage
from typing_extensions import TypedDict

from omc_agent.config import Gates, Source, Trust, Work
from omc_agent.events import Event
from omc_agent.request import Decision, Request


async def _no_call(stage: str, name: str, tokens: int, key: str) -> str:
    return ""


async def _nothing(call: str) -> None:
    return None


def merge(old: dict[str, Any] | None, new: dict[str, Any] | None) -> dict[str, Any]:
    """Merge by key: lists would double at every subgraph border, dicts do not."""
    return {**(old or {}), **(new or {})}


class Shared(TypedDict, total=False):
    """The things that stages hand on; plain JSON. Frames and models are files, here are their names."""

    goal: str
    brief: dict[str, Any]
    questions: list[dict[str, Any]]
    error: dict[str, str] | None
    dropped: list[str]
    market: dict[str, Any]
    plan: list[dict[str, Any]]
    sealed: dict[str, Any]
    entered: dict[str, Any]
    proposal: dict[str, Any]
    choice: dict[str, Any]
    verdict: dict[str, Any]
    leaking: list[str]
    trouble: dict[str, Any] | None
    goto: str | None
    frames: Annotated[dict[str, Any], merge]
    fitted: Annotated[dict[str, Any], merge]
    cells: Annotated[dict[str, Any], merge]
    candidates: Annotated[dict[str, Any], merge]
    failed: Annotated[dict[str, Any], merge]
    texts: Annotated[dict[str, Any], merge]
    leaks: Annotated[dict[str, Any], merge]
    spent: Annotated[dict[str, Any], merge]
    allowed: Annotated[dict[str, Any], merge]
    overrides: Annotated[dict[str, Any], merge]
    visits: Annotated[dict[str, Any], merge]


@dataclass(frozen=True)
class Outcome:
    """A cell that ran and was recorded.

    Attributes
    ----------
    n : int
        Number of the cell in the run.
    status : str
        As in `CellResult`.
    text : str
        What was printed or shown as text.
    error : dict or None
        ``{type, message, line}``.
    frames : dict
        Name to ``{sha, rows, columns}`` of what it left.
    values : dict
        Name to plain JSON of what it left.
    """

    n: int
    status: str
    text: str = ""
    error: dict[str, Any] | None = None
    reason: str = ""
    frames: dict[str, Any] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether the cell ran to its end."""
        return self.status == "ok"


# Set by whoever runs the cell of a call, once it has its place in the record: the next call of the answer may follow.
BEGUN: ContextVar[asyncio.Event | None] = ContextVar("begun", default=None)
FAILED = "failed_"  # of `texts`, before the stage: the last error of a visit that came to nothing
# Looks at the frames (name to reference) and values that a cell left; what is wrong with them, or None.
CheckLeft = Callable[[Mapping[str, Any], Mapping[str, Any]], Awaitable[str | None]]


class RunCell(Protocol):
    """Run one cell in the sandbox, once: the same `key` again gives the record.

    What `check` objects to makes it a failed cell, of which nothing is kept.
    """

    def __call__(
        self,
        code: str,
        *,
        key: str,
        kind: str,
        into: Sequence[str],
        entered: Mapping[str, Any],
        check: CheckLeft | None = None,
    ) -> Awaitable[Outcome]:
        """See the class."""
        ...


class HostCell(Protocol):
    """Run `call` on the host and record it as the cell `code`; what it returns is kept like a cell's results."""

    def __call__(
        self, code: str, call: Callable[[], Any], *, key: str, into: Sequence[str], entered: Mapping[str, Any]
    ) -> Awaitable[Outcome]:
        """See the class."""
        ...


class ReadCell(Protocol):
    """The record of cell `n` of the branch, with its code; None when there is none that a model may see."""

    def __call__(self, n: int) -> Awaitable[tuple[str, Outcome] | None]:
        """See the class."""
        ...


async def _no_record(n: int) -> tuple[str, Outcome] | None:
    return None


class Bench(Protocol):
    """A fresh sandbox for replays: what runs here is ours or recorded, and it ends with the `async with`."""

    async def replay(
        self, inputs: Mapping[str, pd.DataFrame], outputs: Sequence[str], *, kinds: Sequence[str]
    ) -> dict[str, pd.DataFrame]:
        """Replay the branch's recorded cells of those kinds on `inputs`; see `sandbox.replay`."""
        ...

    async def run(self, code: str, *, key: str, kind: str) -> None:
        """Run and record one more cell; SandboxError when it fails."""
        ...

    async def get(self, name: str) -> pd.DataFrame:
        """The frame of variable `name`."""
        ...

    async def take_file(self, name: str) -> Path:
        """Bring out a file of the workspace, unread."""
        ...


class Answers(Protocol):
    """A record that is written, or that answers in place of the model."""

    def request(self, stage: str, messages: list[dict[str, Any]], tools: dict[str, str]) -> Any:
        """What is asked, as the record knows it."""
        ...

    def find(self, request: Any) -> tuple[AIMessage, str] | None:
        """The recorded answer and who gave it; None: ask. ModelError where nobody is there to be asked."""
        ...

    def keep(self, request: Any, message: AIMessage, model: str) -> None:
        """Write what was answered; OSError when that cannot be done."""
        ...

    def opening(self, frozen: dict[str, Any]) -> Any:
        """The opening of sealed rows that a replay repeats; None: it is a new one."""
        ...

    def opened(self, branch: str, frozen: dict[str, Any], count: int) -> None:
        """Write that sealed rows were opened; OSError when that cannot be done."""
        ...


class Prompts(Protocol):
    """Keeps what is sent to the model, before it is sent."""

    def sent(
        self,
        *,
        stage: str,
        visit: int,
        model: str,
        local: bool,
        system: str,
        tools: list[str],
        messages: list[dict[str, Any]],
    ) -> int:
        """A call that is about to be made; its number."""
        ...

    def answered(self, number: int, answer: dict[str, Any], usage: dict[str, Any], seconds: float) -> None:
        """What came back."""
        ...

    def failed(self, number: int, why: str, seconds: float) -> None:
        """That nothing came back."""
        ...


@dataclass
class Words:
    """What the person said to the agent, oldest first, and how many of these texts some model call has had."""

    said: list[str] = field(default_factory=list)
    delivered: int = 0


@dataclass
class RunContext:
    """What acts in a run; handed to the graph as its context, never checkpointed.

    `words` are the person's so far, `pending` the overrides that no stage has taken up yet, `base` id and brief of
    the run that this one follows (empty: none). `afford` returns when one more model call is paid for, `walled` says
    whether a wall holds generated code, `keep_settings` takes changed settings of the run. `begin_call` gives the id
    of a call that may be sent now (stage, model, tokens that it is thought to read, key), `spend` counts what it cost
    (stage, model, usage, id), `drop_call` says that it is not billed. `name_of` says how an open model is called,
    `rests` until when (monotonic clock) a model that failed is left alone. `redact` is what is taken out of a request
    before it leaves, `prompts` keeps what left, `named` describes what the goal names in braces, `answers` is the
    record of a run that is recorded or replayed.
    """

    run_id: str
    branch: str
    model_name: str
    model_timeout: float
    source: Source
    trust: Trust
    work: Work
    gates: Gates
    emit: Callable[[Event, str], Awaitable[None]]
    run_cell: RunCell
    host_cell: HostCell
    fresh_box: Callable[[], AbstractAsyncContextManager[Bench]]
    describe: Callable[[], Awaitable[dict[str, Any]]]
    seal: Callable[[pd.DataFrame, dict[str, Any]], tuple[pd.DataFrame, dict[str, Any]]]
    load_frame: Callable[[str], Awaitable[pd.DataFrame]]
    open_sealed: Callable[[dict[str, Any]], Awaitable[tuple[pd.DataFrame, int]]]
    ask: Callable[[Request, str], Awaitable[Decision]]
    afford: Callable[[str, str], Awaitable[None]]
    words: Words
    pending: Callable[[], dict[str, Any]]
    walled: Callable[[], Awaitable[bool]]
    keep_settings: Callable[[dict[str, Any]], Awaitable[None]]
    base: dict[str, Any]
    save_artifact: Callable[[str, bytes], Awaitable[Any]]
    spend: Callable[[str, str, dict[str, Any], str], Awaitable[None]]
    name_of: Callable[[Any], str]
    write_report: Callable[[Mapping[str, Any]], Awaitable[dict[str, str]]]
    redact: str = "secrets"
    named: dict[str, Any] = field(default_factory=dict)
    prompts: Prompts | None = None
    rests: dict[str, float] = field(default_factory=dict)
    begin_call: Callable[[str, str, int, str], Awaitable[str]] = _no_call
    drop_call: Callable[[str], Awaitable[None]] = _nothing
    answers: Answers | None = None
    read_cell: ReadCell = _no_record
