"""Where the files of a branch are put: at the URL of the artifacts, or here while that does not take them."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from omc_agent.errors import AgentError, RunError
from omc_agent.events import ArtifactSaved, Event, Warned
from omc_agent.ledger import Ledger
from omc_agent.store.artifacts import artifact_folder, check_place, read_artifact, save_artifact
from omc_agent.store.records import Row, Rows, SessionManager

REST = 60.0  # seconds for which a place that failed is left alone
# The place is away, or a package that it needs is not installed where the run goes on.
_OF_THE_PLACE = ("run.artifact_store", "usage.value", "usage.secret")
_PICTURE = re.compile(r"(?P<stage>[a-z_]+)-cell(?P<n>\d+)-\d+\.png")


class Shelf:
    """Saves what a branch leaves, and writes down where it lies and what made it.

    Parameters
    ----------
    store : SessionManager
        Of the run.
    run_row : Row
        Of `agent_sessions`.
    url : str
        Where runs put their files; empty: the workspace.
    ledger : Ledger
        Its branch, owner and stage are those of what is saved.
    emit : callable
        ``await emit(event, key)``.
    """

    def __init__(
        self,
        store: SessionManager,
        *,
        run_row: Row,
        url: str,
        ledger: Ledger,
        emit: Callable[[Event, str], Awaitable[Any]],
    ) -> None:
        self.store, self.url, self.ledger, self.emit = store, url, ledger, emit
        self.workspace = Path(run_row["workspace"])
        self._left_alone_until = 0.0

    async def save(self, name: str, data: bytes) -> ArtifactSaved:
        """Save a file; where the URL does not take it, in the workspace, with a warning."""
        run_id, branch = self.ledger.run_id, self.ledger.branch
        # Whoever lost the run may not write over what its new driver wrote.
        await asyncio.to_thread(self.store.update, run_id, by=self.ledger.owner)
        saved = await asyncio.to_thread(self._put, name, data)
        if isinstance(saved, AgentError):
            await self._warn(saved)
            folder = artifact_folder("", self.workspace, run_id, branch)
            saved = await asyncio.to_thread(save_artifact, folder, name, data)
        made_by = await asyncio.to_thread(self._maker, name)
        await asyncio.to_thread(
            self.store.record_artifact, run_id, branch, owner=self.ledger.owner, name=name, path=saved.path,
            sha256=saved.sha256, size=saved.size, made_by=made_by,
        )  # fmt: skip
        await self._tell(saved)
        return saved

    async def bring(self) -> int:
        """Bring what lies in the workspace to the URL; how many files still wait."""
        run_id = self.ledger.run_id
        rows = await asyncio.to_thread(waiting_rows, self.store, run_id, self.url, self.workspace)
        left = len(rows)
        for row in rows:
            try:
                saved = await asyncio.to_thread(
                    bring_one, self.store, run_id, self.url, self.workspace, row, owner=self.ledger.owner
                )
            except AgentError as error:
                if error.code in ("run.no_artifact", "run.artifact_changed"):  # of that file, not of the place
                    continue
                if error.code not in _OF_THE_PLACE:
                    raise
                await self._warn(error)
                break
            left -= 1
            if row["branch"] == self.ledger.branch:
                await self._tell(saved)
        return left

    def _put(self, name: str, data: bytes) -> ArtifactSaved | AgentError:
        folder = artifact_folder(self.url, self.workspace, self.ledger.run_id, self.ledger.branch)
        if not self.url:
            return save_artifact(folder, name, data)
        if time.monotonic() < self._left_alone_until:
            return _resting(self.url)
        try:
            return save_artifact(folder, name, data)
        except (AgentError, OSError) as error:
            self._left_alone_until = time.monotonic() + REST
            return error if isinstance(error, AgentError) else _not_taken(folder, error)

    def _maker(self, name: str) -> str:
        """The cell and the stage that made a file; the stage alone where no one cell did."""
        if found := _PICTURE.fullmatch(name):
            return f"cell {found['n']}, {found['stage']}"
        if not name.endswith(".skops"):
            return self.ledger.stage
        wrote = f"'{name}')"
        rows = self.store.cells(self.ledger.run_id, branch=self.ledger.branch)
        n = next((row["n"] for row in reversed(rows) if "save_model(" in row["code"] and wrote in row["code"]), None)
        return f"cell {n}, {self.ledger.stage}" if n is not None else self.ledger.stage

    async def _tell(self, saved: ArtifactSaved) -> None:
        where = "" if str(self.workspace) in saved.path else ":away"
        await self.emit(saved, f"artifact:{saved.name}:{saved.sha256[:12]}{where}")

    async def _warn(self, error: AgentError) -> None:
        run_id = self.ledger.run_id
        how = f"at its end, by resume, or by omc-agent artifacts {run_id} --upload"
        text = f"{error.line()} The files are kept in the run's workspace, and brought there {how}."
        await self.emit(Warned(stage=self.ledger.stage, code="artifacts_kept_here", text=text), "artifacts:here")


async def check_shelf(url: str, run_id: str) -> None:
    """Before time and money are spent: whether the files of a new run can be put where they shall.

    Raises
    ------
    AgentError
        As `check_place`.
    """
    if url:
        await asyncio.to_thread(check_place, url, run_id)


def waiting_rows(store: SessionManager, run_id: str, url: str, workspace: Path) -> Rows:
    """Rows of the run's files that lie in its workspace though they belong to `url`."""
    if not url:
        return []
    here = workspace / "artifacts"
    return [row for row in store.artifacts(run_id) if "://" not in row["path"] and here in Path(row["path"]).parents]


def bring_one(
    store: SessionManager, run_id: str, url: str, workspace: Path, row: Mapping[str, Any], *, owner: str | None = None
) -> ArtifactSaved:
    """Bring one file of the workspace to `url`; the copy here goes once the row names the new place.

    Raises
    ------
    RunError
        ``run.artifact_store`` where it is not taken, ``run.artifact_changed`` or ``run.no_artifact`` where the file
        is not as it was.
    """
    folder = artifact_folder(url, workspace, run_id, row["branch"])
    data = read_artifact(row)
    try:
        saved = save_artifact(folder, row["name"], data)
    except OSError as error:
        raise _not_taken(folder, error) from None
    store.record_artifact(run_id, row["branch"], owner=owner, name=row["name"], path=saved.path, sha256=saved.sha256,
                          size=saved.size, made_by=row["made_by"], at=row["at"])  # fmt: skip
    Path(row["path"]).unlink(missing_ok=True)
    return saved


def _not_taken(folder: Path | str, error: OSError) -> RunError:
    given, have = f"The artifacts cannot be written to {folder}.", f"{error.strerror or error}."
    return RunError("run.artifact_store", given=given, have=have, try_="Make room there, or allow it to be written.")


def _resting(url: str) -> RunError:
    return RunError("run.artifact_store", given=f"The artifacts could not be reached at {url} a moment ago.",
                    have="It is not tried for each file.", try_="Nothing was lost.")  # fmt: skip
