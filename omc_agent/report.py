"""The files a run leaves: report, model card, metrics and plots; written from the ledger, not from memory."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import pandas as pd

from omc_agent.brief import Brief
from omc_agent.candidate import with_failed
from omc_agent.events import (
    Branched,
    Event,
    Overridden,
    Reason,
    RequestDecided,
    RequestOpened,
    RunStarted,
    Said,
    Warned,
)
from omc_agent.naming import model_name
from omc_agent.sections import again_section, described, details_of, result_section, stage_section, versions_of
from omc_agent.store.records import Row, SessionManager, recorded
from omc_agent.tools.advice import generate_recommendations
from omc_agent.tools.caveats import limits_of
from omc_agent.tools.numbers_in_prose import check_prose, recorded_counts, recorded_numbers
from omc_agent.tools.page import render_report
from omc_agent.tools.reporting import model_card, what_was_tried

Save = Callable[[str, bytes], Awaitable[Any]]
Warn = Callable[[Event, str], Awaitable[Any]]

_NOT_FEATURES = {"coin", "timestamp", "label_end", "naive_last", "naive_before", "naive_day", "target"}
HEADINGS = {
    "data_retrieval": "Data",
    "data_analysis": "Analysis",
    "feature_engineering": "Features",
    "model_training": "Training",
    "model_evaluation": "Evaluation",
    "hyperparameter_tuning": "Tuning",
    "scoring": "Scoring",
}


class ReportWriter:
    """Writes the artifacts of one run.

    Parameters
    ----------
    store : SessionManager
        Cells and events are read from it.
    run_id, branch : str
        Whose they are.
    save : callable
        ``await save(name, data)``.
    warn : callable, optional
        ``await warn(event, key)``: told of each sentence that a chat model wrote and that was dropped.
    recipe : callable, optional
        ``recipe(state)`` gives seed, versions and fingerprints; see `recipe.recipe_of`.
    """

    def __init__(
        self,
        store: SessionManager,
        run_id: str,
        branch: str,
        save: Save,
        warn: Warn | None = None,
        recipe: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None,
    ) -> None:
        self.store, self.run_id, self.branch, self.save, self.warn = store, run_id, branch, save, warn
        self._recipe_of, self._recipe = recipe, dict[str, Any]()
        self._dropped: list[str] = []

    async def write(self, state: Mapping[str, Any]) -> dict[str, str]:
        """Write all files; returns name to what it is."""
        cells = recorded(await asyncio.to_thread(self.store.cells, self.run_id, branch=self.branch))
        brief = Brief.model_validate(state["brief"])
        if self._recipe_of is not None:
            self._recipe = dict(await asyncio.to_thread(self._recipe_of, state))
        markdown, html = await asyncio.to_thread(
            render_report,
            brief.title(),
            self._sections(state, cells),
            subtitle=f"Asked: {state['goal']}",
            footer=f"Run {self.branch}. Written by omc_agent {version('omc-agent')}.",
        )
        for number, sentence in enumerate(self._dropped, start=1):
            said = f"Left out of the report, for a number in it was never recorded: {sentence}"
            if self.warn:
                await self.warn(Warned(stage="reporting", code="unmatched_number", text=said), f"unmatched:{number}")
        written = {"report.html": "the report", "report.md": "the report as Markdown"}
        await self.save("report.html", html.encode())
        await self.save("report.md", markdown.encode())
        candidates = list(state.get("candidates", {}).values())
        if candidates:
            verdict = state.get("verdict") or {}
            about = {"brief": state["brief"], "verdict": verdict, "candidates": candidates, "sealed": state["sealed"]}
            about["description"] = details_of(state)
            await self.save("metrics.json", json.dumps(about, indent=1, sort_keys=True).encode())
            frame = pd.DataFrame(candidates).drop(columns=["folds", "params"])
            await self.save("candidates.csv", frame.to_csv(index=False).encode())
            card = self._card(state)
            await self.save("model_card.md", card.encode())
            title, _, body = card.partition("\n")
            _, card_page = render_report(title.removeprefix("# "), [{"markdown": body}])
            await self.save("model_card.html", card_page.encode())
            written |= {
                "metrics.json": "all figures",
                "candidates.csv": "the table",
                "model_card.md": "the model card as Markdown",
                "model_card.html": "the model card",
            }
        for name, data in _pictures(cells):
            await self.save(name, data)
            written[name] = "a plot"
        return written

    def _card(self, state: Mapping[str, Any]) -> str:
        sealed, choice = state["sealed"], state["choice"]
        chosen = state["candidates"][choice["name"]]
        columns = [c for c in state["frames"]["features"]["columns"] if c not in _NOT_FEATURES]
        return model_card(
            state["brief"],
            chosen,
            state.get("verdict"),
            features=columns,
            development=_span(sealed, "development_"),
            sealed=_span(sealed, ""),
            seed=int(self._recipe.get("seed", 0)),
            versions=versions_of(self._recipe),
            details=details_of(state),
        )

    def _sections(self, state: Mapping[str, Any], cells: list[Row]) -> list[dict[str, Any]]:
        events = [told.event for told in self.store.story(self.run_id, self.branch)]
        warned = [event for event in events if isinstance(event, Warned)]
        # Made here from the state, not taken from the child's text of it: only the host's words call a verdict.
        sections = [result_section(state), *_said_of_it(state, warned), *_tried(state)]
        sections += described(details_of(state))
        if state.get("leaks"):
            lines = "\n".join(f"- {finding['text']}" for finding in state["leaks"].values())
            sections.append({"heading": "Leak test", "markdown": lines})
        if warned:
            bullets = "\n".join(f"- {text}" for text in dict.fromkeys(event.text for event in warned))
            sections.append({"heading": "Faults that were found", "markdown": bullets})
        if decided := people_said(events):
            bullets = "\n".join(f"- {line}" for line in decided)
            sections.append({"heading": "What people decided", "markdown": bullets})
        plans = _plans(events)
        if any(isinstance(event, RunStarted) and event.model != "offline" for event in events):
            plans = self._checked(plans, state, cells)
        sections += [stage_section(stage, title, cells, plans.get(stage, "")) for stage, title in HEADINGS.items()]
        sections.append(again_section(self.run_id, self._recipe))
        return [section for section in sections if section]

    def _checked(self, plans: dict[str, str], state: Mapping[str, Any], cells: list[Row]) -> dict[str, str]:
        """What a chat model wrote, without the sentences whose numbers are in no record."""
        shown = [[cell["code"], [b.get("text/plain", "") for b in cell["result"]["outputs"]]] for cell in cells]
        recorded = [*recorded_numbers(dict(state)), *recorded_numbers(shown)]
        counts = [*recorded_counts(dict(state)), *recorded_counts([cell["code"] for cell in cells])]
        checked = {}
        for stage, text in plans.items():
            checked[stage], dropped = check_prose(text, recorded, counts)
            self._dropped += dropped if stage in HEADINGS else []
        return checked


def _minute(time: str) -> str:
    return time[:16].replace("T", " ")


def _said_of_it(state: Mapping[str, Any], warned: Iterable[Warned]) -> list[dict[str, Any]]:
    """What to do next, and what the result does not show."""
    brief, verdict, details = state["brief"], state.get("verdict") or None, details_of(state)
    warnings = [
        {"code": w.code, "text": w.text, "column": w.column, "cell": w.cell, "line": w.line_no} for w in warned
    ]
    leaks = list(state.get("leaks", {}).values())
    advice = generate_recommendations(brief, _all_candidates(state), verdict, [*leaks, *warnings], details)
    scored = _span(state["sealed"], "") if verdict and state.get("sealed") else ""
    limits = limits_of(brief, verdict, scored=scored)
    return [
        {"heading": "What to do next", "bullets": list(dict.fromkeys(advice))},
        {"heading": "What this does not show", "bullets": limits},
    ]


def _all_candidates(state: Mapping[str, Any]) -> list[dict[str, Any]]:
    metric = str(state["brief"].get("metric"))
    return with_failed(list(state.get("candidates", {}).values()), state.get("failed") or {}, metric)


def _tried(state: Mapping[str, Any]) -> list[dict[str, Any]]:
    sections: list[dict[str, Any]] = [{"markdown": what_was_tried(state["brief"], _all_candidates(state))}]
    if span := state.get("texts", {}).get("span"):
        sections.append({"paragraphs": [span]})
    if state.get("choice"):
        chosen = f"Chosen before the sealed rows were opened: **{model_name(state['choice']['name'])}**."
        sections.append({"paragraphs": [chosen]})
    return sections


def _span(sealed: Mapping[str, Any], prefix: str) -> str:
    rows = sealed.get(f"{prefix}rows" if prefix else "rows")
    start, end = str(sealed.get(f"{prefix}start") or ""), str(sealed.get(f"{prefix}end") or "")
    return f"{rows:,} rows" + (f", {_minute(start)} to {_minute(end)} UTC" if start else "")


def people_said(events: Iterable[Event]) -> list[str]:
    """What was overridden, decided and said, by whom and when; what a policy answered is left out."""
    lines = []
    questions: dict[str, str] = {}
    for event in events:
        when = datetime.fromtimestamp(event.at, UTC).strftime("%Y-%m-%d %H:%M UTC")
        if isinstance(event, RequestOpened) and event.request:
            questions[event.request_id] = event.question
        elif isinstance(event, RequestDecided) and event.request_id in questions:
            said = f"rejected: {event.why}" if event.decision == "reject" else event.why or event.decision
            lines.append(
                f"{questions[event.request_id]} {said[:1].upper()}{said[1:]}, by {event.decided_by}, {when}."
            )
        elif isinstance(event, (Branched, Overridden)):
            stage = HEADINGS.get(event.stage, event.stage.replace("_", " ").capitalize())
            changed = ", ".join(f"{key} = {_plainly(value)}" for key, value in event.overrides.items())
            lines.append(f"From {stage} on {changed or 'done again as before'}, by {event.decided_by}, {when}.")
        elif isinstance(event, Said):
            lines.append(f"Said while it worked: “{event.text}”, {when}.")
    return lines


def _plainly(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _plans(events: Iterable[Event]) -> dict[str, str]:
    """The first reason of each stage: what it set out to do."""
    plans: dict[str, str] = {}
    for event in events:
        if isinstance(event, Reason):
            plans.setdefault(event.stage, event.text)
    return plans


def _pictures(cells: list[Row]) -> list[tuple[str, bytes]]:
    found = []
    for cell in cells:
        for number, bundle in enumerate(cell["result"]["outputs"], start=1):
            if "image/png" in bundle:
                name = f"{cell['stage']}-cell{cell['n']}-{number}.png"
                found.append((name, base64.b64decode(bundle["image/png"])))
    return found
