"""What a run has come to, folded from its events: the facts that the header and the live line show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from omc_agent.events import (
    ArtifactSaved,
    Branched,
    BriefRead,
    CandidateScored,
    ChoiceMade,
    Event,
    HoldoutSealed,
    IsolationKnown,
    Overridden,
    PlanMade,
    Progressed,
    RequestDecided,
    RequestOpened,
    RunFinished,
    RunStarted,
    RunTracked,
    StageFinished,
    StageStarted,
    VerdictCalled,
    Warned,
)
from omc_agent.overrides import split_by_home
from omc_agent.panels import phrases
from omc_agent.panels.brief_words import assumed_words, sealed_words, span_words
from omc_agent.panels.spine import DONE, StageRecord, is_redone, stage_title

# After these a run that had ended is under way again.
_GOES_ON = (RunStarted, Branched, StageStarted, RequestOpened)


@dataclass
class Story:
    """The facts of a run so far. `handle` takes every event, in order."""

    run_id: str = ""
    started: RunStarted | None = None
    isolation: IsolationKnown | None = None
    brief: BriefRead | None = None
    plan: list[dict[str, Any]] = field(default_factory=list)
    span_note: str = ""
    sealed: HoldoutSealed | None = None
    stages: dict[str, StageRecord] = field(default_factory=dict)
    current: str = ""
    progress: Progressed | None = None
    candidates: list[dict[str, Any]] = field(default_factory=list)
    choice: ChoiceMade | None = None
    verdict: VerdictCalled | None = None
    artifacts: list[ArtifactSaved] = field(default_factory=list)
    tracked: RunTracked | None = None
    requests: dict[str, RequestOpened] = field(default_factory=dict)
    notices: list[Warned] = field(default_factory=list)
    changes: list[Branched | Overridden] = field(default_factory=list)
    finished: RunFinished | None = None
    goes_on: bool = False
    usd: float | None = None
    last_at: float = 0.0
    _left_open: dict[str, RequestOpened] = field(default_factory=dict)

    def handle(self, event: Event) -> None:
        """Take in one event; a kind that changes no fact is passed over."""
        self.last_at = max(self.last_at, event.at)
        if self.finished is not None and isinstance(event, _GOES_ON):
            self.finished, self.goes_on = None, True
        act: Callable[[Any], None] | None = getattr(self, f"_on_{event.kind}", None)
        if act is not None:
            act(event)

    def elapsed(self, now: float | None = None) -> float:
        """Seconds since the run began; `now` is seconds since the epoch, default the last event's."""
        if self.finished is not None:
            return self.finished.seconds
        if self.started is None:
            return 0.0
        return max(0.0, (self.last_at if now is None else now) - self.started.at)

    def title(self) -> str:
        """The goal as it was read, or as it was typed while it is unread."""
        if self.brief is not None:
            return self.brief.title
        return self.started.goal if self.started is not None else f"Run {self.run_id}"

    def metric(self) -> str:
        """The metric by which candidates are compared."""
        return str(self.brief.brief.get("metric", "")) if self.brief is not None else ""

    def is_exploration(self) -> bool:
        """Whether the run only looks, so that there will be no verdict."""
        return self.brief is not None and self.brief.brief.get("task") == "analysis"

    def steps_done(self) -> tuple[int, int]:
        """Planned steps that are done, and all of them."""
        done = [step for step in self.plan if self.record(str(step.get("stage", ""))).status in DONE]
        return len(done), len(self.plan)

    def seconds_left(self, now: float) -> float | None:
        """What the plan's own minutes leave; None where a step has none, or where they are used up."""
        left = 0.0
        for step in self.plan:
            record = self.record(str(step.get("stage", "")))
            if record.status in DONE:
                continue
            minutes = phrases.number(step.get("minutes"))
            if minutes is None:
                return None
            spent = max(0.0, now - record.since) if record.status == "now" else 0.0
            left += max(0.0, 60 * minutes - spent)
        return left if left >= 1 else None

    def record(self, stage: str) -> StageRecord:
        """The record of `stage`, a waiting one where it has not begun."""
        return self.stages.get(stage) or StageRecord(stage, stage_title(stage))

    def name_of(self, request: RequestOpened) -> str:
        """The id by which a person answers: the run's, or the request's own where several are open."""
        several = self.requests.keys() - {request.request_id}
        return request.request_id if several or not self.run_id else self.run_id

    def brief_sentence(self) -> str:
        """What will be judged on which rows, in one or two sentences."""
        if self.sealed is not None:
            return sealed_words(self.sealed, opened=self.verdict is not None)
        return span_words(self.brief.brief if self.brief is not None else {}, self.metric())

    def assumed_sentence(self) -> str:
        """What was taken by default, and which words of the goal were not used."""
        return assumed_words(self.brief.brief) if self.brief is not None else ""

    def _on_run_started(self, event: RunStarted) -> None:
        # A run that is resumed starts again: what the new process does not say, the first one said.
        before = self.started
        if before is not None:
            event = replace(event, goal=event.goal or before.goal, model_note=event.model_note or before.model_note)
        self.started, self.run_id = event, event.run_id
        # What a parked run had asked is still open; what was decided meanwhile comes as an event.
        self.requests, self._left_open = {**self._left_open, **self.requests}, {}

    def _on_branched(self, event: Branched) -> None:
        self.changes.append(event)
        self.current, self.progress, self.artifacts = "", None, []
        self.requests, self._left_open = {}, {}
        self.stages = {name: r for name, r in self.stages.items() if not is_redone(name, event.stage)}
        if is_redone("data_retrieval", event.stage):
            self.sealed = None
        if is_redone("model_training", event.stage):
            self.candidates = []
        if is_redone("selection", event.stage):
            self.choice = None
        if is_redone("scoring", event.stage):
            self.verdict = None
        self._change_brief(event)

    def _on_overridden(self, event: Overridden) -> None:
        self.changes.append(event)
        self._change_brief(event)

    def _change_brief(self, event: Branched | Overridden) -> None:
        changed = split_by_home(event.overrides)[0]
        if self.brief is not None and changed:
            assumed = [name for name in self.brief.brief.get("assumed") or [] if name not in changed]
            self.brief = replace(self.brief, brief={**self.brief.brief, **changed, "assumed": assumed})

    def _on_brief_read(self, event: BriefRead) -> None:
        self.brief = event

    def _on_plan_made(self, event: PlanMade) -> None:
        self.plan, self.span_note = event.steps, event.note

    def _on_isolation_known(self, event: IsolationKnown) -> None:
        self.isolation = event

    def _on_stage_started(self, event: StageStarted) -> None:
        title = event.title or stage_title(event.stage)
        record = self.stages.setdefault(event.stage, StageRecord(event.stage, title))
        record.status, record.visit, record.since = "now", event.visit, event.at
        self.current, self.progress = event.stage, None

    def _on_stage_finished(self, event: StageFinished) -> None:
        record = self.stages.setdefault(event.stage, StageRecord(event.stage, stage_title(event.stage)))
        record.status, record.visit = event.status, event.visit
        record.seconds += event.seconds
        record.cells += event.cells
        if self.current == event.stage:
            self.current = ""

    def _on_progressed(self, event: Progressed) -> None:
        self.progress = event

    def _on_holdout_sealed(self, event: HoldoutSealed) -> None:
        self.sealed = event

    def _on_candidate_scored(self, event: CandidateScored) -> None:
        name = event.candidate.get("name")
        kept = [c for c in self.candidates if c.get("name") != name]
        self.candidates = [*kept, event.candidate]

    def _on_choice_made(self, event: ChoiceMade) -> None:
        self.choice = event

    def _on_verdict_called(self, event: VerdictCalled) -> None:
        self.verdict = event

    def _on_artifact_saved(self, event: ArtifactSaved) -> None:
        self.artifacts = [*(a for a in self.artifacts if a.name != event.name), event]

    def _on_run_tracked(self, event: RunTracked) -> None:
        self.tracked = event

    def _on_request_opened(self, event: RequestOpened) -> None:
        self.requests[event.request_id] = event

    def _on_request_decided(self, event: RequestDecided) -> None:
        self.requests.pop(event.request_id, None)
        self._left_open.pop(event.request_id, None)

    def _on_warned(self, event: Warned) -> None:
        if not (event.stage or self.current):
            self.notices.append(event)

    def _on_run_finished(self, event: RunFinished) -> None:
        self.finished, self.goes_on = event, False
        self.current = ""
        self.usd = phrases.number(event.cost.get("usd")) if event.cost else self.usd
        self._left_open.update(self.requests)
        self.requests = {}
        for record in self.stages.values():
            if record.status == "now":
                record.status = "failed" if event.status == "failed" else "waiting"
