"""The graph of stages with a run in it: as Mermaid, as a card without scripts, and as plain text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from omc_agent.events import Event
from omc_agent.panels.markup import esc, plain
from omc_agent.panels.spine import STAGES, stage_title
from omc_agent.panels.story import Story
from omc_agent.panels.style import style_block

Ways = Mapping[str, tuple[str, ...]]
BREAKER = "circuit_breaker"
FOOT = f"A stage that cannot be mended goes to {stage_title(BREAKER)}; a person may send a run back to any stage."
MARKS = {"done": "✓", "here": "●", "failed": "✕", "skipped": "–", "back": "↺", "": "○"}
WORDS = {"done": "done", "here": "the run is here", "failed": "failed", "skipped": "passed over", "back": "sent back"}
WHEN = {
    ("planning", ""): "with --plan", ("data_analysis", "reporting"): "when the goal only explores",
    ("data_retrieval", "clarification"): "when the data are poor",
    ("data_retrieval", "feature_engineering"): "for a table that is not prices",
    ("leak_test", "feature_engineering"): "while columns leak, at most twice",
    ("model_evaluation", "selection"): "when nothing is left to tune",
}  # fmt: skip
_COLOURS = {
    "done": "fill:#d9ead3,stroke:#38761d,color:#111111",
    "here": "fill:#fff2cc,stroke:#b45f06,stroke-width:4px,color:#111111",
    "failed": "fill:#f4cccc,stroke:#990000,color:#111111", "skipped": "fill:#eeeeee,stroke:#999999,color:#666666",
    "back": "fill:#fff2cc,stroke:#b45f06,color:#111111",
}  # fmt: skip


class GraphView:
    """The graph, and how far a run came in it.

    Parameters
    ----------
    mermaid : str
        The graph as Mermaid text; its nodes are called as the stages are.
    ways : mapping of str to tuple of str
        Each node with where it may go on to; an empty name is the end.
    events : iterable of Event
        Of the run, as they still hold; without any the graph alone is shown.
    """

    def __init__(self, mermaid: str, ways: Ways, events: Iterable[Event] = ()) -> None:
        self._mermaid, self.ways, self.story = mermaid, ways, Story()
        for event in events:
            self.story.handle(event)

    def marks(self) -> dict[str, str]:
        """Each stage that has come to something: done, here, failed, skipped or back."""
        story = self.story
        if story.started is None:
            return {}
        found: dict[str, str] = {}
        for stage, record in story.stages.items():
            found[stage] = {"ok": "done", "now": "here", "waiting": ""}.get(record.status, record.status)
        end = story.finished
        here = story.current if end is None else "" if end.status == "finished" else end.stage
        if here and found.get(here) != "failed":
            found[here] = "here"
        begun = [STAGES.index(stage) for stage in found if stage in STAGES]
        last = len(STAGES) if end is not None and end.status == "finished" else max(begun, default=0)
        found |= {stage: "skipped" for stage in STAGES[:last] if stage not in found}
        return {stage: mark for stage, mark in found.items() if mark and stage in self.ways}

    def mermaid(self) -> str:
        """The graph in Mermaid, the run's stages coloured."""
        marks = self.marks()
        lines = [self._mermaid.rstrip()]
        for mark in dict.fromkeys(marks.values()):
            lines.append(f"\tclassDef omc_{mark} {_COLOURS[mark]}")
            lines += [f"\tclass {stage} omc_{mark}" for stage, own in marks.items() if own == mark]
        return "\n".join(lines) + "\n"

    def text(self) -> str:
        """The stages in their order, with the ways that turn off it, and where the run is."""
        rows = [self._row(stage) for stage in self.ways]
        width = max(len(title) for _, title, _ in rows)
        lines = [f"{mark} {title:<{width}}  {told}".rstrip() for mark, title, told in rows]
        return plain("\n".join([self._head(), *lines, FOOT]))

    def html(self) -> str:
        """The same as a card; it needs no script and no network."""
        items = []
        marks = self.marks()
        for stage in self.ways:
            mark, title, told = self._row(stage)
            css = {"done": "ok", "here": "now"}.get(marks.get(stage, ""), marks.get(stage, "") or "waiting")
            after = f' <span class="omc-when">{esc(told)}</span>' if told else ""
            shown = f'<span class="omc-mark">{mark}</span> <b>{esc(title)}</b>{after}'
            items.append(f'<li class="omc-{css}">{shown}</li>')
        body = f'<h4>{esc(self._head())}</h4><ol class="omc-plan omc-graph">{"".join(items)}</ol>'
        return f'<div class="omc-card">{style_block()}{body}<p class="omc-dim omc-small">{esc(FOOT)}</p></div>'

    def picture(self) -> dict[str, str]:
        """Mermaid alone, for an output of its own: beside HTML a notebook would not show it."""
        return {"text/vnd.mermaid": self.mermaid(), "text/plain": "omc-agent graph --mermaid prints the picture."}

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return {"text/plain": self.text(), "text/vnd.mermaid": self.mermaid(), "text/html": self.html()}

    def __repr__(self) -> str:
        return self.text()

    def _head(self) -> str:
        story = self.story
        if story.started is None:
            return "The stages of a run"
        status = story.finished.status if story.finished is not None else "under way"
        return f"Run {story.run_id}: {status}"

    def _row(self, stage: str) -> tuple[str, str, str]:
        """Mark, title, and what is to be said of the stage."""
        mark = self.marks().get(stage, "")
        record = self.story.record(stage)
        told = WORDS.get(mark, "")
        if told and record.visit > 1:
            told += f" ({record.visit} visits)"
        following = STAGES[STAGES.index(stage) + 1] if stage in STAGES[:-1] else ""
        others = [to for to in self.ways[stage] if to != following or stage == BREAKER]
        if others and (following or stage == BREAKER):
            always = len(self.ways[stage]) == len(others)
            turn = f"{'goes' if always else 'or goes'} {' or '.join(_to(stage, to) for to in others)}"
            told = f"{told}; {turn}" if told else turn
        return MARKS[mark], stage_title(stage), told


def _to(stage: str, to: str) -> str:
    back = stage in STAGES and to in STAGES and STAGES.index(to) < STAGES.index(stage)
    where = f"{'back' if back else 'on'} to {stage_title(to)}" if to else "to the end"
    return f"{where} {WHEN.get((stage, to), '')}".strip()
