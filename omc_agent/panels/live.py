"""The controls strip: a live line, Stop, Change, and a row for each open question; widgets that end with the run.

Only what can be pressed is a widget; the transcript is plain cards, and outlives it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from ipywidgets import VBox  # type: ignore[import-untyped]

from omc_agent.events import Branched, Event, Writing
from omc_agent.panels import controls, phrases
from omc_agent.panels.change_row import ChangeRow, Send
from omc_agent.panels.controls import answer_while_busy
from omc_agent.panels.markup import esc
from omc_agent.panels.panel import Publish
from omc_agent.panels.questions import Decide, QuestionRow
from omc_agent.panels.story import Story
from omc_agent.panels.writing import writing_html

__all__ = ["VIEW", "Strip", "answer_while_busy"]

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
    decide : callable, optional
        Called with a request's id and the fields of a `Decision`, in the same way. Without it no question is shown.
    send : callable, optional
        Called with ``say`` or ``override`` and its payload, in the same way. Without it there is no Change button.
    clock : callable
        Seconds since the epoch, UTC.

    Attributes
    ----------
    box : ipywidgets.VBox
        The strip.
    rows : dict of str to QuestionRow
        The questions that are open, by request id. A request that a policy decides comes without its fields, and
        makes no row, so that none flashes up.
    """

    def __init__(
        self,
        publish: Publish,
        *,
        run_id: str,
        stop: Callable[[], object],
        decide: Decide | None = None,
        send: Send | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.run_id, self.display_id = run_id, f"omc-w-{run_id}"
        self.story = Story(run_id=run_id)
        self.rows: dict[str, QuestionRow] = {}
        self._publish, self._stop, self._decide, self._clock = publish, stop, decide, clock
        self._stopping = self._closed = False
        self._line = controls.html(self._line_html())
        self._button = controls.button("Stop", "Stop this run; its work is kept", self._pressed, css="omc-stop")
        self._button.icon = "stop"
        self._change = ChangeRow(send) if send is not None else None
        buttons = [self._button]
        if self._change is not None:
            buttons.append(
                controls.button("Change", "Say something, or change the run", self._open, css="omc-change")
            )
        self._top = controls.row(*buttons, self._line)
        self._words = controls.html(css="omc-passing")
        self._hide_words()
        self.box: VBox = controls.column()
        self._arrange()

    def show(self) -> None:
        """Publish the strip. By hand: a plain ``display`` leaves the widget's name in a saved page."""
        view = {"version_major": 2, "version_minor": 0, "model_id": self.box.model_id}
        note = f"(controls of run {self.run_id}; to continue: %agent resume {self.run_id})"
        self._publish({VIEW: view, "text/plain": note}, display_id=self.display_id, update=False)

    def handle(self, event: Event) -> None:
        """Take in one event: a question gets its row at once; the line itself moves with `tick`.

        What the model writes stands below the line, where it can change without closing the folds of a card.
        """
        if isinstance(event, Writing):
            self._write(event)
            return
        self._take(event)
        self._match()

    def replay(self, events: Iterable[Event]) -> None:
        """Take in the events so far; only what is open at their end gets a row."""
        for event in events:
            self._take(event)
        self._match()
        if not self._closed:
            self._line.value = self._line_html()

    def tick(self, usd: float | None = None) -> None:
        """Once a second: move the line and the countdowns on. `usd` is the cost so far."""
        self.story.usd = self.story.usd if usd is None else usd
        if not self._closed:
            self._line.value = self._line_html()
            for row in list(self.rows.values()):
                row.tick()

    def refuse(self, request_id: str, text: str) -> None:
        """Say in the question's row what was wrong with an answer; it stays open."""
        if request_id in self.rows:
            self.rows[request_id].refuse(text)

    def refuse_override(self, text: str) -> None:
        """Say what was wrong with a change."""
        if self._change is not None and not self._closed:
            self._change.refuse(text)

    def close(self) -> None:
        """Take the strip away; calling it twice is harmless."""
        if self._closed:
            return
        self._closed = True
        self._publish({"text/plain": ""}, display_id=self.display_id, update=True)
        for row in self.rows.values():
            row.close()
        self.rows = {}
        controls.close_all(self.box)

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

    def _write(self, event: Writing) -> None:
        if self._closed:
            return
        self._words.value = writing_html(event)
        if self._words.value:
            self._words.layout.display = None
        else:
            self._hide_words()

    def _hide_words(self) -> None:
        self._words.layout.display = "none"

    def _take(self, event: Event) -> None:
        self.story.handle(event)
        if isinstance(event, Branched) and self._change is not None and not self._closed:
            self._change.accepted()

    def _match(self) -> None:
        """Make and close rows until they are those of the open requests."""
        asked = {key: event for key, event in self.story.requests.items() if event.request}
        if self._closed or self._decide is None:
            return
        stale = [
            key for key, row in self.rows.items() if key not in asked or asked[key].request != row.opened.request
        ]
        missing = [key for key in asked if key not in self.rows or key in stale]
        gone = [self.rows.pop(key) for key in stale]
        for key in missing:
            name = self.story.name_of(asked[key])
            self.rows[key] = QuestionRow(asked[key], self._decide, name, self._clock)
        for key, row in self.rows.items():
            row.opened = asked[key]  # asked again after a resume: the same question, with a deadline of its own
        if gone or missing:
            self._arrange()
        for row in gone:
            row.close()

    def _arrange(self) -> None:
        change = [self._change.box] if self._change is not None else []
        self.box.children = [self._top, self._words, *change, *(row.box for row in self.rows.values())]

    def _line_html(self) -> str:
        # Buttons that outlive their kernel stay on the page and do nothing, so the line says what to type.
        hint = f"if the button does nothing: <code>%agent stop {esc(self.run_id)}</code>"
        return (
            f'<span class="omc-live" style="font-variant-numeric:tabular-nums">{esc(self.status(), 300)}</span> '
            f'<span style="opacity:.7;font-size:12px">&nbsp;{hint}</span>'
        )

    def _open(self) -> None:
        if self._change is not None:
            self._change.open(not self._change.is_open())

    def _pressed(self) -> None:
        if not self._stopping:
            self._stopping = True
            self._stop()
            self._button.disabled = True
            self._button.description = "Stopping…"
