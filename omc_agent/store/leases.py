"""One run, one engine: who drives a run, for how long it may be believed, and when it may be taken over.

`owner` names host, boot, process and one session in it; `lease_until` is renewed while the engine lives. A dead
process of this machine is taken over at once, another machine's when its lease has run out.
"""

from __future__ import annotations

import os
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import Engine, select, update

from omc_agent.errors import LeaseLost
from omc_agent.store.database import begin_writing
from omc_agent.store.tables import AgentSession

_ended: set[str] = set()  # sessions of this process that are over, also where they could not say so in the store

LEASE_SECONDS = 45.0  # longer than a database may keep us waiting (BUSY_TIMEOUT_MS)
RENEW_SECONDS = 5.0


def new_owner() -> str:
    """A name for one session of this process.

    Examples
    --------
    >>> is_dead(new_owner())
    False
    """
    return f"{_machine()}|{os.getpid()}|{psutil.Process().create_time():.0f}|{secrets.token_hex(4)}"


def is_dead(owner: str) -> bool:
    """Whether that owner's process is surely gone; False where we cannot know (another machine)."""
    host, boot, pid, started, _ = owner.split("|")
    here_host, here_boot = _machine().split("|")
    if host != here_host:
        return False
    if boot != here_boot:
        return True
    try:
        process = psutil.Process(int(pid))
        # One that was killed and that its parent has not reaped yet drives nothing any more.
        return process.status() == psutil.STATUS_ZOMBIE or abs(process.create_time() - float(started)) > 1
    except psutil.NoSuchProcess:
        return True


class Leases:
    """Takes, renews and gives back the right to drive a run.

    Parameters
    ----------
    engine : Engine
        Of the store.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def take(self, run_id: str, owner: str, *, instead_of: str = "") -> bool:
        """Whether `owner` may drive the run from now on; False while another lives, but for `instead_of`, who hands
        it on.
        """
        with self.engine.begin() as db:
            begin_writing(db)
            held, until = db.execute(self._query(run_id)).one()
            if held not in (None, owner, instead_of) and not _is_over(held, until):
                return False
            db.execute(
                update(AgentSession).where(AgentSession.id == run_id).values(owner=owner, lease_until=_later())
            )
            return True

    def renew(self, run_id: str, owner: str) -> bool:
        """Whether it is still ours; if so, for another while."""
        mine = (AgentSession.id == run_id) & (AgentSession.owner == owner)
        with self.engine.begin() as db:
            return db.execute(update(AgentSession).where(mine).values(lease_until=_later())).rowcount == 1

    def end(self, owner: str) -> None:
        """Know that this session is over, whatever can still be written."""
        _ended.add(owner)

    def release(self, run_id: str, owner: str) -> None:
        """Give it back."""
        mine = (AgentSession.id == run_id) & (AgentSession.owner == owner)
        with self.engine.begin() as db:
            db.execute(update(AgentSession).where(mine).values(owner=None, lease_until=None))

    def holder(self, run_id: str) -> str | None:
        """Who drives the run; None when nobody does who lives."""
        with self.engine.connect() as db:
            row = db.execute(self._query(run_id)).first()
        if row is None or row[0] is None or _is_over(row[0], row[1]):
            return None
        return str(row[0])

    def _query(self, run_id: str) -> Any:
        return select(AgentSession.owner, AgentSession.lease_until).where(AgentSession.id == run_id)


def lost(run_id: str) -> LeaseLost:
    """The error of an engine whose run was taken over: it writes nothing more."""
    return LeaseLost(
        "run.lease_lost",
        given=f"Run {run_id} was taken over by another process.",
        have="This one was silent for longer than its lease.",
        try_=f"%agent attach {run_id} shows what it does.",
    )


def _is_over(owner: str, until: datetime | None) -> bool:
    if until is None or owner in _ended or is_dead(owner):
        return True
    until = until if until.tzinfo else until.replace(tzinfo=UTC)  # SQLite keeps no zone
    return until < datetime.now(UTC)


def _later() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=LEASE_SECONDS)


def _machine() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id")
    return f"{os.uname().nodename}|{boot.read_text().strip() if boot.exists() else ''}"
