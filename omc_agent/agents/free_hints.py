"""What a model is told when a free cell failed: where, what there is, and what usually helps."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from omc_agent import tools
from omc_agent.agents.context import Outcome

FRAMES, COLUMNS = 6, 12
MESSAGE, ROOM = 300, 700
IMPORTS = "np, pd, plt, sns (imported already), scipy, sklearn, xgboost and the standard library"
_OUTSIDE = (
    "OperationalError",
    "socket",
    "urlopen",
    "gaierror",
    "ConnectionError",
    "sqlite3",
    "sqlalchemy",
    "read_sql",
    "requests",
)


def explain(outcome: Outcome, code: str, kind: str, state: Mapping[str, Any]) -> dict[str, Any]:
    """The error as the model gets it: type, message, line and its text, frames there are, and a hint.

    Examples
    --------
    >>> outcome = Outcome(3, "error", error={"type": "NameError", "message": "name 'bar' is not defined", "line": 1})
    >>> told = explain(outcome, "x = bar", "look", {"frames": {"bars": {"rows": 9, "columns": ["close"]}}})
    >>> told["text"], told["hint"]
    ('x = bar', 'There is no bar. The nearest that there is: bars. Variables of an earlier stage are gone.')
    """
    error = dict(outcome.error or {"type": outcome.status, "message": outcome.reason, "line": None})
    lines = code.splitlines()
    line = error.get("line")
    frames = state.get("frames", {})
    told: dict[str, Any] = {**error, "message": str(error.get("message", ""))[:MESSAGE]}
    if isinstance(line, int) and 0 < line <= len(lines):
        told["text"] = lines[line - 1].strip()[:160]
    told["frames"] = _shown(frames)
    told["hint"] = _hint(outcome, str(error.get("type", "")), str(error.get("message", "")), code, state)
    if kind in ("transform", "fit"):
        told["kept"] = "Nothing of this cell is kept."
    return told


def _shown(frames: Mapping[str, Any]) -> dict[str, str]:
    """The newest frames with their rows and first columns, as many as a message has room for."""
    newest = list(frames.items())[-FRAMES:]
    for columns in (COLUMNS, COLUMNS // 2, 3, 0):
        shown = {str(name): _of_frame(ref, columns) for name, ref in newest}
        if len(json.dumps(shown)) <= ROOM:
            break
    return shown


def _of_frame(ref: Mapping[str, Any], columns: int) -> str:
    names = [str(column)[:30] for column in ref.get("columns", [])]
    more = f" and {len(names) - columns} more" if len(names) > columns else ""
    return f"{ref.get('rows', 0)} rows: {', '.join(names[:columns])}{more}"


def _hint(outcome: Outcome, kind: str, message: str, code: str, state: Mapping[str, Any]) -> str:
    if outcome.status in ("memory", "timeout", "output", "killed"):
        return _limit(outcome)
    if kind == "NotKept":
        return "Write the cell again, whole."
    if kind == "NameError":
        return _no_name(message, state)
    if kind in ("ModuleNotFoundError", "ImportError") or outcome.status == "refused":
        return _not_allowed(code, message)
    if "no state named" in message:
        return "State is written by a fit cell: run_python with kind fit and save_state(name, value) first."
    if kind in ("KeyError", "AttributeError"):
        return _no_column(message, state)
    if any(word in f"{kind} {message} {code}" for word in _OUTSIDE):
        return _not_allowed(code, f"{kind} {message}")
    if kind in ("FileNotFoundError", "PermissionError"):
        return "There are no files of the person in the sandbox: data comes in as the frames below `frames`."
    if kind == "SyntaxError":
        return "Send the whole cell again, as plain Python."
    return "Mend the line that is named, and send the whole cell again."


def _limit(outcome: Outcome) -> str:
    cure = {
        "memory": "Work on fewer columns or rows at once, or in float32.",
        "timeout": "Use whole columns in place of loops over rows, or fewer rows.",
        "output": "Print a head or a summary, not whole frames.",
        "killed": "Start no processes or threads, and write few files.",
    }[outcome.status]
    return f"A limit of the sandbox: {outcome.status}. {cure} Variables that this stage made are made again."


def _no_name(message: str, state: Mapping[str, Any]) -> str:
    found = re.search(r"name '(\w+)'", message)
    name = found[1] if found else ""
    if name in ("query", "fetch_price_data", "fetch_table", "get_available_coins", "get_data_statistics"):
        return f"{name} is a tool of the host: call it as a tool where the stage has it, not within a cell."
    there = [*state.get("frames", {}), *state.get("entered", {}).get("values", {}), *tools.__all__]
    return f"There is no {name[:60]}. {_nearest(name, there)} Variables of an earlier stage are gone."


def _no_column(message: str, state: Mapping[str, Any]) -> str:
    found = re.search(r"attribute '(\w+)'", message) or re.search(r"['\"]([^'\"]+)['\"]", message)
    name = found[1] if found else ""
    columns = [str(column) for ref in state.get("frames", {}).values() for column in ref.get("columns", [])]
    return (
        f"There is no column {name[:60]}. {_nearest(name, columns)}" if name else "Look at the columns in `frames`."
    )


def _not_allowed(code: str, message: str) -> str:
    if any(word in f"{code} {message}" for word in ("sql", "SQL", "OperationalError")):
        return (
            "There is no database in a cell. `query` is a tool of its own that reads with SQL, if the stage has it."
        )
    if "network" in message or any(word in f"{code} {message}" for word in _OUTSIDE):
        return (
            "There is no network in a cell. Use the frames there are, and packages that are there: " + IMPORTS + "."
        )
    return f"Packages that are there: {IMPORTS}. Write the rest yourself."


def _nearest(name: str, there: Sequence[str]) -> str:
    lower = {each.lower(): each for each in there}
    near = [lower[each] for each in difflib.get_close_matches(name.lower(), list(lower), n=3, cutoff=0.55)]
    if near:
        return f"The nearest that there is: {', '.join(one[:40] for one in near)}."
    return f"There are {', '.join([one[:30] for one in dict.fromkeys(there)][:12])}." if there else "There is none."
