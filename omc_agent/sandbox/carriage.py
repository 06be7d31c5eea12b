"""How files go to a child and come back: through a shared folder, or by messages where there is none."""

from __future__ import annotations

import base64
import binascii
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

from omc_agent.errors import SandboxError

if TYPE_CHECKING:
    from omc_agent.sandbox.kernel import Child

PIECE = 1024 * 1024  # bytes a message; base64 makes it a third more
LARGEST = 2 * 1024**3


class Carriage(ABC):
    """Between the host's folder of a child and the child."""

    def __init__(self, child: Child) -> None:
        self.child = child

    @abstractmethod
    async def give(self, path: Path) -> str:
        """Bring ``in/<name>`` of the host to the child; the path by which the child knows it."""

    @abstractmethod
    async def fetch(self, folder: str, name: str) -> None:
        """Bring ``<folder>/<name>`` of the child to the host's folder of that name, if it is there."""

    @abstractmethod
    def outside(self, folder: str) -> str:
        """The path by which the child knows ``work`` or ``out``."""


class SharedFolder(Carriage):
    """The child sees the host's folders, under its own names."""

    async def give(self, path: Path) -> str:
        """See `Carriage`."""
        path.chmod(0o644)  # root writes for a user of its own; the folder is closed to others
        return f"{self.child.place.inside('in')}/{path.name}"

    async def fetch(self, folder: str, name: str) -> None:
        """See `Carriage`."""

    def outside(self, folder: str) -> str:
        """See `Carriage`."""
        return self.child.place.inside(folder)


class Messages(Carriage):
    """A kernel elsewhere: pieces of base64, in code that we send and in what it prints."""

    async def give(self, path: Path) -> str:
        """See `Carriage`."""
        with path.open("rb") as reader:
            first = True
            while (piece := reader.read(PIECE)) or first:
                await self.child.ask(f"receive({path.name!r}, {base64.b64encode(piece).decode()!r}, {first})")
                first = False
        return path.name

    async def fetch(self, folder: str, name: str) -> None:
        """See `Carriage`."""
        target = self.child.folder / folder / name
        with target.open("wb") as writer:
            while True:
                said = await self.child.ask(f"send({folder!r}, {name!r}, {writer.tell()}, {PIECE})")
                if said.strip() == "absent":
                    break
                piece = _decoded(said)
                writer.write(piece)
                if len(piece) < PIECE:
                    return
                if writer.tell() > LARGEST:
                    break
        target.unlink()

    def outside(self, folder: str) -> str:
        """See `Carriage`."""
        return folder


def _decoded(said: str) -> bytes:
    try:
        return base64.b64decode(said.strip(), validate=True)
    except binascii.Error:
        raise SandboxError(
            "sandbox.no_frame", given="The kernel sent back what is no file.", have="", try_="Run the cell again."
        ) from None
