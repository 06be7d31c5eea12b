"""One run, one engine: who drives a run, for how long it may be believed, and when it may be taken over.

`owner` names host, boot, process and one session in it; the lease is renewed while the engine lives. A dead process
of this machine is taken over at once, another machine's when its lease has run out.

A lease has two ends. `lease_tick` counts seconds of the machine's boot, which no one can set: it holds among
processes of one machine, however its clock jumps. `lease_until` is a time of day, for other machines: that of the
database's server where there is one, so that their own clocks do not matter. A clock that jumps all the same may hand
a run over too early; two engines never write, as every write asks who drives the run, in its own transaction
(`rows.fence`).
"""

from __future__ import annotations

import os
import secrets
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import Connection, Engine, func, select, update

from omc_agent.errors import LeaseLost
from omc_agent.store.database import begin_writing
from omc_agent.store.patience import patient
from omc_agent.store.tables import AgentSession
from omc_agent.store.values import in_utc

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
    if owner.count("|") != 4:  # written by a version that names owners otherwise
        return False
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


@patient
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
            if held_by(db, run_id, lock=True) not in (None, owner, instead_of):
                return False
            values = {"owner": owner, **_lease(db)}
            db.execute(update(AgentSession).where(AgentSession.id == run_id).values(**values))
            return True

    def renew(self, run_id: str, owner: str) -> bool:
        """Whether it is still ours; if so, for another while."""
        mine = (AgentSession.id == run_id) & (AgentSession.owner == owner)
        with self.engine.begin() as db:
            return db.execute(update(AgentSession).where(mine).values(**_lease(db))).rowcount == 1

    def end(self, owner: str) -> None:
        """Know that this session is over, whatever can still be written."""
        _ended.add(owner)

    def release(self, run_id: str, owner: str) -> None:
        """Give it back."""
        mine = (AgentSession.id == run_id) & (AgentSession.owner == owner)
        with self.engine.begin() as db:
            nobody = {"owner": None, "lease_until": None, "lease_tick": None}
            db.execute(update(AgentSession).where(mine).values(**nobody))

    def holder(self, run_id: str) -> str | None:
        """Who drives the run; None when nobody does who lives."""
        with self.engine.connect() as db:
            return held_by(db, run_id)


def held_by(db: Connection, run_id: str, *, lock: bool = False) -> str | None:
    """Who drives the run; with `lock` nobody changes that until the transaction ends."""
    query = select(AgentSession.owner, AgentSession.lease_until, AgentSession.lease_tick)
    query = query.where(AgentSession.id == run_id)
    if lock and db.dialect.name != "sqlite":
        query = query.with_for_update(key_share=True)
    row = db.execute(query).first()
    owner, until, tick = row or (None, None, None)
    return None if owner is None or _is_over(db, owner, until, tick) else owner


def lost(run_id: str) -> LeaseLost:
    """The error of an engine whose run was taken over: it writes nothing more."""
    return LeaseLost(
        "run.lease_lost",
        given=f"Run {run_id} was taken over by another process.",
        have="This one was silent for longer than its lease.",
        try_=f"%agent attach {run_id} shows what it does.",
    )


def _is_over(db: Connection, owner: str, until: datetime | None, tick: float | None) -> bool:
    if until is None or owner in _ended or is_dead(owner):
        return True
    if tick is not None and _boot() and f"|{_boot()}|" in owner:
        return tick < _tick()
    return in_utc(until) < database_time(db)


def _lease(db: Connection) -> dict[str, Any]:
    until = database_time(db) + timedelta(seconds=LEASE_SECONDS)
    return {"lease_until": until, "lease_tick": _tick() + LEASE_SECONDS}


def database_time(db: Connection) -> datetime:
    """The time of day that all who share the database go by: its server's, or this machine's for a file."""
    if db.dialect.name == "sqlite":
        return datetime.now(UTC)
    return in_utc(db.execute(select(func.clock_timestamp())).scalar_one())


def _tick() -> float:
    """Seconds since the machine was started, also while it slept; the same in all its processes."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def _machine() -> str:
    return f"{os.uname().nodename}|{_boot()}"


def _boot() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id")
    return boot.read_text().strip() if boot.exists() else ""
