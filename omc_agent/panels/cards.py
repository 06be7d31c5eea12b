"""What a card is, and the cards that end a run: candidates, verdict, report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from omc_agent.events import ArtifactSaved
from omc_agent.panels import phrases, steps
from omc_agent.panels.bill import cost_words
from omc_agent.panels.candidates import candidates_html, candidates_text
from omc_agent.panels.links import Link, is_safe, linked, near_link
from omc_agent.panels.markup import Piece, esc, indent, plain
from omc_agent.panels.story import Story
from omc_agent.panels.verdict import verdict_html, verdict_text

_OPENED_FIRST = ("report.html", "model_card.md")


class Card(Protocol):
    """What the panel publishes under one display id."""

    def html(self, now: float | None) -> str:
        """The card as one ``div``; `now` is seconds since the epoch, None once the clock stands still."""
        ...

    def text(self, now: float | None) -> str:
        """The same story for a terminal."""
        ...


def emptied(text: str) -> Piece:
    """What a card shows whose content no longer holds, until there is new."""
    return Piece(f'<div class="omc-card"><p class="omc-dim omc-small">{esc(text)}</p></div>', text)


class CandidatesCard:
    """All candidates, scored by walk-forward."""

    def __init__(self, story: Story) -> None:
        self.story = story

    def html(self, now: float | None) -> str:
        """The card."""
        if not self.story.candidates:
            return emptied("The candidates are scored again.").html
        chosen, options = self._options()
        table = candidates_html(self.story.candidates, chosen, **options)
        head = f'<h4>Candidates</h4><span class="omc-right">{esc(self._spent())}</span>'
        return f'<div class="omc-card omc-candidates"><div class="omc-head">{head}</div>{table}</div>'

    def text(self, now: float | None) -> str:
        """The same for a terminal."""
        if not self.story.candidates:
            return emptied("The candidates are scored again.").text
        chosen, options = self._options()
        table = candidates_text(self.story.candidates, chosen, **options)
        return f"Candidates · {self._spent()}\n{indent(table)}"

    def _options(self) -> tuple[str | None, dict[str, str]]:
        choice = self.story.choice
        recommended = choice.recommended if choice is not None else ""
        options = {"metric": self.story.metric(), "recommended": recommended}
        return (choice.name if choice is not None else None), options

    def _spent(self) -> str:
        rows = self.story.candidates
        models = sum(not c.get("baseline") for c in rows)
        fits = sum(_folds(c.get("folds")) for c in rows if not c.get("baseline"))
        spent = sum(phrases.number(c.get("fit_seconds")) or 0.0 for c in rows)
        said = phrases.count(models, "model") + (f", {phrases.count(fits, 'fit')}" if fits else "")
        return f"{said} · {phrases.duration(spent)}"


def _folds(folds: Any) -> int:
    return len(folds) if isinstance(folds, (list, tuple)) else int(phrases.number(folds) or 0)


class VerdictCard:
    """The verdict."""

    def __init__(self, story: Story) -> None:
        self.story = story

    def html(self, now: float | None) -> str:
        """The card."""
        called = self.story.verdict
        if called is None:
            return emptied("The verdict is called again.").html
        inner = verdict_html(called.verdict, called.headline, called.sentence, called.details)
        return f'<div class="omc-card omc-verdict">{inner}</div>'

    def text(self, now: float | None) -> str:
        """The same for a terminal."""
        called = self.story.verdict
        if called is None:
            return emptied("The verdict is called again.").text
        return verdict_text(called.verdict, called.headline, called.sentence, called.details)


class ReportCard:
    """How the run ended, the files it leaves, the variable that holds it, time and cost."""

    def __init__(
        self, story: Story, *, out: str = "agent_run", link: Link | None = None, shell: bool = False
    ) -> None:
        self.story, self.out, self.link = story, out, link or near_link
        self.verb = "omc-agent resume" if shell else "%agent resume"

    def html(self, now: float | None) -> str:
        """The card."""
        if self.story.goes_on:
            return emptied("The run goes on.").html
        how = self._how()
        top = steps.noticed(how[1], how[0], lead=how[2]).html if how else ""
        comma = '<span class="omc-alt">, </span>'
        named, plots = _to_name(self.story.artifacts)
        files = comma.join(
            [f"<span>{self._file(a)}</span>" for a in named] + [f"<span>{esc(p)}</span>" for p in plots]
        )
        place = self._place()
        files += f" <span>in <code>{esc(place)}</code></span>" if place else ""
        bound = f"<span>bound to <code>{esc(self.out, 80)}</code></span>" if self._is_bound() else ""
        dot = '<span class="omc-alt"> · </span>'
        cost = f'<span class="omc-right">{esc(self._cost())}</span>'
        foot = dot.join(part for part in (files, bound, self._tracked(), cost) if part)
        return f'<div class="omc-card omc-report">{top}<div class="omc-foot">{foot}</div></div>'

    def text(self, now: float | None) -> str:
        """The same for a terminal."""
        if self.story.goes_on:
            return emptied("The run goes on.").text
        how, place = self._how(), self._place()
        top = [steps.noticed(how[1], how[0], lead=how[2]).text] if how else []
        named, plots = _to_name(self.story.artifacts)
        names = ", ".join([*(a.name for a in named), *plots])
        files = [f"Files: {names}{f' in {place}' if place else ''}"] if names else []
        bound = [f"Bound to {self.out}"] if self._is_bound() else []
        tracked = [self.story.tracked.line()] if self.story.tracked else []
        return plain("\n".join([*top, *files, *bound, *tracked, self._cost()]))

    def _tracked(self) -> str:
        """Where MLflow has the run: a link to its page, or the name of the store."""
        told = self.story.tracked
        if told is None:
            return ""
        url, words = told.url, esc(f"MLflow, {told.experiment}", 200)
        if url and is_safe(url):
            return f'<a href="{esc(url, 1_000)}" target="_blank">{words}</a>'
        return f"<span>{words} in <code>{esc(told.place, 300)}</code></span>"

    def _is_bound(self) -> bool:
        end = self.story.finished
        return bool(self.out) and end is not None and end.status == "finished"

    def _how(self) -> tuple[tuple[str, str], str, str] | None:
        end, run = self.story.finished, self.story.run_id
        if end is None or end.status == "finished":
            return None
        error = end.error or {}
        told = " ".join(str(error[key]) for key in ("given", "have", "try") if error.get(key)) or end.reason
        told = told[:1].upper() + told[1:]
        told = told if not told or told[-1] in ".!?" else f"{told}."
        if end.status == "failed":
            return steps.FAULT, f"{told} ({error['code']})" if error.get("code") else told, "The run failed."
        lead = {"parked": "The run is parked.", "stopped": "The run was stopped."}.get(end.status, end.status)
        return steps.WARN, f"{told} To go on, type {self.verb} {run}".strip(), lead

    def _cost(self) -> str:
        end = self.story.finished
        cost = end.cost if end is not None else {}
        cost = cost if cost.get("usd") is not None else {**cost, "usd": self.story.usd or 0}
        if not any(phrases.number(cost.get(name)) for name in ("tokens_in", "tokens_out")):
            return f"{phrases.duration(self.story.elapsed())} · 0 tokens · {cost_words(cost)}"
        return f"{phrases.duration(self.story.elapsed())} · {cost_words(cost)}"

    def _file(self, artifact: ArtifactSaved) -> str:
        name, href = esc(artifact.name, 200), self.link(artifact)
        return linked(name, href) if href and is_safe(href) else f"<b>{name}</b>"

    def _place(self) -> str:
        folders = {a.path.rpartition("/")[0] for a in self.story.artifacts if a.path}
        place, home = folders.pop() if len(folders) == 1 else "", str(Path.home())
        return f"~{place[len(home) :]}" if len(home) > 1 and place.startswith(home + "/") else place


def _to_name(artifacts: Sequence[ArtifactSaved]) -> tuple[list[ArtifactSaved], list[str]]:
    """The files to name, what a person opens first in front; plots stand in the cards above, and are counted."""
    named = [a for a in artifacts if not a.name.endswith(".png")]
    first = {name: place for place, name in enumerate(_OPENED_FIRST)}
    plots = len(artifacts) - len(named)
    ordered = sorted(named, key=lambda a: first.get(a.name, len(first)))
    return ordered, [phrases.count(plots, "plot")] if plots else []
