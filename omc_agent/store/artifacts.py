"""Files that a run leaves, named for people and hashed for machines: in its workspace, or at a URL.

Below a URL lies ``ROOT/RUN/BRANCH/NAME``: no branch writes where another did. All functions block.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

from omc_agent.errors import AgentError, RunError
from omc_agent.events import ArtifactSaved
from omc_agent.store.filesystems import FileSystem, check_url, local_folder

__all__ = ["artifact_folder", "check_place", "check_url", "copy_artifact", "delete_artifacts", "fetch_artifact",
           "open_artifact", "read_artifact", "save_artifact"]  # fmt: skip

_PLAIN = re.compile(r"[\w][\w.\- ]*")
_CHUNK = 1024 * 1024
_PROBE = ".writable"


def artifact_folder(url: str, workspace: Path, run_id: str, branch: str) -> Path | str:
    """Where the files of a branch belong: a folder of this machine, or the URL of one elsewhere.

    Parameters
    ----------
    url : str
        Of all runs; empty: the workspace of the run.
    workspace : Path
        The run's.
    run_id, branch : str
        Whose they are; the first branch has the id of its run.

    Examples
    --------
    >>> artifact_folder("s3://bucket/lab/", Path("w"), "7f3a", "7f3a.2")
    's3://bucket/lab/7f3a/7f3a.2'
    >>> artifact_folder("", Path("w"), "7f3a", "7f3a.2").as_posix()
    'w/artifacts/7f3a.2'
    """
    if not url:
        folder = workspace / "artifacts"
        return folder if branch == run_id else folder / branch  # an old branch keeps its files
    folder_here = local_folder(url)
    return folder_here / run_id / branch if folder_here is not None else f"{url.rstrip('/')}/{run_id}/{branch}"


def save_artifact(folder: Path | str, name: str, data: bytes) -> ArtifactSaved:
    """Write `data` to ``folder/name`` at once or not at all.

    Parameters
    ----------
    folder : Path or str
        A folder of this machine, or the URL of one elsewhere.
    name : str
        A plain file name.
    data : bytes
        What is written.

    Returns
    -------
    ArtifactSaved
        Its name, path (or URL), hash and size.

    Raises
    ------
    RunError
        ``run.artifact_store`` where a URL does not take it, after a bounded number of tries.
    """
    if not _PLAIN.fullmatch(name):
        raise ValueError(f"{name!r} is not a plain file name")
    if isinstance(folder, str) and local_folder(folder) is None:
        path = f"{folder.rstrip('/')}/{name}"
        FileSystem(path).put(path, data)
    else:
        path = str(_write(local_folder(str(folder)) or Path(folder), name, io.BytesIO(data)))
    return ArtifactSaved(name=name, path=path, sha256=hashlib.sha256(data).hexdigest(), size=len(data))


def open_artifact(artifact: str | Mapping[str, Any]) -> BinaryIO:
    """The file, open for reading at its beginning.

    Parameters
    ----------
    artifact : str or mapping
        A path or URL, or a row of `agent_artifacts` (`name`, `path`, `sha256`, `size`). The bytes of a row are
        compared with its hash before the first one is given out. What lies elsewhere is fetched into a file without
        a name first, which goes as it is closed.

    Returns
    -------
    BinaryIO
        To be closed by the caller.

    Raises
    ------
    RunError
        ``run.no_artifact`` where it is gone, ``run.artifact_changed`` for another hash, ``run.artifact_store`` where
        its place does not answer.
    """
    row: Mapping[str, Any] = {"path": artifact} if isinstance(artifact, str) else artifact
    reader, again = _opened(row), _is_elsewhere(str(row["path"]))
    while row.get("sha256") and (found := _hash(reader)) != row["sha256"]:
        reader.close()
        if not again:
            raise _changed(row, found)
        reader, again = _opened(row), False  # bytes may be lost on the way: twice the same is no accident
    return reader


def read_artifact(artifact: str | Mapping[str, Any]) -> bytes:
    """The bytes of the file; as `open_artifact`."""
    with open_artifact(artifact) as reader:
        return reader.read()


def fetch_artifact(row: Mapping[str, Any], folder: Path) -> Path:
    """A file of this machine with the bytes of the row: its own, or a copy in ``folder/SHA/``; hash as recorded."""
    path = str(row["path"])
    copy = folder / str(row["sha256"])[:16] / str(row["name"])
    if not _is_elsewhere(path):
        open_artifact(row).close()
        return local_folder(path) or Path(path)
    if copy.exists():
        with copy.open("rb") as reader:
            if _hash(reader) == row["sha256"]:
                return copy
    return copy_artifact(row, copy)


def copy_artifact(row: Mapping[str, Any], target: Path) -> Path:
    """Copy a file to `target`, at once or not at all; as `open_artifact`, and OSError where `target` fails."""
    with open_artifact(row) as reader:
        return _write(target.parent, target.name, reader)


def check_place(url: str, run_id: str) -> None:
    """Write, find and remove a small file where a new run will put its own.

    Raises
    ------
    UsageError
        As `check_url`.
    RunError
        ``run.artifact_store`` where the place cannot be read or written, or holds files of another run of that id.
    """
    check_url(url)
    folder = artifact_folder(url, Path(), run_id, run_id)
    there = _files_below(url, run_id)
    if there:
        raise RunError("run.artifact_store", given=f"The artifacts of run {run_id} would lie at {folder}.",
                       have=f"A run of that id has {len(there)} files there already.",
                       try_="Choose another --id, or another OMC_AGENT_ARTIFACT_URL.")  # fmt: skip
    if isinstance(folder, Path):
        try:
            _write(folder, _PROBE, io.BytesIO()).unlink()
        except OSError as error:
            given, have = f"The artifacts cannot be written to {folder}.", f"{error.strerror or error}."
            try_ = "Name a folder that you may write to."
            raise RunError("run.artifact_store", given=given, have=have, try_=try_) from None
        return
    probe, files = f"{folder}/{_PROBE}", FileSystem(url)
    files.put(probe, b"omc_agent")
    try:
        files.remove(probe)
    except RunError:  # whoever may write but not delete can run all the same
        return


def delete_artifacts(rows_or_url: Iterable[Mapping[str, Any]] | str, run_id: str) -> list[str]:
    """Remove the files of a run, wherever they lie; what is gone already is no fault.

    Parameters
    ----------
    rows_or_url : iterable of mapping, or str
        Rows of `agent_artifacts`, or the URL below which the run's folder lies.
    run_id : str
        The run.

    Returns
    -------
    list of str
        One sentence for each place that could not be cleared.
    """
    if isinstance(rows_or_url, str):
        return _clear(rows_or_url, run_id)
    roots: dict[str, None] = {}
    left: list[str] = []
    for row in rows_or_url:
        path = str(row["path"])
        root, below, _ = path.rpartition(f"/{run_id}/{row.get('branch', run_id)}/")
        if below:
            roots[root] = None
        elif f"/{run_id}/artifacts/" in path and not _is_elsewhere(path):  # in the workspace
            Path(path).unlink(missing_ok=True)
    for root in roots:
        left += _clear(root, run_id)
    return left


def _clear(root: str, run_id: str) -> list[str]:
    """Remove ``root/run_id`` and all below it."""
    if not _PLAIN.fullmatch(run_id):
        raise ValueError(f"{run_id!r} is no id of a run")
    folder = local_folder(root)
    if folder is not None:
        shutil.rmtree(folder / run_id, ignore_errors=True)
        return [f"{folder / run_id} could not be removed."] if (folder / run_id).exists() else []
    try:
        files = FileSystem(root)
        for url in files.names(f"{root.rstrip('/')}/{run_id}/"):
            files.remove(url)
    except AgentError as error:
        return [] if error.code == "run.no_artifact" else [error.line()]
    return []


def _files_below(url: str, run_id: str) -> list[str]:
    folder = local_folder(url)
    if folder is not None:
        return [str(path) for path in (folder / run_id).rglob("*") if path.is_file() and path.name != _PROBE]
    found = FileSystem(url).names(f"{url.rstrip('/')}/{run_id}/")
    return [each for each in found if not each.endswith(_PROBE)]


def _is_elsewhere(path: str) -> bool:
    return "://" in path and local_folder(path) is None


def _opened(row: Mapping[str, Any]) -> BinaryIO:
    path = str(row["path"])
    if not _is_elsewhere(path):
        try:
            return (local_folder(path) or Path(path)).open("rb")
        except OSError as error:
            raise RunError("run.no_artifact", given=f"The file {path} cannot be read: {error.strerror}.",
                           have="The run wrote it there.",
                           try_="omc-agent artifacts ID lists what a run left.") from None  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="omc-artifact-") as folder:
        copy = Path(folder, "copy")
        FileSystem(path).get(path, copy, int(row.get("size") or 0))
        return cast(BinaryIO, copy.open("rb"))  # it stays readable without its name


def _hash(reader: BinaryIO) -> str:
    digest = hashlib.sha256()
    while chunk := reader.read(_CHUNK):
        digest.update(chunk)
    reader.seek(0)
    return digest.hexdigest()


def _changed(row: Mapping[str, Any], found: str) -> RunError:
    again = "scoring, which opens the sealed rows once more" if row["name"].endswith(".skops") else "reporting"
    return RunError(
        "run.artifact_changed",
        given=f"{row['name']} is not the file that the run wrote: its SHA-256 is {found[:12]}, not"
        f" {str(row['sha256'])[:12]}.",
        have=f"It lies at {row['path']}. Nothing of it was used.",
        try_=f"Put the right file back, or make it again: omc-agent restart ID --from {again}.",
    )


def _write(folder: Path, name: str, reader: BinaryIO) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(dir=folder, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as writer:
            shutil.copyfileobj(reader, writer, _CHUNK)
            writer.flush()
            os.fsync(writer.fileno())
        path = folder / name
        Path(part).replace(path)
    except OSError:
        Path(part).unlink(missing_ok=True)
        raise
    return path
