"""Where LangGraph keeps its checkpoints, by URL: a SQLite file, PostgreSQL, or a Redis with search."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from omc_agent.errors import RunError
from omc_agent.store.checkpoint_guard import Guarded, Told, gone
from omc_agent.store.checkpoint_place import POSTGRESQL, REDIS, Place, place_of

_NAMES = {POSTGRESQL: "PostgreSQL", REDIS: "Redis"}


@asynccontextmanager
async def open_checkpoints(
    where: Place | Path | str,
    *,
    synchronous: str = "FULL",
    before: Callable[[], Awaitable[None]] | None = None,
    tell: Told | None = None,
) -> AsyncIterator[Guarded]:
    """A saver that belongs to the running loop.

    Parameters
    ----------
    where : str or Path
        A URL, or a SQLite file. What is missing in it is made: file, tables, index.
    synchronous : str
        SQLite's pragma, FULL or NORMAL.
    before : callable, optional
        Awaited before each write: what led to a checkpoint is on disk before it.
    tell : callable, optional
        ``await tell(text)`` where the store is gone for a while, or may lose what it holds.

    Raises
    ------
    UsageError
        ``usage.value`` for what is no such URL.
    RunError
        ``run.checkpoints`` when it cannot be reached, or lacks what is needed; within some seconds.
    """
    place = place_of(where)
    async with _room(place).opened(place, synchronous=synchronous, tell=tell) as saver:
        saver.guard(place, before, tell)
        yield saver


async def prune_checkpoints(saver: Guarded, thread_id: str) -> None:
    """Drop the inner checkpoints of a finished branch: each saved the agent's whole message list.

    The outer ones stay, for they are what a restart from a stage begins with.
    """
    await saver.drop_inner(thread_id)


def delete_checkpoints(where: Place | Path | str, run_id: str) -> int:
    """Delete all checkpoints of a run, of every branch (``ID``, ``ID.2``, ...). Blocks.

    Parameters
    ----------
    where : str or Path
        As for `open_checkpoints`; `AgentSettings.checkpoints_url()` for those of a kernel.
    run_id : str
        The run; one that has none, or a store that was never made, is nothing to do.

    Returns
    -------
    int
        How many branches had some.

    Raises
    ------
    RunError
        ``run.checkpoints`` when the store cannot be reached: nothing says then that they are gone.

    Examples
    --------
    >>> delete_checkpoints(Path("never_made.db"), "3fa9c1")
    0
    """
    place = place_of(where)
    try:
        return int(_room(place).delete(place, run_id))
    except sqlite3.Error as error:
        raise gone(place, error) from None


def check_checkpoints(where: Place | Path | str) -> str:
    """What there is to say of a store that can be reached: its version, and what it may lose. Blocks for seconds.

    Raises
    ------
    AgentError
        As `open_checkpoints` does.
    """
    place = place_of(where)
    try:
        return str(_room(place).check(place))
    except sqlite3.Error as error:
        raise gone(place, error) from None


def _room(place: Place) -> Any:
    """The file for that kind of store; it needs the kind's own packages."""
    try:
        return import_module(f"omc_agent.store.checkpoints_{place.kind}")
    except ImportError as error:
        if (error.name or "").startswith("omc_agent"):
            raise
        raise RunError(
            "run.checkpoints",
            given=f"Checkpoints in {_NAMES.get(place.kind, place.kind)} need packages that are not installed.",
            have="",
            try_=f'pip install "omc-agent[{place.kind}]"',
        ) from None
