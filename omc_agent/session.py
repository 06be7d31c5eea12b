"""THE use case: open what a run needs, run one goal, tell what happens, and close.

`AgentOrchestrator` holds what runs share (store, checkpoints, a warm child); `Session` is one run.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel
from langgraph.types import Command

from omc_agent.agents.context import RunContext, Words
from omc_agent.branching import Turn, branched, plant, seed_of
from omc_agent.config import PRELUDE, AgentSettings, settings_with
from omc_agent.errors import AgentError, GoalError, LeaseLost, RunError, RunStopped, error_from_dict
from omc_agent.events import (
    ArtifactSaved,
    Branched,
    Event,
    IsolationKnown,
    Overridden,
    RunFinished,
    RunStarted,
    Said,
    StageStarted,
    Warned,
)
from omc_agent.graph.edges import build_graph
from omc_agent.graph.gates import make_ask
from omc_agent.graph.state import STAGES, first_state
from omc_agent.ledger import Ledger
from omc_agent.llm.chat import describe_chat_model, open_chat_model
from omc_agent.market import Market
from omc_agent.overrides import earliest_stage, split_by_home
from omc_agent.purse import Purse, grants
from omc_agent.recorder import Recorder
from omc_agent.report import ReportWriter
from omc_agent.sandbox import tiers
from omc_agent.sandbox.spares import Spares
from omc_agent.store.artifacts import save_artifact
from omc_agent.store.checkpoints import open_checkpoints, prune_checkpoints
from omc_agent.store.database import StoreBusy, open_database
from omc_agent.store.leases import Leases, lost, new_owner
from omc_agent.store.records import Row, SessionManager
from omc_agent.vault import Vault
from omc_agent.waiting import WaitingRoom
from omc_agent.watching import Watch


class AgentOrchestrator:
    """What runs of one home share; lives on the engine's loop.

    Parameters
    ----------
    settings : AgentSettings
        Its `home`, store URL and whether a spare child is kept.
    """

    def __init__(self, settings: AgentSettings) -> None:
        self.settings = settings
        self.home = settings.resolved_home()
        self.store = SessionManager(open_database(settings.store_url(), synchronous=settings.synchronous))
        self.spares = Spares(settings.limits(), PRELUDE, settings.confinement()) if settings.warm_spare else None

    def warm(self) -> None:
        """Begin to start the spare child, so that no run waits for its imports."""
        if self.spares is not None:
            self.spares.warm()

    async def close(self) -> None:
        """End the spare child and the store's connections."""
        if self.spares is not None:
            await self.spares.close()
        self.store.engine.dispose()


class Session:
    """One run's handle on the engine's side.

    Parameters
    ----------
    shared : AgentOrchestrator
        What runs share.
    settings : AgentSettings
        Of this run.
    row : Row
        Of `agent_sessions`.
    frames : mapping of str to DataFrame
        Handed in by the person, by name.
    listener, on_tick, on_end, on_past : callable, optional
        Hears each event; is called each second with the cost so far; when all is over; and with what was told before
        this process took the run up.
    interactive : bool
        Whether somebody is there to answer.
    model : BaseChatModel, optional
        In place of the one that `settings.model` names.
    """

    def __init__(
        self,
        shared: AgentOrchestrator,
        settings: AgentSettings,
        row: Row,
        *,
        frames: Mapping[str, Any] | None = None,
        listener: Callable[[Event], None] | None = None,
        on_tick: Callable[[float], None] | None = None,
        on_end: Callable[[], None] | None = None,
        on_past: Callable[[list[Event]], None] | None = None,
        interactive: bool = False,
        model: BaseChatModel | None = None,
    ) -> None:
        self.shared, self.settings, self.row = shared, settings, row
        self.id, self.branch = str(row["id"]), str(row["branch"])
        self.workspace = Path(row["workspace"])
        self.interactive = interactive
        self.frames = dict(frames or {})
        self.owner = new_owner()
        self.ledger = Ledger(shared.store, self.id, self.branch, listener, owner=self.owner)
        self.status, self.reason = "running", ""
        self.error: AgentError | None = None
        self.state: dict[str, Any] = {}
        self.cost: dict[str, float] = {"tokens_in": 0, "tokens_out": 0, "usd": 0.0, "calls": 0,
                                       **row["summary"].get("cost", {})}  # fmt: skip
        self.seconds = 0.0
        self._given_model = model
        self.room: WaitingRoom | None = None
        self.words = Words()
        self._on_tick, self._on_end, self._on_past = on_tick, on_end, on_past
        self._leases = Leases(shared.store.engine)
        self._owns = self._overran = self._refused = False
        self._cost_is_kept = True
        self._began = 0.0
        self._turn: Turn | None = None
        self._work: asyncio.Task[None] | None = None
        self._watching: Watch | None = None
        self._context: RunContext | None = None
        self._pending: dict[str, Any] = {}
        self._begun: set[str] = set()
        self._base: dict[str, Any] = dict(row["settings"].get("follow") or {})

    async def run(self, *, plan_only: bool = False, resume: bool = False, turn: Turn | None = None) -> None:
        """Drive the graph to its end; what went wrong is in `status`, `reason` and `error`.

        Parameters
        ----------
        plan_only : bool
            Stop after the plan.
        resume : bool
            Go on where the run was left.
        turn : Turn, optional
            Begin a branch from a stage first.
        """
        self._began, self._turn = time.monotonic(), turn
        try:
            await self._take_lease()
            if resume or turn is not None:  # a stop that came while nobody drove has been obeyed already
                await asyncio.to_thread(self.shared.store.take_inbox, self.id, kind="stop")
            async with self._watch():
                await self._drive_on(plan_only=plan_only, resume=resume or turn is not None)
        except asyncio.CancelledError:
            self._end("stopped", self._stopped())
        except RunStopped as error:
            self._end("stopped", error)
        except AgentError as error:
            self._end("failed", error)
        except StoreBusy as error:
            self._end("failed", self._not_written(error))
        except Exception as error:  # a bug of ours: the run fails in one line, the traceback is kept for us
            self._end("failed", self._crashed(error))
        finally:
            await asyncio.shield(self._finish())

    async def _take_lease(self) -> None:
        if not await asyncio.to_thread(self._leases.take, self.id, self.owner):
            raise RunError("run.held", given=f"Run {self.id} is driven by another process.",
                           have="One run has one engine.",
                           try_=f"%agent attach {self.id} shows what it does.")  # fmt: skip
        self._owns = True
        await asyncio.to_thread(self.shared.store.update, self.id, status="running")

    def _watch(self) -> Watch:
        self._watching = Watch(
            self.shared.store, self.id, self.owner, hear=self._hear, on_lost=self._lose, on_overrun=self._overrun,
            run_wall=self.settings.run_wall,
            on_tick=self._ticked if self._on_tick is not None else None,
        )  # fmt: skip
        return self._watching

    def _ticked(self) -> None:
        if self._on_tick is not None:
            self._on_tick(self.cost["usd"])

    async def _drive_on(self, *, plan_only: bool, resume: bool) -> None:
        """Drive one branch after another: a person's turn cancels the work and goes on from an earlier stage."""
        if resume:
            await self._recall()
        while True:
            self._work = asyncio.create_task(self._drive(plan_only=plan_only, resume=resume))
            try:
                await self._work
            except asyncio.CancelledError:
                this = asyncio.current_task()
                if self._turn is None or (this is not None and this.cancelling()):
                    raise
            if self._turn is None:
                return
            resume = True

    async def _drive(self, *, plan_only: bool, resume: bool) -> None:
        store = self.shared.store
        if not self.row["goal"].strip():
            raise GoalError("goal.empty", given="The goal is empty.", have="A goal is one sentence.",
                            try_="For example: Predict whether BTC rises over the next hour.")  # fmt: skip
        model = self._given_model
        if model is None:
            model = await asyncio.to_thread(open_chat_model, self.settings.chat())
        async with AsyncExitStack() as stack:
            path = self.shared.home / "checkpoints.db"
            saver = await stack.enter_async_context(
                open_checkpoints(path, synchronous=self.settings.synchronous, before=self.ledger.flush)
            )
            graph = build_graph(model, saver)
            if self._turn is not None:
                await self._branch_off(graph, self._turn)
            await self._tell_start(model)
            # The first probe takes seconds, and no code runs before the plan: only a required tier is waited for.
            told = asyncio.create_task(self._tell_isolation())
            stack.push_async_callback(_ended, told)
            if self.settings.require_tier:
                await told
            recorder = Recorder(store, self.id, self.branch, self.workspace, self.settings.limits(),
                                self.shared.spares, self._emit, self.ledger.flush,
                                confinement=self.settings.confinement(),
                                allowed_imports=self.settings.allowed_imports, owner=self.owner)  # fmt: skip
            stack.push_async_callback(recorder.close)
            self._context = context = self._make_context(recorder, plan_only=plan_only)
            thread: Any = {"configurable": {"thread_id": self.branch}, "recursion_limit": 200}
            first: Any = None
            if not resume:
                first = first_state(self.row["goal"], plan_only=plan_only,
                                    allowed={"tuning_rounds": self.settings.tuning_rounds})  # fmt: skip
            if await self._walk(graph, thread, context, first):
                await prune_checkpoints(saver, self.branch)

    async def _walk(self, graph: Any, thread: Any, context: RunContext, first: Any) -> bool:
        """Run the graph, wait where it asks, and go on with the answers; whether it came to its end."""
        snapshot = await graph.aget_state(thread)
        ask_first = first is None and snapshot.interrupts
        while True:
            if not ask_first:
                await graph.ainvoke(first, thread, context=context, durability="sync")
                snapshot = await graph.aget_state(thread)
            ask_first = False
            self.state = dict(snapshot.values)
            if not snapshot.interrupts:
                break
            assert self.room is not None
            answers = await self.room.answers(snapshot.interrupts)
            if answers is None:
                self._end("parked", None, reason=snapshot.interrupts[0].value["request"]["gate"])
                return False
            first = Command(resume=answers)
        error = self.state.get("error")
        if error:
            raise error_from_dict(error)
        self._end("finished", None)
        return True

    # -- what people send ----------------------------------------------------------------------

    async def _recall(self) -> None:
        """What was told, said and changed before this process."""
        told = await asyncio.to_thread(self.shared.store.story, self.id, self.branch)
        self.ledger.remember(told)
        for each in told:
            self._note(each.event)
        if self._on_past is not None:
            self._on_past([each.event for each in told])

    async def _emit(self, event: Event, key: str) -> None:
        self._note(event)
        await self.ledger.emit(event, key)

    def _note(self, event: Event) -> None:
        if isinstance(event, Said) and event.text not in self.words.said:
            self.words.said.append(event.text)
        elif isinstance(event, Overridden):
            self._pending |= event.overrides
        elif isinstance(event, StageStarted):
            self._begun.add(event.stage)
        elif isinstance(event, Branched):
            self._begun = {stage for stage in self._begun if stage in STAGES[: STAGES.index(event.stage)]}
            self._pending = {k: v for k, v in self._pending.items() if k not in event.overrides}

    async def _hear(self, row: Row) -> None:
        """One word out of the inbox."""
        payload, by, key = row["payload"], row["sent_by"], f"inbox:{row['seq']}"
        if row["kind"] == "stop":
            self._cancel()
        elif row["kind"] == "say":
            await self._emit(Said(stage=self.ledger.stage, text=str(payload["text"])), key)
        elif row["kind"] == "restart":
            turn = Turn(payload["stage"], payload.get("overrides", {}), by)
            if turn.stage in self._begun or turn.stage == "clarification":
                self._turn_to(turn)
            else:
                text = f"The run has not come to {turn.stage.replace('_', ' ')}, so it cannot begin there again."
                await self._emit(Warned(stage=self.ledger.stage, code="restart_refused", text=text), key)
        elif row["kind"] == "override":
            await self._override(payload["overrides"], by, key)

    async def _override(self, changes: dict[str, Any], by: str, key: str) -> None:
        """At once from the earliest stage that it touches; later, when that has not begun."""
        stage = earliest_stage(changes)
        if stage in self._begun:
            self._turn_to(Turn(stage, changes, by))
            return
        await self._emit(Overridden(stage=stage, overrides=changes, decided_by=by), key)
        await self._keep_settings(split_by_home(changes)[1])

    def _turn_to(self, turn: Turn) -> None:
        self._turn = turn
        self._cancel()

    def _cancel(self) -> None:
        if self._work is not None and not self._work.done():
            self._work.cancel()

    async def _branch_off(self, graph: Any, turn: Turn) -> None:
        """Leave the present branch for one of its own from `turn.stage` on."""
        store, parent = self.shared.store, self.branch
        self._turn = None
        await self._keep_settings(split_by_home(turn.overrides)[1])
        await self.ledger.flush()
        lineage = await asyncio.to_thread(store.lineage, self.id, parent)
        try:
            seed = await seed_of(graph, lineage, turn)
        except RunError:
            self._refused = True
            raise
        branch = await asyncio.to_thread(store.next_branch, self.id)
        await plant(graph, branch, seed)
        scored = {row["n"] for row in store.cells(self.id, branch=parent) if row["stage"] == "scoring"}
        kept = seed.cells | (scored if turn.stage == "reporting" else set())
        event = branched(turn, parent, branch)
        await asyncio.to_thread(store.fork, self.id, branch, event, kept, owner=self.owner)
        await asyncio.to_thread(store.withdraw_requests, self.id, parent)
        self.branch = branch
        self.ledger.turn_to(branch)
        await self._emit(event, "branched")

    async def _keep_settings(self, changes: dict[str, Any]) -> None:
        if changes:
            self.settings = settings_with(self.settings, **changes)
            kept = {**self.row["settings"], **changes}
            self.row = {**self.row, "settings": kept}
            await asyncio.to_thread(self.shared.store.update, self.id, by=self.owner, settings=kept)
        if changes and self._context is not None:
            self._context.trust, self._context.work = self.settings.trust(), self.settings.work()

    def _make_context(self, recorder: Recorder, *, plan_only: bool) -> RunContext:
        source = self.settings.source(self.frames)
        trust = self.settings.trust()
        vault = Vault(self.workspace / "sealed", trust, source, self.shared.store)
        market = Market(source, optional=plan_only)
        gates = self.settings.gates(interactive=self.interactive)
        self.room = WaitingRoom(self.shared.store, self.ledger, gates)
        ask = make_ask(gates, self.room.settle, walled=self._walled, asked=self.room.asked)
        rows = self.shared.store.requests(self.id, status="decided", branch=self.branch)
        purse = Purse(self.settings.budget, self.settings.max_tokens, self.cost, grants(rows))

        async def afford(stage: str, key: str) -> None:
            await self._keep_cost()
            await purse.afford(ask, self.id, stage, key)

        writer = ReportWriter(self.shared.store, self.id, self.branch, self._save_artifact)

        async def open_sealed(frozen: dict[str, Any]) -> tuple[Any, int]:
            await self.ledger.flush()
            return await asyncio.to_thread(vault.open, self.id, self.branch, self._sealed, frozen)

        def seal(frame: Any, brief: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
            return vault.seal(frame, brief)

        async def write_report(state: Mapping[str, Any]) -> dict[str, str]:
            await self.ledger.flush()
            return await writer.write(state)

        return RunContext(
            run_id=self.id,
            branch=self.branch,
            model_name=self.settings.model,
            model_timeout=self.settings.model_timeout,
            source=source,
            trust=trust,
            work=self.settings.work(),
            gates=gates,
            emit=self._emit,
            run_cell=recorder.run_cell,
            host_cell=recorder.host_cell,
            fresh_box=recorder.fresh_box,
            describe=market.describe,
            seal=seal,
            load_frame=recorder.load_frame,
            open_sealed=open_sealed,
            ask=ask,
            afford=afford,
            words=self.words,
            pending=lambda: dict(self._pending),
            walled=self._walled,
            keep_settings=self._keep_settings,
            base=self._base,
            save_artifact=self._save_artifact,
            spend=self._spend,
            write_report=write_report,
        )

    # -- what the context's callables do ------------------------------------------------------

    async def _save_artifact(self, name: str, data: bytes) -> ArtifactSaved:
        folder = self.workspace / "artifacts"
        folder = folder if self.branch == self.id else folder / self.branch  # an old branch keeps its files
        saved = await asyncio.to_thread(save_artifact, folder, name, data)
        await asyncio.to_thread(
            self.shared.store.record_artifact, self.id, self.branch, owner=self.owner, name=name, path=saved.path,
            sha256=saved.sha256, size=saved.size, made_by=self.ledger.stage,
        )  # fmt: skip
        await self._emit(saved, f"artifact:{name}:{saved.sha256[:12]}")
        return saved

    def _spend(self, stage: str, usage: dict[str, Any]) -> None:
        self.cost["tokens_in"] += int(usage.get("input_tokens", 0))
        self.cost["tokens_out"] += int(usage.get("output_tokens", 0))
        self.cost["calls"] += 1
        self._cost_is_kept = not (usage.get("input_tokens") or usage.get("output_tokens"))

    async def _keep_cost(self) -> None:
        """What was spent is on disk before more is: a run that is killed must not spend its budget twice."""
        if not self._cost_is_kept:
            self._cost_is_kept = True
            summary = {**self.row["summary"], "cost": dict(self.cost)}
            await asyncio.to_thread(self.shared.store.update, self.id, summary=summary)

    # -- beginning, parking, ending -----------------------------------------------------------

    async def _tell_start(self, model: BaseChatModel) -> None:
        started = RunStarted(
            run_id=self.id,
            goal=self.row["goal"],
            model=self.settings.model,
            model_note=describe_chat_model(model, self.settings.model),
            seed=self.settings.seed,
            branch="" if self.branch == self.id else self.branch,
        )
        await self._emit(started, "started")

    async def _tell_isolation(self) -> None:
        found = await tiers.isolation(self.settings.confinement())
        known = IsolationKnown(tier=found.tier, means=found.means, title=found.title, note=found.note)
        await self._emit(known, f"isolation:{found.tier}:{found.means}")
        if self.settings.unsafe_local and found.tier != "walled":
            text = "UNSAFE: code that a model wrote runs unasked and unwalled (AgentSettings.unsafe_local is on)."
            await self._emit(Warned(code="unsafe_local", text=text), f"unsafe:{found.tier}")

    async def _walled(self) -> bool:
        return (await tiers.isolation(self.settings.confinement())).tier == "walled"

    def _end(self, status: str, error: AgentError | None, *, reason: str = "") -> None:
        self.status, self.error, self.reason = status, error, reason or (error.code if error else "")

    async def _finish(self) -> None:
        self.seconds = time.monotonic() - self._began
        event = RunFinished(
            stage=self.ledger.stage, status=self.status, reason=self.reason,
            error=self.error.to_dict() if self.error else None, seconds=self.seconds, cost=dict(self.cost),
        )  # fmt: skip
        try:
            if self._owns and not self._refused:
                await self._write_end(event)
            elif self._owns:  # a turn that cannot be taken leaves the run as it was
                await asyncio.to_thread(self.shared.store.update, self.id, status=self.row["status"])
                await asyncio.to_thread(self._leases.release, self.id, self.owner)
            elif self.ledger.listener is not None:
                self.ledger.listener(event)
        except LeaseLost:  # what is told now is told by whoever drives it
            self._owns = False
        except StoreBusy as error:
            self._end("failed", self._not_written(error))
        finally:
            self._leases.end(self.owner)
            if self._on_end is not None:
                self._on_end()

    async def _write_end(self, event: RunFinished) -> None:
        await self._emit(event, f"finished:{time.time()}")
        await self.ledger.flush()
        summary = {"seconds": self.seconds, "cost": self.cost, "verdict": self.state.get("verdict"),
                   "error": event.error, "things": _kept(self.state)}  # fmt: skip
        await asyncio.to_thread(
            self.shared.store.update, self.id, by=self.owner, status=self.status, reason=self.reason,
            stage=self.ledger.stage, summary=summary,
        )  # fmt: skip
        await asyncio.to_thread(self._leases.release, self.id, self.owner)

    @property
    def _sealed(self) -> dict[str, Any]:
        rows = self.shared.store.cells(self.id, branch=self.branch)
        return next(dict(row["values"]["sealed"]) for row in reversed(rows) if "sealed" in row["values"])

    def _lose(self) -> None:
        """Another process drives the run: stop, and write nothing more."""
        self._owns = False
        self._cancel()

    def _overrun(self) -> None:
        self._overran = True
        self._cancel()

    def wake(self) -> None:
        """Look at once for what was just sent or decided in this process; called on the loop."""
        if self._watching is not None:
            self._watching.wake()
        if self.room is not None:
            self.room.wake()

    def _not_written(self, error: Exception) -> RunError:
        why = str(error).splitlines()[0].rpartition(")")[2].strip() or "no reason given"
        return RunError("run.store", given=f"The store cannot be written: {why}.",
                        have="What was written before is kept.",
                        try_=f"Make room, or wait; then %agent resume {self.id} goes on.")  # fmt: skip

    def _crashed(self, error: Exception) -> RunError:
        with contextlib.suppress(OSError):  # a full disk may be the very reason
            (self.workspace / "crash.txt").write_text(traceback.format_exc())
        return RunError("run.failed", given=f"{type(error).__name__}: {str(error)[:200]}.",
                        have=f"The traceback is in {self.workspace / 'crash.txt'}.",
                        try_="Send it with what %agent doctor says.")  # fmt: skip

    def _stopped(self) -> RunStopped:
        if not self._owns:
            return lost(self.id)
        kept = {"have": "The work so far is kept.", "try_": f"%agent resume {self.id} goes on."}
        if not self._overran:
            return RunStopped("run.stopped", given=f"Run {self.id} was stopped.", **kept)
        given = f"Run {self.id} took longer than {self.settings.run_wall:g} s (AgentSettings.run_wall)."
        return RunStopped("run.wall", given=given, **kept)


async def _ended(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _kept(state: Mapping[str, Any]) -> dict[str, Any]:
    """The things of the state that a result is read from, when the process is another one."""
    names = ("brief", "plan", "candidates", "choice", "verdict", "frames", "sealed", "texts", "leaks", "cells")
    return {name: state[name] for name in names if name in state}


def stored_settings(settings: AgentSettings) -> dict[str, Any]:
    """The settings of a run as its row keeps them; URLs without passwords."""
    from sqlalchemy.engine import make_url

    values = {name: getattr(settings, name) for name in sorted(settings.trait_names(config=True))}
    for name in ("db", "database_url"):
        if "://" in str(values[name]):
            values[name] = make_url(values[name]).render_as_string(hide_password=True)
    values["databases"] = sorted(values["databases"])
    return {**values, "limits": asdict(settings.limits())}
