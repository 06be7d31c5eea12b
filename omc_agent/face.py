"""What magic, CLI and Python call: start a run on the engine, wait for it or not, look at old ones."""

from __future__ import annotations

import atexit
import concurrent.futures
import contextlib
import threading
from collections.abc import Mapping
from typing import Any, Protocol

from omc_agent.branching import Turn, standing
from omc_agent.config import AgentSettings, settings_with
from omc_agent.drafting import draft
from omc_agent.engine import CLOSE_SECONDS, the_engine
from omc_agent.events import Event
from omc_agent.follower import Follower
from omc_agent.graph.edges import build_graph
from omc_agent.handle import Handle
from omc_agent.llm.chat import check_tools
from omc_agent.llm.keys import read_variables
from omc_agent.llm.offline import OfflineChatModel
from omc_agent.llm.questions_about import answer_from_record, is_question
from omc_agent.orchestrator import AgentOrchestrator
from omc_agent.overrides import earliest_stage
from omc_agent.result import RunResult
from omc_agent.secrecy import refuse_secrets
from omc_agent.session import Session
from omc_agent.spending import check_limits, pay
from omc_agent.store.artifacts import check_url
from omc_agent.store.leases import Leases
from omc_agent.thinking import with_record


class View(Protocol):
    """Where a run is shown. `tick` (cost so far, once a second), `close` and `replay` (what was told before) may be
    missing.
    """

    def handle(self, event: Event) -> None:
        """Show one event."""
        ...


# What the row of a run keeps and a process that goes on with it has of its own, or reads elsewhere.
NOT_TAKEN_UP = ("limits", "databases", "home", "database_url", "db", "follow", "named", "kernel_id")

_orchestrators: dict[tuple[str, str, str], AgentOrchestrator] = {}
_lock = threading.Lock()


def orchestrator_for(settings: AgentSettings) -> AgentOrchestrator:
    """The orchestrator of that home and store; one a process. A `.env` is read anew first."""
    read_variables()
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


def start(
    goal: str,
    *,
    settings: AgentSettings,
    frames: Mapping[str, Any] | None = None,
    view: View | None = None,
    interactive: bool = False,
    model: Any = None,
    session_id: str | None = None,
    plan_only: bool = False,
    follow: str = "",
    named: Mapping[str, Any] | None = None,
) -> Handle:
    """Create the run's row and start it on the engine, in the caller's context.

    `named` describes what the goal names in braces; frames are described by their schema, as their values are not
    told before the seal.
    """
    if model is not None:
        check_tools(model, settings.model)
    shared = orchestrator_for(settings)
    settings, row = draft(
        shared.store, shared.home / "runs", goal, settings=settings, model=model, session_id=session_id,
        follow=follow, named={**(named or {}), **_portraits(frames or {}, settings)},
    )  # fmt: skip
    session = Session(shared, settings, row, frames=frames, interactive=interactive, model=model, **_shown(view))
    return Handle(session, the_engine().submit(session.run(plan_only=plan_only)), settings, shared.store)


def resume(
    run_id: str,
    *,
    settings: AgentSettings,
    given: Mapping[str, Any] | None = None,
    view: View | None = None,
    interactive: bool = False,
    model: Any = None,
    turn: Turn | None = None,
    frames: Mapping[str, Any] | None = None,
    named: Mapping[str, Any] | None = None,
    plan_only: bool = False,
    instead_of: str = "",
) -> Handle:
    """Go on with a run that is parked, stopped, or whose process died; attach to one that another process drives.

    Parameters
    ----------
    run_id : str
        The run.
    settings : AgentSettings
        Of this process; what the run began with is kept, except what is `given`.
    given : mapping, optional
        Settings that the person names now.
    view : View, optional
        Where it is shown.
    turn : Turn, optional
        Go on from a stage, on a branch of its own.
    frames, named, plan_only : optional
        As for `start`: of a run that was queued and begins here.
    instead_of : str
        The server that hands the run on, as the owner of its lease.
    """
    refuse_secrets(str((given or {}).get("model", "")), "The name of the model")
    shared = orchestrator_for(settings)
    row = shared.store.read(run_id)
    if Leases(shared.store.engine).holder(run_id) not in (None, instead_of):
        return attach(run_id, settings=settings, view=view)
    kept = {k: v for k, v in row["settings"].items() if k not in NOT_TAKEN_UP}
    db = row["settings"].get("db") or ""
    kept |= {"db": db} if db and "***" not in db else {}
    for name in ("base_url", "checkpoint_url", "mlflow_uri"):
        if "***" in str(kept.get(name) or ""):  # it held a password, which is not kept
            del kept[name]
    if settings.mlflow_uri:
        kept.pop("mlflow_uri", None)
    # The limit of the day is of the store, not of the run: what holds now goes before what held then.
    kept |= {"daily_budget": settings.daily_budget} if settings.daily_budget else {}
    if settings.artifact_root():  # a bucket may have moved since; each file says where it lies
        check_url(settings.artifact_root())
        kept["artifact_url"] = settings.artifact_root()
    new = dict(given or {})
    if new.get("record") or new.get("replay"):  # what is said now takes the place of what was said then
        kept |= {"record": "", "replay": ""}
    settings = with_record(settings_with(settings, **{**kept, **new}), model, row)
    if not settings.replay:  # which spends nothing
        check_limits(settings, model)
    row = pay(shared.store, row, new, settings.daily_budget)
    if told := {**(named or {}), **_portraits(frames or {}, settings)}:
        row["settings"]["named"] = told
        shared.store.update(run_id, settings=row["settings"])
    session = Session(shared, settings, row, frames=frames, interactive=interactive, model=model,
                      instead_of=instead_of, **_shown(view))  # fmt: skip
    work = session.run(plan_only=plan_only, resume=True, turn=turn)
    return Handle(session, the_engine().submit(work), settings, shared.store)


def attach(run_id: str, *, settings: AgentSettings, view: View | None = None) -> Handle:
    """Show a run from its beginning, and go on showing it while another process drives it."""
    shared = orchestrator_for(settings)
    follower = Follower(shared.store, shared.store.read(run_id), **_shown(view))
    return Handle(follower, the_engine().submit(follower.run()), settings, shared.store)


def told_of(run_id: str, question: str, settings: AgentSettings) -> str | None:
    """The answer to a question about a run, out of its record; None when it is no question but a goal."""
    if not is_question(question):
        return None
    store = orchestrator_for(settings).store
    found, branch = store.find_branch(run_id)
    store.read(found)
    events = standing(told.event for told in store.story(found, branch))
    record = [{"kind": event.kind, "stage": event.stage, "content": event.line()} for event in events]
    return answer_from_record(question, record)


def is_driven(run_id: str, settings: AgentSettings) -> bool:
    """Whether some process drives the run now."""
    return Leases(orchestrator_for(settings).store.engine).holder(run_id) is not None


def change(run_id: str, turn: Turn, *, settings: AgentSettings, override: bool, **shown: Any) -> Handle | None:
    """Override or restart: handed to the process that drives the run, else driven from here.

    Returns
    -------
    Handle or None
        None when another process, or another cell of this one, does it.
    """
    shared = orchestrator_for(settings)
    shared.store.read(run_id)
    if is_driven(run_id, settings):
        override = override and turn.stage == earliest_stage(turn.overrides)  # `override --from` names another
        payload = {"overrides": turn.overrides} if override else {"stage": turn.stage, "overrides": turn.overrides}
        shared.store.send(run_id, "override" if override else "restart", payload, sent_by=turn.by)
        return None
    return resume(run_id, settings=settings, turn=turn, **shown)


def _portraits(frames: Mapping[str, Any], settings: AgentSettings) -> dict[str, Any]:
    """Names, types and counts of the frames that the run works on."""
    import pandas as pd

    from omc_agent.tools.portrait import portrait

    source = settings.source()
    more, allowed = source.secret_columns, source.allowed
    return {
        name: {"kind": "DataFrame", **portrait(frame, part="schema", more=more, allowed=allowed)}
        for name, frame in frames.items()
        if isinstance(frame, pd.DataFrame)
    }


def _shown(view: View | None) -> dict[str, Any]:
    if view is None:
        return {}
    names = {"listener": "handle", "on_tick": "tick", "on_end": "close", "on_past": "replay"}
    return {name: getattr(view, there) for name, there in names.items() if hasattr(view, there)}


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
