"""A process that predicts once: one JSON object on its stdin, one on its stdout. The server never imports this."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from omc_agent.errors import AgentError, RunError


def main() -> None:
    """Read ``{run, rows, settings}``, write ``{predictions, lines, ...}`` or ``{error}``."""
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a package prints is no part of the answer
    asked = json.load(sys.stdin)
    try:
        told = predictions(asked["run"], asked["rows"], asked["settings"])
    except AgentError as error:
        told = {"error": error.to_dict()}
    except Exception as problem:
        told = {"error": _failed(problem).to_dict()}
    with answer:
        answer.write(json.dumps(told))


def predictions(run_id: str, rows: list[dict[str, Any]], values: dict[str, Any]) -> dict[str, Any]:
    """The predictions as rows, times in ISO 8601, a missing one null."""
    import pandas as pd

    from omc_agent import face
    from omc_agent.config import settings_with
    from omc_agent.result import RunResult

    settings = settings_with(None, **values)
    made = RunResult(face.orchestrator_for(settings).store, run_id, settings).predict(pd.DataFrame(rows))
    told = json.loads(made.to_json(orient="records", date_format="iso", double_precision=15))
    keep = ("model", "refit", "history", "without", "of", "lines")
    return {"predictions": told, **{name: made.attrs.get(name) for name in keep}}


def _failed(problem: Exception) -> RunError:
    return RunError("run.failed", given=f"The rows could not be predicted: {type(problem).__name__}.",
                    have="A column may be missing, or hold what the run's rows did not.",
                    try_="Send rows like those that the run was made with.")  # fmt: skip


if __name__ == "__main__":
    main()
