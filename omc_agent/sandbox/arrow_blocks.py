"""Looks at the blocks of an Arrow file before a reader does: a compressed one could grow without bound.

A walk over the flatbuffers of footer and messages, with every offset checked by `struct`; the layout is that of
https://arrow.apache.org/docs/format/Columnar.html#ipc-file-format and of ``format/{File,Message}.fbs``.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

from omc_agent.errors import SandboxError

MAGIC = b"ARROW1"
LARGEST_HEAD = 16 * 2**20
BLOCKS_MAX = 100_000
_RECORD_BATCH, _DICTIONARY_BATCH = 3, 2  # of the union MessageHeader


def refuse_compressed(path: Path) -> None:
    """Raise SandboxError when a block of the Arrow file at `path` is compressed, or its head cannot be read."""
    try:
        with path.open("rb") as file:
            for offset, length in _blocks(file):
                if not 0 < length <= LARGEST_HEAD:
                    raise _unreadable("a block's head is of no possible size")
                file.seek(offset)
                if _compressed(file.read(length)):
                    raise _unreadable("its columns are compressed")
    except (struct.error, IndexError, OSError, ValueError, OverflowError):
        raise _unreadable("it is not an Arrow file") from None


def _blocks(file: BinaryIO) -> list[tuple[int, int]]:
    """Offset and length of the head of each dictionary and record batch, as the footer has them."""
    size = file.seek(0, 2)
    file.seek(size - 10)
    tail = file.read(10)
    length = struct.unpack("<i", tail[:4])[0]
    if tail[4:] != MAGIC or not 0 < length <= min(LARGEST_HEAD, size):
        raise _unreadable("it is not an Arrow file")
    file.seek(size - 10 - length)
    data = file.read(length)
    root = _u32(data, 0)
    found: list[tuple[int, int]] = []
    for slot in (2, 3):  # dictionaries, recordBatches
        at = _field(data, root, slot)
        if at is None:
            continue
        vector = at + _u32(data, at)
        count = _u32(data, vector)
        if count > BLOCKS_MAX:
            raise _unreadable("it has too many blocks")
        # struct Block {offset: long; metaDataLength: int; bodyLength: long}, padded to 24 bytes
        found += [struct.unpack_from("<qi", data, vector + 4 + 24 * number) for number in range(count)]
    return found


def _compressed(head: bytes) -> bool:
    """Whether the message whose head this is has a compressed body."""
    start = 8 if head[:4] == b"\xff\xff\xff\xff" else 4  # continuation marker, length
    data = head[start:]
    message = _u32(data, 0)
    kind_at = _field(data, message, 1)
    kind = data[kind_at] if kind_at is not None else 0
    at = _field(data, message, 2)
    if at is None or kind not in (_RECORD_BATCH, _DICTIONARY_BATCH):
        raise _unreadable("a block is of another kind")
    batch = at + _u32(data, at)
    if kind == _DICTIONARY_BATCH:
        inner = _field(data, batch, 1)
        if inner is None:
            raise _unreadable("a dictionary is empty")
        batch = inner + _u32(data, inner)
    return _field(data, batch, 3) is not None  # RecordBatch.compression


def _field(data: bytes, table: int, slot: int) -> int | None:
    """Where field number `slot` of a flatbuffer table lies; None when it is absent."""
    vtable = table - struct.unpack_from("<i", data, table)[0]
    size = struct.unpack_from("<H", data, vtable)[0]
    entry = 4 + 2 * slot
    if vtable < 0 or entry + 2 > size:
        return None
    offset = struct.unpack_from("<H", data, vtable + entry)[0]
    return table + offset if offset else None


def _u32(data: bytes, at: int) -> int:
    if at < 0:
        raise ValueError(at)
    return int(struct.unpack_from("<I", data, at)[0])


def _unreadable(why: str) -> SandboxError:
    return SandboxError("sandbox.no_frame", given=why, have="", try_="")
