"""Rows that belong together, such as the visits of one patient: never split, and one block of a verdict."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

from omc_agent.tools.split_checks import at_least, bad_value, too_few

Floats = NDArray[np.float64]
Positions = NDArray[np.int64]
# The column of a features frame that names the group of each row.
GROUP = "row_group"


def mean_by_group(values: Floats, group: pd.Series[Any]) -> Floats:
    """Values of groups, whose mean is the mean of the rows' values, so that groups can be resampled as blocks.

    Parameters
    ----------
    values : array (n,)
        Influence values of rows; NaN rows do not count.
    group : Series (n,)
        Of each row.

    Returns
    -------
    array (groups with a counted row,)
        ``mean + G / n * sum over the group of (value - mean)``: the linearised mean of rows under sampling of
        whole groups.

    Notes
    -----
    The ratio estimator of cluster sampling: Cochran (1977), *Sampling Techniques*, 9A.1.

    Examples
    --------
    >>> mean_by_group(np.array([1.0, 1.0, 0.0]), pd.Series(["a", "a", "b"])).round(3).tolist()
    [1.111, 0.222]
    """
    known = ~np.isnan(values)
    if not known.any():
        return np.array([])
    mean = float(values[known].mean())
    away = pd.Series(values[known] - mean).groupby(group.to_numpy()[known], sort=False).sum()
    return np.asarray(mean + len(away) / int(known.sum()) * away.to_numpy(), dtype=np.float64)


def group_of(rows: pd.DataFrame) -> pd.Series[Any] | None:
    """The group of each row, where the frame has one.

    Examples
    --------
    >>> group_of(pd.DataFrame({"size": [1.0]})) is None
    True
    """
    return rows[GROUP] if GROUP in rows.columns else None


class GroupFolds:
    """Seeded folds that never split a group: with equal shares of the classes for classification.

    Parameters
    ----------
    n_splits : int
        Number of folds, at least 2.
    seed : int
        Seed of the shuffle.
    stratify : bool
        Whether the folds keep the shares of the classes as well as groups allow.

    Examples
    --------
    >>> table = pd.DataFrame({"row_group": list("aabbccdd"), "target": [0.0, 1.0] * 4})
    >>> [sorted(set(table["row_group"].iloc[test])) for _, test in GroupFolds(2, seed=0).split(table)]
    [['b', 'c'], ['a', 'd']]
    """

    def __init__(self, n_splits: int = 5, seed: int = 0, stratify: bool = True) -> None:
        self.n_splits = at_least("n_splits", n_splits, 2)
        self.seed, self.stratify = seed, stratify

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """The number of folds."""
        return self.n_splits

    def split(self, X: pd.DataFrame, y: Any = None, groups: Any = None) -> Iterator[tuple[Positions, Positions]]:
        """Positions of training and test rows, fold by fold; `y` and `groups` default to the frame's columns.

        Raises
        ------
        DataError
            ``data.too_few_rows`` when there are fewer groups than folds.
        """
        label = np.asarray(X["target"] if y is None else y)
        group = np.asarray(X[GROUP] if groups is None else groups)
        count = len(pd.unique(group))
        if count < self.n_splits:
            raise too_few(count, self.n_splits)
        kind = StratifiedGroupKFold if self.stratify else GroupKFold
        for train, test in kind(self.n_splits, shuffle=True, random_state=self.seed).split(X, label, group):
            yield np.asarray(train, dtype=np.int64), np.asarray(test, dtype=np.int64)


def seal_groups(
    frame: pd.DataFrame, group: str, fraction: float = 0.2, seed: int = 0, target: str = "target"
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Set whole groups aside: a seeded sample, with the shares of the classes as well as groups allow.

    Parameters
    ----------
    frame : DataFrame (rows, ...)
        Any table. A row without a group is a group of its own.
    group : str
        The column that names the group.
    fraction : float
        Share of the rows to seal, met as nearly as whole groups allow.
    seed : int
        Seed of the sample.
    target : str
        Balanced where it holds at most 20 classes.

    Returns
    -------
    development, sealed : DataFrame
        In the frame's order; no group is in both.

    Raises
    ------
    UsageError, DataError
        ``usage.value`` for a fraction outside (0, 1); ``data.too_few_rows`` for fewer than ten groups.

    Examples
    --------
    >>> rows = pd.DataFrame({"who": [name for name in "abcdefghij" for _ in "123"], "target": [0.0, 1.0, 1.0] * 10})
    >>> development, sealed = seal_groups(rows, "who")
    >>> len(sealed), set(sealed["who"]) & set(development["who"])
    (6, set())
    """
    if not 0 < fraction < 1:
        raise bad_value("fraction", fraction, "It is the sealed share of the rows, between 0 and 1.")
    code = group_codes(frame[group])
    count = len(np.unique(code))
    if count < 10:
        raise too_few(count, 10)
    folds = max(2, min(round(1 / fraction), count)) if fraction <= 0.5 else 2
    classes = (
        pd.factorize(frame[target], use_na_sentinel=False)[0] if target in frame.columns else np.zeros(len(code))
    )
    stratify = len(np.unique(classes)) <= 20
    kind = StratifiedGroupKFold if stratify else GroupKFold
    _, held = next(iter(kind(folds, shuffle=True, random_state=seed).split(frame, classes, code)))
    sealed = np.zeros(len(frame), dtype=bool)
    sealed[held] = True
    return frame[~sealed].copy(), frame[sealed].copy()


def group_names(group: pd.Series[Any]) -> pd.Series[Any]:
    """Groups as text, each row for itself, so that more rows change no name; a row without a group has its own.

    Examples
    --------
    >>> group_names(pd.Series([7, 7])).tolist()
    ['7', '7']
    """
    alone = pd.Series([f"row {label}" for label in group.index], index=group.index)
    return group.astype("str").where(group.notna(), alone)


def group_codes(group: pd.Series[Any]) -> Positions:
    """A number for each group; every row without one gets its own.

    Examples
    --------
    >>> group_codes(pd.Series(["a", None, "a", None])).tolist()
    [0, 1, 0, 2]
    """
    code = pd.factorize(group)[0].astype(np.int64)
    alone = code < 0
    code[alone] = code.max() + 1 + np.arange(int(alone.sum())) if alone.any() else code[alone]
    return code
