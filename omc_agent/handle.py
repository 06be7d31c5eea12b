"""`Handle`: a run that is on its way, as a cell, a script or a button holds it."""

from __future__ import annotations

import concurrent.futures
import dataclasses
from collections.abc import Callable
from typing import Any

from omc_agent.config import AgentSettings
from omc_agent.deciding import Decided, decide
from omc_agent.engine import Running, the_engine
from omc_agent.errors import AgentError, ApprovalNeeded
from omc_agent.follower import Follower
from omc_agent.overrides import checked, parse_overrides
from omc_agent.purse import FLAGS
from omc_agent.request import Decision
from omc_agent.result import RunResult
from omc_agent.session import Session
from omc_agent.store.records import SessionManager
from omc_agent.store.rows import user_name


@dataclasses.dataclass
class Handle:
    """A run on the engine, live while it runs; or one that another process drives.

    Attributes
    ----------
    session : Session or Follower
        The engine's side.
    running : Running
        Its work.
    settings : AgentSettings
        Of this process.
    store : SessionManager
        Where the run is remembered.
    """

    session: Session | Follower
    running: Running[None]
    settings: AgentSettings
    store: SessionManager

    @property
    def id(self) -> str:
        """The run's id."""
        return self.session.id

    @property
    def status(self) -> str:
        """running, awaiting_user, finished, failed, stopped or parked."""
        return self.session.status if self.done() else str(self.store.read(self.id)["status"])

    @property
    def stage(self) -> str:
        """The stage that the run is in."""
        return self.session.stage if isinstance(self.session, Follower) else self.session.ledger.stage

    @property
    def drives(self) -> bool:
        """Whether this process drives the run."""
        return isinstance(self.session, Session)

    @property
    def requests(self) -> list[dict[str, Any]]:
        """Open questions."""
        return self.store.requests(self.id)

    def stop(self) -> None:
        """Stop the run; what it did is kept."""
        if self.drives:
            self.running.cancel()
        else:
            self.store.send(self.id, "stop", {})

    def leave(self) -> None:
        """Stop waiting; a run that another process drives goes on."""
        self.running.cancel()

    def say(self, text: str) -> None:
        """Tell the agent something; it reads it before its next step."""
        self.store.send(self.id, "say", {"text": text})
        self._wake()

    def override(self, *words: str, **changes: Any) -> None:
        """Change something: ``handle.override("models=random_forest")`` or ``handle.override(trials=4)``."""
        made = {**parse_overrides(words), **checked(changes)}
        self.store.send(self.id, "override", {"overrides": made})
        self._wake()

    def decide(self, request: str, decision: Decision | dict[str, Any], by: str = "") -> Decided:
        """Answer a request; the first answer wins."""
        made = decide(self.store, request, Decision.model_validate(decision), by or user_name())
        self._wake()
        return made

    def hand_on(self, act: Callable[[], Any], refused: Callable[[str], None] | None = None) -> None:
        """Do on a thread of the engine what a click asked for: the store may be busy, and a click must not wait.

        `refused` gets the one line of what could not be done.
        """

        def work() -> None:
            try:
                act()
            except Exception as error:  # nobody awaits a click: what went wrong is told where it was pressed
                told = error.line() if isinstance(error, AgentError) else f"{type(error).__name__}: {error}"
                if refused is not None:
                    refused(told)

        _clicks.submit(work)

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
        result = RunResult(self.store, self.id, self.settings)
        if self.session.status == "parked":
            raise approval_needed(self.id, self.requests)
        return result

    def _wake(self) -> None:
        if isinstance(self.session, Session):
            the_engine().loop.call_soon_threadsafe(self.session.wake)

    def __repr__(self) -> str:
        return f"<run {self.id}: {self.status} {self.stage}>"


_clicks = concurrent.futures.ThreadPoolExecutor(max_workers=2, thread_name_prefix="omc-agent-click")


def approval_needed(run_id: str, requests: list[dict[str, Any]]) -> ApprovalNeeded:
    """The error of a parked run that nobody is there to answer for, with the commands that go on."""
    names = ", ".join(f"{row['gate']} {row['id']}" for row in requests)
    if limits := [name for row in requests if row["gate"] == "budget" for name in row["payload"].get("limits") or {}]:
        flags = " ".join(f"{FLAGS[name]} N" for name in limits)
        used = " ".join(row["payload"]["context"] for row in requests if row["gate"] == "budget")
        return ApprovalNeeded("run.approval_needed", given=f"Run {run_id} is parked at its budget. {used}",
                              have="Nothing is lost, and it waits as long as needed.",
                              try_=f"omc-agent resume {run_id} {flags} goes on.")  # fmt: skip
    return ApprovalNeeded(
        "run.approval_needed",
        given=f"Run {run_id} waits for a person: {names}.",
        have="Nothing is lost, and it waits as long as needed.",
        try_=f"omc-agent decide {requests[0]['id'] if requests else run_id} approve, then omc-agent resume {run_id}.",
    )
