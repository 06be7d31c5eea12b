"""Runs cells and records them: a cell is on disk with code, outputs and fingerprints before its call returns.

The namespace of a stage is made of exactly the frames and values it was entered with. When the child died, or the
process did, that start is laid again and the stage's finished cells are replayed in order.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from omc_agent.agents.context import BEGUN, CheckLeft, Outcome
from omc_agent.config import PRELUDE, Confinement, Limits
from omc_agent.errors import AgentError, SandboxError
from omc_agent.events import CellFinished, CellStarted, Event
from omc_agent.remaking import remake
from omc_agent.sandbox import exchange
from omc_agent.sandbox.box import Sandbox
from omc_agent.sandbox.cell_result import CellResult
from omc_agent.sandbox.inside import plain
from omc_agent.sandbox.replay import RecordedCell, replay
from omc_agent.sandbox.spares import Spares
from omc_agent.store.records import Row, SessionManager, recorded
from omc_agent.turns import Ticket, Turns

Emit = Callable[[Event, str], Any]
TEXT_CAP = 2_000
SHOWN_ROWS = 5


class Recorder:
    """The cells of one branch of one run.

    Parameters
    ----------
    store : SessionManager
        Where they are recorded.
    run_id, branch : str
        Whose they are.
    workspace : Path
        The run's folder; frames lie in ``frames/`` by content.
    limits : Limits
        For the sandbox.
    spares : Spares or None
        Warm children.
    confinement, allowed_imports
        As in `Sandbox`.
    owner : str, optional
        Whoever lost the run by that name runs no further cell.
    emit, flush : callable
        ``await emit(event, key)`` tells; ``await flush()`` returns when all told is on disk.
    """

    def __init__(
        self,
        store: SessionManager,
        run_id: str,
        branch: str,
        workspace: Path,
        limits: Limits,
        spares: Spares | None,
        emit: Emit,
        flush: Callable[[], Any],
        *,
        confinement: Confinement | None = None,
        allowed_imports: Sequence[str] = (),
        owner: str | None = None,
    ) -> None:
        self.store, self.run_id, self.branch, self.owner = store, run_id, branch, owner
        self.frames = workspace / "frames"
        self.workspace, self.limits = workspace, limits
        self.emit, self.flush = emit, flush
        self._spares, self._confinement, self._allowed = spares, confinement, tuple(allowed_imports)
        self._box: Sandbox | None = None
        self._laid: tuple[int, str, int] | None = None
        self._given: list[tuple[str, str]] = []  # frames of the host that the live namespace has not got yet
        self._turns = Turns()

    async def close(self) -> None:
        """End the run's child."""
        if self._box is not None:
            await self._box.close()

    async def run_cell(
        self,
        code: str,
        *,
        key: str,
        kind: str,
        into: Sequence[str],
        entered: Mapping[str, Any],
        check: CheckLeft | None = None,
    ) -> Outcome:
        """Run `code` in the sandbox once; the same `key` again gives the record.

        Calls of the host that came before are waited for: the cell finds what they left. `check` looks at the frames
        and values that the cell left; what it objects to makes the cell a failed one, and its namespace is laid anew.
        """
        async with self._turns.enter() as ticket:
            async with self._turns.beginning:
                _begun()
                await ticket.mine()
                row = await asyncio.to_thread(self.store.cell, self.run_id, self._key(key))
                if row is not None:
                    return _outcome(row)
                n = await self._begin(ticket, code, key, entered)
            box = await self._lay(entered)
            result = await box.run(code)
            frames: dict[str, Any] = {}
            values: dict[str, Any] = {}
            state: dict[str, Any] = {}
            if result.ok:
                result, frames, values = await self._bring(box, into, result, kind)
                if result.ok and check is not None:
                    result, frames, values = await self._checked(check, result, frames, values)
                state = await box.state() if kind == "fit" and result.ok else {}
            if self._laid is not None and box.generation != self._laid[0]:
                self._laid = None  # the child was replaced: lay the namespace again before the next cell
            if check is not None and not result.ok and kind in ("transform", "fit"):
                self._laid = None  # half of a cell is in it, and no replay would have that
            elif check is not None and kind == "look" and self._laid is not None:
                await self._restore(box, entered)
            row = self._row(key, n, entered, "sandbox", kind, code, result, frames, values, state)
            await self._record(row)
            await self._tell(row, result)
            return _outcome(row)

    async def host_cell(
        self,
        code: str,
        call: Callable[[], dict[str, Any]],
        *,
        key: str,
        into: Sequence[str],
        entered: Mapping[str, Any],
    ) -> Outcome:
        """Run `call` on the host (it opens a database) and record it as the cell `code`.

        Several at once run side by side in threads; they are numbered and recorded in the order in which they came,
        so that the record does not tell which was quicker.
        """
        async with self._turns.enter() as ticket:
            async with self._turns.beginning:
                _begun()
                row = await asyncio.to_thread(self.store.cell, self.run_id, self._key(key))
                if row is not None:
                    return _outcome(row)
                n = await self._begin(ticket, code, key, entered, where="host")
            start = time.monotonic()
            failure: AgentError | None = None
            made: dict[str, Any] = {}
            try:
                made = await asyncio.to_thread(call)
            except AgentError as error:
                failure = error
            result, frames, values = await asyncio.to_thread(self._keep, made, failure, into)
            result = CellResult(**{**result.__dict__, "seconds": time.monotonic() - start})
            row = self._row(key, n, entered, "host", "look", code, result, frames, values, {})
            await ticket.mine()
            await self._record(row)
            await self._tell(row, result)
            self._given += [(name, ref["sha"]) for name, ref in frames.items()]
            if failure is not None:
                raise failure
            return _outcome(row)

    async def _begin(
        self, ticket: Ticket, code: str, key: str, entered: Mapping[str, Any], where: str = "sandbox"
    ) -> int:
        """Number the cell and tell that it begins."""
        ticket.n = n = max(await self._next_number(), self._turns.newest() + 1)
        await self.emit(CellStarted(stage=entered["stage"], n=n, code=code, where=where), f"{key}:started")
        await self.flush()  # an engine that lost its run finds out here, before the cell
        return n

    async def load_frame(self, sha: str) -> pd.DataFrame:
        """A frame of the run by its content."""
        return await asyncio.to_thread(exchange.read_frame, self.frames / f"{sha}.arrow")

    async def read_cell(self, n: int) -> tuple[str, Outcome] | None:
        """Code and outcome of cell `n` of this branch; None when there is none, or it scored the sealed rows."""
        rows = await asyncio.to_thread(self.store.cells, self.run_id, branch=self.branch)
        found = next((row for row in rows if row["n"] == n and row["stage"] != "scoring"), None)
        return None if found is None else (found["code"], _outcome(found))

    def recorded_cells(self) -> list[RecordedCell]:
        """The branch's cells that ran to their end, in order, without those of retrieval (they are inputs)."""
        rows = recorded(self.store.cells(self.run_id, branch=self.branch))
        return [
            RecordedCell(n=row["n"], code=row["code"], kind=row["kind"], frames=row["frames"], state=row["state"])
            for row in rows
            if row["where"] == "sandbox" and row["stage"] != "scoring"
        ]

    @asynccontextmanager
    async def fresh_box(self) -> AsyncIterator[ReplayBench]:
        """A sandbox of its own for replays; it ends with the block."""
        box = self._new_box()
        await box.start()
        try:
            cells = await asyncio.to_thread(self.recorded_cells)
            yield ReplayBench(self, box, cells)
        finally:
            await box.close()

    @asynccontextmanager
    async def _own_box(self) -> AsyncIterator[Sandbox]:
        async with self._new_box() as box:
            yield box

    def _new_box(self) -> Sandbox:
        return Sandbox(
            limits=self.limits,
            prelude=PRELUDE,
            spares=self._spares,
            confinement=self._confinement,
            allowed_imports=self._allowed,
        )

    async def _lay(self, entered: Mapping[str, Any]) -> Sandbox:
        """The namespace of this stage and visit, laid again when it is not there."""
        if self._box is None:
            self._box = self._new_box()
            await self._box.start()
        box = self._box
        await box.revive()
        wanted = (box.generation, entered["stage"], entered["visit"])
        if self._laid == wanted:
            await self._hand_in(box, self._given)
            return box
        rows = await asyncio.to_thread(self.store.cells, self.run_id, branch=self.branch)
        state: dict[str, Any] = {}
        for row in recorded(rows):
            state.update(row["state"])
        await box.reset(state)
        for name, sha in entered["frames"].items():
            if not (self.frames / f"{sha}.arrow").exists():
                everything = await asyncio.to_thread(self.store.cells, self.run_id)
                await remake(sha, everything, self.frames, self._own_box)
            await box.put_file(name, self.frames / f"{sha}.arrow")
        for name, value in entered["values"].items():
            await box.put_value(name, value)
        for row in recorded(rows):
            if (row["stage"], row["visit"]) != (entered["stage"], entered["visit"]):
                continue
            if row["where"] == "host":
                await self._hand_in(box, [(name, ref["sha"]) for name, ref in row["frames"].items()])
            else:
                again = await box.run(row["code"])
                if not again.ok:
                    raise SandboxError(
                        "sandbox.replay",
                        given=f"Cell {row['n']} ran before and does not run again: {again.reason or again.error}",
                        have="The stage's cells are replayed after its child was lost.",
                        try_="%agent show ID shows the cells; run the goal again.",
                    )
        self._laid = wanted
        self._given.clear()
        return box

    async def _hand_in(self, box: Sandbox, given: list[tuple[str, str]]) -> None:
        """Bind what the host read within this stage."""
        for name, sha in given:
            await box.put_file(name, self.frames / f"{sha}.arrow")
        given.clear()

    async def _restore(self, box: Sandbox, entered: Mapping[str, Any]) -> None:
        """Frames as they are recorded: a cell that only looks may have changed one in place, and no replay would."""
        rows = recorded(await asyncio.to_thread(self.store.cells, self.run_id, branch=self.branch))
        shas = dict(entered["frames"])
        for row in rows:
            if (row["stage"], row["visit"]) == (entered["stage"], entered["visit"]):
                shas |= {name: ref["sha"] for name, ref in row["frames"].items()}
        for name, sha in shas.items():
            await box.put_file(name, self.frames / f"{sha}.arrow")

    async def _checked(
        self, check: CheckLeft, result: CellResult, frames: dict[str, Any], values: dict[str, Any]
    ) -> tuple[CellResult, dict[str, Any], dict[str, Any]]:
        why = await check(frames, values)
        if why is None:
            return result, frames, values
        told = {"type": "NotKept", "message": why, "line": None}
        return CellResult(**{**result.__dict__, "status": "error", "error": told}), {}, {}

    async def _bring(
        self, box: Sandbox, into: Sequence[str], result: CellResult, kind: str
    ) -> tuple[CellResult, dict[str, Any], dict[str, Any]]:
        """Bring out what the cell left under the names of `into`."""
        frames: dict[str, Any] = {}
        values: dict[str, Any] = {}
        try:
            for name in into:
                made, thing = await box.bring(name, self.frames)
                if made == "frame":
                    frames[name] = await asyncio.to_thread(self._describe, thing)
                else:
                    values[name] = thing
        except SandboxError as error:
            told = {"type": "SandboxError", "message": error.line(), "line": None}
            return CellResult(**{**result.__dict__, "status": "error", "error": told}), {}, {}
        return result, frames, values

    def _keep(
        self, made: dict[str, Any], failure: AgentError | None, into: Sequence[str]
    ) -> tuple[CellResult, dict[str, Any], dict[str, Any]]:
        if failure is not None:
            told = {"type": failure.code, "message": failure.line(), "line": None}
            return CellResult("error", error=told), {}, {}
        frames, values, outputs, texts = {}, {}, [], []
        for name, thing in made.items():
            if isinstance(thing, pd.DataFrame):
                if name in into:
                    frames[name] = self._describe(exchange.keep_frame(thing, self.frames))
                outputs.append(_shown(thing))
            else:
                values[name] = plain(thing)
                if name.startswith("_"):  # for the model alone
                    continue
                texts.append(f"{name}: {json.dumps(values[name])[:TEXT_CAP]}")
        shown_text = "" if "sealed" in values else "\n".join(texts)
        return CellResult("ok", text=shown_text, outputs=outputs), frames, values

    def _describe(self, sha: str) -> dict[str, Any]:
        with pa.memory_map(str(self.frames / f"{sha}.arrow")) as source:
            reader = pa.ipc.open_file(source)
            rows = sum(reader.get_batch(i).num_rows for i in range(reader.num_record_batches))
            names = [name for name in reader.schema.names if not name.startswith("__index_level_")]
        return {"sha": sha, "rows": rows, "columns": names}

    def _row(
        self,
        key: str,
        n: int,
        entered: Mapping[str, Any],
        where: str,
        kind: str,
        code: str,
        result: CellResult,
        frames: dict[str, Any],
        values: dict[str, Any],
        state: dict[str, Any],
    ) -> Row:
        shown = {
            name: getattr(result, name) for name in ("text", "outputs", "error", "reason", "seconds", "peak_bytes")
        }
        return {
            "key": self._key(key),
            "n": n,
            "stage": entered["stage"],
            "visit": entered["visit"],
            "where": where,
            "kind": kind,
            "code": code,
            "status": result.status,
            "result": shown,
            "inputs": dict(entered.get("frames", {})),
            "frames": frames,
            "values": values,
            "state": state,
        }

    async def _record(self, row: Row) -> None:
        await self.flush()
        await asyncio.to_thread(self.store.record_cell, self.run_id, self.branch, owner=self.owner, **row)

    async def _tell(self, row: Row, result: CellResult) -> None:
        event = CellFinished(
            stage=row["stage"],
            n=row["n"],
            code=row["code"],
            where=row["where"],
            cell_kind=row["kind"],
            status=result.status,
            text=result.text,
            outputs=result.outputs,
            error=result.error,
            reason=result.reason,
            seconds=result.seconds,
            peak_bytes=result.peak_bytes,
            frames={name: ref["sha"] for name, ref in row["frames"].items()},
        )
        await self.emit(event, f"{row['key']}:finished")

    async def _next_number(self) -> int:
        rows = await asyncio.to_thread(self.store.cells, self.run_id)
        return max((row["n"] for row in rows), default=0) + 1

    def _key(self, key: str) -> str:
        return f"{self.branch}:{key}"


class ReplayBench:
    """A fresh sandbox with the branch's recorded cells at hand."""

    def __init__(self, recorder: Recorder, box: Sandbox, cells: list[RecordedCell]) -> None:
        self._recorder, self._box, self._cells = recorder, box, cells

    async def replay(
        self, inputs: Mapping[str, pd.DataFrame], outputs: Sequence[str], *, kinds: Sequence[str]
    ) -> dict[str, pd.DataFrame]:
        """Replay the recorded cells of `kinds` on `inputs` in a clean namespace."""
        return await replay(self._box, self._cells, inputs, outputs, kinds=kinds)

    async def run(self, code: str, *, key: str, kind: str) -> None:
        """Run and record one more cell; SandboxError when it fails."""
        recorder = self._recorder
        n = await recorder._next_number()
        entered = {"stage": "scoring", "visit": 1}
        result = await self._box.run(code)
        row = recorder._row(key, n, entered, "sandbox", kind, code, result, {}, {}, {})
        await recorder._record(row)
        await recorder._tell(row, result)
        if not result.ok:
            raise SandboxError(
                "sandbox.replay",
                given=f"Scoring did not run: {result.reason or (result.error or {}).get('message', result.status)}",
                have=f"The cell is {n}.",
                try_="%agent show ID shows it.",
            )

    async def get(self, name: str) -> pd.DataFrame:
        """The frame of variable `name`; it is not kept in the run."""
        return await self._box.get(name)

    async def take_file(self, name: str) -> Path:
        """Bring out a file of the workspace, unread."""
        folder = self._recorder.workspace / "work"
        sha = await self._box.take_file(name, folder)
        return folder / f"{sha}{Path(name).suffix}"


def _begun() -> None:
    """The cell has its place: the next call of the same answer may follow."""
    begun = BEGUN.get()
    if begun is not None:
        begun.set()


def _shown(frame: pd.DataFrame) -> dict[str, str]:
    """The first rows as people read them: times to the minute in UTC, six significant digits."""
    head = frame.head(SHOWN_ROWS).copy()
    for name in head.columns:
        if isinstance(head[name].dtype, pd.DatetimeTZDtype):
            head[name] = head[name].dt.strftime("%Y-%m-%d %H:%M")
    form: Any = "{:.6g}".format
    note = f"{len(frame):,} rows, {frame.shape[1]} columns"
    text = head.to_string(float_format=form)
    html = head.to_html(border=0, float_format=form)
    if len(frame) > SHOWN_ROWS:
        text, html = f"{text}\n{note}", f"{html}<p>{note}</p>"
    return {"text/plain": text, "text/html": html}


def _outcome(row: Row) -> Outcome:
    result = row["result"]
    shown = "\n".join([result["text"], *(bundle.get("text/plain", "") for bundle in result["outputs"])]).strip()
    return Outcome(
        n=row["n"],
        status=row["status"],
        text=shown[:TEXT_CAP],
        error=result["error"],
        reason=result["reason"],
        frames=row["frames"],
        values=row["values"],
        seconds=result["seconds"],
    )
