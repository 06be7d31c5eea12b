"""Joins at a bar's open time, read in the code of a cell: what is joined there is one bar early."""

from __future__ import annotations

import ast
from dataclasses import dataclass

_JOINS = frozenset({"merge", "merge_asof", "merge_ordered", "join"})
_OWN = frozenset({"prices", "bars", "features", "rows"})  # frames that hold nothing but the run's own bars


@dataclass(frozen=True)
class Join:
    """A join of another frame at `timestamp`: which frame, on which line of the cell."""

    frame: str
    line: int

    def text(self) -> str:
        """The finding in words, and why it matters."""
        return (
            f"{self.frame} is joined at `timestamp`, the open of a bar. The decision is at its end, timestamp + bar:"
            " join by that time, on the time each value was published, or every value is one bar off."
        )


def joins_at_open(code: str) -> list[Join]:
    r"""Joins of frames other than the run's own bars by `timestamp`.

    Parameters
    ----------
    code : str
        A cell; one that cannot be read has none.

    Returns
    -------
    list of Join
        In the order of lines. A frame made of the run's bars only is the leak test's matter, not this one's.

    Examples
    --------
    >>> [join.line for join in joins_at_open("x = 1\nfeatures = features.merge(news, on='timestamp')")]
    [2]
    >>> joins_at_open("features = features.merge(hourly, on='known_at')")
    []
    """
    try:
        tree = ast.parse(code)
    except SyntaxError:
        return []
    own = set(_OWN)
    found: list[Join] = []
    for statement in ast.walk(tree):
        if isinstance(statement, ast.Assign) and _names(statement.value) and _names(statement.value) <= own:
            own |= {target.id for target in statement.targets if isinstance(target, ast.Name)}
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        if isinstance(call.func, ast.Attribute) and call.func.attr in _JOINS and _at_open(call):
            for other in _frames(call):
                if _names(other) and not _names(other) <= own:
                    found.append(Join(ast.unparse(other)[:40], call.lineno))
    return sorted(found, key=lambda join: join.line)


def _at_open(call: ast.Call) -> bool:
    keys = [word.value for word in call.keywords if word.arg in ("on", "left_on")]
    return any(isinstance(part, ast.Constant) and part.value == "timestamp" for key in keys for part in ast.walk(key))


def _frames(call: ast.Call) -> list[ast.expr]:
    """The frames that are joined to: all but pandas itself and the first."""
    of = call.func.value if isinstance(call.func, ast.Attribute) else None
    by_name = [word.value for word in call.keywords if word.arg in ("right", "other")]
    is_module = isinstance(of, ast.Name) and of.id in ("pd", "pandas")
    return [*(call.args[1:2] if is_module else call.args[:1]), *by_name]


def _names(node: ast.expr) -> set[str]:
    """The variables that an expression reads, but for modules."""
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)} - {"pd", "np", "pandas", "numpy"}
