"""Rows of a table that repeat another: learned by heart on one side of a split, they score on the other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from omc_agent.tools.sketch import hash_rows

Positions = NDArray[np.int64]
FEWEST = 50  # fewer different rows come of columns with few values; keeping them whole would leave nothing to split


def repeated_rows(frame: pd.DataFrame, leave_out: Iterable[Any] = ()) -> Positions:
    """A number for each row, equal where rows are equal but for the columns that are left out.

    Parameters
    ----------
    frame : DataFrame (rows, ...)
        A table without time.
    leave_out : iterable
        Columns that do not count: the target, so that equal rows with another target stay together too, and columns
        that only name rows.

    Returns
    -------
    int64 array (rows,)
        0, 1, ... in the order of the first of each; all different where fewer than 50 are, as then columns with few
        values make rows alike.

    Examples
    --------
    >>> rows = pd.DataFrame({"size": [*range(60), 0], "sold": 1})
    >>> repeated_rows(rows, ["sold"])[[0, 1, -1]].tolist()
    [0, 1, 0]
    """
    kept = [name for name in frame.columns if name not in set(leave_out)]
    alone = np.arange(len(frame), dtype=np.int64)
    if not kept:
        return alone
    code, values = pd.factorize(hash_rows(frame[kept]))
    return np.asarray(code, dtype=np.int64) if len(values) >= FEWEST else alone


def count_repeats(code: Positions) -> int:
    """Rows that repeat an earlier one.

    Examples
    --------
    >>> count_repeats(np.array([0, 1, 0, 0]))
    2
    """
    return len(code) - len(np.unique(code))


def sample_whole(code: Positions, classes: Positions, fraction: float, seed: int) -> NDArray[np.bool_]:
    """A seeded sample of about that share of the rows, in which equal rows are all or none.

    Parameters
    ----------
    code : int64 array (rows,)
        From `repeated_rows`.
    classes : int64 array (rows,)
        The share is met within each class of the first of equal rows.
    fraction : float
        Between 0 and 1.
    seed : int
        Of the draw.

    Returns
    -------
    bool array (rows,)
        Never all rows and, of two different ones, never none.

    Examples
    --------
    >>> sample_whole(np.array([0, 0, 1, 2, 3]), np.zeros(5, dtype=int), 0.4, 0).sum().item()
    2
    """
    _, first, group, size = np.unique(code, return_index=True, return_inverse=True, return_counts=True)
    rng, taken = np.random.default_rng(seed), np.zeros(len(first), dtype=bool)
    for each in np.unique(classes[first]):
        order = rng.permutation(np.flatnonzero(classes[first] == each))
        room = fraction * float(size[order].sum())
        for one in order:
            if size[one] <= room + 0.5:
                taken[one] = True
                room -= float(size[one])
    if not taken.any() and len(taken) > 1:
        taken[int(np.argmin(size))] = True
    return taken[group]
