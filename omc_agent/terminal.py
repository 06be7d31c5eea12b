"""A run in a terminal where somebody sits: its story as lines, and a prompt where it waits.

A line answers the question that was shown last: nothing or ``y`` approves, ``n WHY`` rejects, ``rest`` approves for
the rest of the run, anything else is the answer (``KEY=VALUE`` changes something).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TextIO

from omc_agent.errors import AgentError
from omc_agent.events import Event, RequestDecided, RequestOpened, Writing
from omc_agent.flags import decision_of
from omc_agent.panels.plain import PlainPanel
from omc_agent.panels.writing import Passing
from omc_agent.request import Decision
from omc_agent.store.rows import user_name

PROMPT = "> "


class Terminal:
    """The view of one run, and the way back.

    Parameters
    ----------
    write : callable
        Takes text with its own line ends.
    lines : TextIO
        Where a person types.
    live : bool
        Whether what the model writes is shown while it does; the terminal has to know the usual escapes.
    """

    def __init__(self, write: Callable[[str], object], lines: TextIO, *, live: bool = False) -> None:
        self._write, self._lines = write, lines
        self._panel = PlainPanel(write, shell=True)
        self._passing = Passing(write) if live else None
        self._handle: Any = None
        self._open: list[str] = []
        self._reader: threading.Thread | None = None

    def attach(self, handle: Any) -> None:
        """Say whose questions are answered."""
        self._handle = handle
        self._listen()

    def handle(self, event: Event) -> None:
        """Show one event; a question gets a prompt."""
        if isinstance(event, Writing):
            if self._passing is not None:
                self._passing.show(event)
            return
        self._erase()
        self._panel.handle(event)
        if isinstance(event, RequestOpened) and event.request:
            self._open.append(event.request_id)
            self._write(PROMPT)
            self._listen()
        elif isinstance(event, RequestDecided) and event.request_id in self._open:
            self._open.remove(event.request_id)

    def close(self) -> None:
        """The run ended; whoever reads is a daemon, and ends with the process."""
        self._erase()
        self._panel.close()

    def _erase(self) -> None:
        if self._passing is not None:
            self._passing.erase()

    def _listen(self) -> None:
        """Read only once there is something to answer, so that a run that asks nothing leaves stdin alone."""
        if self._reader is None and self._open and self._handle is not None:
            self._reader = threading.Thread(target=self._read, name="omc-terminal", daemon=True)
            self._reader.start()

    def _read(self) -> None:
        for line in self._lines:
            if not self._open:
                continue
            try:
                self._handle.decide(self._open[-1], understood(line.strip()), f"{user_name()}, terminal")
            except AgentError as error:
                self._write(f"{error.line()}\n{PROMPT}")


def understood(line: str) -> Decision:
    """What a typed line decides.

    Examples
    --------
    >>> understood("n too slow").why
    'too slow'
    >>> understood("").type
    'approve'
    """
    word, _, rest = line.partition(" ")
    if word.lower() in ("", "y", "yes", "approve"):
        return Decision()
    if word.lower() in ("n", "no", "reject"):
        return decision_of("reject", rest)
    if line.lower() == "rest":
        return Decision(rest=True)
    return decision_of("answer", line)
