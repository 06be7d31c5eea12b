"""`SessionManager`: what is remembered of runs, read and written in short transactions.

All methods block; whoever lives on an event loop calls them in a thread.
"""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from omc_agent.errors import RunError
from omc_agent.events import Event, event_from_dict
from omc_agent.store.tables import (
    AgentArtifact,
    AgentCell,
    AgentInbox,
    AgentOpening,
    AgentRequest,
    AgentSession,
    AgentSessionMessage,
    now,
)

Row = dict[str, Any]
Rows = list[Row]
Events = list[Event]


class SessionManager:
    """Creates, reads, lists and deletes runs and what belongs to them.

    Parameters
    ----------
    engine : Engine
        Out of :func:`omc_agent.store.database.open_database`.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    # -- runs ---------------------------------------------------------------------------------

    def create(
        self,
        goal: str,
        *,
        workspaces: Path,
        model: str,
        settings: Row,
        session_id: str | None = None,
        user_id: str = "",
    ) -> Row:
        """A new run with a workspace folder of its own; returns its row."""
        run_id = session_id or secrets.token_hex(3)
        workspace = workspaces / run_id
        values = {
            "id": run_id,
            "user_id": user_id or _user(),
            "goal": goal,
            "status": "running",
            "model": model,
            "branch": run_id,
            "workspace": str(workspace),
            "settings": settings,
        }
        try:
            with self.engine.begin() as db:
                db.execute(insert(AgentSession).values(**values))
        except IntegrityError:
            raise RunError(
                "run.unknown",
                given=f"There is a run {run_id} already.",
                have="An id names one run.",
                try_="Leave --id out, or choose another.",
            ) from None
        for name in ("in", "frames", "sealed", "work", "artifacts"):
            (workspace / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        return self.read(run_id)

    def read(self, run_id: str) -> Row:
        """The row of a run; RunError names those there are when it is not known."""
        with self.engine.connect() as db:
            row = db.execute(select(AgentSession.__table__).where(AgentSession.id == run_id)).mappings().first()
            if row is None:
                latest = db.scalars(select(AgentSession.id).order_by(AgentSession.created_at.desc()).limit(5)).all()
                raise RunError(
                    "run.unknown",
                    given=f"No run {run_id!r}.",
                    have=f"The newest runs are {', '.join(latest) or 'none'}.",
                    try_="%agent list shows them all.",
                )
            return dict(row)

    def list(self, *, status: str | None = None, goal: str | None = None, limit: int = 50, offset: int = 0) -> Rows:
        """Rows of runs, newest first; `goal` is looked for within the goals."""
        query = select(AgentSession.__table__).order_by(AgentSession.created_at.desc(), AgentSession.id)
        if status:
            query = query.where(AgentSession.status == status)
        if goal:
            query = query.where(AgentSession.goal.contains(goal, autoescape=True))
        with self.engine.connect() as db:
            return [dict(row) for row in db.execute(query.limit(limit).offset(offset)).mappings()]

    def update(self, run_id: str, **values: Any) -> None:
        """Set columns of a run."""
        with self.engine.begin() as db:
            db.execute(update(AgentSession).where(AgentSession.id == run_id).values(**values, updated_at=now()))

    def delete(self, run_id: str) -> None:
        """Remove a run, what belongs to it, and its workspace; openings stay, for they are counted by rows."""
        row = self.read(run_id)
        with self.engine.begin() as db:
            for table in (AgentSessionMessage, AgentCell, AgentRequest, AgentInbox, AgentArtifact):
                db.execute(delete(table).where(table.session_id == run_id))
            db.execute(delete(AgentSession).where(AgentSession.id == run_id))
        shutil.rmtree(row["workspace"], ignore_errors=True)

    # -- ledger -------------------------------------------------------------------------------

    def append(self, run_id: str, branch: str, events: Iterable[tuple[str, Event]]) -> int:
        """Write events with their keys in one transaction; those whose key is there already are left out.

        Returns how many were new.
        """
        table, new = AgentSessionMessage, 0
        with self.engine.begin() as db:
            self._take_turn(db, run_id)
            last = db.scalar(select(func.max(table.seq)).where(table.session_id == run_id)) or 0
            for key, event in events:
                row = {
                    "session_id": run_id,
                    "branch": branch,
                    "seq": last + new + 1,
                    "key": f"{branch}:{key}",
                    "at": datetime.fromtimestamp(event.at, UTC),
                    "stage": event.stage,
                    "role": event.role,
                    "kind": event.kind,
                    "content": event.line(),
                    "metadata_": event.to_dict(),
                }
                new += self._insert_or_ignore(db, table, row)
        return new

    def events(self, run_id: str, *, after_seq: int = 0, branch: str | None = None) -> Events:
        """The run's events in order."""
        table = AgentSessionMessage
        query = select(table.kind, table.metadata_).where(table.session_id == run_id, table.seq > after_seq)
        if branch:
            query = query.where(table.branch == branch)
        with self.engine.connect() as db:
            return [event_from_dict(kind, data) for kind, data in db.execute(query.order_by(table.seq))]

    # -- cells --------------------------------------------------------------------------------

    def cell(self, run_id: str, key: str) -> Row | None:
        """The recorded cell of that key, if it ran."""
        query = select(AgentCell.__table__).where(AgentCell.session_id == run_id, AgentCell.key == key)
        with self.engine.connect() as db:
            row = db.execute(query).mappings().first()
            return dict(row) if row else None

    def record_cell(self, run_id: str, branch: str, **values: Any) -> bool:
        """Write a finished cell; False when its key is there already."""
        with self.engine.begin() as db:
            return self._insert_or_ignore(db, AgentCell, {"session_id": run_id, "branch": branch, **values})

    def cells(self, run_id: str, *, branch: str | None = None) -> Rows:
        """All cells of a run (or of one branch), in order."""
        query = select(AgentCell.__table__).where(AgentCell.session_id == run_id).order_by(AgentCell.n, AgentCell.id)
        if branch:
            query = query.where(AgentCell.branch == branch)
        with self.engine.connect() as db:
            return [dict(row) for row in db.execute(query).mappings()]

    # -- requests and inbox -------------------------------------------------------------------

    def open_request(self, run_id: str, branch: str, request_id: str, **values: Any) -> bool:
        """Write a question before it is asked; False when it is there already."""
        with self.engine.begin() as db:
            row = {"id": request_id, "session_id": run_id, "branch": branch, **values}
            return self._insert_or_ignore(db, AgentRequest, row)

    def requests(self, run_id: str, *, status: str | None = "open") -> Rows:
        """The run's questions, oldest first."""
        query = select(AgentRequest.__table__).where(AgentRequest.session_id == run_id)
        if status:
            query = query.where(AgentRequest.status == status)
        with self.engine.connect() as db:
            return [dict(row) for row in db.execute(query.order_by(AgentRequest.created_at)).mappings()]

    def find_request(self, name: str) -> Row:
        """The request of that id, or the one open request of the run of that id."""
        with self.engine.connect() as db:
            row = db.execute(select(AgentRequest.__table__).where(AgentRequest.id == name)).mappings().first()
        if row is not None:
            return dict(row)
        waiting = self.requests(name)
        if len(waiting) == 1:
            return waiting[0]
        raise RunError(
            "run.no_request",
            given=f"{name!r} names no single open request.",
            have=f"Open requests: {', '.join(row['id'] for row in waiting) or 'none'}.",
            try_="Name the request, or a run that has exactly one open.",
        )

    def decide(self, request_id: str, decision: Row, decided_by: str) -> bool:
        """Write a decision. The first one wins: False when the request is decided already."""
        values = {"status": "decided", "decision": decision, "decided_by": decided_by, "decided_at": now()}
        query = update(AgentRequest).where(AgentRequest.id == request_id, AgentRequest.status == "open")
        with self.engine.begin() as db:
            return db.execute(query.values(**values)).rowcount == 1

    def send(self, run_id: str, kind: str, payload: Row) -> None:
        """Put a word into the run's inbox."""
        with self.engine.begin() as db:
            db.execute(insert(AgentInbox).values(session_id=run_id, kind=kind, payload=payload, sent_by=_user()))

    def take_inbox(self, run_id: str, *, kind: str | None = None) -> Rows:
        """Untaken inbox rows (of that kind) in order, marked as taken."""
        query = select(AgentInbox.__table__).where(AgentInbox.session_id == run_id, AgentInbox.taken_at.is_(None))
        if kind:
            query = query.where(AgentInbox.kind == kind)
        with self.engine.connect() as db:  # nearly always empty: look before a write lock is taken
            if db.execute(query.limit(1)).first() is None:
                return []
        with self.engine.begin() as db:
            rows = [dict(row) for row in db.execute(query.order_by(AgentInbox.seq)).mappings()]
            for row in rows:
                db.execute(update(AgentInbox).where(AgentInbox.seq == row["seq"]).values(taken_at=now()))
        return rows

    # -- artifacts and openings ---------------------------------------------------------------

    def record_artifact(self, run_id: str, branch: str, **values: Any) -> None:
        """Write or replace the row of an artifact of that name."""
        with self.engine.begin() as db:
            db.execute(
                delete(AgentArtifact).where(
                    AgentArtifact.session_id == run_id,
                    AgentArtifact.branch == branch,
                    AgentArtifact.name == values["name"],
                )
            )
            db.execute(insert(AgentArtifact).values(session_id=run_id, branch=branch, **values))

    def artifacts(self, run_id: str) -> Rows:
        """Rows of the run's files, in the order they were made."""
        query = select(AgentArtifact.__table__).where(AgentArtifact.session_id == run_id).order_by(AgentArtifact.id)
        with self.engine.connect() as db:
            return [dict(row) for row in db.execute(query).mappings()]

    def open_sealed(self, run_id: str, branch: str, **values: Any) -> int:
        """Write an opening before the rows are read; returns which opening of overlapping rows this is, from 1.

        Counted are openings of the same source and target family with a coin in common and overlapping time, over
        all runs of the store. The same branch again is the same opening.
        """
        with self.engine.begin() as db:
            self._insert_or_ignore(db, AgentOpening, {"session_id": run_id, "branch": branch, **values})
            query = select(AgentOpening.__table__).where(
                AgentOpening.source == values["source"], AgentOpening.family == values["family"]
            )
            count = 0
            for row in db.execute(query.order_by(AgentOpening.id)).mappings():
                overlaps = row["start"] <= values["end"] and values["start"] <= row["end"]
                if (overlaps and set(row["coins"]) & set(values["coins"])) or row["coins"] == values["coins"] == []:
                    count += 1
                if row["session_id"] == run_id and row["branch"] == branch:
                    break
            return count

    def _take_turn(self, db: Any, run_id: str) -> None:
        """Let no other process number the run's events until this transaction ends."""
        if self.engine.dialect.name == "sqlite":
            db.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            db.execute(select(AgentSession.id).where(AgentSession.id == run_id).with_for_update())

    def _insert_or_ignore(self, db: Any, table: Any, row: Row) -> bool:
        if self.engine.dialect.name == "sqlite":
            from sqlalchemy.dialects.sqlite import insert as upsert
        else:
            from sqlalchemy.dialects.postgresql import insert as upsert  # type: ignore[assignment]
        return bool(db.execute(upsert(table).values(**row).on_conflict_do_nothing()).rowcount == 1)


def recorded(rows: Iterable[Row]) -> Rows:
    """Only cells that ran to their end."""
    return [row for row in rows if row["status"] == "ok"]


def _user() -> str:
    try:
        return os.environ.get("JUPYTERHUB_USER") or getpass.getuser()
    except (KeyError, OSError):  # no such uid in the password file, as in some containers
        return str(os.getuid())
