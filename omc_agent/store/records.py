"""`SessionManager`: what is remembered of runs, read and written in short transactions.

All methods block; whoever lives on an event loop calls them in a thread.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from omc_agent.errors import RunError
from omc_agent.events import Event, event_from_dict
from omc_agent.store.branches import Branches, message_row
from omc_agent.store.calls import Calls
from omc_agent.store.questions import Questions
from omc_agent.store.rows import Row, Rows, fence, insert_or_ignore, recorded, user_name
from omc_agent.store.tables import (
    AgentArtifact,
    AgentCall,
    AgentCell,
    AgentInbox,
    AgentOpening,
    AgentRequest,
    AgentSession,
    AgentSessionMessage,
    now,
)

__all__ = ["Row", "Rows", "SessionManager", "recorded"]

Events = list[Event]


class SessionManager(Questions, Branches, Calls):
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
        status: str = "running",
    ) -> Row:
        """A new run with a workspace folder of its own; returns its row."""
        run_id = session_id or secrets.token_hex(3)
        workspace = workspaces / run_id
        values = {
            "id": run_id,
            "user_id": user_id or user_name(),
            "goal": goal,
            "status": status,
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
                there = list(db.scalars(select(AgentSession.id).order_by(AgentSession.created_at.desc())))
                near = get_close_matches(run_id, there, n=3, cutoff=0.4)
                found = f"Near: {', '.join(near)}. " if near else ""
                raise RunError(
                    "run.unknown",
                    given=f"No run {run_id!r}.",
                    have=f"{found}The newest runs are {', '.join(there[:5]) or 'none'}.",
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

    def update(self, run_id: str, *, by: str | None = None, **values: Any) -> None:
        """Set columns of a run; with `by` only while that owner drives it."""
        with self.engine.begin() as db:
            fence(db, run_id, by)
            db.execute(update(AgentSession).where(AgentSession.id == run_id).values(**values, updated_at=now()))

    def delete(self, run_id: str) -> None:
        """Remove a run, what belongs to it, and its workspace.

        Openings stay, for they are counted by rows; its calls stay without its name, for they were paid.
        """
        row = self.read(run_id)
        with self.engine.begin() as db:
            for table in (AgentSessionMessage, AgentCell, AgentRequest, AgentInbox, AgentArtifact):
                db.execute(delete(table).where(table.session_id == run_id))
            db.execute(update(AgentCall).where(AgentCall.session_id == run_id).values(session_id=""))
            db.execute(delete(AgentSession).where(AgentSession.id == run_id))
        shutil.rmtree(row["workspace"], ignore_errors=True)

    # -- ledger -------------------------------------------------------------------------------

    def append(
        self, run_id: str, branch: str, events: Iterable[tuple[str, Event]], *, owner: str | None = None
    ) -> int:
        """Write events with their keys in one transaction; those whose key is there already are left out.

        Returns how many were new. With `owner` only while it drives the run.
        """
        table, new = AgentSessionMessage, 0
        with self.engine.begin() as db:
            fence(db, run_id, owner)
            last = db.scalar(select(func.max(table.seq)).where(table.session_id == run_id)) or 0
            for key, event in events:
                row = message_row(run_id, branch, last + new + 1, key, event)
                new += insert_or_ignore(db, table, row)
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

    def record_cell(self, run_id: str, branch: str, *, owner: str | None = None, **values: Any) -> bool:
        """Write a finished cell; False when its key is there already."""
        with self.engine.begin() as db:
            fence(db, run_id, owner)
            return insert_or_ignore(db, AgentCell, {"session_id": run_id, "branch": branch, **values})

    def cells(self, run_id: str, *, branch: str | None = None) -> Rows:
        """All cells of a run (or of one branch), in order."""
        query = select(AgentCell.__table__).where(AgentCell.session_id == run_id).order_by(AgentCell.n, AgentCell.id)
        if branch:
            query = query.where(AgentCell.branch == branch)
        with self.engine.connect() as db:
            return [dict(row) for row in db.execute(query).mappings()]

    # -- artifacts and openings ---------------------------------------------------------------

    def record_artifact(self, run_id: str, branch: str, *, owner: str | None = None, **values: Any) -> None:
        """Write or replace the row of an artifact of that name."""
        with self.engine.begin() as db:
            fence(db, run_id, owner)
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

    def open_sealed(
        self,
        run_id: str,
        branch: str,
        *,
        owner: str | None = None,
        same: Callable[[Row], bool] | None = None,
        again: tuple[str, str] | None = None,
        **values: Any,
    ) -> int:
        """Write an opening before the rows are read; returns which opening of overlapping rows this is, from 1.

        Counted are openings of the same source and target family, over all runs of the store, that `same` says are of
        the same rows; without it those with a coin in common and overlapping time. The same branch again is the same
        opening, as is a repetition of that of another run and branch (`again`). With `owner` only while it drives the
        run.
        """
        with self.engine.begin() as db:
            fence(db, run_id, owner)
            run_id, branch = again or (run_id, branch)
            insert_or_ignore(db, AgentOpening, {"session_id": run_id, "branch": branch, **values})
            query = select(AgentOpening.__table__).where(
                AgentOpening.source == values["source"], AgentOpening.family == values["family"]
            )
            count = 0
            for row in db.execute(query.order_by(AgentOpening.id)).mappings():
                mine = row["session_id"] == run_id and row["branch"] == branch
                count += mine or (same(dict(row)) if same else _overlaps(dict(row), values))
                if mine:
                    break
            return count


def _overlaps(row: Row, values: Mapping[str, Any]) -> bool:
    """Whether an earlier opening and this one have a coin and a stretch of time in common, or are of one table."""
    in_time = row["start"] <= values["end"] and values["start"] <= row["end"]
    return bool(in_time and set(row["coins"]) & set(values["coins"])) or row["coins"] == values["coins"] == []
