"""Files that a run leaves, named for people and hashed for machines."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from pathlib import Path

from omc_agent.events import ArtifactSaved


def save_artifact(folder: Path, name: str, data: bytes) -> ArtifactSaved:
    """Write `data` to ``folder/name`` at once or not at all.

    Parameters
    ----------
    folder : Path
        The run's ``artifacts/``.
    name : str
        A plain file name.
    data : bytes
        What is written.

    Returns
    -------
    ArtifactSaved
        Its name, path, hash and size.
    """
    if not re.fullmatch(r"[\w][\w.\- ]*", name):
        raise ValueError(f"{name!r} is not a plain file name")
    folder.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(dir=folder, suffix=".part")
    with os.fdopen(handle, "wb") as writer:
        writer.write(data)
        writer.flush()
        os.fsync(writer.fileno())
    path = folder / name
    Path(part).replace(path)
    return ArtifactSaved(name=name, path=str(path), sha256=hashlib.sha256(data).hexdigest(), size=len(data))
