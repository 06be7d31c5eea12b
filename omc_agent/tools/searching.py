"""Which parameters a search tries next: by a grid, at random, or by what has scored well so far."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import optuna

from omc_agent.errors import UsageError

Bounds = Mapping[str, Sequence[Any]]
METHODS = ("tpe", "randomized", "grid", "halving")

_KINDS = ("int", "float", "log", "choice")
_MOST_LEVELS = 5


class Search(Protocol):
    """Gives parameters, and is told what they scored."""

    def suggest(self) -> dict[str, Any] | None:
        """Parameters of the next trial; None when nothing is left to try."""

    def tell(self, score: float) -> None:
        """The score of what was suggested last; NaN when the trial failed."""


def make_search(method: str, bounds: Bounds, count: int, seed: int, higher: bool) -> Search:
    """The search of that name.

    Parameters
    ----------
    method : str
        ``tpe``, ``randomized`` (also what ``halving`` starts from) or ``grid``.
    bounds : mapping
        See `check_bounds`.
    count : int
        How many suggestions will be asked for; a grid is made to fit it.
    seed : int
        Seed of what is random.
    higher : bool
        Whether a higher score is better.

    Raises
    ------
    UsageError
        ``usage.value`` for a method that is not known.

    Examples
    --------
    >>> search = make_search("grid", {"C": ("log", 0.01, 1.0)}, count=3, seed=0, higher=True)
    >>> [search.suggest() for _ in range(4)]
    [{'C': 0.01}, {'C': 0.1}, {'C': 1.0}, None]
    """
    if method not in METHODS:
        raise UsageError(
            "usage.value",
            given=f"The method was {method!r}.",
            have=f"A search goes by {', '.join(METHODS)}.",
            try_="Try tpe.",
        )
    if method == "grid":
        return _Listed(grid_points(bounds, count, seed))
    if method == "tpe":
        return _Parzen(bounds, seed, higher)
    generator = np.random.default_rng(seed)
    return _Listed([{name: _draw(bounds[name], generator) for name in bounds} for _ in range(count)])


def check_bounds(model: str, bounds: Bounds, trials: int) -> dict[str, Sequence[Any]]:
    """The bounds as given: ``("int" or "float" or "log", low, high)`` or ``("choice", one, other, ...)``.

    Raises
    ------
    UsageError
        ``usage.value`` when they cannot be searched, or no trial is left.

    Examples
    --------
    >>> check_bounds("xgboost", {"max_depth": ("int", 2, 6)}, trials=8)
    {'max_depth': ('int', 2, 6)}
    """
    if trials < 1 or not bounds:
        raise UsageError(
            "usage.value",
            given=f"trials was {trials}, over {len(bounds)} parameters of {model}.",
            have="A search needs at least one of each; the first trial is the defaults.",
            try_="Try trials=8.",
        )
    for name, bound in bounds.items():
        kind = bound[0] if len(bound) else None
        bad = kind not in _KINDS or (kind == "choice" and len(bound) < 2)
        if bad or (kind != "choice" and not (len(bound) == 3 and _rises(kind, bound[1], bound[2]))):
            raise UsageError(
                "usage.value",
                given=f"The space of {name} was {tuple(bound)!r}.",
                have='It is ("int", low, high), ("float", low, high), ("log", low, high) or ("choice", ...).',
                try_='Try ("int", 2, 6); low is below high, and above zero for "log".',
            )
    return dict(bounds)


def grid_points(bounds: Bounds, count: int, seed: int) -> list[dict[str, Any]]:
    """Points of the finest even grid that `count` trials can walk whole.

    Where even two levels of each number are too many, a seeded sample of that grid.

    Examples
    --------
    >>> grid_points({"depth": ("int", 2, 4), "kind": ("choice", "a", "b")}, count=7, seed=0)[:3]
    [{'depth': 2, 'kind': 'a'}, {'depth': 2, 'kind': 'b'}, {'depth': 3, 'kind': 'a'}]
    """
    for levels in range(_MOST_LEVELS, 1, -1):
        axes = [_levels(bound, levels) for bound in bounds.values()]
        if math.prod(map(len, axes)) <= count or levels == 2:
            break
    points = [dict(zip(bounds, values, strict=True)) for values in itertools.product(*axes)]
    if len(points) <= count:
        return points
    kept = np.random.default_rng(seed).choice(len(points), size=max(count, 0), replace=False)
    return [points[place] for place in sorted(kept)]


class _Listed:
    """Points that were fixed beforehand."""

    def __init__(self, points: list[dict[str, Any]]) -> None:
        self._points = iter(points)

    def suggest(self) -> dict[str, Any] | None:
        return next(self._points, None)

    def tell(self, score: float) -> None:
        pass


class _Parzen:
    """Optuna's tree-structured Parzen estimator; the study lives in memory."""

    def __init__(self, bounds: Bounds, seed: int, higher: bool) -> None:
        self._bounds = bounds
        loud = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        try:
            sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=4)
            self._study = optuna.create_study(direction="maximize" if higher else "minimize", sampler=sampler)
        finally:
            optuna.logging.set_verbosity(loud)

    def suggest(self) -> dict[str, Any] | None:
        self._asked = self._study.ask()
        return {name: self._one(name, bound) for name, bound in self._bounds.items()}

    def tell(self, score: float) -> None:
        if math.isnan(score):
            self._study.tell(self._asked, state=optuna.trial.TrialState.FAIL)
        else:
            self._study.tell(self._asked, score)

    def _one(self, name: str, bound: Sequence[Any]) -> Any:
        kind, *rest = bound
        if kind == "choice":
            return self._asked.suggest_categorical(name, rest)
        if kind == "int":
            return self._asked.suggest_int(name, rest[0], rest[1])
        return _short(self._asked.suggest_float(name, rest[0], rest[1], log=kind == "log"))


def _draw(bound: Sequence[Any], generator: np.random.Generator) -> Any:
    kind, *rest = bound
    if kind == "choice":
        return rest[int(generator.integers(len(rest)))]
    if kind == "int":
        return int(generator.integers(rest[0], rest[1] + 1))
    if kind == "log":
        return _short(math.exp(generator.uniform(math.log(rest[0]), math.log(rest[1]))))
    return _short(generator.uniform(rest[0], rest[1]))


def _levels(bound: Sequence[Any], levels: int) -> list[Any]:
    kind, *rest = bound
    if kind == "choice":
        return rest
    if kind == "int":
        return sorted({round(value) for value in np.linspace(rest[0], rest[1], levels)})
    spread = np.geomspace if kind == "log" else np.linspace
    return [_short(value) for value in spread(rest[0], rest[1], levels)]


def _short(value: float) -> float:
    # Six digits are enough to search with, and make a parameter set that can be read and typed.
    return float(f"{value:.6g}")


def _rises(kind: Any, low: Any, high: Any) -> bool:
    numbers = all(isinstance(end, int | float) for end in (low, high))
    return numbers and low < high and (kind != "log" or low > 0)
