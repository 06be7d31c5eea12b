"""Speaks to MLflow, in a process of its own: ``python -m omc_agent.tracking.speaker`` reads what to send from stdin.

A kernel would otherwise import a large package, wait in its retries and hear its warnings; and a process can be
ended. Whatever is there already, known by its tags, is not sent again.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

CHUNK = 90  # of MLflow's limits of 100 parameters and tags a call


def main(source: TextIO, answer: TextIO) -> int:
    """Send what `source` holds and write one JSON object: what came of it."""
    asked = json.load(source)
    try:
        said = Speaker(asked["uri"], asked["experiment"]).send(asked["payload"])
    except Exception as error:  # whatever MLflow raises is told by whoever asked
        said = {"error": f"{type(error).__name__}: {error}"}
    answer.write(json.dumps(said) + "\n")
    answer.flush()
    return 1 if "error" in said else 0


class Speaker:
    """One tracking store.

    Parameters
    ----------
    uri : str
        As MLflow takes it.
    experiment : str
        Made if there is none.
    """

    def __init__(self, uri: str, experiment: str) -> None:
        from mlflow.tracking import MlflowClient

        self._client, self._uri = MlflowClient(tracking_uri=uri), uri
        self._experiment = self._experiment_of(experiment)
        self._missing: list[str] = []

    def send(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        """Send what is missing of a session; returns its run and how many runs were written."""
        there = self._there(payload["session"])
        parent, new = self._write(payload["parent"], there, {})
        for child in payload["children"]:
            new += self._write(child, there, {"mlflow.parentRunId": parent})[1]
        return {"experiment_id": self._experiment, "run_id": parent, "written": new,
                "runs": 1 + len(payload["children"]), "missing": self._missing}  # fmt: skip

    def _there(self, session: str) -> dict[str, Any]:
        """Runs of the session that are there, by key; MLflow's newest come first, so that the oldest one stays."""
        found: dict[str, Any] = {}
        token = None
        while True:
            page = self._client.search_runs(
                [self._experiment], filter_string=f"tags.`omc_agent.session` = '{session}'", page_token=token
            )
            for run in page:
                if (key := run.data.tags.get("omc_agent.key")) is not None:
                    found[key] = run
            token = page.token
            if not token:
                return found

    def _write(self, made: Mapping[str, Any], there: dict[str, Any], more: dict[str, str]) -> tuple[str, int]:
        run = there.get(made["key"])
        sent = run.data.tags.get("omc_agent.sent") if run is not None else None
        if run is not None and sent is not None and (sent == made["sent"] or made["key"].startswith("candidate:")):
            return str(run.info.run_id), 0
        if run is None:
            first = {name: made["tags"][name] for name in ("omc_agent.session", "omc_agent.key")}
            run = self._client.create_run(
                self._experiment, start_time=made["start"], tags={**first, **more}, run_name=made["name"]
            )
        run_id = str(run.info.run_id)
        self._fill(run_id, made, more)
        for path, folder in made["files"]:
            self._send_file(run_id, path, folder)
        self._client.set_terminated(run_id, made["status"], made["end"])
        self._client.set_tag(run_id, "omc_agent.sent", made["sent"])
        return run_id, 1

    def _send_file(self, run_id: str, path: str, folder: str) -> None:
        """Send a file of this machine or of an fsspec URL; one that a person removed is no reason to send nothing."""
        import fsspec

        with tempfile.TemporaryDirectory() as near:
            if "://" in path:
                copy = Path(near) / path.rpartition("/")[2]
                try:
                    with fsspec.open(path, "rb") as source, copy.open("wb") as target:
                        shutil.copyfileobj(source, target)
                    path = str(copy)
                except FileNotFoundError:
                    self._missing.append(path.rpartition("/")[2])
                    return
            if Path(path).is_file():
                self._client.log_artifact(run_id, path, folder or None)
            else:
                self._missing.append(Path(path).name)

    def _fill(self, run_id: str, made: Mapping[str, Any], more: dict[str, str]) -> None:
        from mlflow.entities import Metric, Param, RunTag

        params = [Param(name, value) for name, value in made["params"].items()]
        tags = [RunTag(name, value) for name, value in {**made["tags"], **more}.items()]
        metrics = [Metric(*each) for each in made["metrics"]]
        for begin in range(0, max(len(params), len(tags)), CHUNK):
            part = slice(begin, begin + CHUNK)
            self._client.log_batch(run_id, params=params[part], tags=tags[part])
        if metrics:
            self._client.log_batch(run_id, metrics=metrics)

    def _experiment_of(self, name: str) -> str:
        from mlflow.exceptions import MlflowException

        found = self._client.get_experiment_by_name(name)
        if found is None:
            try:
                return str(self._client.create_experiment(name, artifact_location=files_beside(self._uri)))
            except MlflowException:  # another run made it in this moment
                found = self._client.get_experiment_by_name(name)
                if found is None:
                    raise
        if found.lifecycle_stage != "active":
            raise ValueError(f"the experiment {name} was deleted; restore it, or name another")
        return str(found.experiment_id)


def files_beside(uri: str) -> str | None:
    """Where files go when the tracking store is a SQLite file: the folder ``mlruns`` beside it.

    MLflow's own default is below the working folder of whoever makes the experiment. None leaves it to MLflow.

    Examples
    --------
    >>> files_beside("sqlite:////data/mlflow.db"), files_beside("http://localhost:5000")
    ('file:///data/mlruns', None)
    """
    scheme, there, path = uri.partition(":///")
    if not there or not scheme.startswith("sqlite") or not path or path.startswith(":memory:"):
        return None
    return Path(path.partition("?")[0]).resolve().with_name("mlruns").as_uri()


if __name__ == "__main__":
    words, sys.stdout = sys.stdout, sys.stderr  # what MLflow prints is no answer
    sys.exit(main(sys.stdin, words))
