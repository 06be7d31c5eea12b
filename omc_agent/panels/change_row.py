"""What a person says without being asked: words to the agent, and changes to the run."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ipywidgets import VBox  # type: ignore[import-untyped]

from omc_agent.errors import UsageError
from omc_agent.overrides import KEYS, parse_overrides
from omc_agent.panels import controls
from omc_agent.panels.markup import esc, folded
from omc_agent.panels.style import style_block

Send = Callable[[str, dict[str, Any]], object]
SENT = "…"


class ChangeRow:
    """Two fields, each with its button.

    Parameters
    ----------
    send : callable
        Called with ``say`` and ``{"text": ...}``, or with ``override`` and ``{"words": [...]}``, on whatever thread
        the click arrives: let it only hand on the wish.

    Attributes
    ----------
    box : ipywidgets.VBox
        The row; hidden at first.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._say = controls.text("Say something to the agent", css="omc-say")
        self._say_button = controls.button("Send", "Send these words to the agent", self._send_words, css="omc-send")
        self._words = controls.text(
            "Changes to the run, as KEY=VALUE", hint="KEY=VALUE ..., such as models=random_forest", css="omc-words"
        )
        self._change = controls.button(
            "Change",
            "Do the work again from the first stage that this touches",
            self._send_changes,
            css="omc-override",
        )
        self._told = controls.html(css="omc-complaint")
        self.box: VBox = controls.column(
            controls.html(f"{style_block()}<h4>Change this run</h4>"),
            controls.row(self._say, self._say_button),
            controls.row(self._words, self._change),
            self._told,
            controls.html(folded("What can be changed", _known())),
        )
        for css in ("omc-card", "omc-asking"):
            self.box.add_class(css)
        self.open(False)

    def open(self, on: bool) -> None:
        """Show it, or leave it out of the page."""
        controls.show(self.box, on)

    def is_open(self) -> bool:
        """Whether it is shown."""
        return bool(self.box.layout.display != "none")

    def refuse(self, text: str) -> None:
        """Say what was wrong with the changes; they can be sent again."""
        sign = '<span class="omc-sign">✕</span><span class="omc-alt"> </span>'
        self._told.value = f'<p class="omc-fault">{sign}{esc(text, 2_000)}</p>'
        self._free()
        self.open(True)

    def accepted(self) -> None:
        """The changes are being done."""
        self._words.value = self._told.value = ""
        self._free()
        self.open(False)

    def close(self) -> None:
        """Take it away."""
        controls.close_all(self.box)

    def _free(self) -> None:
        self._change.disabled, self._change.description = False, "Change"

    def _send_words(self) -> None:
        text = str(self._say.value).strip()
        if text:
            self._say.value = ""
            self._told.value = f'<p class="omc-dim">Sent: {esc(text, 200)}</p>'
            self._send("say", {"text": text})

    def _send_changes(self) -> None:
        words = _split(str(self._words.value))
        try:
            parse_overrides(words)
        except UsageError as error:
            self.refuse(str(error))
            return
        if words and not self._change.disabled:
            self._change.disabled, self._change.description, self._told.value = True, SENT, ""
            self._send("override", {"words": words})


def _split(typed: str) -> list[str]:
    # A list may be typed with spaces after its commas.
    return re.sub(r"\s*([,=])\s*", r"\1", typed).split()


def _known() -> str:
    rows = "".join(
        f"<tr><td><code>{esc(name)}</code></td><td>{esc(key.about)}</td><td>{esc(', '.join(key.known))}</td></tr>"
        for name, key in KEYS.items()
    )
    rows += "<tr><td><code>MODEL.PARAMETER</code></td><td>one value, or LOW..HIGH to search</td><td></td></tr>"
    head = "<thead><tr><th>key</th><th>what it is</th><th>values</th></tr></thead>"
    return f'<table class="omc-wide">{head}<tbody>{rows}</tbody></table>'
