"""Shows a run in the cell that started it: cards and strip in a kernel, plain lines in a terminal."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from omc_agent.config import server_base
from omc_agent.events import Event, RunStarted
from omc_agent.store.rows import user_name


class Transcript:
    """Hears a run's events on the engine's thread and publishes them into its cell.

    Parameters
    ----------
    shell : InteractiveShell
        Its display publisher knows the cell by the context that the run was started in.
    interactive : bool
        Whether somebody is there: then a controls strip is shown and the clock ticks.
    out : str
        The name that the result is bound to.
    """

    def __init__(self, shell: Any, *, interactive: bool, out: str) -> None:
        self._shell, self._interactive, self._out = shell, interactive, out
        self._has_kernel = getattr(shell, "kernel", None) is not None
        self._panel: Any = None
        self._strip: Any = None
        self._handle: Any = None
        self._when_done: Callable[[], None] | None = None

    def attach(self, handle: Any) -> None:
        """Say which run the strip's Stop button stops."""
        self._handle = handle

    def when_done(self, call: Callable[[], None]) -> None:
        """Call once the run has ended (``--bg``)."""
        self._when_done = call
        if self._handle is not None and self._handle.done():
            self._end()

    def handle(self, event: Event) -> None:
        """Show one event."""
        if isinstance(event, RunStarted) and self._panel is None:
            self._open(event.run_id)
        if self._panel is not None:
            self._panel.handle(event)
        if self._strip is not None:
            self._strip.handle(event)

    def replay(self, events: list[Event]) -> None:
        """Show at once what was told before."""
        if events and self._panel is None:
            started = next((e for e in events if isinstance(e, RunStarted)), None)
            self._open(started.run_id if started is not None else "")
        if self._panel is not None:
            self._panel.replay(events)
        if self._strip is not None:
            self._strip.replay(events)

    def tick(self, usd: float) -> None:
        """Move the clocks."""
        for part in (self._panel, self._strip):
            if part is not None and hasattr(part, "tick"):
                part.tick(usd)

    def close(self) -> None:
        """Publish what is left, and take the controls away."""
        for part in (self._strip, self._panel):
            if part is not None:
                part.close()
        self._strip = None
        if self._when_done is not None:
            self._end()

    def _end(self) -> None:
        call, self._when_done = self._when_done, None
        if call is not None:
            with contextlib.suppress(Exception):  # nobody awaits a background run; its card says what failed
                call()

    def _open(self, run_id: str) -> None:
        if not self._has_kernel:
            from omc_agent.panels.plain import PlainPanel

            self._panel = PlainPanel(self._write, out=self._out)
            return
        from omc_agent.panels.links import linker
        from omc_agent.panels.panel import Panel

        link = linker(run_id, server_base())
        self._panel = Panel(self._publish, interactive=self._interactive, run_id=run_id, out=self._out, link=link)
        if self._interactive:
            from omc_agent.panels.live import Strip

            self._strip = Strip(self._publish, run_id=run_id, stop=self._stop, decide=self._decide, send=self._send)
            self._strip.show()

    def _stop(self) -> None:
        if self._handle is not None:
            self._handle.stop()

    def _decide(self, request_id: str, decision: dict[str, Any]) -> None:
        handle, strip = self._handle, self._strip
        if handle is not None:
            handle.hand_on(
                lambda: handle.decide(request_id, decision, f"{user_name()}, notebook"),
                lambda why: strip.refuse(request_id, why),
            )

    def _send(self, kind: str, payload: dict[str, Any]) -> None:
        handle, strip = self._handle, self._strip
        if handle is None:
            return
        if kind == "say":
            handle.hand_on(lambda: handle.say(payload["text"]))
        else:
            handle.hand_on(lambda: handle.override(*payload["words"]), lambda why: strip.refuse_override(why))

    def _publish(self, data: Mapping[str, Any], *, display_id: str, update: bool) -> None:
        self._shell.display_pub.publish(
            data=dict(data), metadata={}, transient={"display_id": display_id}, update=update
        )

    def _write(self, text: str) -> None:
        print(text, end="", flush=True)
