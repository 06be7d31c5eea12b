"""What a call of `run_python` must be before it is run: what would only fail in a replay, told at once.

The leak test and the scoring run *transform* cells again on other rows, with what *fit* cells wrote by `save_state`
and nothing else. So a transform cell may not use what a look cell, a query or a fit cell left in a variable.
"""

from __future__ import annotations

import ast
import keyword
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

KINDS = {
    "transform": "causal and keeps every row; it is run again on other rows for the leak test and for scoring",
    "fit": "learns from development rows and keeps that with save_state(name, value); it is not run again",
    "look": "only shows something; it is not run again, and nothing that models use may come from it",
}
LATE = ("model_training", "model_evaluation", "hyperparameter_tuning")
ROWS = ("bars", "features")  # one row a row of the rows that were read


@dataclass(frozen=True)
class Objection:
    """Why a call is not run, in three parts."""

    given: str
    have: str
    try_: str


def objection(code: str, kind: str, into: Sequence[str], state: Mapping[str, Any]) -> Objection | None:
    """The first thing that is wrong with a call, or None.

    Examples
    --------
    >>> objection("x = 1", "scoring", [], {}).given
    "The kind was 'scoring'."
    >>> objection("x = 1", "look", ["x"], {}) is None
    True
    """
    if kind not in KINDS:
        words = "; ".join(f"{name}: {what}" for name, what in KINDS.items())
        return Objection(f"The kind was {kind!r}.", words, "Try one of transform, fit and look.")
    if not code.strip():
        return Objection("The code was empty.", "A cell is plain Python.", "Try some code.")
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None  # the cell itself says where
    return (
        _late(kind, state) or _names(kind, into, state) or _fit(kind, into, tree) or _not_replayed(kind, tree, state)
    )


def _late(kind: str, state: Mapping[str, Any]) -> Objection | None:
    """After the leak test features are as they are, and only looked at."""
    stage = str(state.get("entered", {}).get("stage", ""))
    if kind == "look" or stage not in LATE:
        return None
    return Objection(
        f"A {kind} cell was to run in {stage}.",
        "Features are made before the leak test; a model that a cell fits by itself is not scored either.",
        "Try kind look, or score a candidate with cross_validate_model.",
    )


def _names(kind: str, into: Sequence[str], state: Mapping[str, Any]) -> Objection | None:
    rows = state.get("sealed", {}).get("frame")
    for name in into:
        if not name.isidentifier() or name.startswith("_") or keyword.iskeyword(name):
            given = f"The cell was to leave {name!r}."
            return Objection(given, "That is no plain name of a variable.", "Try names such as features.")
        if name == rows:
            return Objection(
                f"The cell was to leave {name}.",
                f"{name} are the rows as they were read, and every replay starts with them.",
                "Try bars or features.",
            )
        if name in ROWS and kind != "transform":
            return Objection(
                f"A {kind} cell was to leave {name}.",
                f"{name} is made again on other rows for the leak test and for scoring, and a {kind} cell is not.",
                "Try kind transform.",
            )
    return None


def _fit(kind: str, into: Sequence[str], tree: ast.Module) -> Objection | None:
    if kind != "fit" or "save_state" in _loaded(tree):
        return None
    have = "A fit cell keeps what it learned with save_state(name, value); a transform cell reads load_state(name)."
    return Objection("The fit cell keeps nothing.", have, "Try save_state, or kind look.")


def _not_replayed(kind: str, tree: ast.Module, state: Mapping[str, Any]) -> Objection | None:
    """A transform cell that reads what no replay has."""
    if kind != "transform":
        return None
    wanted = _loaded(tree) - _bound_first(tree)
    for name in sorted(wanted):
        whose = _source(name, state)
        if whose:
            cure = "Try load_state in this cell, and save_state in the fit cell." if "fit" in whose else (
                "Try to make it within this cell."
            )  # fmt: skip
            have = "A transform cell is run again on other rows, where only transform cells and named state are."
            return Objection(f"{name} comes from {whose}.", have, cure)
    return None


def _source(name: str, state: Mapping[str, Any]) -> str:
    """Where a name comes from, when that is not run again; empty otherwise."""
    ref = state.get("frames", {}).get(name, {})
    if ref.get("by") == "query":
        return "a query, whose rows end at the seal"
    if ref:  # frames are as they were recorded, whatever a look cell did to them
        return f"a {ref['kind']} cell" if ref.get("kind") in ("look", "fit") else ""
    entered = state.get("entered", {})
    place, last = (entered.get("stage"), entered.get("visit")), ""
    for n, cell in sorted(state.get("cells", {}).items(), key=lambda item: int(item[0])):
        if cell.get("status") != "ok" or not cell.get("code") or (cell["stage"], cell["visit"]) != place:
            continue
        if name in _assigned(str(cell["code"])):
            last = "" if cell.get("kind") == "transform" else f"cell {n}, a {cell.get('kind')} cell"
    return last


def _assigned(code: str) -> set[str]:
    try:
        tree = ast.parse(code)
    except SyntaxError:
        return set()
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        else:
            found |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return found


def _loaded(tree: ast.Module) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}


def _bound_first(tree: ast.Module) -> set[str]:
    """Names that the cell makes itself before it reads them, as far as the order of its statements says."""
    bound: set[str] = set()
    read: set[str] = set()
    for statement in tree.body:
        part = ast.Module([statement], [])
        inner = _assigned(ast.unparse(statement))
        own = {arg.arg for node in ast.walk(part) if isinstance(node, ast.arguments) for arg in _arguments(node)}
        inside = {n.id for n in ast.walk(part) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        local = inside - inner if isinstance(statement, ast.FunctionDef) else _of_comprehensions(part)
        read |= _loaded(part) - bound - own - local
        bound |= inner | own | local
    return bound - read


def _arguments(node: ast.arguments) -> list[ast.arg]:
    more = [one for one in (node.vararg, node.kwarg) if one is not None]
    return [*node.posonlyargs, *node.args, *node.kwonlyargs, *more]


def _of_comprehensions(tree: ast.AST) -> set[str]:
    parts = (node for node in ast.walk(tree) if isinstance(node, (ast.comprehension, ast.For)))
    return {n.id for part in parts for n in ast.walk(part.target) if isinstance(n, ast.Name)}
