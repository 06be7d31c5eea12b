"""What can happen in a run: frozen values, JSON both ways.

The ledger, the panel, the CLI and REST read these and nothing else. The snake_case name of a class is
its ``kind`` in the ledger. Text in an event is plain; whoever shows it escapes it.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

KINDS: dict[str, type[Event]] = {}


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened. `at` is seconds since the epoch, UTC."""

    stage: str = ""
    at: float = field(default_factory=time.time)
    kind: ClassVar[str] = "event"
    role: ClassVar[str] = "agent"
    transient: ClassVar[bool] = False  # shown, and never written to the ledger

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.kind = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()
        KINDS[cls.kind] = cls

    def line(self) -> str:
        """The event in one plain line, for a terminal and for the ledger's `content`."""
        return self.kind

    def to_dict(self) -> dict[str, Any]:
        """All fields, ready for JSON."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


def event_from_dict(kind: str, values: dict[str, Any]) -> Event:
    """The event of that kind; fields that this version does not know are left out."""
    cls = KINDS[kind]
    known = {f.name for f in fields(cls)}
    return cls(**{name: value for name, value in values.items() if name in known})


@dataclass(frozen=True, kw_only=True)
class RunStarted(Event):
    """A run begins: who thinks, what was asked."""

    run_id: str
    goal: str
    model: str
    model_note: str = ""
    seed: int = 0
    branch: str = ""

    def line(self) -> str:
        return f"run {self.run_id}: {self.goal} ({self.model})"


@dataclass(frozen=True, kw_only=True)
class IsolationKnown(Event):
    """What holds the code, as the canary found it: `tier` is walled, reduced, limited or remote."""

    role: ClassVar[str] = "host"

    tier: str
    means: str
    title: str
    note: str

    def line(self) -> str:
        return f"isolation: {self.title} ({self.means})"


@dataclass(frozen=True, kw_only=True)
class BriefRead(Event):
    """The goal as it was read. `brief` holds the fields of :class:`omc_agent.brief.Brief`."""

    title: str
    brief: dict[str, Any]

    def line(self) -> str:
        return self.title


@dataclass(frozen=True, kw_only=True)
class PlanMade(Event):
    """The plan; each step holds the fields of :class:`omc_agent.brief.PlanStep`. `note` is what the span can show."""

    steps: list[dict[str, Any]]
    note: str = ""

    def line(self) -> str:
        return " > ".join(str(step["title"]) for step in self.steps)


@dataclass(frozen=True, kw_only=True)
class StageStarted(Event):
    """A stage begins. `visit` counts its entries, from 1."""

    title: str
    visit: int = 1

    def line(self) -> str:
        return f"{self.title}"


@dataclass(frozen=True, kw_only=True)
class StageFinished(Event):
    """A stage ended: `status` is ok, failed, skipped or back (sent back to an earlier stage)."""

    status: str
    seconds: float
    cells: int
    visit: int = 1

    def line(self) -> str:
        return f"{self.stage}: {self.status}, {self.cells} cells, {self.seconds:.1f} s"


@dataclass(frozen=True, kw_only=True)
class Reason(Event):
    """Why the next step is taken, in the words of the model. The first of a stage is its plan."""

    text: str

    def line(self) -> str:
        return self.text


@dataclass(frozen=True, kw_only=True)
class Writing(Event):
    """What the model is writing just now, its end if it is long; all empty: it ended, well or not.

    Shown and never kept: the whole text comes as `Reason`, the call as `Act`. `tool` is the tool whose call is being
    written, `code` the free code so far, `doing` what it does while it writes nothing.
    """

    text: str = ""
    tool: str = ""
    code: str = ""
    doing: str = ""
    transient: ClassVar[bool] = True

    def line(self) -> str:
        return self.text


@dataclass(frozen=True, kw_only=True)
class Act(Event):
    """The step that is taken: a tool and its arguments."""

    tool: str
    args: dict[str, Any]

    def line(self) -> str:
        return f"{self.tool}({', '.join(f'{k}={v!r}' for k, v in self.args.items())})"


@dataclass(frozen=True, kw_only=True)
class Observe(Event):
    """What came of the step, as the model was told."""

    tool: str
    text: str
    ok: bool = True
    role: ClassVar[str] = "tool"

    def line(self) -> str:
        return self.text


@dataclass(frozen=True, kw_only=True)
class CellStarted(Event):
    """A cell begins to run; `where` is sandbox or host."""

    n: int
    code: str
    where: str = "sandbox"
    role: ClassVar[str] = "tool"

    def line(self) -> str:
        return self.code


@dataclass(frozen=True, kw_only=True)
class CellFinished(Event):
    """A cell as it was recorded. `outputs` are mimebundles, already cleaned."""

    n: int
    code: str
    where: str = "sandbox"
    cell_kind: str = "look"
    status: str = "ok"
    text: str = ""
    outputs: list[dict[str, str]] = field(default_factory=list)
    error: dict[str, Any] | None = None
    reason: str = ""
    seconds: float = 0.0
    peak_bytes: int = 0
    frames: dict[str, str] = field(default_factory=dict)
    role: ClassVar[str] = "tool"

    def line(self) -> str:
        return f"[{self.n}] {self.status} in {self.seconds:.2f} s: {self.code}"


@dataclass(frozen=True, kw_only=True)
class Progressed(Event):
    """How far along: `done` of `total` planned steps, and what is going on now."""

    done: int
    total: int
    text: str
    role: ClassVar[str] = "host"

    def line(self) -> str:
        return f"{self.done}/{self.total} {self.text}"


@dataclass(frozen=True, kw_only=True)
class Warned(Event):
    """Something the person should know; `column`, `cell` and `line_no` say where."""

    code: str
    text: str
    column: str | None = None
    cell: int | None = None
    line_no: int | None = None
    role: ClassVar[str] = "host"

    def line(self) -> str:
        return f"{self.code}: {self.text}"


@dataclass(frozen=True, kw_only=True)
class HoldoutSealed(Event):
    """The last stretch was set aside on the host, before any code saw it. Times are ISO 8601 UTC."""

    rows: int
    start: str
    end: str
    development_rows: int
    development_start: str
    development_end: str
    role: ClassVar[str] = "host"

    def line(self) -> str:
        return f"sealed {self.rows} rows from {self.start}"


@dataclass(frozen=True, kw_only=True)
class LeakTested(Event):
    """The leak test's finding: per column the cuts at which it changed. `where` is development or holdout.

    `notes` are findings of the same form that change nothing, such as rounding.
    """

    where: str
    cuts: int
    columns: int
    findings: list[dict[str, Any]]
    seconds: float = 0.0
    notes: list[dict[str, Any]] = field(default_factory=list)
    role: ClassVar[str] = "host"

    def line(self) -> str:
        named = ", ".join(str(f["column"]) for f in self.findings)
        return f"leak test ({self.where}), {self.cuts} cuts, {self.columns} columns: {named or 'clean'}"


@dataclass(frozen=True, kw_only=True)
class CandidateScored(Event):
    """A candidate and its walk-forward score (keys as in the contract of ``--json``)."""

    candidate: dict[str, Any]
    role: ClassVar[str] = "tool"

    def line(self) -> str:
        c = self.candidate
        return f"{c['name']}: {c['score']:.4f} [{c['low']:.4f}, {c['high']:.4f}]"


@dataclass(frozen=True, kw_only=True)
class RequestOpened(Event):
    """A question to the person, written to the store before it was asked.

    `request` holds the fields of `omc_agent.request.Request`; `deadline` is in seconds since the epoch (UTC), None
    where it waits as long as needed, and `on_timeout` is what happens then: park, approve or reject.
    """

    request_id: str
    gate: str
    question: str
    effect: str = ""
    options: list[str] = field(default_factory=list)
    default: str = ""
    request: dict[str, Any] = field(default_factory=dict)
    deadline: float | None = None
    on_timeout: str = "park"

    def line(self) -> str:
        return f"{self.gate}: {self.question}"


@dataclass(frozen=True, kw_only=True)
class RequestDecided(Event):
    """The answer, and who gave it (a person, or the policy that was in force)."""

    request_id: str
    gate: str
    decision: str
    decided_by: str
    why: str = ""
    role: ClassVar[str] = "person"

    def line(self) -> str:
        return f"{self.gate}: {self.decision} by {self.decided_by}. {self.why}".strip()


@dataclass(frozen=True, kw_only=True)
class ChoiceMade(Event):
    """Which candidate goes to scoring, and why."""

    name: str
    why: str
    recommended: str = ""

    def line(self) -> str:
        return f"{self.name}: {self.why}"


@dataclass(frozen=True, kw_only=True)
class VerdictCalled(Event):
    """The verdict (keys as in the contract), the sentences that say it, and in `details` what describes it."""

    verdict: dict[str, Any]
    headline: str
    sentence: str
    details: dict[str, Any] = field(default_factory=dict)
    role: ClassVar[str] = "host"

    def line(self) -> str:
        return f"{self.headline}. {self.sentence}"


@dataclass(frozen=True, kw_only=True)
class ArtifactSaved(Event):
    """A file that the run leaves: `path` on this machine, `sha256` of its bytes."""

    name: str
    path: str
    sha256: str
    size: int = 0
    role: ClassVar[str] = "host"

    def line(self) -> str:
        return f"{self.name} ({self.size} bytes)"


@dataclass(frozen=True, kw_only=True)
class Said(Event):
    """Words of the person to the agent."""

    text: str
    role: ClassVar[str] = "person"

    def line(self) -> str:
        return self.text


@dataclass(frozen=True, kw_only=True)
class Branched(Event):
    """A person changed something: from `stage` on the work is done again, on a branch of its own.

    The event belongs to the new branch and is its first; `parent` is the branch that it leaves, which stays readable.
    """

    new_branch: str
    parent: str
    overrides: dict[str, Any] = field(default_factory=dict)
    decided_by: str = ""
    role: ClassVar[str] = "person"

    def line(self) -> str:
        changed = ", ".join(f"{key}={value}" for key, value in self.overrides.items())
        return f"{self.new_branch} from {self.stage} on: {changed or 'as before'}, by {self.decided_by}"


@dataclass(frozen=True, kw_only=True)
class Overridden(Event):
    """A person changed something before `stage`, the first that it touches, had begun: it will be taken up there."""

    overrides: dict[str, Any] = field(default_factory=dict)
    decided_by: str = ""
    role: ClassVar[str] = "person"

    def line(self) -> str:
        changed = ", ".join(f"{key}={value}" for key, value in self.overrides.items())
        return f"from {self.stage} on: {changed}, by {self.decided_by}"


@dataclass(frozen=True, kw_only=True)
class RunTracked(Event):
    """MLflow has the run: `place` is its tracking URI without a password, `url` its page there, where it has one."""

    place: str
    experiment: str
    mlflow_run: str
    runs: int
    url: str = ""
    role: ClassVar[str] = "host"

    def line(self) -> str:
        return f"MLflow: {self.runs} runs in experiment {self.experiment}, {self.url or self.place}"


@dataclass(frozen=True, kw_only=True)
class RunFinished(Event):
    """The run ended: finished, failed, stopped or parked."""

    status: str
    reason: str = ""
    error: dict[str, str] | None = None
    seconds: float = 0.0
    cost: dict[str, float] = field(default_factory=dict)
    role: ClassVar[str] = "host"

    def line(self) -> str:
        return f"{self.status} in {self.seconds:.1f} s {self.reason}".strip()
