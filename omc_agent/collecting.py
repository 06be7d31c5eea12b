"""What `artifacts` does for magic and command line: list the files of a run, fetch one, bring those that wait."""

from __future__ import annotations

from pathlib import Path

from omc_agent.config import AgentSettings
from omc_agent.errors import RunError, UsageError
from omc_agent.shelf import bring_one, waiting_rows
from omc_agent.store.artifacts import copy_artifact
from omc_agent.store.leases import Leases
from omc_agent.store.records import Row, Rows, SessionManager


def rows_of(store: SessionManager, name: str) -> Rows:
    """The files of a run (all its branches), or of the branch that is named."""
    run_id, branch = store.find_branch(name)
    store.read(run_id)
    return [row for row in store.artifacts(run_id) if branch in (None, row["branch"])]


def fetch(store: SessionManager, name: str, file: str, to: str) -> Path:
    """Copy a file of a run to `to`, its bytes as they were recorded.

    Parameters
    ----------
    store : SessionManager
        Of the run.
    name : str
        The run (its present branch), or one of its branches.
    file : str
        Name of the file.
    to : str
        A file, or a folder that is there. A file of that name is replaced.

    Raises
    ------
    RunError
        As `open_artifact`.
    UsageError
        ``usage.value`` where it cannot be written.
    """
    run_id, branch = store.find_branch(name)
    wanted = branch or store.read(run_id)["branch"]
    rows = [row for row in rows_of(store, name) if row["branch"] == wanted]
    row = next((row for row in rows if row["name"] == file), None)
    if row is None:
        names = ", ".join(row["name"] for row in rows) or "none"
        raise RunError("run.no_artifact", given=f"Run {name} has no file {file}.", have=f"Its files: {names}.",
                       try_=f"omc-agent artifacts {run_id} lists them.")  # fmt: skip
    target = Path(to).expanduser()
    target = target / file if target.is_dir() else target
    if not target.parent.is_dir():
        raise _unwritten(target, f"There is no folder {target.parent}")
    try:
        return copy_artifact(row, target)
    except OSError as error:
        raise _unwritten(target, error.strerror or str(error)) from None


def upload(store: SessionManager, run_id: str, settings: AgentSettings) -> list[str]:
    """Bring files that wait in the workspace to the URL of the settings, else to that of the run; their names.

    Raises
    ------
    UsageError
        ``usage.value`` where there is no URL.
    RunError
        ``run.held`` while a process drives the run: it brings them itself; ``run.artifact_store`` where the URL does
        not take them.
    """
    row = store.read(run_id)
    url = str(settings.artifact_root() or row["settings"].get("artifact_url") or "")
    if not url:
        raise UsageError("usage.value", given=f"There is no place to bring the files of {run_id} to.",
                         have="The run has no artifact_url, and none is set.",
                         try_="Set OMC_AGENT_ARTIFACT_URL, such as s3://bucket/prefix.")  # fmt: skip
    if Leases(store.engine).holder(run_id) is not None:
        raise RunError("run.held", given=f"Run {run_id} is driven by a process.",
                       have="It brings its files itself, at its end.",
                       try_="Wait until it has ended.")  # fmt: skip
    workspace = Path(row["workspace"])
    waiting: list[Row] = waiting_rows(store, run_id, url, workspace)
    return [bring_one(store, run_id, url, workspace, each).name for each in waiting]


def uploaded(run_id: str, names: list[str]) -> str:
    """The sentence that tells of it."""
    return f"{run_id}: brought {', '.join(names)}" if names else f"{run_id}: no file waits"


def _unwritten(target: Path, why: str) -> UsageError:
    return UsageError("usage.value", given=f"{target} cannot be written: {why}.", have="Nothing was fetched.",
                      try_="Name a file, or a folder that is there, with --to.")  # fmt: skip
