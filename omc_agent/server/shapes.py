"""Rows of the store as they are told over REST: plain JSON, times in ISO 8601 UTC, nothing of the server's files."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from omc_agent.flags import SETTING_FLAGS

Row = dict[str, Any]
FLAGS = tuple(flags[-1].lstrip("-").replace("-", "_") for flags, _ in SETTING_FLAGS)


def session_shape(row: Row) -> Row:
    """A run, as a list shows it."""
    summary = row["summary"] or {}
    return {
        "id": row["id"],
        "goal": row["goal"],
        "status": row["status"],
        "reason": row["reason"],
        "stage": row["stage"],
        "branch": row["branch"],
        "model": row["model"],
        "user": row["user_id"],
        "call": (summary.get("verdict") or {}).get("call"),
        "seconds": summary.get("seconds"),
        "created_at": moment(row["created_at"]),
        "updated_at": moment(row["updated_at"]),
    }


def settings_shape(row: Row) -> Row:
    """What a run began with, by the names of the flags."""
    kept = row["settings"] or {}
    return {name: kept[name] for name in FLAGS if kept.get(name) not in (None, "")}


def request_shape(row: Row) -> Row:
    """A question, with what is asked and what was decided."""
    names = ("id", "session_id", "branch", "stage", "gate", "status", "sha256", "payload", "decided_by")
    told = {name: row[name] for name in names}
    return {
        **told,
        "decision": row["decision"] or None,
        "created_at": moment(row["created_at"]),
        "decided_at": moment(row["decided_at"]),
    }


def moment(at: datetime | None) -> str | None:
    """A time of the store, which is UTC and says so, in ISO 8601.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> moment(datetime(2024, 5, 4, 12, tzinfo=UTC))
    '2024-05-04T12:00:00+00:00'
    """
    return None if at is None else at.isoformat()
