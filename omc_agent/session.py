"""THE use case: open what a run needs, run one goal, tell what happens, and close.

`AgentOrchestrator` holds what runs share (store, checkpoints, a warm child); `Session` is one run.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil
from langchain_core.language_models import BaseChatModel
from langgraph.types import Command

from omc_agent.agents.context import RunContext
from omc_agent.config import PRELUDE, AgentSettings
from omc_agent.errors import AgentError, GoalError, RunError, RunStopped, error_from_dict
from omc_agent.events import (
    ArtifactSaved,
    Event,
    IsolationKnown,
    RequestDecided,
    RequestOpened,
    RunFinished,
    RunStarted,
    Warned,
)
from omc_agent.graph.edges import build_graph
from omc_agent.graph.gates import make_ask
from omc_agent.graph.state import first_state
from omc_agent.ledger import Ledger
from omc_agent.llm.chat import describe_chat_model, open_chat_model
from omc_agent.market import Market
from omc_agent.recorder import Recorder
from omc_agent.report import ReportWriter
from omc_agent.sandbox import tiers
from omc_agent.sandbox.spares import Spares
from omc_agent.store.artifacts import save_artifact
from omc_agent.store.checkpoints import open_checkpoints, prune_checkpoints
from omc_agent.store.database import open_database
from omc_agent.store.records import Row, SessionManager
from omc_agent.vault import Vault

INBOX_SECONDS = 0.25
TICK_SECONDS = 1.0


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
    listener, on_tick, on_end : callable, optional
        Hears each event; is called each second with the cost so far, and when all is over.
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
        interactive: bool = False,
        model: BaseChatModel | None = None,
    ) -> None:
        self.shared, self.settings, self.row = shared, settings, row
        self.id, self.branch = str(row["id"]), str(row["branch"])
        self.workspace = Path(row["workspace"])
        self.interactive = interactive
        self.frames = dict(frames or {})
        self.ledger = Ledger(shared.store, self.id, self.branch, listener)
        self.status, self.reason = "running", ""
        self.error: AgentError | None = None
        self.state: dict[str, Any] = {}
        self.cost: dict[str, float] = {"tokens_in": 0, "tokens_out": 0, "usd": 0.0, "calls": 0}
        self.seconds = 0.0
        self._given_model = model
        self._asked: set[tuple[str, str, str]] = set()
        self._overran = False
        self._on_tick, self._on_end = on_tick, on_end
        self._began = 0.0

    async def run(self, *, plan_only: bool = False, resume: bool = False) -> None:
        """Drive the graph to its end; what went wrong is in `status`, `reason` and `error`."""
        self._began = time.monotonic()
        work = asyncio.current_task()
        watching = (self._watch_inbox(work), self._watch_clock(work), self._tick())
        beside = [asyncio.create_task(one) for one in watching]
        try:
            await self._drive(plan_only=plan_only, resume=resume)
        except asyncio.CancelledError:
            self._end("stopped", self._stopped())
        except AgentError as error:
            self._end("failed", error)
        except Exception as error:  # a bug of ours: the run fails in one line, the traceback is kept for us
            (self.workspace / "crash.txt").write_text(traceback.format_exc())
            self._end("failed", RunError("run.failed", given=f"{type(error).__name__}: {str(error)[:200]}.",
                      have=f"The traceback is in {self.workspace / 'crash.txt'}.",
                      try_="Send it with what %agent doctor says."))  # fmt: skip
        finally:
            for task in beside:
                task.cancel()
            await asyncio.shield(self._finish())

    async def _drive(self, *, plan_only: bool, resume: bool) -> None:
        store = self.shared.store
        await asyncio.to_thread(store.update, self.id, status="running", owner=owner_of_this_process())
        if not self.row["goal"].strip():
            raise GoalError("goal.empty", given="The goal is empty.", have="A goal is one sentence.",
                            try_="For example: Predict whether BTC rises over the next hour.")  # fmt: skip
        model = self._given_model
        if model is None:
            model = await asyncio.to_thread(open_chat_model, self.settings.chat())
        await self._tell_start(model)
        async with AsyncExitStack() as stack:
            # The first probe takes seconds, and no code runs before the plan: only a required tier is waited for.
            told = asyncio.create_task(self._tell_isolation())
            stack.push_async_callback(_ended, told)
            if self.settings.require_tier:
                await told
            path = self.shared.home / "checkpoints.db"
            saver = await stack.enter_async_context(open_checkpoints(path, synchronous=self.settings.synchronous))
            recorder = Recorder(store, self.id, self.branch, self.workspace, self.settings.limits(),
                                self.shared.spares, self.ledger.emit, self.ledger.flush,
                                confinement=self.settings.confinement(),
                                allowed_imports=self.settings.allowed_imports)  # fmt: skip
            stack.push_async_callback(recorder.close)
            graph = build_graph(model, saver)
            thread: Any = {"configurable": {"thread_id": self.branch}, "recursion_limit": 200}
            context = self._context(recorder, plan_only=plan_only)
            if resume:
                first: Any = await self._decisions(graph, thread)
            else:
                first = first_state(self.row["goal"], plan_only=plan_only,
                                    allowed={"tuning_rounds": self.settings.tuning_rounds})  # fmt: skip
            await graph.ainvoke(first, thread, context=context, durability="sync")
            snapshot = await graph.aget_state(thread)
            self.state = dict(snapshot.values)
            if snapshot.interrupts:
                await self._park(snapshot.interrupts)
            elif self.state.get("error"):
                self._end("failed", error_from_dict(self.state["error"]))
            else:
                self._end("finished", None)
                await prune_checkpoints(saver, self.branch)

    def _context(self, recorder: Recorder, *, plan_only: bool) -> RunContext:
        source = self.settings.source(self.frames)
        trust = self.settings.trust()
        vault = Vault(self.workspace / "sealed", trust, source, self.shared.store)
        market = Market(source, optional=plan_only)
        gates = self.settings.gates(interactive=self.interactive)
        writer = ReportWriter(self.shared.store, self.id, self._save_artifact)

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
            emit=self.ledger.emit,
            run_cell=recorder.run_cell,
            host_cell=recorder.host_cell,
            fresh_box=recorder.fresh_box,
            describe=market.describe,
            seal=seal,
            load_frame=recorder.load_frame,
            open_sealed=open_sealed,
            ask=make_ask(gates, self.ledger.emit, self._write_request, walled=self._walled, asked=self._asked),
            save_artifact=self._save_artifact,
            spend=self._spend,
            write_report=write_report,
        )

    # -- what the context's callables do ------------------------------------------------------

    async def _save_artifact(self, name: str, data: bytes) -> ArtifactSaved:
        saved = await asyncio.to_thread(save_artifact, self.workspace / "artifacts", name, data)
        await asyncio.to_thread(
            self.shared.store.record_artifact, self.id, self.branch, name=name, path=saved.path, sha256=saved.sha256,
            size=saved.size, made_by=self.ledger.stage,
        )  # fmt: skip
        await self.ledger.emit(saved, f"artifact:{name}:{saved.sha256[:12]}")
        return saved

    async def _write_request(self, request_id: str, *, decision: Row, decided_by: str, **values: Any) -> str:
        row_id = f"{self.branch}-{request_id}"  # the same stage of another run asks under the same key

        def write() -> None:
            self.shared.store.open_request(self.id, self.branch, row_id, **values)
            self.shared.store.decide(row_id, decision, decided_by)

        await asyncio.to_thread(write)
        return row_id

    def _spend(self, stage: str, usage: dict[str, Any]) -> None:
        self.cost["tokens_in"] += int(usage.get("input_tokens", 0))
        self.cost["tokens_out"] += int(usage.get("output_tokens", 0))
        self.cost["calls"] += 1

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
        await self.ledger.emit(started, "started")

    async def _tell_isolation(self) -> None:
        found = await tiers.isolation(self.settings.confinement())
        known = IsolationKnown(tier=found.tier, means=found.means, title=found.title, note=found.note)
        await self.ledger.emit(known, f"isolation:{found.tier}:{found.means}")
        if self.settings.unsafe_local and found.tier != "walled":
            text = "UNSAFE: code that a model wrote runs unasked and unwalled (AgentSettings.unsafe_local is on)."
            await self.ledger.emit(Warned(code="unsafe_local", text=text), f"unsafe:{found.tier}")

    async def _walled(self) -> bool:
        return (await tiers.isolation(self.settings.confinement())).tier == "walled"

    async def _park(self, interrupts: Any) -> None:
        """Write each question before anyone is asked, then let the process go."""
        for waiting in interrupts:
            asked = waiting.value
            await asyncio.to_thread(
                self.shared.store.open_request, self.id, self.branch, waiting.id, gate=asked["gate"],
                stage=asked["stage"], payload=asked["payload"], sha256=asked["sha256"],
            )  # fmt: skip
            opened = RequestOpened(stage=asked["stage"], request_id=waiting.id, gate=asked["gate"],
                                   question=asked["question"])  # fmt: skip
            await self.ledger.emit(opened, f"{waiting.id}:opened")
        self._end("parked", None, reason=interrupts[0].value["gate"])

    async def _decisions(self, graph: Any, thread: Any) -> Command[Any] | None:
        """The decisions of the open interrupts by their id; None goes on with the call in flight."""
        snapshot = await graph.aget_state(thread)
        rows = await asyncio.to_thread(self.shared.store.requests, self.id, status="decided")
        decided = {row["id"]: row for row in rows}
        answers = {}
        for waiting in snapshot.interrupts:
            if waiting.id in decided:
                row = decided[waiting.id]
                answers[waiting.id] = row["decision"]
                self._asked.add((row["gate"], row["stage"], row["sha256"]))
                event = RequestDecided(stage=row["stage"], request_id=row["id"], gate=row["gate"],
                                       decision=row["decision"]["type"], decided_by=row["decided_by"])  # fmt: skip
                await self.ledger.emit(event, f"{row['id']}:decided")
        return Command(resume=answers) if answers else None

    def _end(self, status: str, error: AgentError | None, *, reason: str = "") -> None:
        self.status, self.error, self.reason = status, error, reason or (error.code if error else "")

    async def _finish(self) -> None:
        self.seconds = time.monotonic() - self._began
        event = RunFinished(
            stage=self.ledger.stage, status=self.status, reason=self.reason,
            error=self.error.to_dict() if self.error else None, seconds=self.seconds, cost=dict(self.cost),
        )  # fmt: skip
        await self.ledger.emit(event, f"finished:{time.time()}")
        await self.ledger.flush()
        summary = {"seconds": self.seconds, "cost": self.cost, "verdict": self.state.get("verdict"),
                   "error": event.error, "things": _kept(self.state)}  # fmt: skip
        await asyncio.to_thread(
            self.shared.store.update, self.id, status=self.status, reason=self.reason, stage=self.ledger.stage,
            owner=None, summary=summary,
        )  # fmt: skip
        if self._on_end is not None:
            self._on_end()

    @property
    def _sealed(self) -> dict[str, Any]:
        rows = self.shared.store.cells(self.id, branch=self.branch)
        return next(dict(row["values"]["sealed"]) for row in reversed(rows) if "sealed" in row["values"])

    async def _tick(self) -> None:
        while self._on_tick is not None:
            await asyncio.sleep(TICK_SECONDS)
            self._on_tick(self.cost["usd"])

    async def _watch_inbox(self, work: asyncio.Task[Any] | None) -> None:
        """Stop when another process asks for it."""
        while work is not None:
            await asyncio.sleep(INBOX_SECONDS)
            with contextlib.suppress(OSError):
                rows = await asyncio.to_thread(self.shared.store.take_inbox, self.id, kind="stop")
                if rows:
                    work.cancel()
                    return

    async def _watch_clock(self, work: asyncio.Task[Any] | None) -> None:
        """Stop when the whole run takes longer than it may."""
        if self.settings.run_wall and work is not None:
            await asyncio.sleep(self.settings.run_wall)
            self._overran = True
            work.cancel()

    def _stopped(self) -> RunStopped:
        kept = {"have": "The work so far is kept.", "try_": f"%agent resume {self.id} goes on."}
        if not self._overran:
            return RunStopped("run.stopped", given=f"Run {self.id} was stopped.", **kept)
        given = f"Run {self.id} took longer than {self.settings.run_wall:g} s (AgentSettings.run_wall)."
        return RunStopped("run.wall", given=given, **kept)


async def _ended(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def owner_of_this_process() -> str:
    """Host, boot, pid and process start: enough to see whether the owner lives."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    boot_id = boot.read_text().strip() if boot.exists() else ""
    return f"{os.uname().nodename}|{boot_id}|{os.getpid()}|{psutil.Process().create_time():.0f}"


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
