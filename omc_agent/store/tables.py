"""The tables of the store. `migrations/` brings a database to exactly this shape; a test compares them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Float, ForeignKey, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from omc_agent.store.values import Moment


def now() -> datetime:
    """The time of writing, UTC."""
    return datetime.now(UTC)


class Base(DeclarativeBase):
    """All tables of omc_agent."""

    type_annotation_map = {dict[str, Any]: JSON, list[Any]: JSON, datetime: Moment}  # noqa: RUF012


class AgentSession(Base):
    """One run: its goal, where it stands, and which engine drives it."""

    __tablename__ = "agent_sessions"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    user_id: Mapped[str] = mapped_column(String(128), index=True)
    goal: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(16), index=True)
    reason: Mapped[str] = mapped_column(Text, default="")
    model: Mapped[str] = mapped_column(String(128))
    branch: Mapped[str] = mapped_column(String(40))
    stage: Mapped[str] = mapped_column(String(40), default="")
    workspace: Mapped[str] = mapped_column(Text)
    settings: Mapped[dict[str, Any]] = mapped_column(default=dict)
    summary: Mapped[dict[str, Any]] = mapped_column(default=dict)
    owner: Mapped[str | None] = mapped_column(String(200), default=None)
    lease_until: Mapped[datetime | None] = mapped_column(default=None)
    # The same in seconds of the machine's boot, which no one can set: what holds among processes of one machine.
    lease_tick: Mapped[float | None] = mapped_column(Float, default=None)
    created_at: Mapped[datetime] = mapped_column(default=now, index=True)
    updated_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)


class AgentSessionMessage(Base):
    """The ledger: one row an event. `key` is unique, so writing an event again does nothing."""

    __tablename__ = "agent_session_messages"
    __table_args__ = (
        UniqueConstraint("session_id", "key", name="uq_message_key"),
        Index("ix_message_order", "session_id", "seq"),
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    session_id: Mapped[str] = mapped_column(ForeignKey("agent_sessions.id", ondelete="CASCADE"))
    branch: Mapped[str] = mapped_column(String(40))
    seq: Mapped[int] = mapped_column(Integer)
    key: Mapped[str] = mapped_column(String(200))
    at: Mapped[datetime] = mapped_column()
    stage: Mapped[str] = mapped_column(String(40), default="")
    role: Mapped[str] = mapped_column(String(16))
    kind: Mapped[str] = mapped_column(String(40))
    content: Mapped[str] = mapped_column(Text)
    # `metadata` is a name that SQLAlchemy's base class keeps for itself.
    metadata_: Mapped[dict[str, Any]] = mapped_column("metadata", default=dict)


class AgentCell(Base):
    """A cell that ran, written before its call returned."""

    __tablename__ = "agent_cells"
    __table_args__ = (UniqueConstraint("session_id", "key", name="uq_cell_key"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    session_id: Mapped[str] = mapped_column(ForeignKey("agent_sessions.id", ondelete="CASCADE"))
    branch: Mapped[str] = mapped_column(String(40))
    key: Mapped[str] = mapped_column(String(200))
    n: Mapped[int] = mapped_column(Integer)
    stage: Mapped[str] = mapped_column(String(40))
    visit: Mapped[int] = mapped_column(Integer, default=1)
    where: Mapped[str] = mapped_column(String(16))
    kind: Mapped[str] = mapped_column(String(16))
    code: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(16))
    result: Mapped[dict[str, Any]] = mapped_column(default=dict)
    inputs: Mapped[dict[str, Any]] = mapped_column(default=dict)
    frames: Mapped[dict[str, Any]] = mapped_column(default=dict)
    values: Mapped[dict[str, Any]] = mapped_column(default=dict)
    state: Mapped[dict[str, Any]] = mapped_column(default=dict)
    at: Mapped[datetime] = mapped_column(default=now)


class AgentRequest(Base):
    """A question to a person, written before anyone is asked."""

    __tablename__ = "agent_requests"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    session_id: Mapped[str] = mapped_column(ForeignKey("agent_sessions.id", ondelete="CASCADE"), index=True)
    branch: Mapped[str] = mapped_column(String(40))
    stage: Mapped[str] = mapped_column(String(40))
    gate: Mapped[str] = mapped_column(String(24))
    payload: Mapped[dict[str, Any]] = mapped_column(default=dict)
    sha256: Mapped[str] = mapped_column(String(64), default="")
    status: Mapped[str] = mapped_column(String(16), default="open", index=True)
    decision: Mapped[dict[str, Any]] = mapped_column(default=dict)
    decided_by: Mapped[str | None] = mapped_column(String(128), default=None)
    decided_at: Mapped[datetime | None] = mapped_column(default=None)
    created_at: Mapped[datetime] = mapped_column(default=now)


class AgentInbox(Base):
    """What a person sends without being asked: say, stop, override, restart."""

    __tablename__ = "agent_inbox"

    seq: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    session_id: Mapped[str] = mapped_column(ForeignKey("agent_sessions.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str] = mapped_column(String(16))
    payload: Mapped[dict[str, Any]] = mapped_column(default=dict)
    sent_by: Mapped[str] = mapped_column(String(128), default="")
    sent_at: Mapped[datetime] = mapped_column(default=now)
    taken_at: Mapped[datetime | None] = mapped_column(default=None)


class AgentArtifact(Base):
    """A file that a run leaves."""

    __tablename__ = "agent_artifacts"
    __table_args__ = (UniqueConstraint("session_id", "branch", "name", name="uq_artifact_name"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    session_id: Mapped[str] = mapped_column(ForeignKey("agent_sessions.id", ondelete="CASCADE"), index=True)
    branch: Mapped[str] = mapped_column(String(40))
    name: Mapped[str] = mapped_column(String(200))
    path: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(String(64))
    size: Mapped[int] = mapped_column(BigInteger)
    made_by: Mapped[str] = mapped_column(String(64), default="")
    at: Mapped[datetime] = mapped_column(default=now)


class AgentOpening(Base):
    """One opening of sealed rows, written before they are read. Counted by rows, over all runs of the store."""

    __tablename__ = "agent_openings"
    __table_args__ = (UniqueConstraint("session_id", "branch", name="uq_opening"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    session_id: Mapped[str] = mapped_column(String(32), index=True)
    branch: Mapped[str] = mapped_column(String(40))
    source: Mapped[str] = mapped_column(String(64), index=True)
    coins: Mapped[list[Any]] = mapped_column(default=list)
    family: Mapped[str] = mapped_column(String(40))
    start: Mapped[str] = mapped_column(String(40), default="")
    end: Mapped[str] = mapped_column(String(40), default="")
    frozen: Mapped[dict[str, Any]] = mapped_column(default=dict)
    score: Mapped[float | None] = mapped_column(Float, default=None)
    at: Mapped[datetime] = mapped_column(default=now)


class AgentCall(Base):
    """One call of a chat model, written before it is sent and again when its usage is told.

    It belongs to no session by a foreign key: a run that is deleted has been paid for all the same.
    """

    __tablename__ = "agent_calls"
    __table_args__ = (UniqueConstraint("key", name="uq_call_key"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    key: Mapped[str] = mapped_column(String(64))
    session_id: Mapped[str] = mapped_column(String(32), index=True)
    branch: Mapped[str] = mapped_column(String(40))
    day: Mapped[str] = mapped_column(String(10), index=True)
    at: Mapped[datetime] = mapped_column(default=now)
    stage: Mapped[str] = mapped_column(String(40), default="")
    model: Mapped[str] = mapped_column(String(128))
    status: Mapped[str] = mapped_column(String(16))
    tokens_in: Mapped[int] = mapped_column(Integer, default=0)
    tokens_out: Mapped[int] = mapped_column(Integer, default=0)
    cached: Mapped[int] = mapped_column(Integer, default=0)
    written: Mapped[int] = mapped_column(Integer, default=0)
    reasoning: Mapped[int] = mapped_column(Integer, default=0)
    usd: Mapped[float | None] = mapped_column(Float, default=None)
    seconds: Mapped[float] = mapped_column(Float, default=0.0)
