"""The card of one stage: its plan in words, then each step in order, over all its visits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from omc_agent.events import (
    Act,
    Branched,
    CellFinished,
    CellStarted,
    ChoiceMade,
    Event,
    HoldoutSealed,
    LeakTested,
    Observe,
    Overridden,
    Progressed,
    Reason,
    RequestDecided,
    RequestOpened,
    Said,
    StageStarted,
    Warned,
)
from omc_agent.panels import phrases, steps
from omc_agent.panels.asking import asked
from omc_agent.panels.markup import Piece, esc, indent, plain
from omc_agent.panels.spine import ENDS, MARKS, StageRecord
from omc_agent.panels.story import Story

MAX_CARD = 8_000_000


class StageCard:
    """One stage over all its visits on one branch; `again` says that an earlier branch had done it.

    Each step is rendered once, when it comes.
    """

    def __init__(self, story: Story, stage: str, *, again: bool = False) -> None:
        self.story, self.stage = story, stage
        self._again = again
        self._pieces: list[Piece] = []
        self._opened: dict[str, tuple[int, RequestOpened]] = {}
        self._running: CellStarted | None = None
        self._act: Act | None = None
        self._doing = self._finding = self._about = ""
        self._warned = False
        self._named: set[tuple[object, object]] = set()
        self._size = 0

    def handle(self, event: Event) -> None:
        """Take in one event of this stage; a kind that shows nothing here is passed over."""
        take: Callable[[Any], None] | None = getattr(self, f"_on_{event.kind}", None)
        if take is not None:
            take(event)

    def html(self, now: float | None) -> str:
        """The card."""
        record = self.story.record(self.stage)
        css, mark = self._state(record)
        sign = steps.sign_html(mark) if mark else ""
        title, spent = esc(self._title(record), 200), esc(self._spent(record))
        head = f'<div class="omc-head"><h4>{sign}{title}</h4><span class="omc-right">{spent}</span></div>'
        doing = self._now()
        tail = steps.running(self._running).html if self._running else ""
        tail += f'<p class="omc-doing">{esc(doing, 300)}</p>' if doing else ""
        return f'<div class="omc-card omc-stage{css}">{head}{"".join(p.html for p in self._pieces)}{tail}</div>'

    def text(self, now: float | None) -> str:
        """The same for a terminal."""
        record = self.story.record(self.stage)
        mark = self._state(record)[1]
        head = f"{mark} {self._title(record)} · {self._spent(record)}".strip()
        body = [piece.text for piece in self._pieces if piece.text]
        doing = [steps.running(self._running).text] if self._running else []
        doing += [plain(self._now(), 300)] if self._now() else []
        return "\n".join([plain(head), *(indent(part) for part in body + doing)])

    def _title(self, record: StageRecord) -> str:
        return f"{record.title}: {self._finding}" if self._finding else record.title

    def _state(self, record: StageRecord) -> tuple[str, str]:
        if record.status == "failed":
            return " omc-broken", MARKS["failed"]
        # A warning's own sentence has the sign; a leak is news enough for the title.
        return (" omc-warned", "!" if self._finding else "") if self._warned else ("", "")

    def _spent(self, record: StageRecord) -> str:
        # No clock here: each update of a card closes the folds that a person has opened.
        if record.status == "now":
            return "running"
        if record.status == "waiting":
            return "to be done again" if self._again else "not finished"
        parts = [ENDS[record.status]] if record.status in ENDS else []
        parts += [f"{phrases.ordinal(record.visit)} round"] if record.visit > 1 else []
        parts += [phrases.count(record.cells, "cell")] if record.cells else []
        return " · ".join([*parts, phrases.duration(record.seconds)])

    def _now(self) -> str:
        return self._doing if self.story.record(self.stage).status == "now" else ""

    def _add(self, piece: Piece) -> None:
        self._size += len(piece.html)
        self._pieces.append(piece)

    def _on_branched(self, event: Branched) -> None:
        self._add(steps.changed(event))

    def _on_overridden(self, event: Overridden) -> None:
        self._add(steps.changed(event))

    def _on_stage_started(self, event: StageStarted) -> None:
        self._again = False
        self._finding = self._doing = ""
        self._warned = False
        self._named = set()
        self._running = self._act = None
        if event.visit > 1:
            said = f"{phrases.ordinal(event.visit)} round"
            self._add(Piece(f'<p class="omc-round">{said}</p>', f"-- {said} --"))

    def _on_stage_finished(self, event: Event) -> None:
        self._running = None

    def _on_reason(self, event: Reason) -> None:
        self._about = event.text.split(". ")[0][:200]
        self._add(steps.reason(event))

    def _on_act(self, event: Act) -> None:
        self._act = event

    def _on_observe(self, event: Observe) -> None:
        # A tool that ran a cell has shown all of it there; only a failure that no cell shows is news.
        if self._act is not None and self._act.tool == event.tool:
            self._add(steps.act(self._act, event if event.ok else None))
            self._act = None
            if not event.ok:
                self._add(steps.noticed(event.text, steps.FAULT))

    def _on_cell_started(self, event: CellStarted) -> None:
        self._running = event

    def _on_cell_finished(self, event: CellFinished) -> None:
        self._running = self._act = None
        size = sum(len(bundle.get("image/png", "")) for bundle in event.outputs)
        self._add(steps.cell(event, self._about, pictures=self._size + size <= MAX_CARD))

    def _on_progressed(self, event: Progressed) -> None:
        self._doing = event.text

    def _on_warned(self, event: Warned) -> None:
        self._warned = True
        if (event.code, event.column) not in self._named:  # the finding has said it
            self._add(steps.warned(event))

    def _on_leak_tested(self, event: LeakTested) -> None:
        self._finding = steps.leak_title(event) if self.stage == "leak_test" else ""
        self._warned = self._warned or bool(event.findings)
        self._named = {(f.get("code"), f.get("column")) for f in event.findings if f.get("why")}
        self._add(steps.leak(event))

    def _on_holdout_sealed(self, event: HoldoutSealed) -> None:
        self._add(steps.sealed(event))

    def _on_request_opened(self, event: RequestOpened) -> None:
        self._opened[event.request_id] = (len(self._pieces), event)
        self._add(asked(event, self.story.name_of(event)))

    def _on_request_decided(self, event: RequestDecided) -> None:
        at, opened = self._opened.pop(event.request_id, (None, None))
        piece = steps.decided(event, opened.question if opened is not None else "")
        if at is None:
            self._add(piece)
        else:
            self._pieces[at] = piece

    def _on_choice_made(self, event: ChoiceMade) -> None:
        self._add(steps.choice(event))

    def _on_said(self, event: Said) -> None:
        self._add(steps.said(event))
