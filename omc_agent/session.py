"""THE use case: open what a run needs, run one goal, tell what happens, and close.

`AgentOrchestrator` holds what runs share; `Session` is one run, with its branches.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.types import Command

from omc_agent import endings
from omc_agent.agents.context import RunContext
from omc_agent.branching import Turn, branched, plant, seed_of
from omc_agent.config import AgentSettings, settings_with
from omc_agent.errors import AgentError, GoalError, LeaseLost, RunError, RunStopped, error_from_dict
from omc_agent.events import (
    Event,
    IsolationKnown,
    RunFinished,
    RunStarted,
    RunTracked,
    Warned,
)
from omc_agent.graph.edges import build_graph, offered_tools
from omc_agent.graph.state import first_state, standing_state
from omc_agent.ledger import Ledger
from omc_agent.llm.tracing import send_what_waits, traced
from omc_agent.orchestrator import AgentOrchestrator
from omc_agent.overrides import split_by_home
from omc_agent.recorder import Recorder
from omc_agent.sandbox import tiers
from omc_agent.shelf import check_shelf
from omc_agent.steering import Steering
from omc_agent.store.checkpoint_place import place_of
from omc_agent.store.checkpoints import open_checkpoints, prune_checkpoints
from omc_agent.store.database import StoreBusy
from omc_agent.store.leases import Leases, lost, new_owner
from omc_agent.store.patience import waiting_for_store
from omc_agent.store.records import Row
from omc_agent.supplies import Supplies
from omc_agent.thinking import open_thinking
from omc_agent.tracking.sending import send_at_end
from omc_agent.waiting import WaitingRoom
from omc_agent.watching import Watch, give_back

_to_be_given: set[asyncio.Task[None]] = set()  # runs whose store was gone as they ended


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
    instead_of : str
        The server that hands the run on, as the owner of its lease.
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
        instead_of: str = "",
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
        self.cost: dict[str, float] = shared.store.cost_of(self.id)
        self.seconds = 0.0
        self._given_model, self._instead_of = model, instead_of
        self.room: WaitingRoom | None = None
        self._supplies: Supplies | None = None
        self.steering = Steering(emit=self._emit, stage=lambda: self.ledger.stage,
                                 keep_settings=self._keep_settings, cancel=self._cancel)  # fmt: skip
        self._on_tick, self._on_end, self._on_past = on_tick, on_end, on_past
        self._leases = Leases(shared.store.engine)
        self._owns = self._overran = self._refused = self._cut_short = False
        self._began = 0.0
        self._work: asyncio.Task[None] | None = None
        self._watching: Watch | None = None
        self._context: RunContext | None = None

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
        with waiting_for_store(self.settings.store_wait):
            await self._run(plan_only=plan_only, resume=resume, turn=turn)

    async def _run(self, *, plan_only: bool, resume: bool, turn: Turn | None) -> None:
        self._began, self.steering.turn = time.monotonic(), turn
        try:
            await self._take_lease()
            # A stop that came while nobody drove has been obeyed already; one to a server that hands on has not.
            if (resume or turn is not None) and not self._instead_of:
                await asyncio.to_thread(self.shared.store.take_inbox, self.id, kind="stop")
            async with self._watch():
                await self._drive_on(plan_only=plan_only, resume=resume or turn is not None)
        except asyncio.CancelledError:
            self._end("stopped", self._why_stopped())
        except RunStopped as error:
            self._end("stopped", error)
        except AgentError as error:
            self._end("failed", error)
        except StoreBusy as error:
            self._end("failed", endings.not_written(self.id, error))
        except Exception as error:  # a bug of ours: the run fails in one line, the traceback is kept for us
            self._end("failed", endings.crashed(self.workspace, error))
        finally:
            await asyncio.shield(self._finish())

    async def _take_lease(self) -> None:
        if not await asyncio.to_thread(self._leases.take, self.id, self.owner, instead_of=self._instead_of):
            raise RunError("run.held", given=f"Run {self.id} is driven by another process.",
                           have="One run has one engine.",
                           try_=f"%agent attach {self.id} shows what it does.")  # fmt: skip
        self._owns = True
        await asyncio.to_thread(self.shared.store.update, self.id, status="running")

    def _watch(self) -> Watch:
        self._watching = Watch(
            self.shared.store, self.id, self.owner, hear=self.steering.hear, on_lost=self._lose,
            on_overrun=self._overrun, run_wall=self.settings.run_wall,
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
            if self._cut_short:  # what was sent while the kernel started
                self._cut_short = False
                self._work.cancel()
            try:
                await self._work
            except asyncio.CancelledError:
                this = asyncio.current_task()
                if self.steering.turn is None or (this is not None and this.cancelling()):
                    raise
            if self.steering.turn is None:
                return
            resume = True

    async def _drive(self, *, plan_only: bool, resume: bool) -> None:
        store = self.shared.store
        if not self.row["goal"].strip():
            raise GoalError("goal.empty", given="The goal is empty.", have="A goal is one sentence.",
                            try_="For example: Predict whether BTC rises over the next hour.")  # fmt: skip
        if not (resume or plan_only):
            await check_shelf(self.settings.artifact_root(), self.id)
        thinking = await open_thinking(self.settings, self.row, self.shared.home, self._emit, self._given_model)
        async with AsyncExitStack() as stack:
            self._refused = resume and self._supplies is None  # who cannot go on here leaves the run as it was
            saver = await stack.enter_async_context(open_checkpoints(
                self.settings.checkpoints_url(), synchronous=self.settings.synchronous, before=self.ledger.flush,
                tell=self._tell_checkpoints))  # fmt: skip
            begun = resume and await self._has_begun(saver)
            self._refused = False
            offered = await asyncio.to_thread(offered_tools, self.settings.tools_off)
            graph = build_graph(thinking.model, saver, thinking.stand_ins, offered)
            if self.steering.turn is not None:
                await self._branch_off(graph, self.steering.turn)
            await self._tell_start(thinking.note)
            for text in offered.refused:
                await self._emit(Warned(code="tool_refused", text=text), f"refused:{text}")
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
            supplies = Supplies(store, self.settings, self.row, self.ledger, self._emit, cost=self.cost,
                                frames=self.frames, interactive=self.interactive, models=thinking.models,
                                answers=thinking.answers)  # fmt: skip
            self._supplies, self.room = supplies, supplies.room
            self._context = context = supplies.context(
                recorder, self.steering, keep_settings=self._keep_settings, plan_only=plan_only
            )
            if resume:
                await supplies.shelf.bring()
            thread: Any = {"configurable": {"thread_id": self.branch}, "recursion_limit": 200,
                           **traced(self.id, self.branch)}  # fmt: skip
            stack.push_async_callback(asyncio.to_thread, send_what_waits)
            first: Any = None
            if not begun:  # it was queued, or its process died before the first checkpoint
                first = first_state(self.row["goal"], plan_only=plan_only,
                                    allowed={"tuning_rounds": self.settings.tuning_rounds})  # fmt: skip
            if await self._walk(graph, thread, context, first):
                await prune_checkpoints(saver, self.branch)

    async def _has_begun(self, saver: BaseCheckpointSaver[Any]) -> bool:
        """Whether there is a checkpoint to go on from; a run that was killed before its first one begins anew."""
        if await saver.aget_tuple({"configurable": {"thread_id": self.branch}}) is not None:
            return True
        if self.ledger.stage:
            shown = place_of(self.settings.checkpoints_url()).shown
            raise endings.no_checkpoints(self.id, shown, str(self.row["settings"].get("checkpoint_url") or ""))
        return False

    async def _walk(self, graph: Any, thread: Any, context: RunContext, first: Any) -> bool:
        """Run the graph, wait where it asks, and go on with the answers; whether it came to its end."""
        snapshot = await graph.aget_state(thread, subgraphs=True)
        ask_first = first is None and snapshot.interrupts
        while True:
            if not ask_first:
                try:
                    await graph.ainvoke(first, thread, context=context, durability="sync")
                finally:  # what a stage had done when it was stopped is part of what there is
                    snapshot = await graph.aget_state(thread, subgraphs=True)
                    self.state = standing_state(snapshot)
            ask_first = False
            self.state = standing_state(snapshot)
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
            self.steering.note(each.event)
        if self._on_past is not None:
            self._on_past([each.event for each in told])

    async def _emit(self, event: Event, key: str) -> None:
        self.steering.note(event)
        await self.ledger.emit(event, key)

    def _cancel(self) -> None:
        if self._work is None:
            self._cut_short = True
        elif not self._work.done():
            self._work.cancel()

    async def _branch_off(self, graph: Any, turn: Turn) -> None:
        """Leave the present branch for one of its own from `turn.stage` on."""
        store, parent = self.shared.store, self.branch
        self.steering.turn = None
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
        if changes and self._supplies is not None:
            self._supplies.settings = self.settings
        if changes and self._context is not None:
            self._context.trust, self._context.work = self.settings.trust(), self.settings.work()

    # -- beginning, parking, ending -----------------------------------------------------------

    async def _tell_start(self, note: str) -> None:
        started = RunStarted(
            run_id=self.id,
            goal=self.row["goal"],
            model=self.settings.model,
            model_note=note,
            seed=self.settings.seed,
            branch="" if self.branch == self.id else self.branch,
        )
        await self._emit(started, "started")

    async def _tell_checkpoints(self, text: str) -> None:
        await self._emit(Warned(code="checkpoints", text=text), f"checkpoints:{text}")

    async def _tell_isolation(self) -> None:
        found = await tiers.isolation(self.settings.confinement())
        known = IsolationKnown(tier=found.tier, means=found.means, title=found.title, note=found.note)
        await self._emit(known, f"isolation:{found.tier}:{found.means}")
        if self.settings.unsafe_local and found.tier != "walled":
            text = "UNSAFE: code that a model wrote runs unasked and unwalled (AgentSettings.unsafe_local is on)."
            await self._emit(Warned(code="unsafe_local", text=text), f"unsafe:{found.tier}")

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
            self._end("failed", endings.not_written(self.id, error))
            given = asyncio.create_task(give_back(self.shared.store, self.id, self.owner, self.status, self.reason))
            _to_be_given.add(given)
            given.add_done_callback(_to_be_given.discard)
        finally:
            self.ledger.close()
            self._leases.end(self.owner)
            if self._on_end is not None:
                self._on_end()

    async def _write_end(self, event: RunFinished) -> None:
        things = endings.kept(self.state)
        summary = {"seconds": self.seconds, "cost": self.cost, "verdict": self.state.get("verdict"),
                   "error": event.error, "things": things,
                   "recipe": await self._recipe(things)}  # fmt: skip
        # Whoever follows the run reads its summary as soon as the event is told.
        await asyncio.to_thread(self.shared.store.update, self.id, by=self.owner, summary=summary)
        if sent := await self._send_away():
            summary["mlflow"] = sent
        await self._emit(event, f"finished:{time.time()}")
        await self.ledger.flush()
        await asyncio.to_thread(
            self.shared.store.update, self.id, by=self.owner, status=self.status, reason=self.reason,
            stage=self.ledger.stage, summary=summary,
        )  # fmt: skip
        await asyncio.to_thread(self._leases.release, self.id, self.owner)

    async def _send_away(self) -> dict[str, Any]:
        """Tell MLflow of the run, where a tracking URI is set; a warning where that was not to be had."""
        sent, why_not = await asyncio.to_thread(send_at_end, self.shared.store, self.id, self.settings, self.status)
        if why_not:
            await self._emit(Warned(code="not_tracked", text=why_not), f"not_tracked:{time.time()}")
        if sent is not None:
            told = RunTracked(place=sent.uri, experiment=sent.experiment, mlflow_run=sent.run_id, runs=sent.runs,
                              url=sent.url)  # fmt: skip
            await self._emit(told, f"tracked:{time.time()}")
        return sent.to_dict() if sent is not None else dict(self.row["summary"].get("mlflow") or {})

    async def _recipe(self, things: dict[str, Any]) -> dict[str, Any]:
        """What is needed to make the run again; that of before for a run that came to no work."""
        if self._supplies is None:
            return dict(self.row["summary"].get("recipe") or {})
        return await asyncio.to_thread(self._supplies.recipe, things)

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

    def _why_stopped(self) -> RunStopped:
        if not self._owns:
            return lost(self.id)
        return endings.overran(self.id, self.settings.run_wall) if self._overran else endings.stopped(self.id)


async def _ended(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
