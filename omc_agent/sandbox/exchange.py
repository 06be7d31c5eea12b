"""Frames in and out as Arrow files. What a child wrote is copied, then validated, then read.

Reading a file in place would let the child truncate it under us (SIGBUS); reading it unchecked would trust
offsets that it wrote. Frames are files named by their content and are never overwritten.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from omc_agent.errors import SandboxError
from omc_agent.sandbox.inside import write_arrow

FRAME_CAP = 2 * 1024**3
VALUE_CAP = 4 * 1024**2
MAPPED_ABOVE = 256 * 1024**2


def keep_frame(frame: pd.DataFrame, folder: Path) -> str:
    """Write `frame` to ``folder/<sha256>.arrow`` and return the hash."""
    folder.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=folder, suffix=".part")
    os.close(handle)
    write_arrow(frame, Path(name))
    return _name_by_content(Path(name), folder)


def take_frame(source: Path, folder: Path) -> str:
    """Copy a file that a child wrote into `folder`, validate it there, and return its hash."""
    copy = _copy_out(source, folder, FRAME_CAP)
    try:
        _validate(copy)
    except (pa.ArrowException, SandboxError, OSError) as error:
        copy.unlink()
        raise SandboxError(
            "sandbox.no_frame",
            given=f"{source.stem} cannot be read as a frame: {str(error)[:200]}",
            have="Frames leave the sandbox as Arrow files with plain columns.",
            try_="Use numbers, text, times, booleans or categories as columns.",
        ) from None
    return _name_by_content(copy, folder)


def read_frame(path: Path) -> pd.DataFrame:
    """The frame of an Arrow file that is ours, with the index it had."""
    with pa.OSFile(str(path)) as source:
        table = pa.ipc.open_file(source).read_all()
    frame: pd.DataFrame = table.to_pandas()
    freq = (table.schema.metadata or {}).get(b"omc_freq")
    if freq and isinstance(frame.index, pd.DatetimeIndex):
        frame.index = pd.DatetimeIndex(frame.index, freq=freq.decode())
    return frame


def take_value(source: Path) -> Any:
    """The JSON value that a child wrote; a claim of the child, no more."""
    with tempfile.TemporaryDirectory() as folder:
        copy = _copy_out(source, Path(folder), VALUE_CAP)
        try:
            return json.loads(copy.read_bytes())
        except (ValueError, RecursionError) as error:
            raise SandboxError(
                "sandbox.no_frame",
                given=f"{source.stem} is not plain JSON: {error}",
                have="Values leave the sandbox as JSON.",
                try_="Return numbers, text, lists and dictionaries.",
            ) from None


def take_file(source: Path, folder: Path, cap: int = FRAME_CAP) -> str:
    """Copy any file that a child wrote into `folder`, unread, and return the hash of its bytes."""
    return _name_by_content(_copy_out(source, folder, cap), folder, suffix=source.suffix)


def _copy_out(source: Path, folder: Path, cap: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    try:
        # A link or a FIFO planted under that name must neither be followed nor block us.
        fd = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise SandboxError(
            "sandbox.no_frame", given=f"{source.name}: {error.strerror}.", have="", try_="Run the cell again."
        ) from None
    with os.fdopen(fd, "rb") as reader:
        facts = os.fstat(fd)
        if not stat.S_ISREG(facts.st_mode) or facts.st_nlink != 1:
            raise SandboxError(
                "sandbox.no_frame",
                given=f"{source.name} is not a plain file.",
                have="",
                try_="Run the cell again.",
            )
        handle, name = tempfile.mkstemp(dir=folder, suffix=".part")
        copied = 0
        with os.fdopen(handle, "wb") as writer:
            while chunk := reader.read(1 << 20):
                copied += len(chunk)
                if copied > cap:
                    break
                writer.write(chunk)
    if copied > cap:
        Path(name).unlink()
        raise SandboxError(
            "sandbox.too_large",
            given=f"{source.name} is larger than {cap:,} bytes.",
            have="",
            try_="Keep fewer rows or columns.",
        )
    return Path(name)


def _validate(path: Path) -> None:
    with pa.OSFile(str(path)) as source:
        reader = pa.ipc.open_file(source)
        for field in reader.schema:
            if isinstance(field.type, pa.BaseExtensionType):
                raise SandboxError(
                    "sandbox.no_frame", given=f"column {field.name} is {field.type}.", have="", try_=""
                )
        for number in range(reader.num_record_batches):
            reader.get_batch(number).validate(full=True)


def _name_by_content(path: Path, folder: Path, suffix: str = ".arrow") -> str:
    digest = hashlib.sha256()
    with path.open("rb") as reader:
        while chunk := reader.read(1 << 20):
            digest.update(chunk)
    name = digest.hexdigest()
    path.replace(folder / f"{name}{suffix}")
    return name
