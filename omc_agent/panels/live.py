"""The controls strip: one live line and a Stop button, as a widget that ends with the run.

Only what can be pressed is a widget; the transcript is plain cards, and outlives it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ipywidgets import HTML, Button, HBox, Layout, VBox, Widget  # type: ignore[import-untyped]

from omc_agent.events import Event
from omc_agent.panels import phrases
from omc_agent.panels.markup import esc
from omc_agent.panels.panel import Publish
from omc_agent.panels.story import Story

VIEW = "application/vnd.jupyter.widget-view+json"


class Strip:
    """The controls of one run.

    Parameters
    ----------
    publish : Publish
        Shows a mimebundle; the widget's view is JSON, not text, and must be passed on as it is.
    run_id : str
        The run's id.
    stop : callable
        Called without arguments when Stop is pressed, on whatever thread the click arrives: let it only
        hand on the wish, as ``loop.call_soon_threadsafe`` does.
    clock : callable
        Seconds since the epoch, UTC.

    Attributes
    ----------
    box : ipywidgets.VBox
        The strip. A question may add its own row to ``box.children``; pass it to `answer_while_busy` first.
    """

    def __init__(
        self,
        publish: Publish,
        *,
        run_id: str,
        stop: Callable[[], object],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.run_id, self.display_id = run_id, f"omc-w-{run_id}"
        self.story = Story(run_id=run_id)
        self._publish, self._stop, self._clock = publish, stop, clock
        self._stopping = self._closed = False
        self._line = HTML(value=self._line_html())
        self._button = Button(description="Stop", icon="stop", layout=Layout(width="auto"))
        self._button.add_class("omc-stop")
        self._button.on_click(self._pressed)
        row = HBox([self._button, self._line], layout=Layout(align_items="center"))
        self.box = VBox([row])
        for widget in (self._line, self._button, row, self.box):
            answer_while_busy(widget)

    def show(self) -> None:
        """Publish the strip. By hand: a plain ``display`` leaves the widget's name in a saved page."""
        view = {"version_major": 2, "version_minor": 0, "model_id": self.box.model_id}
        note = f"(controls of run {self.run_id}; to continue: %agent resume {self.run_id})"
        self._publish({VIEW: view, "text/plain": note}, display_id=self.display_id, update=False)

    def handle(self, event: Event) -> None:
        """Take in one event; the line itself moves with `tick`."""
        self.story.handle(event)

    def tick(self, usd: float | None = None) -> None:
        """Once a second: move the line on. `usd` is the cost so far."""
        self.story.usd = self.story.usd if usd is None else usd
        if not self._closed:
            self._line.value = self._line_html()

    def close(self) -> None:
        """Take the strip away; calling it twice is harmless."""
        if self._closed:
            return
        self._closed = True
        self._publish({"text/plain": ""}, display_id=self.display_id, update=True)
        for widget in (self._line, self._button, *self.box.children, self.box):
            widget.close()

    def status(self) -> str:
        """The line as text, such as ``training · 14 s · 3 of 8 steps · about 6 s left``."""
        story, now = self.story, self._clock()
        if self._stopping:
            return f"stopping · {phrases.duration(story.elapsed(now), whole=True)}"
        waits = "waits for you" if story.requests else ""
        stage = story.record(story.current).title.lower() if story.current else "starting"
        parts = [waits or stage, phrases.duration(story.elapsed(now), whole=True)]
        done, total = story.steps_done()
        parts += [f"{done} of {phrases.count(total, 'step')}"] if total else []
        left = story.seconds_left(now)
        parts += [f"about {phrases.duration(left, whole=True)} left"] if left is not None and not waits else []
        parts += [story.progress.text] if story.progress is not None and story.progress.text else []
        return " · ".join(parts + ([phrases.usd(story.usd)] if story.usd is not None else []))

    def _line_html(self) -> str:
        # Buttons that outlive their kernel stay on the page and do nothing, so the line says what to type.
        hint = f"if the button does nothing: <code>%agent stop {esc(self.run_id)}</code>"
        return (
            f'<span class="omc-live" style="font-variant-numeric:tabular-nums">{esc(self.status(), 300)}</span> '
            f'<span style="opacity:.7;font-size:12px">&nbsp;{hint}</span>'
        )

    def _pressed(self, button: Any) -> None:
        if not self._stopping:
            self._stopping = True
            self._stop()
            self._button.disabled = True
            self._button.description = "Stopping…"


def answer_while_busy(widget: Widget) -> None:
    """Let a click on `widget` reach the kernel while its main thread is busy (ipykernel 7.4).

    There a reply is routed to the shell that published last on the comm, which is the busy one. The
    attribute is private and belongs to this one comm; where it is missing nothing is changed.
    """
    comm: Any = widget.comm
    if hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = lambda data, default: default
