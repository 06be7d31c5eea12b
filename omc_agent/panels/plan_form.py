"""The plan as rows that can be moved, dropped, changed and added to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from omc_agent.panels import controls
from omc_agent.panels.effects import step_effect, step_title
from omc_agent.panels.form import Answer
from omc_agent.panels.markup import esc
from omc_agent.panels.spine import stage_title
from omc_agent.request import Request

Step = dict[str, Any]


class StepRow:
    """One step: title, detail, effect, and the buttons that move and drop it."""

    def __init__(self, step: Step, form: PlanForm) -> None:
        self.step = step
        name, detail = step_title(step), str(step.get("detail") or "")
        self._head = controls.html(css="omc-grow")
        self._detail = controls.text(f"What is done in {name}", detail, css="omc-detail")
        self._detail.observe(lambda _: form.changed(), names="value")
        self._up = controls.button("↑", f"Move {name} up", lambda: form.move(self, -1), css="omc-up")
        self._down = controls.button("↓", f"Move {name} down", lambda: form.move(self, 1), css="omc-down")
        drop = controls.button("Drop", f"Leave {name} out", lambda: form.drop(self), css="omc-drop")
        buttons = controls.row(self._up, self._down, drop)
        buttons.layout.flex_flow = "row nowrap"
        head = controls.row(self._head, buttons, css="omc-step-row")
        head.layout.flex_flow = "row nowrap"
        self.box = controls.column(head, controls.row(self._detail))
        self.open(False)

    def read(self) -> Step:
        """The step as it stands now."""
        return {**self.step, "detail": self._detail.value.strip()}

    def open(self, on: bool) -> None:
        """Make the detail a field."""
        self.box.children[1].layout.display = None if on else "none"

    def place(self, at: int, of: int) -> None:
        """Say its number; the first cannot go up, nor the last down."""
        title, effect = step_title(self.step), step_effect(self.step)
        told = f' <span class="omc-dim">{esc(effect)}</span>' if effect else ""
        detail = f" {esc(self._detail.value)}" if self.box.children[1].layout.display == "none" else ""
        self._head.value = f"<p>{at}. <b>{esc(title)}</b>{detail}{told}</p>"
        self._up.disabled, self._down.disabled = at == 1, at == of


class PlanForm:
    """The whole plan."""

    edits, refuses, defaults = "Edit", "Reject", ""

    def __init__(self, request: Request) -> None:
        self._plan = [dict(step) for step in request.plan]
        self._open = False
        self._told: Callable[[], object] = lambda: None
        stages = list(dict.fromkeys(str(step.get("stage", "")) for step in self._plan))
        self._stage = controls.dropdown(
            "Stage of the new step",
            [(stage_title(s), s) for s in stages],
            stages[0] if stages else None,
            "omc-stage-of",
        )
        self._words = controls.text("What the new step does", css="omc-new-step")
        add = controls.button("Add a step", "Add this step at the end of its stage", self.add, css="omc-add")
        self._list = controls.column()
        self._adding = controls.row(self._stage, self._words, add)
        controls.show(self._adding, False)
        self.box = controls.column(self._list, self._adding)
        self._rows: list[StepRow] = []
        self._fill()

    def approves(self) -> str:
        """It says when the plan is another."""
        return "Approve the changed plan" if self._is_edited() else "Approve"

    def edit(self, on: bool) -> None:
        """Open the details, or show the plan as it was."""
        self._open = on
        if not on:
            self._fill()
        for row in self._rows:
            row.open(on)
        controls.show(self._adding, on and bool(self._plan))
        self.changed()

    def watch(self, changed: Callable[[], object]) -> None:
        """Call on every change of the plan."""
        self._told = changed

    def answer(self) -> Answer:
        """The plan where it was changed."""
        return {"type": "edit", "plan": self._read()} if self._is_edited() else {"type": "approve"}

    def move(self, row: StepRow, by: int) -> None:
        """Move a step up or down."""
        at = self._rows.index(row)
        to = at + by
        if 0 <= to < len(self._rows):
            self._rows[at], self._rows[to] = self._rows[to], self._rows[at]
            self.changed()

    def drop(self, row: StepRow) -> None:
        """Leave a step out."""
        self._rows.remove(row)
        self.changed()
        controls.close_all(row.box)

    def add(self) -> None:
        """Add a step behind the last of its stage; without words nothing is added."""
        words, stage = self._words.value.strip(), self._stage.value
        if not words:
            return
        last = max((i for i, row in enumerate(self._rows) if row.step.get("stage") == stage), default=-1)
        row = StepRow({"stage": stage, "title": stage_title(stage), "detail": words}, self)
        row.open(self._open)
        self._rows.insert(last + 1 or len(self._rows), row)
        self._words.value = ""
        self.changed()

    def changed(self) -> None:
        """Number the steps again, and tell whoever watches."""
        for at, row in enumerate(self._rows, start=1):
            row.place(at, len(self._rows))
        self._list.children = [row.box for row in self._rows]
        self._told()

    def _fill(self) -> None:
        for row in self._rows:
            controls.close_all(row.box)
        self._rows = [StepRow(step, self) for step in self._plan]
        self.changed()

    def _read(self) -> list[Step]:
        return [row.read() for row in self._rows]

    def _is_edited(self) -> bool:
        return self._read() != [{**step, "detail": str(step.get("detail") or "").strip()} for step in self._plan]
