"""A run of the store as it stands after its end, written without running it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from omc_agent.candidate import Candidate
from omc_agent.config import AgentSettings
from omc_agent.events import CandidateScored
from omc_agent.store.database import open_database
from omc_agent.store.records import SessionManager

VERDICT = {"call": "edge", "reason": "edge", "metric": "roc_auc", "score": 0.61, "reference": "constant",
           "reference_score": 0.5, "low": 0.04, "high": 0.18, "opened": 1, "smallest_edge": 0.09}  # fmt: skip
BRIEF = {"task": "classification", "coins": ["ETH"], "table": "price_data_5min", "horizon": "PT1H",
         "target": "direction", "threshold": None, "metric": "roc_auc"}  # fmt: skip


def candidate(name: str, model: str, score: float, **more: Any) -> dict[str, Any]:
    folds = [score - 0.01, None, score + 0.01]
    made = Candidate(name=name, model=model, score=score, low=score - 0.03, high=score + 0.03, folds=folds, **more)
    return {**made.model_dump(), "fit_seconds": 0.25, "rows": 5969}


CANDIDATES = {
    "constant": candidate("constant", "constant", 0.5, baseline=True),
    "random_forest": candidate("random_forest", "random_forest", 0.53, params={"max_depth": 4, "model": "deep"}),
}


def write_run(
    home: Path, *, goal: str = "Predict whether ETH rises", verdict: dict[str, Any] | None = VERDICT
) -> tuple[SessionManager, str]:
    """The store, and the id of a finished run in it."""
    store = SessionManager(open_database(AgentSettings(home=str(home)).store_url()))
    row = store.create(goal, workspaces=home / "runs", model="offline", settings={})
    conclude(store, row["id"], row["id"], CANDIDATES, verdict, horizon="PT1H")
    return store, row["id"]


def conclude(
    store: SessionManager, run_id: str, branch: str, candidates: dict[str, Any], verdict: Any, *, horizon: str
) -> None:
    """Write what a run or a branch of it leaves at its end."""
    workspace = Path(store.read(run_id)["workspace"])
    things = {"brief": {**BRIEF, "horizon": horizon}, "candidates": candidates, "verdict": verdict,
              "choice": {"name": "random_forest", "why": "It is ahead."}}  # fmt: skip
    recipe = {"seed": 3, "trust": {"folds": 3, "holdout": 0.2}, "data": {"all": "f" * 64, "rows": 11520}}
    scored = [
        (f"scored:{name}", CandidateScored(candidate=each, at=1_700_000_000.0)) for name, each in candidates.items()
    ]
    store.append(run_id, branch, scored)
    for name in ("model.skops", "report.md", "model_card.md", "roc-cell3-1.png"):
        path = workspace / "artifacts" / name
        path.write_bytes(f"{name} of {branch}".encode())
        sha = hashlib.sha256(path.read_bytes()).hexdigest()
        store.record_artifact(run_id, branch, name=name, path=str(path), sha256=sha, size=path.stat().st_size)
    summary = {"seconds": 12.5, "cost": {"usd": 0.02}, "verdict": verdict, "error": None, "things": things,
               "recipe": recipe}  # fmt: skip
    store.update(run_id, status="finished", branch=branch, summary=summary)
