"""Branches of a run: a restart from a stage leaves the old branch as it was, and goes on beside it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine, func, select, update

from omc_agent.errors import RunError
from omc_agent.events import Branched, Event, event_from_dict
from omc_agent.store.patience import patient
from omc_agent.store.rows import fence, insert_or_ignore
from omc_agent.store.tables import AgentCell, AgentSession, AgentSessionMessage
from omc_agent.store.values import short_key


@dataclass(frozen=True)
class Told:
    """An event of the ledger with its number and its key (``BRANCH:KEY``)."""

    seq: int
    key: str
    event: Event


@patient
class Branches:
    """Forks and lineage; a part of `SessionManager`."""

    engine: Engine

    def next_branch(self, run_id: str) -> str:
        """The name of the next branch: ``ID.2``, ``ID.3``, ..."""
        return f"{run_id}.{len(self.branches(run_id)) + 1}"

    def branches(self, run_id: str) -> list[str]:
        """The run's branches, oldest first; the first has the run's own id."""
        table = AgentSessionMessage
        query = select(table.branch).where(table.session_id == run_id, table.kind == Branched.kind)
        with self.engine.connect() as db:
            return [run_id, *db.scalars(query.order_by(table.seq))]

    def lineage(self, run_id: str, branch: str) -> list[str]:
        """The branch, then those that it comes from, the run's first last."""
        table = AgentSessionMessage
        query = select(table.branch, table.metadata_.label("fields"))
        query = query.where(table.session_id == run_id, table.kind == Branched.kind)
        with self.engine.connect() as db:
            parents = {row.branch: row.fields["parent"] for row in db.execute(query)}
        found = [branch]
        while found[-1] in parents:
            found.append(parents[found[-1]])
        return found

    def fork(self, run_id: str, branch: str, told: Branched, kept: Collection[int], *, owner: str) -> None:
        """Begin `branch`: its first event, copies of the cells it keeps, and its name in the run's row."""
        with self.engine.begin() as db:
            fence(db, run_id, owner)
            _tell(db, run_id, branch, told)
            columns = [c for c in AgentCell.__table__.columns if c.name not in ("id", "branch", "key")]
            query = select(*columns).where(AgentCell.session_id == run_id, AgentCell.branch == told.parent)
            for row in list(db.execute(query.order_by(AgentCell.n)).mappings()):
                if row["n"] in kept:
                    insert_or_ignore(db, AgentCell, {**row, "branch": branch, "key": f"{branch}:kept:{row['n']}"})
            db.execute(update(AgentSession).where(AgentSession.id == run_id).values(branch=branch))

    def find_branch(self, name: str) -> tuple[str, str | None]:
        """The run, and its branch, that `name` means: ``ID`` (the newest), ``ID.1`` (the first), ``ID.2``, ..."""
        with self.engine.connect() as db:
            if db.scalar(select(AgentSession.id).where(AgentSession.id == name)) is not None:
                return name, None
        run_id, dot, number = name.rpartition(".")
        if not dot or not number.isdigit():
            return name, None
        branch = run_id if number == "1" else name
        there = self.branches(run_id)
        if branch not in there:
            raise RunError("run.unknown", given=f"Run {run_id} has no branch {number}.",
                           have=f"Its branches are {', '.join(there)}.", try_=f"%agent show {run_id}")  # fmt: skip
        return run_id, branch

    def story(self, run_id: str, branch: str | None = None) -> list[Told]:
        """The events that led to a branch (default: the run's present one), with their numbers: its own, and those
        of the branches it comes from until it left them.
        """
        with self.engine.connect() as db:
            wanted = branch or db.scalar(select(AgentSession.branch).where(AgentSession.id == run_id)) or run_id
        table = AgentSessionMessage
        query = select(table.seq, table.key, table.branch, table.kind, table.metadata_.label("fields")).where(
            table.session_id == run_id
        )
        with self.engine.connect() as db:
            rows = list(db.execute(query.order_by(table.seq)))
        until: int | None = None
        kept: list[Told] = []
        while wanted:
            own = [row for row in rows if row.branch == wanted and (until is None or row.seq < until)]
            kept = [Told(row.seq, row.key, event_from_dict(row.kind, row.fields)) for row in own] + kept
            first = next((row for row in own if row.kind == Branched.kind), None)
            wanted, until = (first.fields["parent"], first.seq) if first is not None else ("", None)
        return kept


def _tell(db: Connection, run_id: str, branch: str, told: Event) -> None:
    table = AgentSessionMessage
    last = db.scalar(select(func.max(table.seq)).where(table.session_id == run_id)) or 0
    insert_or_ignore(db, table, message_row(run_id, branch, last + 1, "branched", told))


def message_row(run_id: str, branch: str, seq: int, key: str, event: Event) -> dict[str, object]:
    """An event as a row of the ledger."""
    return {
        "session_id": run_id,
        "branch": branch,
        "seq": seq,
        "key": short_key(f"{branch}:{key}"),
        "at": datetime.fromtimestamp(event.at, UTC),
        "stage": event.stage,
        "role": event.role,
        "kind": event.kind,
        "content": event.line(),
        "metadata_": event.to_dict(),
    }
