"""The first card of a run: what was understood, who thinks, what holds the code, and the plan as a spine."""

from __future__ import annotations

from typing import Any

from omc_agent.events import Branched
from omc_agent.panels import phrases, steps
from omc_agent.panels.bill import cost_words
from omc_agent.panels.markup import esc, plain
from omc_agent.panels.spine import ENDS, MARKS, StageRecord
from omc_agent.panels.story import Story
from omc_agent.panels.style import style_block


class HeaderCard:
    """Title, chips, the live line, the brief, what thinks and what holds the code, and the plan."""

    def __init__(self, story: Story, *, show_goal: bool = False) -> None:
        self.story, self.show_goal = story, show_goal

    def html(self, now: float | None) -> str:
        """The card; it carries the style sheet of the whole run."""
        story = self.story
        dot = '<span class="omc-alt"> · </span>'
        chips = dot.join(f'<span class="omc-chip">{esc(chip, 120)}</span>' for chip in self._chips())
        head = f"<h4>{esc(story.title(), 400)}</h4>{chips}{dot}"
        live = f'<span class="omc-right">{esc(live_line(story, now))}</span>'
        goal = f"<p><b>Goal:</b> {esc(story.started.goal)}</p>" if self.show_goal and story.started else ""
        brief, assumed = story.brief_sentence(), story.assumed_sentence()
        told = f'<p>{esc(brief)} <span class="omc-dim">{esc(assumed)}</span></p>' if brief or assumed else ""
        notes = f'<p class="omc-dim omc-small">{esc(self._notes())}</p>' if self._notes() else ""
        warned = "".join(steps.warned(event).html for event in story.notices)
        warned += "".join(steps.changed(event).html for event in story.changes)
        body = f'<div class="omc-head">{head}{live}</div>{goal}{told}{notes}{warned}{plan_html(story, now)}'
        return f'<div class="omc-card omc-header">{style_block()}{body}</div>'

    def text(self, now: float | None) -> str:
        """Title, goal, brief and plan."""
        story = self.story
        title = " · ".join([story.title(), *self._chips()])
        goal = f"Goal: {story.started.goal}" if story.started else ""
        told = f"{story.brief_sentence()} {story.assumed_sentence()}".strip()
        warned = [steps.warned(event).text for event in story.notices]
        warned += [steps.changed(event).text for event in story.changes]
        lines = [title, live_line(story, now), goal, told, self._notes(), *warned, plan_text(story, now)]
        return plain("\n".join(line for line in lines if line))

    def _chips(self) -> list[str]:
        started = self.story.started
        if started is None:
            return [f"run {self.story.run_id}"]
        model = "offline model" if started.model == "offline" else started.model
        branches = [c.new_branch for c in self.story.changes if isinstance(c, Branched)]
        named = branches[-1] if branches else started.branch
        branch = [f"branch {named}"] if named else []
        held = [self.story.isolation.title] if self.story.isolation is not None else []
        return [f"run {started.run_id}", *branch, model, *held]

    def _notes(self) -> str:
        started, isolation = self.story.started, self.story.isolation
        notes = [started.model_note if started is not None else "", isolation.note if isolation is not None else ""]
        notes.append(self.story.span_note)
        return " ".join(note for note in notes if note)


def live_line(story: Story, now: float | None) -> str:
    """Stage, time and cost, such as ``training · 14 s · $0.00``."""
    end = story.finished
    if end is not None:
        parts = [end.status, phrases.duration(end.seconds)]
        if end.cost:
            return " · ".join([*parts, cost_words(end.cost)])
    else:
        asking = story.requests and "waits for you"
        at = asking or (story.record(story.current).title.lower() if story.current else "starting")
        parts = [at, phrases.duration(story.elapsed(now), whole=True)]
    return " · ".join(parts + ([phrases.usd(story.usd)] if story.usd is not None else []))


def plan_html(story: Story, now: float | None) -> str:
    """The spine: one item a step, its state told by a shape, a mark and a colour; "" without a plan."""
    items = []
    for step in story.plan:
        record, when = _planned(story, step, now)
        when = f'<span class="omc-alt"> · </span><span class="omc-when">{esc(when, 120)}</span>' if when else ""
        mark = f'<span class="omc-mark">{MARKS.get(record.status, "○")}</span><span class="omc-alt"> </span>'
        title = esc(step.get("title") or record.title, 60)
        css = record.status if record.status in MARKS else "waiting"
        items.append(f'<li class="omc-{css}">{mark}<b>{title}</b>{when}</li>')
    return f'<ol class="omc-plan">{"".join(items)}</ol>' if items else ""


def plan_text(story: Story, now: float | None) -> str:
    """The spine as lines of text."""
    lines = []
    for step in story.plan:
        record, when = _planned(story, step, now)
        lines.append(
            f"{MARKS.get(record.status, '○')} {step.get('title') or record.title}{f' · {when}' if when else ''}"
        )
    return "\n".join(lines)


def _planned(story: Story, step: dict[str, Any], now: float | None) -> tuple[StageRecord, str]:
    record = story.record(str(step.get("stage", "")))
    if record.status == "now":
        if story.requests:
            return record, "waits for you"
        return record, phrases.duration((now or story.last_at) - record.since, whole=True) + " so far"
    if record.status == "waiting":
        fits, minutes = phrases.number(step.get("fits")), phrases.number(step.get("minutes"))
        if fits:
            return record, phrases.count(fits, "fit")
        return record, f"about {phrases.duration(60 * minutes, whole=True)}" if minutes and minutes >= 1 else ""
    said = "" if record.status == "skipped" else phrases.duration(record.seconds)
    ended = ENDS.get(record.status, "")
    return record, ", ".join(part for part in (ended, said) if part)
