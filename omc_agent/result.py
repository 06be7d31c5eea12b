"""`RunResult`: what a run gave, read from the store; frames and models are files that are opened when asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from omc_agent.billing import cost_of_run
from omc_agent.branching import standing
from omc_agent.comparing import Verification
from omc_agent.config import AgentSettings
from omc_agent.engine import the_engine
from omc_agent.errors import RunError
from omc_agent.events import Event
from omc_agent.exporting import Exporter, record_of
from omc_agent.outcome import outcome_of, stages_of, warnings_of
from omc_agent.predicting import Predictor
from omc_agent.sandbox import exchange
from omc_agent.sandbox.replay import RecordedCell
from omc_agent.store.artifacts import fetch_artifact, read_artifact
from omc_agent.store.records import Row, SessionManager, recorded
from omc_agent.verifying import Verifier

MODEL = "model.skops"


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
    brief, plan, verdict, choice : dict or list
        Plain values; `verdict` is None for task analysis.
    cost : dict
        ``tokens_in, tokens_out, usd, calls`` of all branches; `cached` tokens are part of those in, `unpriced` calls
        have no known price, the usage of `guessed` calls was not told; ``by_stage`` and ``by_model`` hold the same.
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
        self.cost: dict[str, Any] = cost_of_run(store, run_id)
        self.brief: dict[str, Any] = things.get("brief", {})
        self.plan: list[dict[str, Any]] = things.get("plan", [])
        self.verdict: dict[str, Any] | None = things.get("verdict") or None
        self.choice: dict[str, Any] = things.get("choice", {})
        self.candidates: list[dict[str, Any]] = list(things.get("candidates", {}).values())
        self.texts: dict[str, Any] = things.get("texts", {})
        self.frames = Frames(self.workspace / "frames", things.get("frames", {}))

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
    def history(self) -> list[dict[str, Any]]:
        """The conversation: role (user or assistant), content, kind, stage, seq, at; see `SessionManager.history`."""
        return self._store.history(self.id)

    @property
    def artifacts(self) -> list[dict[str, Any]]:
        """Files: name, path (or URL), sha256, size (bytes), made_by (the cell or stage)."""
        keep = ("name", "path", "sha256", "size", "made_by")
        return [{name: row[name] for name in keep} for row in self._artifacts()]

    def artifact(self, name: str) -> Path:
        """A file of the run as a file of this machine, its bytes as they were recorded.

        Parameters
        ----------
        name : str
            Such as ``report.html`` or ``candidates.csv``.

        Returns
        -------
        Path
            Its own, or of a copy where it lies elsewhere.

        Raises
        ------
        RunError
            ``run.no_artifact``, ``run.artifact_changed`` for another hash, ``run.artifact_store`` where its place
            does not answer.
        """
        found = self._find(name)
        if found is None:
            names = ", ".join(row["name"] for row in self._artifacts()) or "none"
            raise RunError("run.no_artifact", given=f"Run {self.id} has no file {name}.", have=f"Its files: {names}.",
                           try_=f"omc-agent artifacts {self.id} lists them.")  # fmt: skip
        there = self.workspace if self.workspace.exists() else self._settings.resolved_home() / "runs" / self.id
        return fetch_artifact(found, there / "fetched")

    @property
    def tracked(self) -> dict[str, Any]:
        """Where MLflow has the run: uri, experiment, experiment_id, run_id, url; empty when it was not sent."""
        return dict(self._row["summary"].get("mlflow") or {})

    @property
    def report(self) -> Report:
        """The report as Markdown, with the path of its HTML."""
        report = Report(self.artifact("report.md").read_text() if self._find("report.md") else "")
        report.path = self.artifact("report.html") if self._find("report.html") else None
        return report

    @property
    def stages(self) -> list[dict[str, Any]]:
        """Stages in the order they ended: name, status, seconds, cells."""
        return stages_of(self._told())

    @property
    def warnings(self) -> list[dict[str, Any]]:
        """Warnings: code, text, column, cell, line."""
        return warnings_of(self._told())

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Predict new rows in a child of its own (a tampered model file could crash whoever predicts).

        The history that the features need is carried from the rows that the run stored, development and sealed, when
        the new bars begin right after them or among them. No label is made or scored, so this is no opening. The
        model is the one that was scored; it is not refitted.

        Parameters
        ----------
        frame : DataFrame
            Bars of the run's coins, in any common spelling (naive times are UTC); or rows of the table.

        Returns
        -------
        DataFrame
            One row a new row: `coin`, `timestamp` (UTC) and `decision_time` (the close of the bar) for bars, then
            `probability` of class 1, or `prediction`; NaN where a feature is NaN. ``attrs`` say the `model`, from
            where the `history` is, how many rows are `without` a prediction, and `refit`, which is False.

        Raises
        ------
        DataError
            ``data.too_few_rows`` for an empty frame, or one that no stored row leads up to and that is shorter than
            `needs_rows`; ``data.unknown_coin``, ``data.unreadable`` for other columns.
        RunError
            ``run.artifact_changed`` where the model file is not the one that was recorded: it is not opened.
        SandboxError
            ``sandbox.died`` where the child did not survive the model; this process does.
        """
        return the_engine().submit(self._predictor().predict(frame)).result()

    @property
    def needs_rows(self) -> int:
        """Bars of history after which the features of a row are what they are with all history.

        Found by replay: within 1e-9 of each column's largest magnitude, so a recursive feature such as an EMA counts
        as complete when what lies further back no longer shows. 0 for a table without time. Remembered.
        """
        return the_engine().submit(self._predictor().needs_rows()).result()

    def _predictor(self) -> Predictor:
        model = self._find(MODEL)
        if model is None:
            raise RunError(
                "run.not_finished",
                given=f"Run {self.id} has no scored model.",
                have=f"Its status is {self.status}.",
                try_="Predict with a run that ended with a verdict.",
            )
        rows = recorded(self._store.cells(self.id, branch=self._row["branch"]))
        cells = [
            RecordedCell(n=r["n"], code=r["code"], kind=r["kind"], state=r["state"])
            for r in rows
            if r["where"] == "sandbox" and r["stage"] != "scoring"
        ]
        things = self._row["summary"]["things"]
        data = read_artifact(model)  # another hash is refused before anything is made of it
        return Predictor(things, self.workspace, cells, data, self._settings, self._row["branch"])

    def verify(self) -> Verification:
        """Replay the recorded cells in a fresh sandbox on the recorded rows, and compare what comes out.

        Compared are cells and seed with what ran, packages (named where they differ), files with their hashes, the
        rows with what the database gives now, each frame, each score, and the verdict. Nothing is written, and no
        opening is counted.

        Returns
        -------
        Verification
            `same`, `checks` (name, result, said), `lines()`, `to_dict()`.

        Raises
        ------
        RunError
            ``run.not_finished`` for a run that fetched no rows.
        """
        cells = self._store.cells(self.id, branch=self._row["branch"])
        verifier = Verifier(self._row, cells, self._artifacts(), self._settings)
        return the_engine().submit(verifier.verify()).result()

    def load_model(self, *, trust: bool = False) -> Any:
        """The scored model in this very process; only with ``trust=True``, for the file came out of a child."""
        found = self._find(MODEL)
        if not trust or found is None:
            raise RunError(
                "run.not_finished",
                given="A model file is loaded into your kernel only knowingly."
                if found
                else "There is no scored model.",
                have="predict(frame) uses it in a child instead.",
                try_="load_model(trust=True) if you trust this run.",
            )
        from omc_agent.tools.modeling import load_model

        return load_model(self.artifact(MODEL), found["sha256"])

    def export(self, path: str | Path) -> Path:
        """Write the run down.

        Parameters
        ----------
        path : str or Path
            ``.ipynb``: a plain notebook with no agent in it that makes frames, model and metrics again and compares
            them; ``.json``: the record; anything else: the notebook as a script. Rows of a frame that was handed in
            go into a file beside it. The same run gives the same bytes.

        Returns
        -------
        Path
            `path`.

        Raises
        ------
        RunError
            ``run.not_finished`` for a run that fetched no rows.
        """
        target, cells = Path(path), self._store.cells(self.id, branch=self._row["branch"])
        if target.suffix == ".json":
            target.write_text(record_of(self.to_dict(), self._row, cells))
            return target
        return Exporter(self._row, cells, self._told()).write(target)

    def to_dict(self) -> dict[str, Any]:
        """The object that ``omc-agent run --json`` prints."""
        return outcome_of(self._store, self._row)

    def _told(self) -> list[Event]:
        return standing(told.event for told in self._store.story(self.id, self._row["branch"]))

    def _artifacts(self) -> list[Row]:
        return [row for row in self._store.artifacts(self.id) if row["branch"] == self._row["branch"]]

    def _find(self, name: str) -> Row | None:
        """The row of a file; a branch that kept its scoring has the model of the branch that it comes from."""
        found = next((row for row in self._artifacts() if row["name"] == name), None)
        if found is not None or name != MODEL:
            return found
        cells = self._store.cells(self.id, branch=self._row["branch"])
        if not any(row["stage"] == "scoring" for row in cells):
            return None
        rows = {row["branch"]: row for row in self._store.artifacts(self.id) if row["name"] == name}
        return next((rows[b] for b in self._store.lineage(self.id, self._row["branch"]) if b in rows), None)

    def __repr__(self) -> str:
        said = self.texts.get("verdict", {}).get("headline", "")
        return f"<run {self.id}: {self.status}{', ' + said if said else ''}; .report .metrics .frames .verdict>"


def list_rows(store: SessionManager, **which: Any) -> list[dict[str, Any]]:
    """Runs as a list shows them: id, status, goal, call, started, seconds, usd; `which` as `SessionManager.list`."""
    usd = {row["run"]: row["usd"] for row in store.costs(("run",))}
    return [
        {
            "id": row["id"],
            "status": row["status"],
            "goal": row["goal"],
            "call": (row["summary"].get("verdict") or {}).get("call"),
            "started": row["created_at"],
            "seconds": row["summary"].get("seconds"),
            "usd": usd.get(row["id"], 0.0),
        }
        for row in store.list(**which)
    ]
