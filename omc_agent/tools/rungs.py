"""Successive halving: many parameter sets on few rows, the better third on more, the best few on all."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

FACTOR = 3
_MOST_RUNGS = 3

Chosen = dict[str, Any]


def rung_frames(features: pd.DataFrame, count: int, seed: int) -> list[pd.DataFrame]:
    """The frames of the lower rungs, smallest first: the newest ninth and third of the times, or a sample of a table.

    Parameters
    ----------
    features : DataFrame (rows, ...)
        A features frame.
    count : int
        Parameter sets to begin with; fewer than three need no lower rung.
    seed : int
        Seed of the sample of a table without time.

    Returns
    -------
    list of DataFrame
        At most two; all rows, the top rung, are not among them.

    Examples
    --------
    >>> [len(frame) for frame in rung_frames(pd.DataFrame({"size": range(90)}), count=9, seed=0)]
    [10, 30]
    """
    rungs = min(_MOST_RUNGS, 1 + int(math.log(max(count, 1), FACTOR) + 1e-9))
    shares = [FACTOR**-step for step in range(rungs - 1, 0, -1)]
    if "timestamp" in features.columns:
        return [features[features["timestamp"] > features["timestamp"].quantile(1 - share)] for share in shares]
    order = np.random.default_rng(seed).permutation(len(features))
    return [features.iloc[np.sort(order[: max(1, round(len(features) * share))])] for share in shares]


def climb(
    drawn: Sequence[Chosen],
    frames: Sequence[pd.DataFrame],
    score: Callable[[pd.DataFrame, Chosen], float],
    higher: bool,
    late: Callable[[], bool],
) -> tuple[list[Chosen], list[Chosen]]:
    """Which parameter sets reach the top, best first, and which were left below it.

    Parameters
    ----------
    drawn : sequence of dict
        Parameter sets.
    frames : sequence of DataFrame
        Rows of each rung below the top; see `rung_frames`.
    score : callable
        ``score(rows, params)``, NaN where these rows cannot tell. A rung on which none can be scored is passed over.
    higher : bool
        Whether a higher score is better.
    late : callable
        Whether to stop; those alive then reach the top.

    Notes
    -----
    Jamieson and Talwalkar (2016), "Non-stochastic best arm identification and hyperparameter optimization", AISTATS.
    Scores of different rungs are of different rows and are never compared.

    Examples
    --------
    >>> sets = [{"n": n} for n in range(6)]
    >>> climb(sets, [pd.DataFrame({"size": [1.0]})], lambda rows, params: params["n"], True, lambda: False)[0]
    [{'n': 5}, {'n': 4}]
    """
    alive, left = list(drawn), []
    for frame in frames:
        if late():
            break
        found = np.array([score(frame, chosen) for chosen in alive], dtype=np.float64)
        if np.isnan(found).all():
            continue
        worth = np.where(np.isnan(found), -np.inf, found if higher else -found)
        order = np.argsort(-worth, kind="stable")
        kept = max(1, math.ceil(len(alive) / FACTOR))
        left += [alive[place] for place in order[kept:]]
        alive = [alive[place] for place in order[:kept]]
    return alive, left
