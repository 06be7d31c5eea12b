"""The code that waits: to be read first, then to be edited."""

from __future__ import annotations

from collections.abc import Callable

from omc_agent.panels import controls
from omc_agent.panels.form import Answer
from omc_agent.panels.markup import highlight
from omc_agent.request import Request

MAX_ROWS = 24


class CodeForm:
    """Highlighted code; Edit puts a field in its place."""

    edits, refuses, defaults = "Edit", "Reject", ""

    def __init__(self, request: Request) -> None:
        self._code = request.code
        source = highlight(request.code)
        self._read = controls.html(f'<div class="omc-code"><pre>{source}</pre></div>', "omc-read")
        rows = min(MAX_ROWS, request.code.count("\n") + 2)
        self._field = controls.area("The code that will run", request.code, rows=rows, css="omc-mono")
        controls.show(self._field, False)
        self.box = controls.column(self._read, self._field)

    def approves(self) -> str:
        """It says when it is not the shown code that will run."""
        return "Run the edited code" if self._is_edited() else "Approve"

    def edit(self, on: bool) -> None:
        """Show the field, or the code as it was."""
        self._field.value = self._code
        controls.show(self._field, on)
        controls.show(self._read, not on)

    def watch(self, changed: Callable[[], object]) -> None:
        """Call on every change of the code."""
        self._field.observe(lambda _: changed(), names="value")

    def answer(self) -> Answer:
        """The code where it was changed."""
        return {"type": "edit", "code": self._field.value} if self._is_edited() else {"type": "approve"}

    def _is_edited(self) -> bool:
        return bool(self._field.value != self._code)
