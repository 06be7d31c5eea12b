"""The ROC-AUC as a mean over rows, so that its interval can be had as that of any other mean."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

Floats = NDArray[np.float64]


def auc_placements(y: ArrayLike, score: ArrayLike) -> Floats:
    """Per-row values whose mean is the ROC-AUC; of two scores, their mean difference is the AUC difference.

    Parameters
    ----------
    y : array (n,)
        1.0 or 0.0; NaN rows are left out.
    score : array (n,)
        Higher means class 1 is likelier; NaN rows are left out.

    Returns
    -------
    array (n,)
        NaN where `y` or `score` is, and everywhere when a class is missing.

    Notes
    -----
    The placement V of a positive row is the share of negative rows that it outranks (ties count half), and of
    a negative row the share of positive rows that outrank it. The value is AUC + n/n1 (V - AUC) for positive
    and AUC + n/n0 (V - AUC) for negative rows: the influence values of the AUC. Their mean is the AUC, and the
    variance of that mean is that of DeLong, DeLong and Clarke-Pearson (1988), Biometrics 44(3).

    Examples
    --------
    >>> float(auc_placements([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]).mean())
    0.75
    """
    label, value = np.asarray(y, dtype=np.float64), np.asarray(score, dtype=np.float64)
    found = np.full(len(label), np.nan)
    known = ~(np.isnan(label) | np.isnan(value))
    positive, negative = known & (label == 1), known & (label != 1)
    n1, n0 = int(positive.sum()), int(negative.sum())
    if not n1 or not n0:
        return found
    rank = np.full(len(label), np.nan)
    rank[known] = rankdata(value[known])
    placed = np.full(len(label), np.nan)
    placed[positive] = (rank[positive] - rankdata(value[positive])) / n0
    placed[negative] = 1 - (rank[negative] - rankdata(value[negative])) / n1
    auc = float(placed[positive].mean())
    found[positive] = auc + (n1 + n0) / n1 * (placed[positive] - auc)
    found[negative] = auc + (n1 + n0) / n0 * (placed[negative] - auc)
    return found
