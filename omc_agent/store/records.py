"""`SessionManager`: what is remembered of runs, read and written in short transactions.

All methods block; whoever lives on an event loop calls them in a thread.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, Select, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from omc_agent.errors import RunError, UsageError
from omc_agent.events import Event, event_from_dict
from omc_agent.store.branches import message_row
from omc_agent.store.calls import Calls
from omc_agent.store.conversations import Conversations
from omc_agent.store.database import one_opening_at_a_time
from omc_agent.store.patience import called_at, patient
from omc_agent.store.questions import Questions
from omc_agent.store.retention import FOLDERS, Retention
from omc_agent.store.rows import Row, Rows, fence, insert_or_ignore, recorded, user_name
from omc_agent.store.tables import AgentArtifact, AgentCell, AgentOpening, AgentSession, AgentSessionMessage, now
from omc_agent.store.values import in_utc, short_key

__all__ = ["Row", "Rows", "SessionManager", "recorded"]

Events = list[Event]
_ID = re.compile(r"(?!\.)[A-Za-z0-9_.-]{1,32}")


@patient
class SessionManager(Questions, Conversations, Retention, Calls):
    """Creates, reads, lists and deletes runs and what belongs to them.

    Parameters
    ----------
    engine : Engine
        Out of :func:`omc_agent.store.database.open_database`.
    forget : callable, optional
        ``forget(branches)`` removes the checkpoints of a run that is deleted.
    """

    def __init__(self, engine: Engine, forget: Callable[[Sequence[str]], None] | None = None) -> None:
        self.engine, self.forget = engine, forget

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
        """A new run with a workspace folder of its own; returns its row.

        Raises
        ------
        UsageError
            ``usage.value`` for an id that is no plain word of at most 32 letters, digits, dots, dashes, underscores.
        RunError
            ``run.unknown`` when there is a run of that id already.
        """
        run_id = session_id or secrets.token_hex(3)
        if not _ID.fullmatch(run_id):
            raise UsageError("usage.value", given=f"{run_id[:40]!r} cannot be the id of a run.",
                             have="It names a folder and the rows of the run.",
                             try_="Take at most 32 letters, digits, dashes or underscores.")  # fmt: skip
        workspace = workspaces / run_id
        values = {
            "id": run_id,
            "user_id": (user_id or user_name())[:128],
            "goal": goal,
            "status": status,
            "model": short_key(model, 128),
            "branch": run_id,
            "workspace": str(workspace),
            "settings": settings,
            "created_at": called_at(),
        }
        try:
            with self.engine.begin() as db:
                db.execute(insert(AgentSession).values(**values))
        except IntegrityError:
            if self.read(run_id)["created_at"] != values["created_at"]:  # else it is of an earlier try of this call
                raise RunError("run.unknown", given=f"There is a run {run_id} already.", have="An id names one run.",
                               try_="Leave --id out, or choose another.") from None  # fmt: skip
        for name in FOLDERS:
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

    def list(
        self,
        *,
        status: str | Collection[str] | None = None,
        goal: str | None = None,
        limit: int | None = 50,
        offset: int = 0,
        since: datetime | None = None,
        until: datetime | None = None,
        user: str | None = None,
    ) -> Rows:
        """Rows of runs, newest first.

        Parameters
        ----------
        status : str or collection of str, optional
            One of, or any of.
        goal : str, optional
            A text within the goal, in any case.
        limit, offset : int
            A page; limit None: all.
        since, until : datetime, optional
            When the run was begun: from, and before; without a zone it is UTC.
        user : str, optional
            Whose runs.

        Returns
        -------
        list of dict
            All columns of ``agent_sessions``; times in UTC, with their zone.
        """
        query = select(AgentSession.__table__).order_by(AgentSession.created_at.desc(), AgentSession.id)
        query = _filtered(query, status, goal, since, until, user).offset(max(0, offset))
        with self.engine.connect() as db:
            return [dict(row) for row in db.execute(query.limit(limit) if limit is not None else query).mappings()]

    def count(
        self,
        *,
        status: str | Collection[str] | None = None,
        goal: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        user: str | None = None,
    ) -> int:
        """How many runs there are of those that `list` would give without a page."""
        query = _filtered(select(func.count()).select_from(AgentSession), status, goal, since, until, user)
        with self.engine.connect() as db:
            return int(db.scalar(query) or 0)

    def update(self, run_id: str, *, by: str | None = None, **values: Any) -> None:
        """Set columns of a run; with `by` only while that owner drives it."""
        with self.engine.begin() as db:
            fence(db, run_id, by)
            db.execute(update(AgentSession).where(AgentSession.id == run_id).values(**values, updated_at=now()))

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
        query = select(AgentCell.__table__).where(AgentCell.session_id == run_id, AgentCell.key == short_key(key))
        with self.engine.connect() as db:
            row = db.execute(query).mappings().first()
            return dict(row) if row else None

    def record_cell(self, run_id: str, branch: str, *, owner: str | None = None, **values: Any) -> bool:
        """Write a finished cell; False when its key is there already."""
        with self.engine.begin() as db:
            fence(db, run_id, owner)
            row = {"session_id": run_id, "branch": branch, **values, "key": short_key(values["key"])}
            return insert_or_ignore(db, AgentCell, row)

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
            one_opening_at_a_time(db)
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


def _filtered(
    query: Select[Any],
    status: str | Collection[str] | None,
    goal: str | None,
    since: datetime | None,
    until: datetime | None,
    user: str | None,
) -> Select[Any]:
    if status:
        query = query.where(AgentSession.status.in_([status] if isinstance(status, str) else list(status)))
    if goal:
        query = query.where(AgentSession.goal.icontains(goal, autoescape=True))
    if since is not None:
        query = query.where(AgentSession.created_at >= in_utc(since))
    if until is not None:
        query = query.where(AgentSession.created_at < in_utc(until))
    return query.where(AgentSession.user_id == user) if user else query


def _overlaps(row: Row, values: Mapping[str, Any]) -> bool:
    """Whether an earlier opening and this one have a coin and a stretch of time in common, or are of one table."""
    in_time = row["start"] <= values["end"] and values["start"] <= row["end"]
    return bool(in_time and set(row["coins"]) & set(values["coins"])) or row["coins"] == values["coins"] == []
