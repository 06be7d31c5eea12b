"""A frame whose file is gone is made again: the cells that led to it are replayed, and it must come out the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from omc_agent.errors import SandboxError
from omc_agent.sandbox.box import Sandbox
from omc_agent.store.records import Row, recorded

MakeBox = Callable[[], AbstractAsyncContextManager[Sandbox]]


async def remake(sha: str, rows: Sequence[Row], folder: Path, make_box: MakeBox) -> None:
    """Bring the frame `sha` back into `folder`, and whatever it was made from.

    Parameters
    ----------
    sha : str
        Content hash that names the file.
    rows : sequence of Row
        Cells of the run, of all its branches.
    folder : Path
        The run's frames.
    make_box : callable
        ``async with make_box() as box`` gives a started sandbox of its own.

    Raises
    ------
    SandboxError
        ``sandbox.replay`` when no cell of the sandbox made it, or when it comes out otherwise.
    """
    if (folder / f"{sha}.arrow").exists():
        return
    made = [row for row in recorded(rows) if sha in {ref["sha"] for ref in row["frames"].values()}]
    row = next((row for row in made if row["where"] == "sandbox"), None)
    if row is None:
        raise _lost(f"A frame of the run is gone: {sha[:12]}.", "It came from the database, or no cell made it.")
    for needed in row["inputs"].values():
        await remake(needed, rows, folder, make_box)
    async with make_box() as box:
        await _replay(box, row, rows, folder)
        name = next(name for name, ref in row["frames"].items() if ref["sha"] == sha)
        again = await box.take(name, folder)
    if again != sha:
        raise _lost(f"The frame {name} does not come out as it was.", f"Cell {row['n']} made it.")


async def _replay(box: Sandbox, row: Row, rows: Sequence[Row], folder: Path) -> None:
    """The stage's start, and its cells up to the one that made the frame."""
    before = [each for each in recorded(rows) if each["n"] <= row["n"]]
    state: dict[str, Any] = {}
    for each in before:
        state.update(each["state"])
    await box.reset(state)
    for name, needed in row["inputs"].items():
        await box.put_file(name, folder / f"{needed}.arrow")
    for n, code in sorted({each["n"]: each["code"] for each in before if _same_visit(each, row)}.items()):
        result = await box.run(code)
        if not result.ok and n == row["n"]:
            raise _lost(f"Cell {n} ran before and does not run again.", str(result.reason or result.error))


def _same_visit(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    names = ("stage", "visit", "where", "branch")
    return all(one[name] == other[name] for name in names)


def _lost(given: str, have: str) -> SandboxError:
    return SandboxError("sandbox.replay", given=given, have=have, try_="Run the goal again.")
