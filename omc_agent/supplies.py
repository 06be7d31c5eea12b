"""What the stages of one branch are handed: market, vault, sandbox, people, purse and report, as a `RunContext`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from omc_agent.agents.context import Answers, RunContext
from omc_agent.config import AgentSettings
from omc_agent.events import Event
from omc_agent.graph.gates import make_ask
from omc_agent.ledger import Ledger
from omc_agent.llm.chat import OpenModel
from omc_agent.market import Market
from omc_agent.prompts import PromptLog
from omc_agent.purse import Purse, grants
from omc_agent.recipe import recipe_of
from omc_agent.recorder import Recorder
from omc_agent.report import ReportWriter
from omc_agent.sandbox import tiers
from omc_agent.shelf import Shelf
from omc_agent.spending import Spending, today
from omc_agent.steering import Steering
from omc_agent.store.records import Row, SessionManager
from omc_agent.tools.plain_frame import plain_frame
from omc_agent.tools.secret_columns import withhold
from omc_agent.vault import Vault
from omc_agent.waiting import WaitingRoom


class Supplies:
    """The supplies of one branch.

    Parameters
    ----------
    store : SessionManager
        Of the run.
    settings : AgentSettings
        Of the run.
    row : Row
        Of `agent_sessions`.
    ledger : Ledger
        Its branch and owner are those of what is written here.
    emit : callable
        ``await emit(event, key)``.
    cost : dict
        ``tokens_in, tokens_out, usd, calls``; counted up here.
    frames : mapping of str to DataFrame
        Handed in by the person.
    interactive : bool
        Whether somebody is there to answer.
    models : sequence of OpenModel
        Those that are open, with their names.
    answers : Answers, optional
        The record of a run that is recorded or replayed.

    Attributes
    ----------
    room : WaitingRoom
        Where the branch waits for people.
    shelf : Shelf
        Where its files are put.
    """

    def __init__(
        self,
        store: SessionManager,
        settings: AgentSettings,
        row: Row,
        ledger: Ledger,
        emit: Callable[[Event, str], Awaitable[None]],
        *,
        cost: dict[str, float],
        frames: Mapping[str, Any],
        interactive: bool,
        models: Sequence[OpenModel] = (),
        answers: Answers | None = None,
    ) -> None:
        self.store, self.settings, self.row, self.ledger, self.emit = store, settings, row, ledger, emit
        self.cost, self.answers = cost, answers
        # Where a person's rows come in, and before anything is made of them.
        known = settings.source()
        self.frames = {
            name: withhold(plain_frame(frame), known.secret_columns, known.allowed)[0]
            for name, frame in frames.items()
        }
        self._names = {id(each.model): each.name for each in models}
        self._first = models[0].name if models else settings.model
        self.workspace = Path(row["workspace"])
        self.gates = settings.gates(interactive=interactive)
        self.room = WaitingRoom(store, ledger, self.gates)
        self.shelf = Shelf(store, run_row=row, url=settings.artifact_root(), ledger=ledger, emit=emit)

    def context(
        self,
        recorder: Recorder,
        steering: Steering,
        *,
        keep_settings: Callable[[dict[str, Any]], Awaitable[None]],
        plan_only: bool,
    ) -> RunContext:
        """All of it, for the graph."""
        settings, run_id = self.settings, self.ledger.run_id
        source, trust = settings.source(self.frames), settings.trust()
        vault = Vault(self.workspace / "sealed", trust, source, self.store)
        ask = make_ask(self.gates, self.room.settle, walled=self._walled, asked=self.room.asked)
        rows = self.store.requests(run_id, status="decided", branch=self.ledger.branch)
        daily = 0.0 if settings.replay else settings.daily_budget  # a replay spends nothing
        purse = Purse(settings.budget, settings.max_tokens, self.cost, grants(rows, today()), daily=daily)
        spending = Spending(self.store, run_id, self.ledger.branch, self.ledger.owner, purse, emit=self.emit, ask=ask,
                            model=self._first)  # fmt: skip

        async def open_sealed(frozen: dict[str, Any]) -> tuple[Any, int]:
            await self.ledger.flush()
            branch, owner, answers = self.ledger.branch, self.ledger.owner, self.answers
            again = answers.opening(frozen) if answers is not None else None
            theirs = (again.run, again.branch) if again is not None else None
            sealed = self._sealed()
            rows, count = await asyncio.to_thread(vault.open, run_id, branch, sealed, frozen, owner, theirs)
            count = again.count if again is not None else count
            if answers is not None:
                with contextlib.suppress(OSError):  # a record that cannot be written was told at the call before
                    answers.opened(branch, frozen, count)
            return rows, count

        return RunContext(
            run_id=run_id,
            branch=self.ledger.branch,
            model_name=settings.model,
            model_timeout=settings.model_timeout,
            source=source,
            trust=trust,
            work=settings.work(),
            gates=self.gates,
            emit=self.emit,
            run_cell=recorder.run_cell,
            host_cell=recorder.host_cell,
            fresh_box=recorder.fresh_box,
            describe=Market(source, optional=plan_only).describe,
            seal=vault.seal,
            load_frame=recorder.load_frame,
            open_sealed=open_sealed,
            ask=ask,
            afford=spending.afford,
            words=steering.words,
            pending=lambda: dict(steering.pending),
            walled=self._walled,
            keep_settings=keep_settings,
            base=dict(self.row["settings"].get("follow") or {}),
            save_artifact=self.shelf.save,
            spend=spending.spend,
            name_of=lambda model: self._names.get(id(model), settings.model),
            write_report=self._write_report,
            redact=settings.redact,
            named=dict(self.row["settings"].get("named") or {}),
            prompts=PromptLog(self.workspace, self.ledger.branch),
            answers=self.answers,
            begin_call=spending.begin_call,
            drop_call=spending.drop_call,
            read_cell=recorder.read_cell,
        )

    async def _walled(self) -> bool:
        return (await tiers.isolation(self.settings.confinement())).tier == "walled"

    async def _write_report(self, state: Mapping[str, Any]) -> dict[str, str]:
        await self.ledger.flush()
        run_id, branch = self.ledger.run_id, self.ledger.branch
        writer = ReportWriter(self.store, run_id, branch, self.shelf.save, self.emit, self.recipe)
        written = await writer.write(state)
        await self.shelf.bring()
        return written

    def recipe(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """What is needed to make the run again; a fault in it must not cost the run its report or its end."""
        told = [each.event for each in self.store.story(self.ledger.run_id, self.ledger.branch)]
        cells = self.store.cells(self.ledger.run_id, branch=self.ledger.branch)
        source, trust = self.settings.source(self.frames), self.settings.trust()
        earlier = self.row["summary"].get("recipe")
        try:
            return recipe_of(state, cells, told, self.workspace, source, trust, earlier)
        except (OSError, ValueError, TypeError):
            return {"seed": trust.seed}

    def _sealed(self) -> dict[str, Any]:
        rows = self.store.cells(self.ledger.run_id, branch=self.ledger.branch)
        return next(dict(row["values"]["sealed"]) for row in reversed(rows) if "sealed" in row["values"])
