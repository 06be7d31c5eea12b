"""Frames in and out as Arrow files. What a child wrote is copied, then validated, then read.

Reading a file in place would let the child truncate it under us (SIGBUS); reading it unchecked would trust
offsets that it wrote. Frames are files named by their content and are never overwritten.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from omc_agent.errors import SandboxError
from omc_agent.sandbox.arrow_blocks import refuse_compressed
from omc_agent.sandbox.beneath import open_beneath
from omc_agent.sandbox.inside import write_arrow

FRAME_CAP = 2 * 1024**3
VALUE_CAP = 4 * 1024**2
MAPPED_ABOVE = 256 * 1024**2
ROWS_CAP, COLUMNS_CAP = 100_000_000, 100_000
COPY_BYTES = 64 * 1024**2


def keep_frame(frame: pd.DataFrame, folder: Path) -> str:
    """Write `frame` to ``folder/<sha256>.arrow`` and return the hash."""
    folder.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=folder, suffix=".part")
    os.close(handle)
    write_arrow(frame, Path(name))
    return _name_by_content(Path(name), folder)


def take_frame(source: Path, folder: Path) -> str:
    """Copy a file that a child wrote into `folder`, validate it there, and return its hash."""
    return _name_by_content(_checked_copy(source, folder), folder)


def fetch_frame(source: Path, folder: Path) -> pd.DataFrame:
    """The frame of a file that a child wrote, copied into `folder` and validated there, and not kept."""
    copy = _checked_copy(source, folder)
    try:
        return read_frame(copy)  # of a large one the pages stay until the frame goes, also without a name
    finally:
        copy.unlink()


def _checked_copy(source: Path, folder: Path) -> Path:
    copy = _copy_out(source, folder, FRAME_CAP)
    try:
        _validate(copy)
    except (pa.ArrowException, SandboxError, OSError, ValueError) as error:
        copy.unlink()
        why = error.given if isinstance(error, SandboxError) else str(error)[:200]
        raise SandboxError(
            "sandbox.no_frame",
            given=f"{source.stem} cannot be read as a frame: {why}",
            have="Frames leave the sandbox as Arrow files with plain columns.",
            try_="Use numbers, text, times, booleans or categories as columns.",
        ) from None
    return copy


def read_frame(path: Path) -> pd.DataFrame:
    """The frame of an Arrow file that is ours, with the index it had."""
    large = path.stat().st_size > MAPPED_ABOVE
    with pa.memory_map(str(path)) if large else pa.OSFile(str(path)) as source:
        table = pa.ipc.open_file(source).read_all()
        frame: pd.DataFrame = table.to_pandas(split_blocks=large)
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
    """Copy first, read then: a child could cut a file short under us (SIGBUS), or change it after it was checked."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = open_beneath(source.parent, source.name, cap)
    handle, name = tempfile.mkstemp(dir=folder, suffix=".part")
    try:
        left = cap + 1  # a file that grows while it is copied is copied no further
        while left > 0 and (done := os.sendfile(handle, descriptor, None, min(left, COPY_BYTES))):
            left -= done
    finally:
        os.close(descriptor)
        os.close(handle)
    if left <= 0:
        Path(name).unlink()
        raise SandboxError("sandbox.too_large", given=f"{source.name} grew while it was copied.", have="", try_="")
    return Path(name)


def _validate(path: Path) -> None:
    refuse_compressed(path)
    with pa.memory_map(str(path)) as source:
        reader = pa.ipc.open_file(source)
        for field in reader.schema:
            if not _plain(field.type):
                raise SandboxError(
                    "sandbox.no_frame", given=f"column {field.name} is {field.type}.", have="", try_=""
                )
        if len(reader.schema) > COLUMNS_CAP:
            raise SandboxError("sandbox.no_frame", given="it has too many columns.", have="", try_="")
        rows = 0
        for number in range(reader.num_record_batches):
            batch = reader.get_batch(number)
            rows += batch.num_rows
            if rows > ROWS_CAP:  # a column of nulls has no bytes, so the size of the file says nothing of it
                raise SandboxError("sandbox.too_large", given=f"it has over {ROWS_CAP:,} rows.", have="", try_="")
            batch.validate(full=True)


def _plain(kind: pa.DataType) -> bool:
    """Types whose size the file bounds: no extensions, whose names run code, and no run-length encoding."""
    if isinstance(kind, pa.BaseExtensionType) or pa.types.is_run_end_encoded(kind):
        return False
    return all(_plain(kind.field(number).type) for number in range(kind.num_fields))


def _name_by_content(path: Path, folder: Path, suffix: str = ".arrow") -> str:
    with path.open("rb") as reader:
        name = hashlib.file_digest(reader, "sha256").hexdigest()
    path.replace(folder / f"{name}{suffix}")
    return name
