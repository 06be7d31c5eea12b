"""Verify a run: its cells are replayed in a fresh sandbox on the recorded rows, and what comes out is compared.

Nothing is written to the store: a replay is no opening of the sealed rows.
"""

from __future__ import annotations

import ast
import asyncio
import dataclasses
import hashlib
import tempfile
import warnings
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd

from omc_agent.agents.context import RunContext
from omc_agent.comparing import Verification, close, difference, told
from omc_agent.config import PRELUDE, AgentSettings, Trust, settings_with
from omc_agent.errors import AgentError, RunError, SandboxError
from omc_agent.graph.scoring import scoring
from omc_agent.recipe import code_hash, fetched_rows, joined, versions
from omc_agent.sandbox import exchange
from omc_agent.sandbox.box import Sandbox
from omc_agent.sandbox.replay import RecordedCell, replay
from omc_agent.store.artifacts import open_artifact
from omc_agent.store.records import Row, recorded
from omc_agent.tools.data import fetch_price_data, fetch_table
from omc_agent.tools.fingerprint import fingerprint
from omc_agent.tools.time_column import order_in_time

# Cells of these stages look at scores only; what they show is made of values that are compared by themselves.
NOT_REPLAYED = ("model_evaluation", "scoring", "reporting")


class Verifier:
    """Verifies the present branch of one run.

    Parameters
    ----------
    row : Row
        Of `agent_sessions`.
    cells : sequence of Row
        Of the branch.
    artifacts : sequence of Row
        Of the branch.
    settings : AgentSettings
        Limits of the sandbox, and the database where the run keeps a URL without its password.
    """

    def __init__(self, row: Row, cells: Sequence[Row], artifacts: Sequence[Row], settings: AgentSettings) -> None:
        self.row, self.settings, self.artifacts = row, settings, list(artifacts)
        self.cells = recorded(cells)
        self.things: dict[str, Any] = row["summary"].get("things", {})
        self.recipe: dict[str, Any] = row["summary"].get("recipe") or {}
        self.workspace = Path(row["workspace"])
        self.found = Verification(str(row["id"]), str(row["branch"]))
        self._made: dict[str, pd.DataFrame] = {}  # sha of the record -> frame of the replay
        seed = int(self.recipe.get("seed", row["settings"].get("seed", 0)))
        self._trust = Trust(**{**self.recipe.get("trust", {}), "seed": seed})

    async def verify(self) -> Verification:
        """All checks; RunError ``run.not_finished`` for a run that fetched nothing."""
        development, sealed = await asyncio.to_thread(fetched_rows, self.things, self.workspace)
        self._check_record()
        self._check_packages()
        intact = await asyncio.to_thread(self._check_files)
        await asyncio.to_thread(self._check_rows, joined(development, sealed))
        try:
            await self._check_cells(development)
            if self.things.get("verdict") and sealed is not None:
                await self._check_verdict(sealed)
        except SandboxError as error:
            self.found.add("replay", False, error.line())
        if not intact:
            self.found.add("note", None, "a file that was changed was replayed as it is now")
        return self.found

    def _check_record(self) -> None:
        """Cells and seed are those that ran."""
        if not self.recipe:
            self.found.add("record", None, "the run is older than its recipe: code, seed and packages are unknown")
            return
        was = self.recipe["cells"]
        for row in self.cells:
            if was.get(str(row["n"])) != code_hash(row):
                self.found.add("record", False, f"cell {row['n']} ({row['stage']}) is not the code that ran")
        gone = sorted(set(was) - {str(row["n"]) for row in self.cells}, key=int)
        if gone:
            self.found.add("record", False, f"cells that ran are gone: {', '.join(gone)}")
        now = int(self.row["settings"].get("seed", 0))
        if now != self.recipe["seed"]:
            self.found.add("record", False, f"the seed was {self.recipe['seed']} and is recorded as {now} now")
        if not self.found.checks:
            self.found.add("record", True, f"{len(was)} cells, seed {now}")

    def _check_packages(self) -> None:
        was, now = self.recipe.get("versions", {}), versions()
        other = [f"{n} {was.get(n, 'absent')} then, {now.get(n, 'absent')} now" for n in sorted({*was, *now})
                 if was.get(n) != now.get(n)]  # fmt: skip
        if was and not other:
            self.found.add("packages", True, f"{len(was)} versions")
        elif was:
            self.found.add("packages", None, "; ".join(other))

    def _check_files(self) -> bool:
        """Each file holds what its name, or its row, says."""
        before = len(self.found.checks)
        named = {ref["sha"]: (name, "frames") for row in self.cells for name, ref in row["frames"].items()}
        if sha := (self.things.get("sealed") or {}).get("sha"):
            named[sha] = ("the sealed rows", "sealed")
        for sha, (name, folder) in named.items():
            path = self.workspace / folder / f"{sha}.arrow"
            if not path.exists():
                self.found.add("files", None, f"the file of {name} is gone; it is made again")
            elif _hash(path) != sha:
                self.found.add("files", False, f"the file of {name} ({sha[:12]}) was changed")
        for row in self.artifacts:
            try:
                open_artifact(row).close()
            except RunError as error:
                said = {"run.artifact_changed": "was changed", "run.no_artifact": "is gone"}.get(error.code)
                self.found.add("files", False if said else None, f"{row['name']} {said}" if said else error.line())
        if len(self.found.checks) == before:
            self.found.add("files", True, f"{len(named)} frames and {len(self.artifacts)} artifacts")
        return all(check.result != "differs" for check in self.found.checks[before:])

    def _check_rows(self, whole: pd.DataFrame) -> None:
        """The stored rows are those that were fetched, and the database still gives them."""
        was = self.recipe.get("data") or {}
        if was and fingerprint(whole) != was["all"]:
            self.found.add("data", False, f"the stored rows are not the {was['rows']:,} that were fetched")
        if self.recipe.get("source", {}).get("kind") == "frame":
            self.found.add("data", None, "the rows were handed in; the stored copy was used")
            return
        try:
            again = self._fetch(whole)
        except AgentError as error:
            self.found.add("data", None, f"not fetched again: {error.line()} The stored copy was used")
            return
        away = difference(whole, again)
        if away:
            self.found.add("data", False, f"the database gives other rows now: {away}")
        else:
            self.found.add("data", True, f"{len(whole):,} rows, fetched again")

    def _fetch(self, whole: pd.DataFrame) -> pd.DataFrame:
        name, brief = self.things["sealed"]["frame"], self.things["brief"]
        db = str(self.row["settings"].get("db") or "")
        here = settings_with(self.settings, db=db) if db and "***" not in db else self.settings
        source = here.source()
        table = self.recipe.get("source", {}).get("table") or self.row["settings"].get("table") or source.table
        code = next(row["code"] for row in reversed(self.cells) if row["where"] == "host" and name in row["frames"])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if name == "prices":
                coins, given = _arguments(code)
                again = fetch_price_data(coins, given.get("start"), given.get("end"), source.db, table)
                if not given.get("end"):  # the newest bars came later
                    again = again[again["timestamp"] <= whole["timestamp"].max()]
                return again
            rows = fetch_table(brief["table"], source.db)
            rows = rows.drop(columns=self.things["sealed"].get("withheld") or [], errors="ignore")
            return order_in_time(rows, brief["target"], source.time)

    async def _check_cells(self, development: pd.DataFrame) -> None:
        """Replay in the run's order; frames and scores have to come out as recorded."""
        name, frames, scores = self.things["sealed"]["frame"], 0, 0
        before = len(self.found.checks)
        async with self._box() as box:
            await box.reset()
            await box.put(name, development)
            for row in self.cells:
                if row["where"] == "host":
                    await self._hand_in(box, row, name)
                if row["where"] != "sandbox" or (row["stage"] in NOT_REPLAYED and row["kind"] == "look"):
                    continue
                if row["stage"] in ("scoring", "reporting"):
                    continue
                result = await box.run(row["code"])
                if not result.ok:
                    why = result.reason or (result.error or {}).get("message", result.status)
                    self.found.add("replay", False, f"cell {row['n']} ({row['stage']}) does not run again: {why}")
                    return
                frames += await self._check_frames(box, row)
                scores += await self._check_scores(box, row)
        if len(self.found.checks) == before:
            self.found.add("replay", True, f"{frames} frames and {scores} scores of {len(self.cells)} cells")

    async def _hand_in(self, box: Sandbox, row: Row, name: str) -> None:
        """Bind what a query of the run gave; the rows themselves (`name`) are there already."""
        for other, ref in row["frames"].items():
            stored = self.workspace / "frames" / f"{ref['sha']}.arrow"
            if other != name and stored.exists():
                await box.put_file(other, stored)

    async def _check_frames(self, box: Sandbox, row: Row) -> int:
        for name, ref in row["frames"].items():
            made = self._made[ref["sha"]] = await box.get(name)
            was = self._recorded(name, ref["sha"])
            if was is not None and fingerprint(made) != was:
                stored = self.workspace / "frames" / f"{ref['sha']}.arrow"
                away = difference(exchange.read_frame(stored), made) if stored.exists() else ""
                said = f"cell {row['n']} ({row['stage']}) makes another frame {name}{': ' if away else ''}{away}"
                self.found.add("frames", False, said)
        return len(row["frames"])

    def _recorded(self, name: str, sha: str) -> str | None:
        """The fingerprint that a frame had: of the recipe, else of its file."""
        if self.things.get("frames", {}).get(name, {}).get("sha") == sha and self.recipe.get("frames", {}).get(name):
            return str(self.recipe["frames"][name])
        path = self.workspace / "frames" / f"{sha}.arrow"
        return fingerprint(exchange.read_frame(path)) if path.exists() else None

    async def _check_scores(self, box: Sandbox, row: Row) -> int:
        scores = 0
        for name, was in row["values"].items():
            if isinstance(was, dict) and isinstance(was.get("score"), float):
                now, scores = await box.get_value(name), scores + 1
                if not close(was["score"], now.get("score")):
                    chosen = " (the choice)" if name == self.things.get("choice", {}).get("name") else ""
                    self.found.add(
                        "scores", False, f"{name}{chosen}: {was['score']:.6f} then, {now['score']:.6f} now"
                    )
        return scores

    async def _check_verdict(self, sealed: pd.DataFrame) -> None:
        """The scoring stage itself, on the stored sealed rows, with nothing written."""
        was = self.things["verdict"]
        state = {**self.things, "goal": self.row["goal"], "visits": {}}
        with tempfile.TemporaryDirectory(prefix="omc-verify-") as folder:
            context = self._context(sealed, int(was.get("opened", 1)), Path(folder))
            now = (await scoring(state, SimpleNamespace(context=context)))["verdict"]  # type: ignore[arg-type]
        other = [name for name in was if not close(was[name], now.get(name))]
        if other:
            said = ", ".join(f"{name} {told(was[name])} then, {told(now.get(name))} now" for name in other)
            self.found.add("verdict", False, said)
        else:
            said = f"{was['call'] or 'no verdict'} ({was['reason']}), sealed {was['metric']} {told(was['score'])}"
            self.found.add("verdict", True, said)

    def _context(self, sealed: pd.DataFrame, opened: int, folder: Path) -> RunContext:
        """What scoring is handed, with nothing in it that writes."""

        async def nothing(*_: Any, **__: Any) -> None:
            return None

        async def load_frame(sha: str) -> pd.DataFrame:
            if sha in self._made:
                return self._made[sha]
            return await asyncio.to_thread(exchange.read_frame, self.workspace / "frames" / f"{sha}.arrow")

        async def open_sealed(frozen: dict[str, Any]) -> tuple[pd.DataFrame, int]:
            return sealed, opened

        cells = [
            RecordedCell(n=row["n"], code=row["code"], kind=row["kind"], state=row["state"])
            for row in self.cells
            if row["where"] == "sandbox" and row["stage"] != "scoring"
        ]

        @asynccontextmanager
        async def fresh_box() -> AsyncIterator[QuietBench]:
            async with self._box() as box:
                yield QuietBench(box, cells, folder)

        given = {"run_id": self.found.id, "branch": self.found.branch, "trust": self._trust, "emit": nothing,
                 "load_frame": load_frame, "open_sealed": open_sealed, "fresh_box": fresh_box,
                 "save_artifact": nothing}  # fmt: skip
        # Scoring uses these; whatever else a run context holds is not there.
        return RunContext(**{each.name: given.get(each.name) for each in dataclasses.fields(RunContext)})  # type: ignore[arg-type]

    def _box(self) -> Sandbox:
        return Sandbox(limits=self.settings.limits(), prelude=PRELUDE, confinement=self.settings.confinement(),
                       allowed_imports=self.settings.allowed_imports)  # fmt: skip


class QuietBench:
    """A fresh sandbox with the recorded cells at hand, which records nothing."""

    def __init__(self, box: Sandbox, cells: list[RecordedCell], folder: Path) -> None:
        self._box, self._cells, self._folder = box, cells, folder

    async def replay(
        self, inputs: Mapping[str, pd.DataFrame], outputs: Sequence[str], *, kinds: Sequence[str]
    ) -> dict[str, pd.DataFrame]:
        """As `ReplayBench.replay`."""
        return await replay(self._box, self._cells, inputs, outputs, kinds=kinds)

    async def run(self, code: str, *, key: str, kind: str) -> None:
        """Run one more cell; SandboxError when it fails."""
        result = await self._box.run(code)
        if not result.ok:
            why = result.reason or (result.error or {}).get("message", result.status)
            raise SandboxError("sandbox.replay", given=f"Scoring did not run: {why}", have="", try_="")

    async def get(self, name: str) -> pd.DataFrame:
        """The frame of variable `name`."""
        return await self._box.get(name)

    async def take_file(self, name: str) -> Path:
        """Bring out a file of the workspace, unread."""
        sha = await self._box.take_file(name, self._folder)
        return self._folder / f"{sha}{Path(name).suffix}"


def _arguments(code: str) -> tuple[Any, dict[str, Any]]:
    """First argument and keywords of the call that a fetch was recorded as."""
    call = next(node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call))
    given = {str(word.arg): ast.literal_eval(word.value) for word in call.keywords}
    first = ast.literal_eval(call.args[0]) if call.args else given.get("coins")
    return first, given


def _hash(path: Path) -> str:
    with path.open("rb") as reader:
        return hashlib.file_digest(reader, "sha256").hexdigest()
