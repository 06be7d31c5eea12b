"""Where training ends and judging begins: purged walk-forward folds, and the cut that seals the holdout.

A label looks one horizon ahead, so the last training rows before a test block already know its prices. They
are purged (kept out of training) by the time their label ends, never removed from the frame.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import KFold, StratifiedKFold

from omc_agent.errors import DataError
from omc_agent.tools.bars import epoch_us
from omc_agent.tools.calendar_blocks import calendar_offset, period_starts
from omc_agent.tools.grouping import GROUP, GroupFolds
from omc_agent.tools.repeats import repeated_rows
from omc_agent.tools.sealing import seal, seal_cut
from omc_agent.tools.split_checks import at_least, no_shuffle, span_of, too_few, too_few_periods

__all__ = ["Folds", "Positions", "TableFolds", "WalkForward", "folds_for", "last_fold", "seal", "seal_cut"]

Positions = NDArray[np.int64]
LEAST_ROWS = 20  # fewer rows teach a model nothing


class Folds(Protocol):
    """What every splitter here offers: scikit-learn's splitter protocol."""

    def split(self, X: pd.DataFrame, y: Any = None, groups: Any = None) -> Iterator[tuple[Positions, Positions]]:
        """Positions of training and test rows, fold by fold."""

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """The number of folds."""


class WalkForward:
    """Purged walk-forward folds: train on the past, test on the next block of time.

    The unique timestamps are cut into ``n_splits + 1`` blocks of nearly equal count. The first is for training
    only, each other one is tested once. With `calendar` each test block is one period of the calendar, and the last
    ``n_splits`` of them are tested. All coins are cut at the same times.

    Parameters
    ----------
    n_splits : int
        Number of test blocks, at least 1.
    embargo : str or timedelta
        Further gap between the end of the last training label and the start of the test block.
    window : str or timedelta, optional
        Length of a rolling training window, counted back from the start of the test block. Without it the
        window expands: all of the past.
    calendar : str, optional
        Length of a test block by its pandas alias, such as ``"1D"``, ``"1W"`` (from Monday) or ``"1MS"`` (months):
        blocks begin where such a period begins, in UTC. Periods without a row do not count, and the last may be
        unfinished.
    least : int
        Times that the first block holds at least, so that a short frame has something to train on; the other
        blocks share the rest.

    Notes
    -----
    Purge and embargo after Lopez de Prado (2018), *Advances in Financial Machine Learning*, chapter 7; here by
    the label's end time and for walk-forward, where training rows only lie before the test block. A training
    row stays while ``label_end + embargo <= start of the test block``. A row whose `label_end` is NaT has no
    label and never trains.

    Examples
    --------
    >>> times = pd.date_range("2024-01-01", periods=6, freq="1h", tz="UTC")
    >>> frame = pd.DataFrame({"timestamp": times, "label_end": times + pd.Timedelta("2h")})
    >>> [(train.tolist(), test.tolist()) for train, test in WalkForward(2).split(frame)]
    [([0], [2, 3]), ([0, 1, 2], [4, 5])]
    """

    def __init__(
        self,
        n_splits: int = 5,
        embargo: str | timedelta = "0h",
        window: str | timedelta | None = None,
        calendar: str | None = None,
        least: int = 1,
    ) -> None:
        self.n_splits = at_least("n_splits", n_splits, 1)
        self.embargo = span_of("embargo", embargo)
        self.window = None if window is None else span_of("window", window)
        self.calendar = calendar
        if calendar is not None:
            calendar_offset(calendar)
        self.least = at_least("least", least, 1)

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """The number of folds."""
        return self.n_splits

    def split(self, X: pd.DataFrame, y: Any = None, groups: Any = None) -> Iterator[tuple[Positions, Positions]]:
        """Positions of training and test rows, fold by fold.

        Parameters
        ----------
        X : DataFrame (rows, ...)
            A features frame with `timestamp` and `label_end` (UTC), in any order. Its index is not used.
        y, groups : ignored

        Yields
        ------
        train, test : int64 arrays
            Positions (not labels), ascending.

        Raises
        ------
        DataError
            ``data.no_time`` without the two columns; ``data.too_few_rows`` when a fold has nothing to train on.
        """
        need_times(X)
        time, label_end = epoch_us(X["timestamp"]), epoch_or_never(X["label_end"])
        for start, end in itertools.pairwise(self._edges(np.unique(time))):
            train = (time < start) & (label_end <= start - to_us(self.embargo))
            if self.window is not None:
                train &= time >= start - to_us(self.window)
            if not train.any():
                raise too_few(len(np.unique(time)), self.n_splits)
            yield np.flatnonzero(train), np.flatnonzero((time >= start) & (time < end))

    def _edges(self, unique: Positions) -> Positions:
        """Where test blocks begin, and past the last time (n_splits + 1,)."""
        if self.calendar is not None:
            periods = period_starts(unique, self.calendar)
            if len(periods) < self.n_splits:
                raise too_few_periods(len(periods), self.n_splits, self.calendar)
            starts = periods[-self.n_splits :]
        else:
            places = np.linspace(0, len(unique), self.n_splits + 2).round().astype(int)
            if places[1] < self.least:
                rest = np.linspace(min(self.least, len(unique)), len(unique), self.n_splits + 1).round().astype(int)
                places = np.concatenate([[0], rest])
            if (np.diff(places) < 1).any():
                raise too_few(len(unique), self.n_splits)
            starts = unique[places[1:-1]]
        return np.append(starts, unique[-1] + 1)


class TableFolds:
    """Seeded folds for rows without time: stratified for classification, plain otherwise.

    Parameters
    ----------
    n_splits : int
        Number of folds, at least 2.
    seed : int
        Seed of the shuffle.
    stratify : bool
        Whether each fold keeps the shares of the classes. A class with fewer rows than folds gets fewer folds. Rows
        with equal features are in one fold.

    Examples
    --------
    >>> table = pd.DataFrame({"size": range(4), "target": [0.0, 0.0, 1.0, 1.0]})
    >>> [sorted(table["target"].iloc[test]) for _, test in TableFolds(2, seed=0).split(table)]
    [[0.0, 1.0], [0.0, 1.0]]
    """

    def __init__(self, n_splits: int = 5, seed: int = 0, stratify: bool = True) -> None:
        self.n_splits = at_least("n_splits", n_splits, 2)
        self.seed, self.stratify = seed, stratify

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """The number of folds."""
        return self.n_splits

    def split(self, X: pd.DataFrame, y: Any = None, groups: Any = None) -> Iterator[tuple[Positions, Positions]]:
        """Positions of training and test rows, fold by fold; `y` defaults to the column `target`.

        Raises
        ------
        DataError
            ``data.too_few_rows`` when there are fewer rows (or rows of the rarest class) than folds.
        """
        label = np.asarray(X["target"] if y is None else y)
        scarcest = int(np.unique(label, return_counts=True)[1].min()) if self.stratify and len(label) else len(label)
        if scarcest < self.n_splits:
            raise too_few(scarcest, self.n_splits)
        kind = StratifiedKFold if self.stratify else KFold
        # Equal rows go where the first of them goes, or one would be scored that was learned by heart.
        code = repeated_rows(X, ["target"]) if isinstance(X, pd.DataFrame) else np.arange(len(label))
        _, first = np.unique(code, return_index=True)
        if self.stratify and int(np.unique(label[first], return_counts=True)[1].min()) < self.n_splits:
            code = first = np.arange(len(label))  # a class of one row many times over: nothing else to do
        for _, test in kind(self.n_splits, shuffle=True, random_state=self.seed).split(first, label[first]):
            held = np.isin(code, code[first[test]])
            yield np.flatnonzero(~held), np.flatnonzero(held)


def folds_for(
    features: pd.DataFrame,
    n_splits: int = 5,
    task: str = "classification",
    seed: int = 0,
    shuffle: bool | None = None,
) -> WalkForward | TableFolds | GroupFolds:
    """The splitter that fits the frame: walk-forward where there is time, seeded folds of groups or rows otherwise.

    Parameters
    ----------
    features : DataFrame (rows, ...)
        A features frame.
    n_splits, task, seed
        Number of folds; ``classification`` keeps the shares of the classes; seed of rows without time.
    shuffle : bool, optional
        Whether shuffled folds are asked for; None takes what fits, as rows without time are always shuffled.

    Raises
    ------
    UsageError
        ``usage.value`` for shuffled folds of rows in time.

    Examples
    --------
    >>> type(folds_for(pd.DataFrame({"size": [1.0], "target": [0.0]}))).__name__
    'TableFolds'
    """
    if "timestamp" in features.columns:
        if shuffle:
            raise no_shuffle()
        return WalkForward(n_splits, least=LEAST_ROWS)
    if GROUP in features.columns:
        return GroupFolds(n_splits, seed, stratify=task == "classification")
    return TableFolds(n_splits, seed, stratify=task == "classification")


def last_fold(
    features: pd.DataFrame, n_splits: int = 5, task: str = "classification", seed: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows to train on and the rows to look at, of the last purged walk-forward fold.

    Parameters
    ----------
    features : DataFrame (rows, ...)
        A features frame; rows with a NaN target are left out.
    n_splits, task, seed
        As `folds_for`.

    Returns
    -------
    train, test : DataFrame
        No training label ends after the first test row.

    Examples
    --------
    >>> rows = pd.DataFrame({"size": range(40), "target": [0.0, 1.0] * 20})
    >>> [len(part) for part in last_fold(rows)]
    [32, 8]
    """
    rows = features[features["target"].notna()]
    train, test = list(folds_for(rows, n_splits, task, seed).split(rows, rows["target"]))[-1]
    return rows.iloc[train], rows.iloc[test]


def epoch_or_never(times: pd.Series[Any]) -> Positions:
    """Microseconds since the epoch; NaT becomes the end of time, which no purge lets through."""
    known = times.notna().to_numpy()
    never = np.iinfo(np.int64).max
    return np.where(known, epoch_us(times.fillna(pd.Timestamp(0, tz="UTC"))), never)


def to_us(span: pd.Timedelta) -> int:
    """A length of time in whole microseconds."""
    return int(span // pd.Timedelta(1, unit="us"))


def need_times(features: pd.DataFrame) -> None:
    """Raise ``data.no_time`` where the columns that a purge needs are not there."""
    missing = [name for name in ("timestamp", "label_end") if name not in features.columns]
    if missing:
        raise DataError(
            "data.no_time",
            given=f"The frame lacks {' and '.join(missing)}.",
            have="Walk-forward folds are cut in time and purged by the end of each label.",
            try_="Try the frame that create_features returns, or TableFolds for rows without time.",
        )
