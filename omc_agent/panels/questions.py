"""An open request in the controls strip: a row in which a person reads, edits and answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ipywidgets import Button, VBox  # type: ignore[import-untyped]

from omc_agent.errors import UsageError
from omc_agent.events import RequestOpened
from omc_agent.panels import controls
from omc_agent.panels.answers_form import AnswersForm
from omc_agent.panels.asking import request_of, told_html
from omc_agent.panels.changes_form import ChangesForm
from omc_agent.panels.choice_form import ChoiceForm
from omc_agent.panels.code_form import CodeForm
from omc_agent.panels.deadline import countdown
from omc_agent.panels.form import Answer, BudgetForm, Form, PlainForm
from omc_agent.panels.markup import esc
from omc_agent.panels.plan_form import PlanForm
from omc_agent.panels.style import style_block
from omc_agent.panels.verbs import verbs
from omc_agent.request import CLARIFICATION, Decision, Request

Decide = Callable[[str, dict[str, Any]], object]
SENT = "…"


class QuestionRow:
    """One open request.

    Parameters
    ----------
    opened : RequestOpened
        The request; its `request` holds what is shown.
    decide : callable
        Called with the request's id and the fields of `omc_agent.request.Decision` on whatever thread the click
        arrives: let it only hand on the wish. The row then waits for `close` or `refuse`.
    run_id : str
        The id that a person types where no button works.
    clock : callable
        Seconds since the epoch, UTC.

    Attributes
    ----------
    box : ipywidgets.VBox
        The row.
    """

    def __init__(
        self, opened: RequestOpened, decide: Decide, run_id: str, clock: Callable[[], float] = time.time
    ) -> None:
        self.opened, self._decide, self._run_id, self._clock = opened, decide, run_id, clock
        self.request = request_of(opened)
        self._sha256 = self.request.sha256()
        self._editing = self._closed = False
        self._waiting: list[tuple[Button, str]] = []
        self.form = form_of(self.request)
        self.form.watch(self._name_buttons)
        self._complaint, self._foot = controls.html(css="omc-complaint"), controls.html(css="omc-foot-line")
        self._make_buttons()
        head = controls.html(_head(self.request))
        self.box: VBox = controls.column(
            head, self.form.box, self._complaint, self._buttons, self._reason_row, self._foot
        )
        for css in ("omc-card", "omc-asking"):
            self.box.add_class(css)
        self.tick()

    def tick(self) -> None:
        """Once a second: move the countdown on."""
        if not self._closed:
            self._foot.value = self._foot_html()

    def refuse(self, text: str) -> None:
        """Say what was wrong with the answer; the row stays open and can be pressed again."""
        if self._closed:
            return
        sign = '<span class="omc-sign">✕</span><span class="omc-alt"> </span>'
        self._complaint.value = f'<p class="omc-fault">{sign}{esc(text, 2_000)}</p>'
        for button, says in self._waiting:
            button.disabled, button.description = False, says
        self._waiting = []
        self._name_buttons()

    def close(self) -> None:
        """Take the row away; calling it twice is harmless."""
        if not self._closed:
            self._closed = True
            controls.close_all(self.box)

    def _make_buttons(self) -> None:
        form, button = self.form, controls.button
        no = form.refuses
        self._yes = button(form.approves(), "Answer with what is shown here", self._approve, css="omc-yes", main=True)
        self._usual = button(form.defaults, "Answer with the defaults", self._take_defaults, css="omc-default")
        self._edit = button(form.edits, "Change what is shown here", self._toggle_edit, css="omc-edit")
        self._no = button(f"{no}…", f"{no}, with a reason", lambda: self._ask_reason(True), css="omc-no")
        self._rest = controls.check("Allow this for the rest of the run", css="omc-rest")
        for widget, there in (
            (self._usual, form.defaults), (self._edit, form.edits), (self._no, no), (self._rest, self.request.rest),
        ):  # fmt: skip
            controls.show(widget, bool(there))
        self._buttons = controls.row(self._yes, self._usual, self._edit, self._no, self._rest)
        self._reason = controls.text("Why (optional, one line)", css="omc-why")
        self._sure = button(no, f"{no} with this reason", self._reject, css="omc-sure")
        back = button("Back", "Do not answer yet", lambda: self._ask_reason(False), css="omc-back")
        self._reason_row = controls.row(self._reason, self._sure, back)
        controls.show(self._reason_row, False)

    def _name_buttons(self) -> None:
        if not self._waiting:
            self._yes.description = self.form.approves()
            self._edit.description = "Undo changes" if self._editing else self.form.edits

    def _toggle_edit(self) -> None:
        self._editing = not self._editing
        self._complaint.value = ""
        self.form.edit(self._editing)
        self._name_buttons()

    def _ask_reason(self, on: bool) -> None:
        controls.show(self._reason_row, on)
        controls.show(self._buttons, not on)

    def _approve(self) -> None:
        try:
            self._send(self._yes, {**self.form.answer(), "rest": bool(self._rest.value)})
        except UsageError as error:
            self.refuse(str(error))

    def _take_defaults(self) -> None:
        self._send(self._usual, {"type": "approve", "value": {}})

    def _reject(self) -> None:
        self._send(self._sure, {"type": "reject", "why": str(self._reason.value).strip()})

    def _send(self, pressed: Button, answer: Answer) -> None:
        if self._waiting or self._closed:
            return
        decision = Decision(**answer, sha256=self._sha256)
        enabled = [w for w in controls.within(self.box) if isinstance(w, Button) and not w.disabled]
        self._waiting = [(button, button.description) for button in enabled]
        for button in enabled:
            button.disabled = True
        pressed.description, self._complaint.value = SENT, ""
        self._decide(self.opened.request_id, decision.model_dump())

    def _foot_html(self) -> str:
        # Buttons that outlive their kernel stay on the page and do nothing.
        typed = verbs(self.opened, self._run_id)[0].typed
        return (
            f'<p class="omc-dim omc-small">{esc(countdown(self.opened, self._clock()))} '
            f"If the buttons do nothing: <code>{esc(typed)}</code></p>"
        )


def form_of(request: Request) -> Form:
    """The form of the request's gate, by what the request holds."""
    if request.gate == CLARIFICATION and request.questions:
        return AnswersForm(request)
    if request.gate == "selection" and (request.options or request.candidates):
        return ChoiceForm(request)
    if request.gate == "budget" and not request.options:
        return BudgetForm(request)
    if request.code:
        return CodeForm(request)
    if request.gate == "scope" and request.plan:
        return PlanForm(request)
    return ChangesForm(request) if request.changes else PlainForm(request)


def _head(request: Request) -> str:
    told = "".join(told_html(text) for text in (request.context, request.effect) if text)
    return f"{style_block()}<h4>{esc(request.question)}</h4>{told}"
