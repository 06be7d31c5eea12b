"""What may be changed at a gate, as fields and boxes: the keys of an override with their present values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ipywidgets import Widget  # type: ignore[import-untyped]

from omc_agent.overrides import KEYS, checked
from omc_agent.panels import controls, phrases
from omc_agent.panels.asking import shown
from omc_agent.panels.form import Answer
from omc_agent.panels.keys import about, typed
from omc_agent.panels.markup import esc
from omc_agent.request import Request


class Field:
    """One key: boxes where it is a list of known values, a list where it is one of them, else a field."""

    def __init__(self, key: str, now: Any, changed: Callable[[], object]) -> None:
        self.key, self._now = key, now
        known, kind = (KEYS[key].known, KEYS[key].kind) if key in KEYS else ((), "text")
        label = controls.html(
            f'<p><b>{esc(phrases.plain_name(key))}</b> <span class="omc-dim">{esc(about(key))}</span></p>'
        )
        self._boxes: list[tuple[Any, Any]] = []
        self._one: Any = None
        if known and kind == "list":
            field = self._tick(known)
        else:
            field = self._one = self._single(known)
        self._start = self._raw()
        for widget in [box for _, box in self._boxes] or [self._one]:
            widget.observe(lambda _: changed(), names="value")
        self.box = controls.column(label, field, css=f"omc-key-{key.replace('.', '-')}")

    def changes(self) -> dict[str, Any]:
        """The key with its new value; empty where it stands as it did. `UsageError` where it cannot be read."""
        if self._raw() == self._start:
            return {}
        made = checked({self.key: self._raw()})
        return {} if made.get(self.key, self._raw()) == self._now else made

    def is_touched(self) -> bool:
        """Whether it looks other than it did."""
        return bool(self._raw() != self._start)

    def reset(self) -> None:
        """Put back what it held."""
        if self._one is not None:
            self._one.value = self._start
        for value, box in self._boxes:
            box.value = value in self._start

    def _tick(self, known: tuple[str, ...]) -> Widget:
        held = list(self._now or [])
        for value in [*known, *(value for value in held if value not in known)]:
            box = controls.check(
                phrases.model_name(value), f"{phrases.plain_name(self.key)}: {value}", value=value in held
            )
            self._boxes.append((value, box))
        return controls.row(*(box for _, box in self._boxes))

    def _single(self, known: tuple[str, ...]) -> Widget:
        if known:
            extra = [] if self._now in known else [self._now]
            options = [(phrases.metric(v) if v else "none", v) for v in (*extra, *known)]
            return controls.dropdown(about(self.key), options, self._now)
        return controls.text(about(self.key), typed(self.key, self._now))

    def _raw(self) -> Any:
        if self._one is not None:
            found = self._one.value
            return found.strip() if isinstance(found, str) else found
        return [value for value, box in self._boxes if box.value]


class ChangesForm:
    """All keys that a request lets a person change."""

    edits, refuses, defaults = "Edit", "Reject", ""

    def __init__(self, request: Request) -> None:
        self._told: Callable[[], object] = lambda: None
        self._read = controls.html(shown(request).html, "omc-read")
        self.fields = Fields(request.changes, lambda: self._told())
        controls.show(self.fields.box, False)
        self.box = controls.column(self._read, self.fields.box)

    def approves(self) -> str:
        """It says when something is another."""
        return "Approve with these changes" if self.fields.are_touched() else "Approve"

    def edit(self, on: bool) -> None:
        """Show the fields, or all as it was."""
        self.fields.reset()
        controls.show(self.fields.box, on)
        controls.show(self._read, not on)

    def watch(self, changed: Callable[[], object]) -> None:
        """Call on every change."""
        self._told = changed

    def answer(self) -> Answer:
        """The keys that were changed."""
        changes = self.fields.changes()
        return {"type": "edit", "value": changes} if changes else {"type": "approve"}


class Fields:
    """The fields of some keys."""

    def __init__(self, changes: Mapping[str, Any], changed: Callable[[], object]) -> None:
        self._fields = [Field(key, now, changed) for key, now in changes.items()]
        self.box = controls.column(*(field.box for field in self._fields), css="omc-fields")

    def changes(self) -> dict[str, Any]:
        """Key to new value, of what was changed."""
        return {key: value for field in self._fields for key, value in field.changes().items()}

    def are_touched(self) -> bool:
        """Whether anything was changed."""
        return any(field.is_touched() for field in self._fields)

    def reset(self) -> None:
        """Put all back."""
        for field in self._fields:
            field.reset()
