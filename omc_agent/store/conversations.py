"""What was told and said in a run: rows of its ledger, and its conversation as role and content."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, select

from omc_agent.events import (
    Branched,
    BriefRead,
    ChoiceMade,
    Event,
    Overridden,
    PlanMade,
    Reason,
    RequestDecided,
    RequestOpened,
    RunFinished,
    RunStarted,
    Said,
    VerdictCalled,
)
from omc_agent.store.branches import Branches
from omc_agent.store.patience import patient
from omc_agent.store.rows import Rows
from omc_agent.store.tables import AgentSessionMessage

USER, ASSISTANT = "user", "assistant"
# Who decided, where nobody did: a policy file, a stated default, the clock.
_NOBODY = ("policy file", "policy:", "the clock:", "nobody is there:")


@patient
class Conversations(Branches):
    """The ledger as rows, and as a conversation; a part of `SessionManager`."""

    engine: Engine

    def told(self, run_id: str, *, after_seq: int = 0, limit: int | None = None, branch: str | None = None) -> Rows:
        """Rows of the ledger in order, to be gone on with after the last `seq`.

        Parameters
        ----------
        run_id : str
            The run; of one that is not there no rows come.
        after_seq : int
            Only rows with a greater number.
        limit : int, optional
            At most so many.
        branch : str, optional
            Only of that branch; by default of all.

        Returns
        -------
        list of dict
            ``seq`` (1, 2, ... over all branches), ``at`` (UTC), ``branch``, ``stage``, ``role`` (agent, person, tool
            or host), ``kind``, ``content`` (one line or more of plain text), ``fields`` (all of the event).
        """
        table = AgentSessionMessage
        query = select(table.seq, table.at, table.branch, table.stage, table.role, table.kind, table.content,
                       table.metadata_.label("fields"))  # fmt: skip
        query = query.where(table.session_id == run_id, table.seq > after_seq).order_by(table.seq)
        if branch:
            query = query.where(table.branch == branch)
        with self.engine.connect() as db:
            return [dict(row) for row in db.execute(query.limit(limit) if limit is not None else query).mappings()]

    def history(self, run_id: str, branch: str | None = None) -> list[dict[str, Any]]:
        """The conversation of a run: what the person asked, said, answered and changed, and what the agent said.

        Parameters
        ----------
        run_id : str
            The run.
        branch : str, optional
            With what led to that branch; by default to the present one.

        Returns
        -------
        list of dict
            In order: ``role`` (user or assistant), ``content`` (plain text, never empty), ``kind`` (of the event),
            ``stage``, ``seq`` and ``at`` (UTC). What a policy or the clock decided is of the assistant's side.
        """
        found: list[dict[str, Any]] = []
        for each in self.story(run_id, branch):
            said = spoken(each.event)
            if said is not None and said[1].strip():
                at = datetime.fromtimestamp(each.event.at, UTC)
                found.append({"role": said[0], "content": said[1], "kind": each.event.kind, "stage": each.event.stage,
                              "seq": each.seq, "at": at})  # fmt: skip
        return found


def spoken(event: Event) -> tuple[str, str] | None:
    """Who says what with an event; None for work that is no talk.

    Examples
    --------
    >>> spoken(Said(text="only momentum"))
    ('user', 'only momentum')
    >>> spoken(RequestDecided(request_id="q", gate="code", decision="approve", decided_by="policy file"))
    ('assistant', 'code: approve by policy file.')
    """
    match event:
        case RunStarted():
            return None if event.branch else (USER, event.goal)
        case Said() | Branched() | Overridden():
            return USER, event.line()
        case RequestOpened():
            ways = f" ({', '.join(event.options)})" if event.options else ""
            return ASSISTANT, " ".join(part for part in (event.question + ways, event.effect) if part)
        case RequestDecided():
            by_nobody = event.decided_by == "default" or event.decided_by.startswith(_NOBODY)
            return (ASSISTANT, event.line()) if by_nobody else (USER, _answer(event))
        case BriefRead() | PlanMade() | Reason() | ChoiceMade() | VerdictCalled():
            return ASSISTANT, event.line()
        case RunFinished(error=dict() as error):
            return ASSISTANT, " ".join(error[part] for part in ("given", "have", "try") if error.get(part))
        case RunFinished():
            return ASSISTANT, f"The run is {event.status}{f': {event.reason}' if event.reason else ''}."
    return None


def _answer(event: RequestDecided) -> str:
    return event.decision if event.why in ("", event.decision) else f"{event.decision}: {event.why}"
