"""What is said of a run to MLflow, in plain values: a parent for the session, a child for each candidate.

The chosen model is a child of its own, for each branch that chose.

Only what the run has written down is read. The sealed score is part of it once the sealed rows were opened.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from omc_agent import __version__
from omc_agent.naming import model_name
from omc_agent.secrecy import hide_secrets

Values = dict[str, Any]
# Of MLflow: a longer value is refused.
LONGEST_PARAM, LONGEST_TAG, LONGEST_NAME = 6000, 5000, 250
MODEL_FILES = ("model.skops", "model_card.md", "model_card.html")
STATUS = {
    "finished": "FINISHED",
    "failed": "FAILED",
    "stopped": "KILLED",
    "parked": "SCHEDULED",
    "running": "RUNNING",
}
_OF_BRIEF = ("task", "horizon", "target", "threshold", "coins", "table", "start", "end", "indicators")
_OF_CANDIDATE = {"score": "walk_forward_score", "low": "walk_forward_low", "high": "walk_forward_high",
                 "fit_seconds": "fit_seconds", "predict_seconds": "predict_seconds", "rows": "rows",
                 "trials": "trials"}  # fmt: skip
_OF_VERDICT = {"score": "sealed_score", "reference_score": "sealed_reference_score", "low": "sealed_low",
               "high": "sealed_high", "smallest_edge": "smallest_edge", "claimed_deflated": "claimed_deflated",
               "opened": "opened"}  # fmt: skip


def payload_of(
    row: Mapping[str, Any],
    artifacts: Sequence[Mapping[str, Any]],
    scored_at: Mapping[str, float],
    *,
    status: str | None = None,
) -> Values | None:
    """All that is sent of a run as it stands.

    Parameters
    ----------
    row : mapping
        Of `agent_sessions`; what it has is in its `summary`.
    artifacts : sequence of mapping
        Rows of the present branch's files: name, path, sha256.
    scored_at : mapping
        Candidate -> when it was scored, in seconds since the epoch (UTC).
    status : str, optional
        In place of the row's.

    Returns
    -------
    dict or None
        `parent` and `children`, each with `key`, `name`, `status`, `start` and `end` (milliseconds since the
        epoch), `tags`, `params`, `metrics` (name, value, milliseconds, step) and `files` (path, folder). None when
        the run has nothing to show: no candidate, and no finished analysis.
    """
    summary = row["summary"]
    things = summary.get("things", {})
    candidates = list(things.get("candidates", {}).values())
    status = status or str(row["status"])
    if not candidates and not (status == "finished" and artifacts):
        return None
    begin = _milliseconds(row["created_at"])
    last = max([begin, *(int(1000 * at) for at in scored_at.values())])
    tags, params = _tags(row, things), _params(things, summary.get("recipe", {}))
    children = [_candidate(each, tags, params, scored_at.get(str(each["name"]), last / 1000)) for each in candidates]
    chosen = things.get("candidates", {}).get((things.get("choice") or {}).get("name"))
    files = [(each["path"], each["sha256"], each["name"]) for each in artifacts]
    if chosen:
        model = [file for file in files if file[2] in MODEL_FILES]
        children.append(_chosen(chosen, row, things, tags, params, last, model))
    parent = _parent(row, status, tags, chosen, (begin, last), [file for file in files if file[2] not in MODEL_FILES])
    return {"session": str(row["id"]), "parent": _sealed(parent), "children": [_sealed(child) for child in children]}


def _parent(row: Mapping[str, Any], status: str, tags: Values, chosen: Mapping[str, Any] | None,
            span: tuple[int, int], files: list[tuple[str, str, str]]) -> Values:  # fmt: skip
    summary = row["summary"]
    things = summary.get("things", {})
    verdict = things.get("verdict") or {}
    more = {name: things.get("brief", {}).get(name) for name in _OF_BRIEF}
    more |= {"reason": (summary.get("error") or {}).get("code"), "verdict": _call(verdict)}
    more |= {"chosen": (chosen or {}).get("name")}
    figures = _figures(chosen or {}, {"score": "walk_forward_score"}) | _figures(verdict, _OF_VERDICT)
    figures["seconds"] = summary.get("seconds", 0.0)
    figures["cost_usd"] = summary.get("cost", {}).get("usd", 0.0)
    headline = things.get("texts", {}).get("verdict", {}).get("headline", "")
    note = "\n\n".join(text for text in (tags["omc_agent.goal"], headline) if text)
    # A restart changes horizon or seed, and a parameter of MLflow cannot change: on the session they are tags.
    return {
        "key": "session",
        "name": f"{row['id']} {tags['omc_agent.goal']}"[:LONGEST_NAME],
        "status": STATUS.get(status, "FINISHED"),
        "start": span[0],
        "end": span[0] + int(1000 * float(summary.get("seconds", 0.0))) if status != "running" else None,
        "tags": {**tags, "omc_agent.status": status, "mlflow.note.content": note, **_ours(more)},
        "params": {},
        "metrics": [[name, value, span[1], 0] for name, value in figures.items() if _is_number(value)],
        "files": [[path, "" if row["branch"] == row["id"] else str(row["branch"]), sha] for path, sha, _ in files],
    }


def _candidate(candidate: Mapping[str, Any], tags: Values, params: Values, at: float) -> Values:
    end = int(1000 * at)
    metrics = [[name, value, end, 0] for name, value in _figures(candidate, _OF_CANDIDATE).items()]
    folds = candidate.get("folds") or []
    metrics += [["fold_score", value, end, step] for step, value in enumerate(folds, 1) if _is_number(value)]
    own = {"candidate": candidate["name"], "baseline": bool(candidate.get("baseline")),
           "yardstick": bool(candidate.get("yardstick"))}  # fmt: skip
    made = {
        "name": str(candidate["name"]),
        "status": "FINISHED",
        "start": end - int(1000 * float(candidate.get("fit_seconds") or 0.0)),
        "end": end,
        "tags": {**tags, **_ours(own)},
        "params": _all_params(candidate, params),
        "metrics": metrics,
        "files": [],
    }
    # The same candidate in a later branch is not another one; one that was trained again is.
    content = [candidate["name"], made["params"], [metric[:2] + metric[3:] for metric in metrics if _decides(metric)]]
    return {"key": f"candidate:{_digest(content)}", **made}


def _chosen(candidate: Mapping[str, Any], row: Mapping[str, Any], things: Mapping[str, Any], tags: Values,
            params: Values, at: int, files: list[tuple[str, str, str]]) -> Values:  # fmt: skip
    verdict = things.get("verdict") or {}
    figures = _figures(candidate, _OF_CANDIDATE) | _figures(verdict, _OF_VERDICT)
    own = {"candidate": candidate["name"], "chosen": True, "why": (things.get("choice") or {}).get("why"),
           "verdict": _call(verdict), "reference": verdict.get("reference")}  # fmt: skip
    return {
        "key": f"chosen:{row['branch']}",
        "name": f"chosen: {model_name(str(candidate['name']))}",
        "status": "FINISHED",
        "start": at,
        "end": at,
        "tags": {**tags, **_ours(own)},
        "params": _all_params(candidate, params),
        "metrics": [[name, value, at, 0] for name, value in figures.items()],
        "files": [[path, "model", sha] for path, sha, _ in files],
    }


def _tags(row: Mapping[str, Any], things: Mapping[str, Any]) -> Values:
    data = row["summary"].get("recipe", {}).get("data") or {}
    shared = {"session": row["id"], "branch": row["branch"], "goal": hide_secrets(str(row["goal"])),
              "chat_model": row["model"], "version": __version__, "data": data.get("all"),
              "rows": data.get("rows")}  # fmt: skip
    return {**_ours(shared), "mlflow.user": str(row.get("user_id", "")), "mlflow.source.name": "omc_agent"}


def _ours(values: Mapping[str, Any]) -> Values:
    """Tags under this package's name; what is not there is left out."""
    return {f"omc_agent.{name}": _text(value)[:LONGEST_TAG] for name, value in values.items()
            if value not in (None, "", [])}  # fmt: skip


def _params(things: Mapping[str, Any], recipe: Mapping[str, Any]) -> Values:
    brief, trust = things.get("brief", {}), recipe.get("trust", {})
    found = {name: brief.get(name) for name in _OF_BRIEF}
    found |= {"seed": recipe.get("seed"), "folds": trust.get("folds"), "holdout": trust.get("holdout")}
    return {name: _text(value)[:LONGEST_PARAM] for name, value in found.items() if value not in (None, "", [])}


def _all_params(candidate: Mapping[str, Any], params: Values) -> Values:
    """Those of the run, the model, and its own; one of its own that has a name of the others is ``model.NAME``."""
    shared = {**params, "model": str(candidate["model"]), "metric": str(candidate["metric"])}
    own = {}
    for name, value in (candidate.get("params") or {}).items():
        plain = re.sub(r"[^\w\-. :/]", "_", str(name))[:LONGEST_NAME]
        own[f"model.{plain}" if plain in shared else plain] = hide_secrets(_text(value))[:LONGEST_PARAM]
    return {**own, **shared}


def _figures(values: Mapping[str, Any], names: Mapping[str, str]) -> Values:
    return {there: values[name] for name, there in names.items() if _is_number(values.get(name))}


def _call(verdict: Mapping[str, Any]) -> str:
    """The call; the reason where there is none, as after a leak."""
    return str(verdict.get("call") or verdict.get("reason") or "")


def _decides(metric: Sequence[Any]) -> bool:
    """How long a fit took makes no other candidate of it."""
    return metric[0] not in ("fit_seconds", "predict_seconds")


def _sealed(made: Values) -> Values:
    """With a tag that says what was sent: the last one to be written, so that half a sending is known as one."""
    made["tags"]["omc_agent.key"] = made["key"]
    made["sent"] = _digest([made["status"], made["tags"], made["params"], made["metrics"], made["files"]])
    made["files"] = [file[:2] for file in made["files"]]
    return made


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(map(str, value)) if isinstance(value, Iterable) and not isinstance(value, (str, Mapping)) else (
        value if isinstance(value, str) else json.dumps(value, default=str)
    )  # fmt: skip


def _milliseconds(at: datetime) -> int:
    return int(1000 * (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())
