"""What every form of a gate can do, and the plain ones: approve as it is, an option, a new limit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from ipywidgets import Widget  # type: ignore[import-untyped]

from omc_agent.errors import UsageError
from omc_agent.panels import controls, phrases
from omc_agent.panels.asking import shown
from omc_agent.panels.choices import option_label
from omc_agent.panels.markup import esc
from omc_agent.request import Request

Answer = dict[str, Any]


class Form(Protocol):
    """The part of a question's row that belongs to its gate.

    Attributes
    ----------
    box : ipywidgets.Widget
        What it shows.
    edits : str
        The words of its Edit button; "" where there is nothing to edit.
    refuses : str
        The words of the button that says no; "" where there is none.
    defaults : str
        The words of a button that takes what was recommended, whatever the form holds; "" where there is none.
    """

    box: Widget
    edits: str
    refuses: str
    defaults: str

    def approves(self) -> str:
        """The words of the button that says yes, as the form stands now."""
        ...

    def edit(self, on: bool) -> None:
        """Open it for changes, or take them all back."""
        ...

    def answer(self) -> Answer:
        """Fields of `Decision` for a yes; `UsageError` where a field cannot be read."""
        ...

    def watch(self, changed: Callable[[], object]) -> None:
        """Call when something was changed, so that `approves` may be another."""
        ...


class PlainForm:
    """Approve or reject what is shown; where there are options, one of them, with words of one's own."""

    edits, refuses, defaults = "", "Reject", ""

    def __init__(self, request: Request) -> None:
        self._radio: Any = None
        self._guidance: Any = None
        parts = [controls.html(shown(request.model_copy(update={"options": []})).html)]
        if request.options:
            offered = [(controls.one_line(option_label(o, request.default)), o.value) for o in request.options]
            values = [value for _, value in offered]
            start = request.default if request.default in values else values[0]
            self._radio = controls.radio("Ways to go on", offered, start, "omc-options")
            self._guidance = controls.text("Guidance for the agent (optional)", css="omc-guidance")
            notes = [f"<p><b>{esc(o.label or o.value)}</b> {esc(o.note)}</p>" for o in request.options if o.note]
            parts += [controls.html("".join(notes)), self._radio, self._guidance]
        self.box = controls.column(*parts)

    def approves(self) -> str:
        """Approve."""
        return "Go on" if self._radio is not None else "Approve"

    def edit(self, on: bool) -> None:
        """There is nothing to edit."""

    def watch(self, changed: Callable[[], object]) -> None:
        """Nothing changes the button."""

    def answer(self) -> Answer:
        """The option that was chosen."""
        if self._radio is None or self._guidance is None:
            return {"type": "approve"}
        return {"type": "approve", "value": self._radio.value, "why": str(self._guidance.value).strip()}


class BudgetForm:
    """A new limit, with the recommended one filled in."""

    edits, refuses, defaults = "", "Stop", ""

    def __init__(self, request: Request) -> None:
        found = phrases.number(str(request.default or "").lstrip("$"))
        self._limit = controls.text("New limit", "" if found is None else f"{found:g}", css="omc-limit")
        self._limit.description, self._limit.style.description_width = "New limit", "initial"
        self.box = controls.column(controls.row(self._limit))

    def approves(self) -> str:
        """Approve."""
        return "Approve"

    def edit(self, on: bool) -> None:
        """The field is open from the start."""

    def watch(self, changed: Callable[[], object]) -> None:
        """Nothing changes the button."""

    def answer(self) -> Answer:
        """The limit."""
        typed = self._limit.value.strip().lstrip("$")
        found = phrases.number(typed)
        if found is None or found <= 0:
            raise UsageError(
                "usage.value",
                given=f"{typed or 'Nothing'} is not a limit.",
                have="",
                try_="Give a number above zero.",
            )
        return {"type": "approve", "value": found}
