"""What magic, CLI and Python call: start a run on the engine, wait for it or not, look at old ones."""

from __future__ import annotations

import atexit
import concurrent.futures
import contextlib
import dataclasses
import threading
from collections.abc import Callable, Mapping
from typing import Any

from omc_agent.config import AgentSettings, settings_with
from omc_agent.engine import CLOSE_SECONDS, Running, the_engine
from omc_agent.errors import ApprovalNeeded
from omc_agent.events import Event
from omc_agent.graph.edges import build_graph
from omc_agent.llm.offline import OfflineChatModel
from omc_agent.result import RunResult
from omc_agent.session import AgentOrchestrator, Session, stored_settings

_orchestrators: dict[tuple[str, str, str], AgentOrchestrator] = {}
_lock = threading.Lock()


def orchestrator_for(settings: AgentSettings) -> AgentOrchestrator:
    """The orchestrator of that home and store; one a process."""
    key = (str(settings.resolved_home()), settings.store_url(), settings.synchronous)
    with _lock:
        if not _orchestrators:
            the_engine()  # registered first, so that it is closed after what lives on it
            atexit.register(_close_all)
        if key not in _orchestrators:
            _orchestrators[key] = AgentOrchestrator(settings)
        return _orchestrators[key]


def _close_all() -> None:
    """End spare children and remove their folders when the process ends."""

    async def close() -> None:
        for shared in _orchestrators.values():
            await shared.close()

    with _lock:
        if _orchestrators:
            with contextlib.suppress(TimeoutError, RuntimeError, concurrent.futures.CancelledError):
                the_engine().submit(close()).result(CLOSE_SECONDS)


def warm_up(settings: AgentSettings) -> None:
    """Import what a run needs and start the spare child, in the background."""

    async def warm() -> None:
        orchestrator_for(settings).warm()

    the_engine().submit(warm())
    build_graph(OfflineChatModel())  # imports what the tools are made of, in the caller's thread


@dataclasses.dataclass
class Handle:
    """A run on the engine: live while it runs.

    Attributes
    ----------
    session : Session
        The engine's side.
    running : Running
        Its work.
    """

    session: Session
    running: Running[None]
    settings: AgentSettings

    @property
    def id(self) -> str:
        """The run's id."""
        return self.session.id

    @property
    def status(self) -> str:
        """running, finished, failed, stopped or parked."""
        return self.session.status

    @property
    def stage(self) -> str:
        """The stage that the run is in."""
        return self.session.ledger.stage

    @property
    def requests(self) -> list[dict[str, Any]]:
        """Open questions."""
        return self.session.shared.store.requests(self.id)

    def stop(self) -> None:
        """Stop the run; what it did is kept."""
        self.running.cancel()

    def done(self) -> bool:
        """Whether it ended."""
        return self.running.done()

    def wait(self) -> RunResult:
        """Block until it ended; raises what made it fail, or ApprovalNeeded when it is parked."""
        self.running.result()
        return self.result()

    def result(self) -> RunResult:
        """The result of a run that ended; raises what made it fail, or ApprovalNeeded when it is parked."""
        if self.session.error is not None:
            raise self.session.error
        result = RunResult(self.session.shared.store, self.id, self.settings)
        if self.session.status == "parked":
            raise approval_needed(self.id, self.requests)
        return result

    def __repr__(self) -> str:
        return f"<run {self.id}: {self.status} {self.stage}>"


def approval_needed(run_id: str, requests: list[dict[str, Any]]) -> ApprovalNeeded:
    """The error of a parked run that nobody is there to answer for, with the commands that go on."""
    names = ", ".join(f"{row['gate']} {row['id']}" for row in requests)
    return ApprovalNeeded(
        "run.approval_needed",
        given=f"Run {run_id} waits for a person: {names}.",
        have="Nothing is lost, and it waits as long as needed.",
        try_=f"omc-agent decide {requests[0]['id'] if requests else run_id} approve, then omc-agent resume {run_id}.",
    )


def start(
    goal: str,
    *,
    settings: AgentSettings,
    frames: Mapping[str, Any] | None = None,
    listener: Callable[[Event], None] | None = None,
    on_tick: Callable[[float], None] | None = None,
    on_end: Callable[[], None] | None = None,
    interactive: bool = False,
    model: Any = None,
    session_id: str | None = None,
    plan_only: bool = False,
) -> Handle:
    """Create the run's row and start it on the engine, in the caller's context."""
    shared = orchestrator_for(settings)
    settings.source()  # a --db name that is not known is the command line's fault, before there is a run
    row = shared.store.create(
        goal,
        workspaces=shared.home / "runs",
        model=settings.model,
        settings=stored_settings(settings),
        session_id=session_id,
    )
    session = Session(
        shared,
        settings,
        row,
        frames=frames,
        listener=listener,
        on_tick=on_tick,
        on_end=on_end,
        interactive=interactive,
        model=model,
    )
    return Handle(session, the_engine().submit(session.run(plan_only=plan_only)), settings)


def resume(
    run_id: str,
    *,
    settings: AgentSettings,
    listener: Callable[[Event], None] | None = None,
    on_tick: Callable[[float], None] | None = None,
    on_end: Callable[[], None] | None = None,
    interactive: bool = False,
    model: Any = None,
) -> Handle:
    """Go on with a run that is parked, stopped, or whose process died."""
    shared = orchestrator_for(settings)
    row = shared.store.read(run_id)
    kept = {
        k: v for k, v in row["settings"].items() if k not in ("limits", "databases", "home", "database_url", "db")
    }
    db = row["settings"].get("db") or ""
    settings = settings_with(settings, **kept, **({"db": db} if db and "***" not in db else {}))
    session = Session(
        shared, settings, row, listener=listener, on_tick=on_tick, on_end=on_end, interactive=interactive, model=model
    )
    return Handle(session, the_engine().submit(session.run(resume=True)), settings)


def run(
    goal: str,
    data: Any = None,
    db: str | None = None,
    table: str | None = None,
    target: str | None = None,
    model: Any = "offline",
    approve: str = "never",
    **settings: Any,
) -> RunResult:
    """Run one goal to its end.

    Parameters
    ----------
    goal : str
        One sentence.
    data : DataFrame or dict of str to DataFrame, optional
        Rows in place of a database.
    db : str, optional
        SQLAlchemy URL, or a name out of the configuration.
    table, target : str, optional
        The table that holds the rows, and the column to predict.
    model : str or BaseChatModel
        ``offline``, ``provider:model``, or a LangChain chat model.
    approve : str
        always, risky or never.
    **settings
        Any setting of `AgentSettings`: ``trials=16, seed=1``.

    Returns
    -------
    RunResult

    Raises
    ------
    AgentError
        What went wrong, in three parts.

    Examples
    --------
    ::

        result = omc_agent.run("Predict whether BTC rises over the next hour", db="sqlite:///market.db")
        result.verdict["call"]
    """
    name = model if isinstance(model, str) else type(model).__name__
    chosen = settings_with(None, db=db, table=table, target=target, model=name, approve=approve, **settings)
    frames = data if isinstance(data, dict) else {"data": data} if data is not None else None
    return start(goal, settings=chosen, frames=frames, model=None if isinstance(model, str) else model).wait()
