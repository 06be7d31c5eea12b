"""What anybody would say without learning anything: the rules that a model has to beat."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from omc_agent.errors import DataError, UsageError

NAIVE_RULES = ("constant", "last", "reversal", "seasonal")
NAIVE_COLUMNS = ("naive_last", "naive_before", "naive_day")
_COLUMN = {"last": "naive_last", "reversal": "naive_last", "seasonal": "naive_day"}


def naive_score(
    features: pd.DataFrame,
    rule: str,
    task: str = "classification",
    base: float | None = None,
    horizon: pd.Timedelta | None = None,
) -> pd.Series[Any]:
    """What a naive rule says of each row.

    Parameters
    ----------
    features : DataFrame (rows, ...)
        A features frame; `naive_last` and `naive_day` are the target's quantity as known at the decision and
        one day (in a series: one season) before the label; `naive_before`, in a series, one step earlier.
    rule : str
        One of ``NAIVE_RULES``:

        - ``constant``: `base` everywhere;
        - ``last``: the last known value goes on;
        - ``reversal``: the last move is undone;
        - ``seasonal``: as one day ago, or one season.
    task : str
        ``classification``: a score, higher means class 1 is likelier; any rising function of it is as good,
        so that ROC-AUC is defined. ``regression``: a prediction in units of the target.
    base : float, optional
        The constant: base rate or median of *training* rows. By default that of the frame itself.
    horizon : Timedelta, optional
        From decision to label; by default the median of ``label_end - timestamp``.

    Returns
    -------
    Series (rows,)
        float64 with the frame's index; NaN where the rule has nothing to go by.

    Raises
    ------
    UsageError
        ``usage.value`` for another rule.
    DataError
        ``data.unreadable`` when the frame lacks the rule's column (a table without time has only `constant`).

    Notes
    -----
    Reversal of a signed quantity (a return, a score) is its negative. In regression a quantity that is never
    negative (a price, a volatility) is a level: undoing its last move gives its value one horizon earlier, of
    the same coin; where that bar is missing, the last value. In a series it is the value before the last one.

    Examples
    --------
    >>> rows = pd.DataFrame({"naive_last": [0.01, -0.02], "target": [1.0, 0.0]})
    >>> naive_score(rows, "reversal").tolist()
    [-0.01, 0.02]
    """
    if rule not in NAIVE_RULES:
        raise UsageError(
            "usage.value",
            given=f"The naive rule was {rule!r}.",
            have=f"The rules are {', '.join(NAIVE_RULES)}.",
            try_="Try one of these.",
        )
    if rule == "constant":
        value = _constant(features, task) if base is None else float(base)
        return pd.Series(value, index=features.index, name=rule, dtype="float64")
    if _COLUMN[rule] not in features.columns:
        raise DataError(
            "data.unreadable",
            given=f"The rule {rule!r} needs the column {_COLUMN[rule]!r}, which is not in the frame.",
            have="Frames of bars and of series have it; other tables have only 'constant'.",
            try_="Try the rule 'constant'.",
        )
    known = features[_COLUMN[rule]].astype("float64")
    if rule != "reversal":
        return known.rename(rule)
    if task == "regression" and "naive_before" in features.columns:
        return features["naive_before"].astype("float64").rename(rule)
    if task == "regression" and bool((known.dropna() >= 0).all()):
        return _one_horizon_earlier(features, known, horizon).rename(rule)
    return (-known).rename(rule)


def naive_rules(features: pd.DataFrame) -> tuple[str, ...]:
    """The rules that this frame can follow: those whose column is there and holds a value.

    Examples
    --------
    >>> naive_rules(pd.DataFrame({"size": [1.0], "target": [0.0]}))
    ('constant',)
    """
    return tuple(rule for rule in NAIVE_RULES if rule == "constant" or _has_values(features, _COLUMN[rule]))


def attach_naive(predictions: pd.DataFrame, features: pd.DataFrame) -> pd.DataFrame:
    """`predictions` with the columns that the naive rules need, joined by the index of the bars.

    Parameters
    ----------
    predictions : DataFrame (rows, ...)
        Out-of-fold or sealed predictions.
    features : DataFrame
        The features frame that holds these rows.

    Returns
    -------
    DataFrame (rows, ...)
        `predictions` and, where `features` has them, `label_end`, `naive_last`, `naive_before`, `naive_day`.

    Examples
    --------
    >>> bars = pd.DataFrame({"naive_last": [2.0]}, index=[7])
    >>> attach_naive(pd.DataFrame({"prediction": [0.5]}, index=[7]), bars)["naive_last"].tolist()
    [2.0]
    """
    names = [name for name in ("label_end", *NAIVE_COLUMNS) if name in features.columns]
    extra = features.loc[predictions.index, names]
    return predictions.drop(columns=names, errors="ignore").join(extra)


def _constant(features: pd.DataFrame, task: str) -> float:
    target = features["target"].dropna()
    return float(target.median() if task == "regression" else target.mean())


def _has_values(features: pd.DataFrame, column: str) -> bool:
    return column in features.columns and bool(features[column].notna().any())


def _one_horizon_earlier(
    features: pd.DataFrame, known: pd.Series[Any], horizon: pd.Timedelta | None
) -> pd.Series[Any]:
    span = (features["label_end"] - features["timestamp"]).median() if horizon is None else horizon
    coin = features["coin"] if "coin" in features.columns else pd.Series("", index=features.index)
    there = pd.MultiIndex.from_arrays([coin, features["timestamp"]])
    wanted = pd.MultiIndex.from_arrays([coin, features["timestamp"] - span])
    spot = there.get_indexer(wanted)
    values = known.to_numpy()
    earlier = np.where(spot >= 0, values[spot], np.nan)
    return pd.Series(np.where(np.isnan(earlier), values, earlier), index=features.index)
