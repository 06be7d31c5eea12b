"""The choice of the model that goes to scoring: a table to compare, one to choose, and a way back to training."""

from __future__ import annotations

from collections.abc import Callable

from omc_agent.errors import UsageError
from omc_agent.panels import controls
from omc_agent.panels.asking import shown
from omc_agent.panels.changes_form import Fields
from omc_agent.panels.choices import option_label
from omc_agent.panels.form import Answer
from omc_agent.request import Option, Request


class ChoiceForm:
    """Candidates side by side, and one radio button for each."""

    refuses, defaults = "Stop", ""

    def __init__(self, request: Request) -> None:
        self.edits = "Retrain" if request.changes else ""
        self._retrains = False
        self._told: Callable[[], object] = lambda: None
        options = request.options or [
            Option(value=str(c.get("name", ""))) for c in request.candidates if not c.get("baseline")
        ]
        offered = [(controls.one_line(option_label(option, request.default)), option.value) for option in options]
        values = [value for _, value in offered]
        first = request.default if request.default in values else next(iter(values), None)
        table = controls.html(shown(request.model_copy(update={"changes": {}})).html, "omc-read")
        self._radio = controls.radio("The candidate that goes to scoring", offered, first, "omc-options")
        self._fields = Fields(request.changes, lambda: self._told())
        controls.show(self._fields.box, False)
        self.box = controls.column(table, self._radio, self._fields.box)

    def approves(self) -> str:
        """Choose, or train again."""
        return "Train again with these changes" if self._retrains else "Choose"

    def edit(self, on: bool) -> None:
        """Show what may be changed for another training, or the choice."""
        self._retrains = on
        self._fields.reset()
        controls.show(self._fields.box, on)
        controls.show(self._radio, not on)

    def watch(self, changed: Callable[[], object]) -> None:
        """Call on every change."""
        self._told = changed

    def answer(self) -> Answer:
        """The name that was chosen, or the changes for another training."""
        if not self._retrains:
            return {"type": "approve", "value": self._radio.value}
        changes = self._fields.changes()
        if not changes:
            raise UsageError(
                "usage.value",
                given="Nothing was changed.",
                have="The same training gives the same scores.",
                try_="Change a value, or choose a candidate.",
            )
        return {"type": "edit", "value": changes}
