"""`RunResult`: what a run gave, read from the store; frames and models are files that are opened when asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from omc_agent.branching import standing
from omc_agent.config import PRELUDE, AgentSettings
from omc_agent.engine import the_engine
from omc_agent.errors import RunError, SandboxError
from omc_agent.events import Event
from omc_agent.sandbox import exchange
from omc_agent.sandbox.box import Sandbox
from omc_agent.sandbox.replay import RecordedCell, replay
from omc_agent.store.records import Row, SessionManager, recorded


class Report(str):
    """The report as Markdown; in a notebook it shows as such. `path` is the self-contained HTML."""

    path: Path | None = None

    def _repr_markdown_(self) -> str:
        return str(self)


class Frames(Mapping[str, pd.DataFrame]):
    """The run's frames by name, read when they are asked for."""

    def __init__(self, folder: Path, refs: Mapping[str, Any]) -> None:
        self._folder, self._refs = folder, refs

    def __getitem__(self, name: str) -> pd.DataFrame:
        return exchange.read_frame(self._folder / f"{self._refs[name]['sha']}.arrow")

    def __iter__(self) -> Iterator[str]:
        return iter(self._refs)

    def __len__(self) -> int:
        return len(self._refs)

    def __repr__(self) -> str:
        held = ", ".join(f"{name} {ref['rows']:,} x {len(ref['columns'])}" for name, ref in self._refs.items())
        return f"Frames({held})"


class RunResult:
    """What a run gave.

    Attributes
    ----------
    id, goal, status, reason : str
        Of the run; status is finished, failed, stopped or parked.
    brief, plan, verdict, choice, cost : dict or list
        Plain values; `verdict` is None for task analysis.
    metrics : DataFrame
        One row a candidate, baselines included.
    frames : mapping of str to DataFrame
        Development rows only.
    """

    def __init__(self, store: SessionManager, run_id: str, settings: AgentSettings) -> None:
        self._store, self._settings = store, settings
        self._row = store.read(run_id)
        things = self._row["summary"].get("things", {})
        self.id, self.goal = run_id, str(self._row["goal"])
        self.status, self.reason = str(self._row["status"]), str(self._row["reason"])
        self.seconds = float(self._row["summary"].get("seconds", 0.0))
        self.error: dict[str, str] | None = self._row["summary"].get("error")
        self.cost: dict[str, float] = self._row["summary"].get("cost", {})
        self.brief: dict[str, Any] = things.get("brief", {})
        self.plan: list[dict[str, Any]] = things.get("plan", [])
        self.verdict: dict[str, Any] | None = things.get("verdict") or None
        self.choice: dict[str, Any] = things.get("choice", {})
        self.candidates: list[dict[str, Any]] = list(things.get("candidates", {}).values())
        self.texts: dict[str, Any] = things.get("texts", {})
        self.frames = Frames(self.workspace / "frames", things.get("frames", {}))
        self._frame_of_rows = str(things.get("sealed", {}).get("frame", "prices"))

    @property
    def workspace(self) -> Path:
        """The run's folder."""
        return Path(self._row["workspace"])

    @property
    def metrics(self) -> pd.DataFrame:
        """Candidates by walk-forward score, in the order they were scored."""
        columns = ["name", "model", "metric", "score", "low", "high", "fit_seconds", "rows", "baseline"]
        return pd.DataFrame(self.candidates, columns=columns)

    @property
    def cells(self) -> list[dict[str, Any]]:
        """Recorded cells: n, stage, where, kind, code, status, seconds."""
        keep = ("n", "stage", "where", "kind", "code", "status")
        rows = self._store.cells(self.id, branch=self._row["branch"])
        return [{**{name: row[name] for name in keep}, "seconds": row["result"]["seconds"]} for row in rows]

    @property
    def artifacts(self) -> list[dict[str, Any]]:
        """Files: name, path, sha256, size."""
        keep = ("name", "path", "sha256", "size")
        return [{name: row[name] for name in keep} for row in self._artifacts()]

    @property
    def report(self) -> Report:
        """The report as Markdown, with the path of its HTML."""
        markdown = self._artifact("report.md")
        report = Report(markdown.read_text() if markdown else "")
        report.path = self._artifact("report.html")
        return report

    @property
    def stages(self) -> list[dict[str, Any]]:
        """Stages in the order they ended: name, status, seconds, cells."""
        finished = [e for e in self._told() if e.kind == "stage_finished"]
        return [
            {"name": e.stage, **{k: v for k, v in e.to_dict().items() if k in ("status", "seconds", "cells")}}
            for e in finished
        ]

    @property
    def warnings(self) -> list[dict[str, Any]]:
        """Warnings: code, text, column, cell, line."""
        warned = [e.to_dict() for e in self._told() if e.kind == "warned"]
        return [{**{k: w[k] for k in ("code", "text", "column", "cell")}, "line": w["line_no"]} for w in warned]

    def predict(self, frame: pd.DataFrame) -> pd.Series[Any]:
        """Predict in a child of its own (a tampered model file could crash whoever predicts).

        Parameters
        ----------
        frame : DataFrame
            Bars as the run fetched them, with enough history for the longest window; or rows of the table.

        Returns
        -------
        Series
            Probability of class 1, or the value; NaN where a feature is NaN.
        """
        model = self._artifact("model.skops")
        if model is None:
            raise RunError(
                "run.not_finished",
                given=f"Run {self.id} has no scored model.",
                have=f"Its status is {self.status}.",
                try_="Predict with a run that ended with a verdict.",
            )
        return the_engine().submit(self._predict(frame, model)).result()

    def _timed(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Rows of a table with the column `timestamp`, as the run fetched them."""
        from omc_agent.tools.time_column import with_time

        sealed = ((self._row["summary"] or {}).get("things") or {}).get("sealed") or {}
        if self._frame_of_rows != "rows" or not sealed.get("time") or "timestamp" in frame.columns:
            return frame
        return with_time(frame, self.brief["target"], self._row["settings"].get("time") or None)

    async def _predict(self, frame: pd.DataFrame, model: Path) -> pd.Series[Any]:
        rows = recorded(self._store.cells(self.id, branch=self._row["branch"]))
        cells = [
            RecordedCell(n=r["n"], code=r["code"], kind=r["kind"], state=r["state"])
            for r in rows
            if r["where"] == "sandbox" and r["stage"] != "scoring"
        ]
        async with Sandbox(
            limits=self._settings.limits(),
            prelude=PRELUDE,
            confinement=self._settings.confinement(),
            allowed_imports=self._settings.allowed_imports,
        ) as box:
            (box.workspace / "work" / "model.skops").write_bytes(model.read_bytes())
            await replay(box, cells, {self._frame_of_rows: self._timed(frame)}, [], kinds=("transform",))
            code = "predictions = predict(load_model('model.skops'), features).to_frame('prediction')"
            result = await box.run(code)
            if not result.ok:
                raise SandboxError(
                    "sandbox.replay",
                    given=f"The frame cannot be predicted: {(result.error or {}).get('message', result.reason)}",
                    have=f"The run was made from {self._frame_of_rows} with the columns of its own rows.",
                    try_="Give rows like those of agent_run.frames.",
                )
            frame_of_predictions = await box.get("predictions")
            return frame_of_predictions["prediction"]

    def load_model(self, *, trust: bool = False) -> Any:
        """The scored model in this very process; only with ``trust=True``, for the file came out of a child."""
        path = self._artifact("model.skops")
        if not trust or path is None:
            raise RunError(
                "run.not_finished",
                given="A model file is loaded into your kernel only knowingly."
                if path
                else "There is no scored model.",
                have="predict(frame) uses it in a child instead.",
                try_="load_model(trust=True) if you trust this run.",
            )
        from omc_agent.tools.modeling import load_model

        return load_model(path)

    def export(self, path: str | Path) -> Path:
        """Write the cells as a plain notebook (.ipynb), script (.py) or the record as JSON (.json)."""
        target = Path(path)
        if target.suffix == ".ipynb":
            import nbformat.v4 as v4

            head = PRELUDE + "from omc_agent.tools.data import *"
            cells = [v4.new_markdown_cell(f"# {self.goal}"), v4.new_code_cell(head)]  # type: ignore[no-untyped-call]
            cells += [v4.new_code_cell(cell["code"]) for cell in self.cells]  # type: ignore[no-untyped-call]
            target.write_text(json.dumps(v4.new_notebook(cells=cells)))  # type: ignore[no-untyped-call]
        elif target.suffix == ".json":
            target.write_text(json.dumps(self.to_dict(), indent=1))
        else:
            target.write_text("\n\n".join(f"# {c['stage']} [{c['n']}]\n{c['code']}" for c in self.cells) + "\n")
        return target

    def to_dict(self) -> dict[str, Any]:
        """The object that ``omc-agent run --json`` prints."""
        keep = ("name", "model", "params", "score", "low", "high", "folds", "fit_seconds", "baseline")
        return {
            "id": self.id,
            "status": self.status,
            "reason": self.reason,
            "brief": self.brief or None,
            "plan": self.plan,
            "stages": self.stages,
            "candidates": [{name: candidate[name] for name in keep} for candidate in self.candidates],
            "verdict": self.verdict,
            "artifacts": [{k: a[k] for k in ("name", "path", "sha256")} for a in self.artifacts],
            "cost": self.cost,
            "warnings": self.warnings,
            "requests": [_request(row) for row in self._store.requests(self.id)],
            "error": self.error,
            "seconds": round(self.seconds, 3),
        }

    def _told(self) -> list[Event]:
        return standing(told.event for told in self._store.story(self.id, self._row["branch"]))

    def _artifacts(self) -> list[Row]:
        return [row for row in self._store.artifacts(self.id) if row["branch"] == self._row["branch"]]

    def _artifact(self, name: str) -> Path | None:
        return next((Path(row["path"]) for row in self._artifacts() if row["name"] == name), None)

    def __repr__(self) -> str:
        said = self.texts.get("verdict", {}).get("headline", "")
        return f"<run {self.id}: {self.status}{', ' + said if said else ''}; .report .metrics .frames .verdict>"


def list_rows(store: SessionManager, *, status: str | None = None) -> list[dict[str, Any]]:
    """Runs as a list shows them: id, status, goal, call, started, seconds, usd."""
    return [
        {
            "id": row["id"],
            "status": row["status"],
            "goal": row["goal"],
            "call": (row["summary"].get("verdict") or {}).get("call"),
            "started": row["created_at"],
            "seconds": row["summary"].get("seconds"),
            "usd": row["summary"].get("cost", {}).get("usd", 0.0),
        }
        for row in store.list(status=status)
    ]


def _request(row: Row) -> dict[str, Any]:
    return {name: row[name] for name in ("id", "stage", "gate", "payload", "status")}
