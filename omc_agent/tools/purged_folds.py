"""Purged k-fold: each block of time is tested once, and trained on rows of both sides of it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

from omc_agent.tools.bars import epoch_us
from omc_agent.tools.split_checks import at_least, span_of, too_few
from omc_agent.tools.splits import Positions, epoch_or_never, need_times, to_us


class PurgedKFold:
    """Purged k-fold in time: every row is tested once, by a model of the rows before *and* after its block.

    It uses more of a short span than `WalkForward`, and answers another question: whether a relation holds all over
    the span, not whether it could have been used at the time. So the agent does not claim scores of it.

    Parameters
    ----------
    n_splits : int
        Number of blocks, at least 2, of nearly equal count of unique timestamps. All coins are cut at the same times.
    embargo : str or timedelta
        Gap between the end of the block's last label and the first training row behind it.

    Notes
    -----
    Lopez de Prado (2018), *Advances in Financial Machine Learning*, chapter 7. A training row before the block stays
    while its ``label_end <= start of the block``; one behind it from ``timestamp >= last label end of the block +
    embargo``. Labels are spans that do not hold their end, so one that ends when another begins does not overlap it.
    A row whose `label_end` is NaT never trains; as a row of the block it ends at its own time.

    Examples
    --------
    >>> times = pd.date_range("2024-01-01", periods=6, freq="1h", tz="UTC")
    >>> frame = pd.DataFrame({"timestamp": times, "label_end": times + pd.Timedelta("1h")})
    >>> [(train.tolist(), test.tolist()) for train, test in PurgedKFold(3, embargo="1h").split(frame)]
    [([3, 4, 5], [0, 1]), ([0, 1, 5], [2, 3]), ([0, 1, 2, 3], [4, 5])]
    """

    def __init__(self, n_splits: int = 5, embargo: str | timedelta = "0h") -> None:
        self.n_splits = at_least("n_splits", n_splits, 2)
        self.embargo = span_of("embargo", embargo)

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """The number of folds."""
        return self.n_splits

    def split(self, X: pd.DataFrame, y: Any = None, groups: Any = None) -> Iterator[tuple[Positions, Positions]]:
        """Positions of training and test rows, fold by fold.

        Parameters
        ----------
        X : DataFrame (rows, ...)
            A features frame with `timestamp` and `label_end` (UTC), in any order.
        y, groups : ignored

        Raises
        ------
        DataError
            ``data.no_time`` without the two columns; ``data.too_few_rows`` when a fold has nothing to train on.
        """
        need_times(X)
        time, end = epoch_us(X["timestamp"]), epoch_or_never(X["label_end"])
        known = X["label_end"].notna().to_numpy()
        unique = np.unique(time)
        places = np.linspace(0, len(unique), self.n_splits + 1).round().astype(int)
        if (np.diff(places) < 1).any():
            raise too_few(len(unique), self.n_splits)
        for first, last in itertools.pairwise(places):
            start = unique[first]
            test = (time >= start) & (time <= unique[last - 1])
            closed = int(np.where(known, end, time)[test].max())
            behind = (time > unique[last - 1]) & (time >= closed + to_us(self.embargo))
            train = known & (((time < start) & (end <= start)) | behind)
            if not train.any():
                raise too_few(len(unique), self.n_splits)
            yield np.flatnonzero(train), np.flatnonzero(test)
