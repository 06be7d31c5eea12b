"""What is removed when it is old, and what never is: a run that somebody drives, openings of sealed rows, costs."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, delete, func, select, update
from sqlalchemy.exc import SQLAlchemyError

from omc_agent.errors import AgentError, RunError, StoreError
from omc_agent.store.artifacts import delete_artifacts
from omc_agent.store.branches import Branches
from omc_agent.store.leases import Leases, database_time, new_owner
from omc_agent.store.rows import Row, Rows, fence
from omc_agent.store.tables import (
    AgentArtifact,
    AgentCall,
    AgentCell,
    AgentInbox,
    AgentRequest,
    AgentSession,
    AgentSessionMessage,
)

ENDED = ("finished", "failed", "stopped")
FOLDERS = ("in", "frames", "sealed", "work", "artifacts")
_LEFT = ".removed-"  # what a folder is called from its removal on until it is gone
_OWNED = (AgentSessionMessage, AgentCell, AgentRequest, AgentInbox, AgentArtifact)


@dataclass(frozen=True)
class Removed:
    """A run that was removed, or would be: rows, files and bytes of it."""

    id: str
    status: str
    goal: str
    last: datetime
    rows: int
    files: int
    bytes: int


@dataclass(frozen=True)
class Kept:
    """A run that is old enough and stays all the same, and why."""

    id: str
    why: str


@dataclass(frozen=True)
class Pruned:
    """What :meth:`Retention.prune` did, or with `dry_run` would do."""

    before: datetime
    dry_run: bool
    removed: list[Removed] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        """Of all files that were removed."""
        return sum(run.bytes for run in self.removed)

    def to_dict(self) -> dict[str, Any]:
        """Plain values; times are ISO 8601, UTC."""
        removed = [{**asdict(run), "last": run.last.isoformat()} for run in self.removed]
        return {"before": self.before.isoformat(), "dry_run": self.dry_run, "removed": removed,
                "kept": [asdict(run) for run in self.kept], "bytes": self.bytes}  # fmt: skip


class Retention(Branches):
    """Removes runs; a part of `SessionManager`.

    Attributes
    ----------
    forget : callable, optional
        ``forget(branches)`` removes what else is kept of a run under the names of its branches: its checkpoints.
    """

    engine: Engine
    forget: Callable[[Sequence[str]], None] | None = None

    def read(self, run_id: str) -> Row:
        """As in `SessionManager`."""
        raise NotImplementedError

    def delete(self, run_id: str) -> None:
        """Remove a run, what belongs to it, its checkpoints and its workspace.

        Where a part cannot be removed the run stays, with its rows and its workspace; checkpoints and files elsewhere
        may be gone by then, and removing it again removes the rest.

        Openings stay, for they are counted by rows; its calls stay without its name, for they were paid.

        Raises
        ------
        RunError
            ``run.unknown``; ``run.held`` while an engine drives it.
        StoreError
            ``store.files`` when files of it cannot be removed; then it stays.
        """
        row, leases, owner = self.read(run_id), Leases(self.engine), new_owner()
        if not leases.take(run_id, owner):  # held like by an engine, so that none begins meanwhile
            raise RunError("run.held", given=f"Run {run_id} is driven by another process.",
                           have="What is at work cannot be removed.",
                           try_=f"%agent stop {run_id} ends it; then it can be.")  # fmt: skip
        away: Path | None = None
        try:
            away = _move_away(run_id, Path(row["workspace"]))  # can be undone, so it is first
            if self.forget is not None:
                self.forget(self.branches(run_id))
            _remove_elsewhere(self._artifacts_of(run_id), run_id, row["workspace"])
            self._delete_rows(run_id, owner)
        except BaseException:
            if away is not None:
                away.rename(row["workspace"])
            with self.engine.begin() as db:
                free = {"owner": None, "lease_until": None, "lease_tick": None, "updated_at": row["updated_at"]}
                mine = (AgentSession.id == run_id) & (AgentSession.owner == owner)
                db.execute(update(AgentSession).where(mine).values(**free))
            raise
        finally:
            leases.end(owner)
        sweep(Path(row["workspace"]).parent)

    def prune(
        self,
        older_than: timedelta,
        *,
        keep_status: Collection[str] = (),
        parked: bool = False,
        abandoned: bool = False,
        missing: bool = False,
        dry_run: bool = False,
    ) -> Pruned:
        """Remove runs that ended, and in which nothing happened for that long.

        Parameters
        ----------
        older_than : timedelta
            Counted back from now: from the earlier of this machine's clock and the database's, so that a clock that
            runs ahead here removes nothing too early. A run that was written in the future is not old.
        keep_status : collection of str
            Of these none is removed.
        parked : bool
            Runs too that wait for an answer or for money.
        abandoned : bool
            Runs too that were left at work, and whose process is gone.
        missing : bool
            Runs too whose folder is not on this machine: it may lie on another one.
        dry_run : bool
            Only say what would be removed.

        Returns
        -------
        Pruned
            Openings of sealed rows and costs are never among it.
        """
        kinds = [*ENDED, *(["parked"] if parked else []), *(["running", "awaiting_user"] if abandoned else [])]
        with self.engine.connect() as db:
            before = min(database_time(db), datetime.now(UTC)) - older_than
            query = select(AgentSession.__table__).where(
                AgentSession.status.in_([kind for kind in kinds if kind not in keep_status]),
                AgentSession.updated_at < before,
                AgentSession.created_at < before,
            )
            rows = [dict(row) for row in db.execute(query.order_by(AgentSession.updated_at)).mappings()]
        done = Pruned(before, dry_run)
        for row in rows:
            self._prune_one(row, done, missing=missing)
        return done

    def _prune_one(self, row: Row, done: Pruned, *, missing: bool) -> None:
        run_id, folder = str(row["id"]), Path(row["workspace"])
        files, size = measured(folder)
        counted = Removed(
            run_id, row["status"], row["goal"], row["updated_at"], self._count_rows(run_id), files, size
        )
        if Leases(self.engine).holder(run_id) is not None:
            done.kept.append(Kept(run_id, "a process drives it"))
        elif not missing and not folder.exists():
            done.kept.append(Kept(run_id, f"its folder {folder} is not on this machine"))
        elif done.dry_run:
            done.removed.append(counted)
        else:
            try:
                self.delete(run_id)
            except (AgentError, SQLAlchemyError, OSError) as error:
                done.kept.append(Kept(run_id, error.given if isinstance(error, AgentError) else str(error)))
            else:
                done.removed.append(counted)

    def _artifacts_of(self, run_id: str) -> Rows:
        """Rows of its files, except those that are another run's too."""
        others = select(AgentArtifact.path).where(AgentArtifact.session_id != run_id)
        mine = (AgentArtifact.session_id == run_id) & AgentArtifact.path.not_in(others)
        with self.engine.connect() as db:
            return [dict(row) for row in db.execute(select(AgentArtifact.__table__).where(mine)).mappings()]

    def _count_rows(self, run_id: str) -> int:
        with self.engine.connect() as db:
            counts = [select(func.count()).where(table.session_id == run_id) for table in _OWNED]
            return 1 + sum(db.scalar(count) or 0 for count in counts)

    def _delete_rows(self, run_id: str, owner: str) -> None:
        with self.engine.begin() as db:
            fence(db, run_id, owner)
            for table in _OWNED:
                db.execute(delete(table).where(table.session_id == run_id))
            db.execute(update(AgentCall).where(AgentCall.session_id == run_id).values(session_id=""))
            db.execute(delete(AgentSession).where(AgentSession.id == run_id))


def measured(folder: Path) -> tuple[int, int]:
    """Files below a folder, and their bytes; links count as themselves."""
    files = size = 0
    for where, _, names in os.walk(folder):
        for name in names:
            try:
                size += os.lstat(os.path.join(where, name)).st_size
            except OSError:
                continue
            files += 1
    return files, size


def sweep(folder: Path) -> int:
    """Remove what is left of runs whose removal was broken off; how many there were."""
    left = [path for path in folder.glob(f"{_LEFT}*") if path.is_dir() and not path.is_symlink()]
    for path in left:
        shutil.rmtree(path, ignore_errors=True)
    return len(left)


def remains(folder: Path, known: Iterable[str]) -> tuple[list[str], int]:
    """Folders below `folder` of none of the runs that are `known`, and how many more were left by a removal."""
    names = {path.name for path in folder.iterdir() if path.is_dir()} if folder.is_dir() else set()
    left = {name for name in names if name.startswith(_LEFT)}
    return sorted(names - left - set(known)), len(left)


def _move_away(run_id: str, folder: Path) -> Path | None:
    """Rename a workspace to what is swept later: at once, and gone for everybody. None where there is none."""
    if not folder.exists() and not folder.is_symlink():
        return None
    # The path stands in a database that others may write to: nothing but a run's own folder is removed.
    ours = any((folder / name).is_dir() for name in FOLDERS) or not any(folder.iterdir())
    if folder.is_symlink() or folder.name != run_id or not ours:
        raise _not_removed(run_id, f"{folder} is no workspace of it")
    away = folder.with_name(f"{_LEFT}{run_id}-{secrets.token_hex(4)}")
    try:
        folder.rename(away)
    except OSError as error:
        raise _not_removed(run_id, f"{folder}: {error.strerror or error}") from None
    return away


def _remove_elsewhere(rows: Rows, run_id: str, workspace: str) -> None:
    """Artifacts that lie outside the workspace, such as in a bucket."""
    left = delete_artifacts([row for row in rows if not row["path"].startswith(f"{workspace}/")], run_id)
    if left:
        raise _not_removed(run_id, left[0])


def _not_removed(what: str, why: str) -> StoreError:
    return StoreError("store.files", given=f"Files of {what} cannot be removed.", have=f"{why.rstrip('.')}.",
                      try_="It stays as it was; remove it once they can be.")  # fmt: skip
