"""`Sandbox`: run a cell, get a `CellResult`; frames in by `put`, out by `get`.

A child that dies is replaced at once, with a note of what was lost. One cell at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import pandas as pd

from omc_agent.config import PRELUDE, Confinement, Limits
from omc_agent.errors import SandboxError
from omc_agent.sandbox import exchange, guard, tiers
from omc_agent.sandbox.cell_result import CellResult, result_of
from omc_agent.sandbox.kernel import Child
from omc_agent.sandbox.spares import Spares, new_child
from omc_agent.sandbox.tiers import Isolation

# Tasks that clear up behind abandoned children; the loop itself keeps only weak references.
_ending: set[asyncio.Task[None]] = set()


class Sandbox:
    """A child kernel behind limits.

    Parameters
    ----------
    limits : Limits
        What a cell and the child may use.
    prelude : str
        Code that every namespace starts with.
    spares : Spares, optional
        Where a warm child comes from; without it one is started.
    confinement : Confinement, optional
        What holds the child; by default the best tier that this machine gives.
    allowed_imports : sequence of str
        Packages that the guard would refuse and that a cell may import all the same.

    Examples
    --------
    ::

        async with Sandbox(limits=Limits(wall=10)) as box:
            await box.put("prices", prices)
            result = await box.run("changes = prices['close'].diff()")
            changes = await box.get("changes")
    """

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        prelude: str = PRELUDE,
        spares: Spares | None = None,
        confinement: Confinement | None = None,
        allowed_imports: Sequence[str] = (),
    ) -> None:
        self.limits = limits or Limits()
        self.prelude = prelude
        self.confinement = confinement or Confinement()
        self.allowed_imports = frozenset(allowed_imports)
        self.generation = 0
        self._spares = spares
        self._child: Child | None = None
        self._state: dict[str, Any] = {}
        self._abandoned = False
        self._bound: dict[str, str] = {}  # variable -> file in the child's in/, to be bound again in a new child
        self._busy = asyncio.Lock()

    async def __aenter__(self) -> Sandbox:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def workspace(self) -> Path:
        """The host's folder of the child: ``in/``, ``work/`` and ``out/``."""
        return self._alive_child().folder

    async def isolation(self) -> Isolation:
        """What is in force for this sandbox."""
        return await tiers.isolation(self.confinement)

    async def start(self) -> None:
        """Take a warm child, or start one."""
        if self._spares is not None:
            self._child = await self._spares.take(self.limits, self.prelude, self.confinement)
        else:
            self._child = await new_child(self.limits, self.prelude, self.confinement)
        self.generation += 1

    async def close(self) -> None:
        """End the child and everything it started."""
        child, self._child = self._child, None
        self._abandoned = False
        if child is not None:
            await asyncio.shield(child.end())

    async def revive(self) -> bool:
        """A new child in place of one that died unseen, between two cells; whether that was so."""
        async with self._busy:
            await self._revive()
            if await self._alive_child().alive():
                return False
            await self._replace()
            return True

    async def run(
        self, code: str, *, limits: Limits | None = None, hear: Callable[[], None] | None = None
    ) -> CellResult:
        """Run one cell.

        Parameters
        ----------
        code : str
            Python; the value of a last expression is shown.
        limits : Limits, optional
            In place of the sandbox's own for this cell (wall, cpu, memory).
        hear : callable, optional
            Called four times a second while the cell runs.

        Returns
        -------
        CellResult
            What the code raised is a result, not an exception.
        """
        refusal = guard.check(code, self.allowed_imports)
        if refusal is not None:
            kind = "SyntaxError" if refusal.syntax else "Refused"
            error = {"type": kind, "message": refusal.reason, "line": refusal.line}
            return CellResult("error" if refusal.syntax else "refused", error=error, reason=refusal.reason)
        async with self._busy:
            await self._revive()
            start = time.monotonic()
            try:
                spoken = await self._alive_child().execute(code, limits=limits, hear=hear)
            except asyncio.CancelledError:
                # Stop: the cell must not go on unseen. The child is replaced when it is next needed.
                self._abandon()
                raise
            result = result_of(spoken, time.monotonic() - start)
            if spoken.died:
                await self._replace()
            return result

    async def put(self, name: str, frame: pd.DataFrame) -> None:
        """Bind variable `name` in the child to `frame`: a writable copy up to 256 MB, above that mapped read-only."""
        await self._revive()
        folder = self._alive_child().folder / "in"
        sha = await asyncio.to_thread(exchange.keep_frame, frame, folder)
        await self._bind(name, folder / f"{sha}.arrow")

    async def put_file(self, name: str, path: Path) -> None:
        """Bind variable `name` to the frame of an Arrow file of ours."""
        await self._revive()
        target = self._alive_child().folder / "in" / path.name
        if not target.exists():
            await asyncio.to_thread(shutil.copyfile, path, target)
        await self._bind(name, target)

    async def put_value(self, name: str, value: Any) -> None:
        """Bind variable `name` to a plain JSON value."""
        await self._revive()
        text = json.dumps(value)
        target = self._alive_child().folder / "in" / f"{hashlib.sha256(text.encode()).hexdigest()}.json"
        target.write_text(text)
        path = await self._alive_child().carriage.give(target)
        await self._ask(f"bind_value({_identifier(name)!r}, {path!r})")

    async def get(self, name: str) -> pd.DataFrame:
        """The frame that variable `name` holds in the child; raises SandboxError when it is not a frame."""
        out = await self._exported_frame(name)
        return await asyncio.to_thread(exchange.fetch_frame, out, self._alive_child().folder / "taken")

    async def take(self, name: str, folder: Path) -> str:
        """Bring the frame of variable `name` into `folder` and return the hash that names its file."""
        return await asyncio.to_thread(exchange.take_frame, await self._exported_frame(name), folder)

    async def _exported_frame(self, name: str) -> Path:
        out = (await self._export(name)).with_suffix(".arrow")
        if not os.path.lexists(out):
            raise SandboxError(
                "sandbox.no_frame",
                given=f"{name} is not a frame.",
                have="Only DataFrames and Series leave the sandbox as frames.",
                try_=f"Make it one: {name} = pd.DataFrame({name}).",
            )
        return out

    async def bring(self, name: str, folder: Path) -> tuple[str, Any]:
        """What variable `name` holds: ``("frame", sha256)`` of a file in `folder`, or ``("value", JSON)``."""
        out = await self._export(name)
        if out.with_suffix(".arrow").exists():
            return "frame", await asyncio.to_thread(exchange.take_frame, out.with_suffix(".arrow"), folder)
        return "value", await asyncio.to_thread(exchange.take_value, out.with_suffix(".json"))

    async def get_value(self, name: str) -> Any:
        """The plain JSON value of variable `name`: a claim of the child."""
        out = await self._export(name)
        return await asyncio.to_thread(exchange.take_value, out.with_suffix(".json"))

    async def take_file(self, name: str, folder: Path) -> str:
        """Copy the file ``work/<name>`` into `folder`, unread; returns its hash."""
        await self._alive_child().carriage.fetch("work", name)
        return await asyncio.to_thread(exchange.take_file, self._alive_child().folder / "work" / name, folder)

    async def state(self) -> dict[str, Any]:
        """The named state that fit cells wrote."""
        child = self._alive_child()
        await self._ask(f"export_state({child.carriage.outside('out')!r})")
        await child.carriage.fetch("out", "_state.json")
        value = await asyncio.to_thread(exchange.take_value, child.folder / "out" / "_state.json")
        return value if isinstance(value, dict) else {}

    async def reset(self, state: dict[str, Any] | None = None) -> None:
        """A namespace of exactly the standard imports, with named state for `load_state`."""
        self._state, self._bound = dict(state or {}), {}
        await self._ask(f"reset({json.dumps(self._state)!r})")

    async def _export(self, name: str) -> Path:
        await self._revive()
        child, out = self._alive_child(), self._alive_child().folder / "out"
        for suffix in (".arrow", ".json"):
            (out / f"{_identifier(name)}{suffix}").unlink(missing_ok=True)
        await self._ask(f"export({name!r}, {child.carriage.outside('out')!r})")
        for suffix in (".arrow", ".json"):
            await child.carriage.fetch("out", f"{name}{suffix}")
        return out / name

    async def _bind(self, name: str, path: Path) -> None:
        size = path.stat().st_size
        mapped = size > exchange.MAPPED_ABOVE
        known_as = await self._alive_child().carriage.give(path)
        try:
            await self._ask(f"bind({_identifier(name)!r}, {known_as!r}, {mapped})")
        except SandboxError as error:
            # A frame takes its size once as it is mapped, and again where a cell copies it.
            if error.code == "sandbox.no_frame" and 2 * size > self.limits.memory:
                raise _no_room(size, self.limits.memory) from None
            raise
        self._bound[name] = path.name

    async def _ask(self, call: str) -> None:
        async with self._busy:
            await self._revive()
            child = self._alive_child()
            try:
                await child.ask(call)
            finally:
                if self._child is not None and not await child.alive():
                    await self._replace()

    async def _replace(self) -> None:
        """A new child in place of a dead one, with the frames that were put in."""
        with tempfile.TemporaryDirectory(prefix="omckept-") as kept:
            for file in (self._alive_child().folder / "in").iterdir():
                shutil.move(file, Path(kept, file.name))
            await self._drop()
            await self.start()
            child = self._alive_child()
            for file in Path(kept).iterdir():
                shutil.move(file, child.folder / "in" / file.name)
        if self._state:
            await child.ask(f"reset({json.dumps(self._state)!r})")
        for name, file_name in self._bound.items():
            path = child.folder / "in" / file_name
            known_as = await child.carriage.give(path)
            await child.ask(f"bind({name!r}, {known_as!r}, {path.stat().st_size > exchange.MAPPED_ABOVE})")

    async def _drop(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            with contextlib.suppress(Exception):
                child.kill_now()
            await child.end()

    async def _revive(self) -> None:
        """A new child in place of one that was abandoned at Stop; its variables are gone."""
        if self._abandoned:
            self._abandoned = False
            self._bound.clear()
            await self.start()

    def _abandon(self) -> None:
        """Kill the child now and clear up behind it: whoever pressed Stop does not wait for that."""
        child, self._child = self._child, None
        if child is not None:
            self._abandoned = True
            child.kill_now()
            ending = asyncio.create_task(child.end())
            _ending.add(ending)
            ending.add_done_callback(_ending.discard)

    def _alive_child(self) -> Child:
        if self._child is None:
            raise SandboxError(
                "sandbox.no_start",
                given="The sandbox is not started, or was closed.",
                have="",
                try_="await box.start()",
            )
        return self._child


def _no_room(size: int, memory: int) -> SandboxError:
    return SandboxError(
        "sandbox.too_large",
        given=f"The rows take {size / 1e6:,.0f} MB.",
        have=f"The sandbox may use {memory / 1e6:,.0f} MB in all.",
        try_=f"Allow more with --memory {4 * size // 100_000_000 + 1}00000000, or use fewer rows or columns.",
    )


def _identifier(name: str) -> str:
    if not name.isidentifier() or name.startswith("_"):
        raise SandboxError(
            "sandbox.no_frame",
            given=f"{name!r} is not a plain name.",
            have="A variable of the sandbox is a Python identifier without a leading underscore.",
            try_="Use a name such as features.",
        )
    return name
