"""The panel of a run in a notebook: events in, cards out, each updated in place.

A card per part, because JupyterLab shows only the first fifty outputs of a cell. Updates are paced by
time and by size, not by the number of events.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, cast

from omc_agent.events import (
    Branched,
    CandidateScored,
    ChoiceMade,
    Event,
    Overridden,
    RequestDecided,
    RequestOpened,
    RunFinished,
    RunStarted,
    Said,
    StageFinished,
    VerdictCalled,
)
from omc_agent.panels.cards import CandidatesCard, Card, ReportCard, VerdictCard
from omc_agent.panels.header import HeaderCard
from omc_agent.panels.links import Link
from omc_agent.panels.spine import is_redone
from omc_agent.panels.stage import StageCard
from omc_agent.panels.story import Story

PACE = 0.15
BYTES_A_SECOND = 4e6

_AT_ONCE = (RunStarted, Branched, StageFinished, RunFinished, RequestDecided)
_HEADER_KINDS = frozenset(
    {"run_started", "brief_read", "plan_made", "holdout_sealed", "stage_started", "stage_finished"}
    | {"request_opened", "request_decided", "verdict_called", "run_finished", "branched", "overridden"}
)
_STAGE_KINDS = frozenset(
    {"stage_started", "stage_finished", "reason", "act", "observe", "cell_started", "cell_finished", "progressed"}
    | {
        "warned",
        "leak_tested",
        "holdout_sealed",
        "request_opened",
        "request_decided",
        "choice_made",
        "said",
        "branched",
        "overridden",
    }
)


class Publish(Protocol):
    """Shows a mimebundle: a new output, or with `update` the newer form of an output of that id."""

    def __call__(self, data: Mapping[str, Any], *, display_id: str, update: bool) -> None:
        """Show `data`: mime type to text, or to JSON for a widget's view."""
        ...


class Panel:
    """The view of one run.

    Parameters
    ----------
    publish : Publish
        Shows a mimebundle in the cell; handed in by the magic.
    interactive : bool
        Whether somebody watches. If not, a card is published when it begins and when its stage or the run ends.
    run_id : str
        The run's id; part of every display id.
    out : str
        The variable to which the result will be bound.
    link : callable, optional
        Makes an artifact's address, as `links.linker`; default: relative to the working folder where the file lies
        below it.
    show_goal : bool
        Whether to repeat the goal, where no cell above shows it.
    clock : callable
        Seconds since the epoch, UTC.
    """

    def __init__(
        self,
        publish: Publish,
        *,
        interactive: bool,
        run_id: str,
        out: str = "agent_run",
        link: Link | None = None,
        show_goal: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.publish, self.interactive, self.run_id = publish, interactive, run_id
        self.story = Story(run_id=run_id)
        self._out, self._link, self._show_goal, self._clock = out, link, show_goal, clock
        self._cards: dict[str, Card] = {}
        self._dirty: set[str] = set()
        self._next: dict[str, float] = {}

    def handle(self, event: Event) -> None:
        """Take in one event and publish what is due."""
        self._take(event)
        # What a policy decides in the same moment carries no request, and is shown once, with its decision.
        asks = isinstance(event, RequestOpened) and bool(event.request)
        self.flush(force=asks or isinstance(event, _AT_ONCE))

    def replay(self, events: Iterable[Event]) -> None:
        """Take in the events so far, then publish each card once."""
        for event in events:
            self._take(event)
        self.flush(force=True)

    def tick(self, usd: float | None = None) -> None:
        """Once a second: move the clock on, and publish what had to wait. `usd` is the cost so far."""
        self.story.usd = self.story.usd if usd is None else usd
        if self.interactive and self.story.started is not None and self.story.finished is None:
            self._mark("header")
        self.flush()

    def flush(self, *, force: bool = False) -> None:
        """Publish the cards that changed, in their order; without `force` only those whose time has come."""
        for key in [key for key in self._cards if key in self._dirty]:
            if force or self._clock() >= self._next.get(key, 0.0):
                self._show(key)

    def close(self) -> None:
        """Publish whatever is left, however the run ended."""
        self.flush(force=True)

    def static_html(self) -> str:
        """All cards, one below the other, as one piece of HTML that needs no kernel."""
        return "\n".join(card.html(None) for card in self._cards.values())

    def static_text(self) -> str:
        """The same as text."""
        return "\n\n".join(card.text(None) for card in self._cards.values())

    def display_id(self, key: str) -> str:
        """The id under which a card is published; `key` is header, a stage's name, and so on."""
        return f"omc-{self.run_id}-{key}"

    def _take(self, event: Event) -> None:
        # Words that come between two stages stand where the work stood last.
        last = next(reversed(self.story.stages), "") if isinstance(event, (Said, Overridden)) else ""
        stage = ("" if isinstance(event, Overridden) else event.stage) or self.story.current or last
        ended = self.story.finished is not None
        self.story.handle(event)
        if isinstance(event, Branched):
            self._branch(event.stage)
        if ended and self.story.finished is None:
            self._forget("report")
        if event.kind in _HEADER_KINDS or (event.kind == "warned" and not stage):
            self._mark("header")
        # A stage that was passed over without beginning has nothing to show.
        passed = getattr(event, "status", "") == "skipped" and f"stage-{stage}" not in self._cards
        if event.kind in _STAGE_KINDS and stage and not passed:
            card = cast(StageCard, self._card(f"stage-{stage}", lambda: StageCard(self.story, stage)))
            card.handle(event)
        if isinstance(event, (CandidateScored, ChoiceMade)) and self.story.candidates:
            self._card("candidates", lambda: CandidatesCard(self.story))
        if isinstance(event, VerdictCalled):
            self._card("verdict", lambda: VerdictCard(self.story))
        if isinstance(event, RunFinished):
            self._dirty.update(self._cards)
        if self.story.finished is not None:
            self._card("report", lambda: ReportCard(self.story, out=self._out, link=self._link))

    def _card(self, key: str, make: Callable[[], Card]) -> Card:
        if key not in self._cards:
            self._cards[key] = make()
        self._dirty.add(key)
        return self._cards[key]

    def _branch(self, start: str) -> None:
        """Begin anew the cards of what is done again, each in its place."""
        for key in [key for key in self._cards if key.startswith("stage-")]:
            stage = key.removeprefix("stage-")
            if is_redone(stage, start) and self._forget(key):
                self._cards[key] = StageCard(self.story, stage, again=True)
        for key, gone in (("candidates", not self.story.candidates), ("verdict", self.story.verdict is None)):
            if gone:
                self._forget(key)

    def _forget(self, key: str) -> bool:
        """Mark a card whose content no longer holds; True where it is on the page, so that it must be kept."""
        if key in self._cards and key in self._next:
            self._dirty.add(key)
            return True
        self._cards.pop(key, None)
        self._dirty.discard(key)
        return False

    def _mark(self, key: str) -> None:
        self._card(key, lambda: HeaderCard(self.story, show_goal=self._show_goal))

    def _show(self, key: str) -> None:
        now = self._clock() if self.interactive and self.story.finished is None else None
        card = self._cards[key]
        data = {"text/html": card.html(now), "text/plain": card.text(now)}
        self._dirty.discard(key)
        self.publish(data, display_id=self.display_id(key), update=key in self._next)
        wait = PACE + len(data["text/html"]) / BYTES_A_SECOND if self.interactive else float("inf")
        self._next[key] = self._clock() + wait
