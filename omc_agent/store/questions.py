"""What people are asked and what they send: requests with their decisions, and the inbox of a run."""

from __future__ import annotations

import json
from difflib import get_close_matches
from typing import Any

from sqlalchemy import Engine, insert, select, update

from omc_agent.errors import RunError
from omc_agent.secrecy import refuse_secrets
from omc_agent.store.database import begin_writing
from omc_agent.store.patience import called_at, patient
from omc_agent.store.rows import Row, Rows, fence, insert_or_ignore, user_name
from omc_agent.store.tables import AgentInbox, AgentRequest, AgentSession

_NAME = 128  # characters of who sent or decided, as their columns are wide


@patient
class Questions:
    """Requests and inbox; a part of `SessionManager`."""

    engine: Engine

    def open_request(
        self, run_id: str, branch: str, request_id: str, *, owner: str | None = None, **values: Any
    ) -> bool:
        """Write a question before it is asked; False when it is there already."""
        with self.engine.begin() as db:
            fence(db, run_id, owner)
            row = {"id": request_id, "session_id": run_id, "branch": branch, **values}
            return insert_or_ignore(db, AgentRequest, row)

    def request(self, request_id: str) -> Row | None:
        """The question of that id."""
        with self.engine.connect() as db:
            row = db.execute(select(AgentRequest.__table__).where(AgentRequest.id == request_id)).mappings().first()
            return dict(row) if row else None

    def requests(self, run_id: str, *, status: str | None = "open", branch: str | None = None) -> Rows:
        """The run's questions, oldest first."""
        query = select(AgentRequest.__table__).where(AgentRequest.session_id == run_id)
        if status:
            query = query.where(AgentRequest.status == status)
        if branch:
            query = query.where(AgentRequest.branch == branch)
        with self.engine.connect() as db:
            return [
                dict(row) for row in db.execute(query.order_by(AgentRequest.created_at, AgentRequest.id)).mappings()
            ]

    def find_request(self, name: str) -> Row:
        """The request of that id, or the one open request of the run of that id."""
        row = self.request(name)
        if row is not None:
            return row
        waiting = self.requests(name)
        if len(waiting) == 1:
            return waiting[0]
        with self.engine.connect() as db:
            runs = list(db.scalars(select(AgentSession.id)))
            ids = list(db.scalars(select(AgentRequest.id).where(AgentRequest.status == "open")))
        near = get_close_matches(name, [*ids, *runs], n=3, cutoff=0.4)
        have = f"Open requests: {', '.join(row['id'] for row in waiting or []) or ', '.join(ids[-5:]) or 'none'}."
        raise RunError(
            "run.no_request",
            given=f"{name!r} names no single open request.",
            have=have + (f" Near: {', '.join(near)}." if near and name not in runs else ""),
            try_="Name the request, or a run that has exactly one open.",
        )

    def decide(self, request_id: str, decision: Row, decided_by: str) -> bool:
        """Write a decision. The first one wins: False when the request is decided already."""
        at, by = called_at(), decided_by[:_NAME]
        mine = AgentRequest.id == request_id
        query = update(AgentRequest).where(mine, AgentRequest.status == "open")
        values = {"status": "decided", "decision": decision, "decided_by": by, "decided_at": at}
        with self.engine.begin() as db:
            if db.execute(query.values(**values)).rowcount == 1:
                return True
            # An earlier try of this very call may have been written, and its answer lost with the connection.
            ours = select(AgentRequest.id).where(mine, AgentRequest.decided_by == by, AgentRequest.decided_at == at)
            return db.scalar(ours) is not None

    def withdraw_requests(self, run_id: str, branch: str) -> None:
        """Close what a branch still asks: nobody waits for the answer any more."""
        query = update(AgentRequest).where(
            AgentRequest.session_id == run_id, AgentRequest.branch == branch, AgentRequest.status == "open"
        )
        with self.engine.begin() as db:
            db.execute(query.values(status="withdrawn"))

    def send(self, run_id: str, kind: str, payload: Row, *, sent_by: str = "") -> None:
        """Put a word into the run's inbox; one that holds a key is refused (``usage.secret``)."""
        refuse_secrets(json.dumps(payload, default=str), "What was sent")
        by, at = (sent_by or user_name())[:_NAME], called_at()
        values = {"session_id": run_id, "kind": kind, "payload": payload, "sent_by": by, "sent_at": at}
        there = select(AgentInbox.seq).where(
            AgentInbox.session_id == run_id,
            AgentInbox.kind == kind,
            AgentInbox.sent_by == by,
            AgentInbox.sent_at == at,
        )
        with self.engine.begin() as db:
            begin_writing(db)
            if db.scalar(there) is None:  # an earlier try of this very call may have been written
                db.execute(insert(AgentInbox).values(**values))

    def take_inbox(self, run_id: str, *, kind: str | None = None) -> Rows:
        """Untaken inbox rows (of that kind) in order, marked as taken."""
        at = called_at()
        mine = (AgentInbox.session_id == run_id) & (AgentInbox.taken_at.is_(None) | (AgentInbox.taken_at == at))
        if kind:
            mine &= AgentInbox.kind == kind
        with self.engine.connect() as db:  # nearly always empty: look before a write lock is taken
            if db.scalar(select(AgentInbox.seq).where(mine).limit(1)) is None:
                return []
        with self.engine.begin() as db:
            begin_writing(db)
            query = select(AgentInbox.__table__).where(mine).order_by(AgentInbox.seq)
            rows = db.execute(query if db.dialect.name == "sqlite" else query.with_for_update()).mappings().all()
            taken = [row["seq"] for row in rows]
            db.execute(update(AgentInbox).where(AgentInbox.seq.in_(taken)).values(taken_at=at))
        return [dict(row) for row in rows]
