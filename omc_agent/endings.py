"""How a run may end, but for a result: the errors that say so, and what is kept of it."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omc_agent.errors import RunError, RunStopped
from omc_agent.secrecy import hide_secrets

KEPT = (
    "brief",
    "plan",
    "candidates",
    "choice",
    "verdict",
    "frames",
    "sealed",
    "texts",
    "leaks",
    "cells",
    "overrides",
)


def stopped(run_id: str) -> RunStopped:
    """Somebody pressed Stop."""
    return RunStopped("run.stopped", given=f"Run {run_id} was stopped.", **_goes_on(run_id))


def gone(run_id: str) -> RunStopped:
    """The process that drove it died, and left no end."""
    return RunStopped("run.stopped", given=f"The process that drove run {run_id} is gone.", **_goes_on(run_id))


def overran(run_id: str, seconds: float) -> RunStopped:
    """It took longer than it may."""
    given = f"Run {run_id} took longer than {seconds:g} s (AgentSettings.run_wall)."
    return RunStopped("run.wall", given=given, **_goes_on(run_id))


def not_written(run_id: str, error: Exception) -> RunError:
    """The store took no more: a full disk, a lock that was held too long, or a server that is gone."""
    why = hide_secrets(str(getattr(error, "orig", None) or error).strip().splitlines()[0]).rstrip(".:")
    return RunError(
        "run.store",
        given=f"The store cannot be written: {why}.",
        have="What was written before is kept.",
        try_=f"Make room, or wait until it is there again; then %agent resume {run_id} goes on.",
    )


def no_checkpoints(run_id: str, here: str, began: str) -> RunError:
    """The run is known to the store, and its checkpoints lie elsewhere, or are gone."""
    return RunError(
        "run.checkpoints",
        given=f"Run {run_id} has no checkpoints at {here}.",
        have=f"It began with {began}." if began else "It began with those of another kernel, or they were deleted.",
        try_=f"Set AgentSettings.checkpoint_url to where they are, then %agent resume {run_id}.",
    )


def crashed(workspace: Path, error: Exception) -> RunError:
    """A bug of ours: one line for the person, the traceback for us. Called while the error is handled."""
    with contextlib.suppress(OSError):  # a full disk may be the very reason
        (workspace / "crash.txt").write_text(hide_secrets(traceback.format_exc()))
    return RunError(
        "run.failed",
        given=f"{type(error).__name__}: {hide_secrets(str(error))[:200]}.",
        have=f"The traceback is in {workspace / 'crash.txt'}.",
        try_="Send it with what %agent doctor says.",
    )


def kept(state: Mapping[str, Any]) -> dict[str, Any]:
    """The things of the state that a result is read from, when the process is another one."""
    return {name: state[name] for name in KEPT if name in state}


def _goes_on(run_id: str) -> dict[str, str]:
    return {"have": "The work so far is kept.", "try_": f"%agent resume {run_id} goes on."}
