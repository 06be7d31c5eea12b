"""Runs that wait for a place: rows of the store, so that a queue outlives its server and two servers share it.

A queued run has the status ``queued``, belongs to the server that put it there (`owner`, with a lease as a run that
is driven has), and has an order in its inbox: a row of the kind ``begin`` that says how it is to be begun. Its number
is its place in the line, so no clock decides who comes first. An order is marked as taken while a kernel starts; the
kernel's engine takes the lease from the server, and from then on the run is like any other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, func, insert, or_, select, update

from omc_agent.events import RunFinished
from omc_agent.store.branches import message_row
from omc_agent.store.leases import Leases
from omc_agent.store.rows import Row, fence, insert_or_ignore
from omc_agent.store.tables import AgentInbox, AgentSession, AgentSessionMessage, now

QUEUED = "queued"
BEGIN = "begin"  # the kind of an order in the inbox


@dataclass(frozen=True)
class Place:
    """A run in the line, or one that holds a place.

    Parameters
    ----------
    run_id, user : str
        Whose run.
    status : str
        As its row says: ``queued`` while it waits and while its kernel starts.
    owner : str or None
        The server that answers for it, or the engine that drives it.
    alive : bool
        Whether that owner lives.
    number : int
        Of its order; 0 for a run that was begun elsewhere.
    order : dict
        How it is to be begun.
    starting : bool
        Whether its kernel is on its way.
    """

    run_id: str
    user: str
    status: str
    owner: str | None
    alive: bool
    number: int = 0
    order: dict[str, Any] | None = None
    starting: bool = False

    @property
    def waits(self) -> bool:
        """Whether it is in the line."""
        return self.status == QUEUED and not (self.starting and self.alive)


class Queue:
    """The line of one store, as one server sees it.

    Parameters
    ----------
    engine : Engine
        Of the store.
    owner : str
        The server's name, as `omc_agent.store.leases.new_owner` makes it.
    """

    def __init__(self, engine: Engine, owner: str) -> None:
        self.engine, self.owner = engine, owner
        self._leases = Leases(engine)

    def put(self, run_id: str, order: Row, *, user: str = "") -> bool:
        """Put a run at the end of the line; False when somebody drives it, or holds it in the line already.

        What was its status is kept in the order.
        """
        if not self._leases.take(run_id, self.owner):
            return False
        mine = AgentSession.id == run_id
        with self.engine.begin() as db:
            fence(db, run_id, self.owner)
            was = db.scalar(select(AgentSession.status).where(mine))
            before = (self._orders(db, [run_id]).get(run_id, (0, {}, False))[1] or {}).get("by")
            if was == QUEUED and before == self.owner:
                return False
            kept = {**order, "was": "" if was == QUEUED else was, "by": self.owner}
            db.execute(insert(AgentInbox).values(session_id=run_id, kind=BEGIN, payload=kept, sent_by=user))
            db.execute(update(AgentSession).where(mine).values(status=QUEUED, updated_at=now()))
        return True

    def look(self) -> list[Place]:
        """Runs that hold a place, in no order, then those that wait, the first first."""
        columns = [AgentSession.id, AgentSession.user_id, AgentSession.status, AgentSession.owner]
        query = select(*columns).where(or_(AgentSession.status == QUEUED, AgentSession.owner.is_not(None)))
        with self.engine.connect() as db:
            rows = list(db.execute(query))
            orders = self._orders(db, [row.id for row in rows if row.status == QUEUED])
        found = []
        for row in rows:
            number, order, taken = orders.get(row.id, (0, None, False))
            alive = row.owner is not None and self._leases.holder(row.id) == row.owner
            found.append(Place(row.id, row.user_id, row.status, row.owner, alive, number, order, taken))
        return sorted(found, key=lambda place: (place.waits, place.number))

    def admit(self, limit: int) -> list[Place]:
        """Take those of ours whose turn it is, when at most `limit` runs may be on their way in the whole store.

        Who has a place is counted by all servers alike, so two that look at once do not both take the last one.
        """
        seen = self.look()
        free = limit - sum(place.alive and not place.waits for place in seen)
        turn = [place for place in seen if place.waits and place.alive][: max(free, 0)]
        return [place for place in turn if place.owner == self.owner and self._mark(place, now())]

    def adopt(self, server: str) -> list[str]:
        """Answer for runs whose server is gone, and that could be begun here: their orders name `server` too."""
        found = []
        for place in self.look():
            order = place.order or {}
            orphan = place.status == QUEUED and not place.alive and order.get("server") == server
            if orphan and self._leases.take(place.run_id, self.owner) and self._mark(place, None):
                found.append(place.run_id)
        return found

    def renew(self) -> None:
        """Say that this server lives, for all runs that it answers for."""
        with self.engine.connect() as db:
            mine = list(db.scalars(select(AgentSession.id).where(AgentSession.owner == self.owner)))
        for run_id in mine:
            self._leases.renew(run_id, self.owner)

    def stopped(self) -> list[str]:
        """Runs of ours in the line that somebody has told to stop."""
        query = select(AgentSession.id).join(AgentInbox, AgentInbox.session_id == AgentSession.id)
        query = query.where(AgentSession.owner == self.owner, AgentSession.status == QUEUED)
        query = query.where(AgentInbox.kind == "stop", AgentInbox.taken_at.is_(None))
        with self.engine.connect() as db:
            return sorted(set(db.scalars(query)))

    def leave(self, run_id: str, event: RunFinished) -> bool:
        """Take a run of ours out of the line with the event that says why; False when it is begun already.

        One that only was to go on has the status again that it had.
        """
        with self.engine.begin() as db:
            fence(db, run_id, None)
            mine = (AgentSession.id == run_id) & (AgentSession.owner == self.owner) & (AgentSession.status == QUEUED)
            row = db.execute(select(AgentSession.branch).where(mine)).first()
            if row is None:
                return False
            number, order, _ = self._orders(db, [run_id]).get(run_id, (0, {}, False))
            status = (order or {}).get("was") or event.status
            status = event.status if status in ("running", "awaiting_user") else status
            _tell(db, run_id, row.branch, f"left:{number}", event)
            taken = update(AgentInbox).where(AgentInbox.session_id == run_id, AgentInbox.kind.in_((BEGIN, "stop")))
            db.execute(taken.where(AgentInbox.taken_at.is_(None)).values(taken_at=now()))
            _close(db, run_id, status, event.reason)
            return True

    def bury(self, run_id: str, owner: str, event: RunFinished) -> bool:
        """Write the end of a run whose process died without one; False when somebody has taken it up meanwhile."""
        mine = (AgentSession.id == run_id) & (AgentSession.owner == owner)
        with self.engine.begin() as db:
            fence(db, run_id, None)
            row = db.execute(select(AgentSession.branch).where(mine)).first()
            if row is None:
                return False
            _tell(db, run_id, row.branch, f"gone:{owner}", event)
            _close(db, run_id, event.status, event.reason)
            return True

    def _mark(self, place: Place, taken: Any) -> bool:
        """Write when the order was taken; False when the run is not in the line any more."""
        waits = (AgentInbox.seq == place.number) & (AgentInbox.taken_at.is_(None) if taken else AgentInbox.seq > 0)
        with self.engine.begin() as db:
            fence(db, place.run_id, None)
            still = (AgentSession.id == place.run_id) & (AgentSession.status == QUEUED)
            if db.scalar(select(AgentSession.owner).where(still)) != self.owner:
                return False
            return db.execute(update(AgentInbox).where(waits).values(taken_at=taken)).rowcount == 1

    def _orders(self, db: Connection, runs: list[str]) -> dict[str, tuple[int, dict[str, Any], bool]]:
        """The newest order of each of those runs: its number, what it says, and whether it is taken."""
        columns = (AgentInbox.session_id, AgentInbox.seq, AgentInbox.payload, AgentInbox.taken_at)
        query = select(*columns).where(AgentInbox.kind == BEGIN, AgentInbox.session_id.in_(runs))
        rows = db.execute(query.order_by(AgentInbox.seq))
        return {row.session_id: (row.seq, row.payload, row.taken_at is not None) for row in rows}


def last_seq(engine: Engine, run_id: str) -> int:
    """The number of the newest row of a run's ledger; 0 for none."""
    with engine.connect() as db:
        return _last_seq(db, run_id)


def _last_seq(db: Connection, run_id: str) -> int:
    table = AgentSessionMessage
    return db.scalar(select(func.max(table.seq)).where(table.session_id == run_id)) or 0


def _tell(db: Connection, run_id: str, branch: str, key: str, event: RunFinished) -> None:
    row = message_row(run_id, branch, _last_seq(db, run_id) + 1, key, event)
    insert_or_ignore(db, AgentSessionMessage, row)


def _close(db: Connection, run_id: str, status: str, reason: str) -> None:
    values = {"status": status, "reason": reason, "owner": None, "lease_until": None, "updated_at": now()}
    db.execute(update(AgentSession).where(AgentSession.id == run_id).values(**values))
