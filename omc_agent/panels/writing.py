"""The words that a model writes just now: below the controls of a cell, or below the last line of a terminal.

They pass: each look replaces the one before, and the whole text comes later, in the card or as a line of its own.
"""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Callable

from omc_agent.events import Writing
from omc_agent.panels.markup import esc, plain

LETTERS = 700  # of the end of a text
CODE_LINES = 10
TERMINAL_LINES = 6
WIDTH = 100

_BOX = (
    "max-height:15em;overflow:hidden;display:flex;flex-direction:column;justify-content:flex-end;"
    "margin:2px 0 4px 2px;max-width:75em;line-height:1.4"
)
_CODE = (
    "margin:4px 0 0;padding:4px 8px;border-left:3px solid rgba(128,128,128,.4);font-size:12px;white-space:pre-wrap"
)


def writing_html(event: Writing) -> str:
    """What is written so far, its end if it is long; empty when nothing is."""
    parts = [f'<div style="white-space:pre-wrap">{esc(_tail(event.text))}</div>'] if event.text else []
    if doing := _doing(event):
        parts.append(f'<div style="opacity:.7;font-size:12.5px">{esc(doing, 200)}</div>')
    if event.code:
        code = "\n".join(plain(event.code).splitlines()[-CODE_LINES:])
        parts.append(f'<pre style="{_CODE}">{esc(code)}</pre>')
    return f'<div class="omc-writing" aria-live="off" style="{_BOX}">{"".join(parts)}</div>' if parts else ""


def writing_lines(event: Writing, width: int = WIDTH) -> list[str]:
    """The same as lines of a terminal, none longer than `width`."""
    words = "  ".join(part for part in (_tail(event.text), _doing(event)) if part)
    lines = textwrap.wrap(plain(words), max(width - 2, 8), break_on_hyphens=False)
    lines += [line[: max(width - 4, 6)] for line in plain(event.code).expandtabs(4).splitlines()]
    return [f"  {line}" for line in lines[-TERMINAL_LINES:]]


class Passing:
    """Lines at the foot of a terminal that are written over.

    Parameters
    ----------
    write : callable
        Takes text; a terminal that knows the usual escapes is behind it.
    columns : callable
        Its width now; a line that wrapped could not be taken back.
    """

    def __init__(
        self,
        write: Callable[[str], object],
        columns: Callable[[], int] = lambda: shutil.get_terminal_size().columns,
    ) -> None:
        self._write, self._columns = write, columns
        self._lines = 0

    def show(self, event: Writing) -> None:
        """Write over what was shown."""
        lines = writing_lines(event, min(WIDTH, self._columns() - 1))
        self._write(self._back() + "\n".join(lines))
        self._lines = len(lines)

    def erase(self) -> None:
        """Take it away; the cursor is where it was before."""
        if self._lines:
            self._write(self._back())
            self._lines = 0

    def _back(self) -> str:
        up = f"\x1b[{self._lines - 1}A" if self._lines > 1 else ""
        return f"\r{up}\x1b[J" if self._lines else ""


def _tail(text: str) -> str:
    if len(text) <= LETTERS:
        return text
    return "… " + text[-LETTERS:].partition(" ")[2]


def _doing(event: Writing) -> str:
    if event.tool == "run_python":
        return "writing code …"
    if event.tool:
        return f"writing {event.tool} …"
    return "thinking …" if event.doing else ""
