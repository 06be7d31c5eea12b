"""The same story for a terminal: a few calm lines a stage, written as things happen."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import Any

from omc_agent.events import (
    Branched,
    BriefRead,
    CandidateScored,
    CellFinished,
    Event,
    Observe,
    Overridden,
    Reason,
    StageFinished,
    StageStarted,
)
from omc_agent.panels import phrases, pictures, steps
from omc_agent.panels.asking import asked
from omc_agent.panels.cards import ReportCard
from omc_agent.panels.markup import indent, plain
from omc_agent.panels.spine import ENDS
from omc_agent.panels.story import Story
from omc_agent.panels.verdict import verdict_text

WIDTH = 100


class PlainPanel:
    """The view of one run as text.

    Parameters
    ----------
    write : callable
        Takes text with its own line ends, such as ``sys.stderr.write``.
    out : str
        The variable to which the result will be bound; "" where there is none, as in a shell.
    shell : bool
        Whether a person answers by ``omc-agent``, rather than by ``%agent``.
    """

    def __init__(self, write: Callable[[str], object], *, out: str = "", shell: bool = False) -> None:
        self.story = Story()
        self._write, self._out, self._shell = write, out, shell
        self._planned = self._started = False
        self._failed = self._verdict = ""
        self._asked: dict[str, str] = {}

    def handle(self, event: Event) -> None:
        """Take in one event and write its lines, if it has any."""
        self.story.handle(event)
        tell: Callable[[Any], None] | None = getattr(self, f"_on_{event.kind}", None)
        if tell is not None:
            tell(event)

    def close(self) -> None:
        """Nothing waits here; every line was written when it came."""

    def _say(self, text: str, *, deep: bool = True) -> None:
        margin = "  " if deep else ""
        lines: list[str] = []
        for line in plain(text).splitlines():
            own = line[: len(line) - len(line.lstrip())]
            lines += textwrap.wrap(
                line,
                WIDTH,
                initial_indent=margin,
                subsequent_indent=margin + own,
                break_long_words=False,
                break_on_hyphens=False,
                drop_whitespace=True,
            ) or [""]
        self._write("\n".join(lines) + "\n")

    def _on_run_started(self, event: Any) -> None:
        goes_on = " goes on" if self._started else ""
        self._say(" · ".join(p for p in (f"Run {event.run_id}{goes_on}", event.model) if p), deep=False)
        if goes_on:
            return
        self._started = True
        self._say(f"Goal: {event.goal}")
        if event.model_note:
            self._say(event.model_note)

    def _on_branched(self, event: Branched) -> None:
        self._verdict = ""
        self._asked.clear()
        self._say("\n" + steps.changed(event).text, deep=False)

    def _on_overridden(self, event: Overridden) -> None:
        self._say(steps.changed(event).text)

    def _on_isolation_known(self, event: Any) -> None:
        self._say(event.note)

    def _on_brief_read(self, event: BriefRead) -> None:
        self._say(f"\n{event.title}", deep=False)
        self._say(f"{self.story.brief_sentence()} {self.story.assumed_sentence()}".strip())

    def _on_plan_made(self, event: Any) -> None:
        titles = [str(s.get("title") or self.story.record(str(s.get("stage", ""))).title) for s in event.steps]
        self._say(f"Plan: {' > '.join(titles)}")
        if event.note:
            self._say(event.note)

    def _on_stage_started(self, event: StageStarted) -> None:
        title = self.story.record(event.stage).title
        again = f", {phrases.ordinal(event.visit)} round" if event.visit > 1 else ""
        self._say(f"\n{title}{again}", deep=False)
        self._planned, self._failed = False, ""

    def _on_reason(self, event: Reason) -> None:
        # The first reason of a stage is its plan; the rest is in the notebook and in the ledger.
        if not self._planned:
            self._say(event.text)
        self._planned = True

    def _on_cell_finished(self, event: CellFinished) -> None:
        self._failed = ""
        if event.status != "ok" or event.error:
            error = event.error or {}
            self._failed = str(error.get("message") or event.reason or event.status)
            place = steps.where(event.n, error.get("line"))
            self._say(f"✕ {error.get('type') or event.status} in {place}: {self._failed}")
        elif event.stage == "data_analysis" and self.story.is_exploration():
            self._show(event)

    def _show(self, event: CellFinished) -> None:
        """What an exploration found is its result; elsewhere tables are for the notebook and the report."""
        for bundle in event.outputs:
            text = bundle.get("text/plain", "")
            if text and "image/png" not in bundle:
                self._write(indent(plain(text)) + "\n")

    def _on_observe(self, event: Observe) -> None:
        if not event.ok and not self._failed:
            self._say(f"✕ {event.text.splitlines()[0] if event.text else event.tool}")

    def _on_warned(self, event: Any) -> None:
        self._say(steps.warned(event).text)

    def _on_leak_tested(self, event: Any) -> None:
        self._say(steps.leak(event).text)

    def _on_holdout_sealed(self, event: Any) -> None:
        self._say(steps.sealed(event).text)

    def _on_candidate_scored(self, event: CandidateScored) -> None:
        c = event.candidate
        kind = " (baseline)" if c.get("baseline") else ""
        interval = pictures.interval_words(c.get("low"), c.get("high"))
        name = f"{phrases.model_name(c.get('name', ''))}{kind}"
        # A row of a table: its columns would be lost in wrapping.
        self._write(f"  {plain(name, 60):<34} {phrases.score(c.get('score')):>7}  {interval}".rstrip() + "\n")

    def _on_request_opened(self, event: Any) -> None:
        self._asked[event.request_id] = event.question
        name = event.request_id if self._shell else self.story.name_of(event)
        self._say(asked(event, name, shell=self._shell).text)

    def _on_request_decided(self, event: Any) -> None:
        self._say(steps.decided(event, self._asked.pop(event.request_id, "")).text)

    def _on_choice_made(self, event: Any) -> None:
        self._say(steps.choice(event).text)

    def _on_said(self, event: Any) -> None:
        self._say(steps.said(event).text)

    def _on_stage_finished(self, event: StageFinished) -> None:
        if event.status == "skipped" and not event.seconds:
            return  # passed over without beginning
        ended = [ENDS.get(event.status, "done")]
        cells = [phrases.count(event.cells, "cell")] if event.cells else []
        self._say(" · ".join([*ended, *cells, phrases.duration(event.seconds)]))
        self._say_verdict()

    def _on_verdict_called(self, event: Any) -> None:
        self._verdict = verdict_text(event.verdict, event.headline, event.sentence, event.details)

    def _on_run_finished(self, event: Any) -> None:
        self._say_verdict()
        self._say("\n" + ReportCard(self.story, out=self._out, shell=self._shell).text(None), deep=False)

    def _say_verdict(self) -> None:
        # It stands by itself, below the stage that called it.
        if self._verdict:
            self._say("\n" + self._verdict, deep=False)
            self._verdict = ""
