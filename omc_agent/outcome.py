"""What a run came to, as plain JSON out of the store: what ``--json`` prints and what REST answers.

It reads rows and events only, so that a server may tell it without the packages that made it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from omc_agent.billing import cost_of_run
from omc_agent.branching import standing
from omc_agent.events import Event
from omc_agent.store.records import Row, SessionManager

COST = ("tokens_in", "tokens_out", "usd", "calls")
CANDIDATE = ("name", "model", "params", "score", "low", "high", "folds", "fit_seconds", "baseline")


def outcome_of(store: SessionManager, row: Row) -> dict[str, Any]:
    """The object that ``omc-agent run --json`` prints.

    Parameters
    ----------
    store : SessionManager
        Of the run.
    row : dict
        Of the run.

    Returns
    -------
    dict
        ``id, status, reason, brief, plan, stages, candidates, verdict, artifacts, cost, warnings, requests, error,
        seconds``; of a run that has not come to something, that is empty or null.
    """
    run_id, branch, summary = str(row["id"]), str(row["branch"]), row["summary"] or {}
    things = summary.get("things", {})
    told = standing(each.event for each in store.story(run_id, branch))
    files = [each for each in store.artifacts(run_id) if each["branch"] == branch]
    cost = cost_of_run(store, run_id)
    return {
        "id": run_id,
        "status": row["status"],
        "reason": row["reason"],
        "brief": things.get("brief") or None,
        "plan": things.get("plan", []),
        "stages": stages_of(told),
        "candidates": [{name: each[name] for name in CANDIDATE} for each in things.get("candidates", {}).values()],
        "verdict": things.get("verdict") or None,
        "artifacts": [{name: each[name] for name in ("name", "path", "sha256")} for each in files],
        "cost": {name: cost[name] for name in COST},
        "warnings": warnings_of(told),
        "requests": [{name: each[name] for name in ("id", "stage", "gate", "payload", "status")}
                     for each in store.requests(run_id)],
        "error": summary.get("error"),
        "seconds": round(float(summary.get("seconds", 0.0)), 3),
    }  # fmt: skip


def stages_of(events: Iterable[Event]) -> list[dict[str, Any]]:
    """Stages in the order they ended: name, status, seconds, cells."""
    keep = ("status", "seconds", "cells")
    finished = [each for each in events if each.kind == "stage_finished"]
    return [{"name": each.stage, **{k: v for k, v in each.to_dict().items() if k in keep}} for each in finished]


def warnings_of(events: Iterable[Event]) -> list[dict[str, Any]]:
    """Warnings: code, text, column, cell, line."""
    warned = [each.to_dict() for each in events if each.kind == "warned"]
    return [{**{k: w[k] for k in ("code", "text", "column", "cell")}, "line": w["line_no"]} for w in warned]
