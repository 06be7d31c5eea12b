"""Other inputs for the leak test, no cuts in time: one coin alone, coins in another order, half of the rows."""

from __future__ import annotations

import numpy as np
import pandas as pd

_MOST_CLASSES = 20


def has_coins(frame: pd.DataFrame) -> bool:
    """Whether rows of more than one coin are in the frame.

    Examples
    --------
    >>> has_coins(pd.DataFrame({"coin": ["BTC", "ETH"]})), has_coins(pd.DataFrame({"size": [1, 2]}))
    (True, False)
    """
    return "coin" in frame.columns and frame["coin"].nunique() > 1


def one_coin(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of the coin that comes last; another stood before it, whose bars may have run into its own.

    Examples
    --------
    >>> one_coin(pd.DataFrame({"coin": ["BTC", "ETH"]})).index.tolist()
    [1]
    """
    last: pd.DataFrame = frame[frame["coin"] == frame["coin"].drop_duplicates().iloc[-1]].copy()
    return last


def other_order(frame: pd.DataFrame) -> pd.DataFrame:
    """All rows, the coins in reverse order; index labels and the order within a coin are kept.

    A rank among coins is the same in any order; a window that runs from one coin into the next is not.

    Examples
    --------
    >>> other_order(pd.DataFrame({"coin": ["BTC", "BTC", "ETH"]})).index.tolist()
    [2, 0, 1]
    """
    coins = frame["coin"].drop_duplicates()[::-1]
    turned: pd.DataFrame = pd.concat([frame[frame["coin"] == coin] for coin in coins])
    return turned


def halves(frame: pd.DataFrame, target: str, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two random halves of a table without time, index labels and order kept.

    Parameters
    ----------
    frame : DataFrame (rows, ...)
        The table.
    target : str
        Its target: each of at most 20 distinct values is in both halves, so that classes keep their codes; a value
        that occurs once is in both.
    seed : int
        Of the draw.

    Returns
    -------
    one, other : DataFrame
        Together they hold every row. Both are needed: the row that holds a maximum is in one of them.

    Examples
    --------
    >>> sorted(len(part) for part in halves(pd.DataFrame({"sold": ["yes", "no", "no"]}), "sold"))
    [2, 2]
    """
    rng = np.random.default_rng(seed)
    code = np.zeros(len(frame), dtype=np.int64)
    if target in frame.columns:
        found, classes = pd.factorize(frame[target])
        code = found if len(classes) <= _MOST_CLASSES else code
    first, second = np.zeros(len(frame), dtype=bool), np.zeros(len(frame), dtype=bool)
    for one in np.unique(code):
        rows = rng.permutation(np.flatnonzero(code == one))
        first[rows[::2]] = True
        second[rows[1::2] if len(rows) > 1 else rows] = True
    return frame[first].copy(), frame[second].copy()
