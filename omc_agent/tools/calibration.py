"""Whether probabilities mean what they say: Brier score, reliability table, expected calibration error."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from omc_agent.tools.class_metrics import class_columns
from omc_agent.tools.plots import DPI, INK, colour
from omc_agent.tools.rule import brier

_BINS = 10
# Fewer rows in a group show noise, not reliability.
_ROWS_A_BIN = 20


def calibrate(target: pd.Series[Any], probability: pd.Series[Any], base: float, bins: int = _BINS) -> dict[str, Any]:
    """Brier score and reliability of probabilities.

    Parameters
    ----------
    target : Series (n,)
        0.0 or 1.0; NaN rows do not count.
    probability : Series (n,)
        Of class 1.
    base : float
        Base rate of the development rows, whose Brier score is the one to be below.
    bins : int
        Groups of equal count in the table, at most; each has twenty rows where there are as many.

    Returns
    -------
    dict
        ``brier``, ``base_brier``, ``error`` (expected calibration error) and ``table``: for each group ``predicted``
        (mean probability), ``seen`` (share of class 1) and ``rows``. Empty without rows or when a value is no
        probability.

    Notes
    -----
    Brier (1950), Monthly Weather Review 78(1). The expected calibration error is the mean distance of `seen` from
    `predicted`, weighted by rows: Naeini, Cooper and Hauskrecht (2015), AAAI, here with groups of equal count.

    Examples
    --------
    >>> found = calibrate(pd.Series([0.0, 1.0] * 10), pd.Series([0.5] * 20), 0.5)
    >>> found["brier"], found["error"], len(found["table"])
    (0.25, 0.0, 1)
    """
    known = target.notna() & probability.notna()
    y, p = target[known].astype(float), probability[known].astype(float)
    score = brier(y, p)
    if not len(y) or np.isnan(score):
        return {}
    bins = max(1, min(bins, len(p) // _ROWS_A_BIN))
    # Equal probabilities stay together, or the order of rows would decide.
    group = pd.qcut(p, bins, labels=False, duplicates="drop") if p.nunique() > 1 else pd.Series(0, index=p.index)
    parts = [(p[group == g], y[group == g]) for g in sorted(group.unique())]
    table = [{"predicted": float(a.mean()), "seen": float(b.mean()), "rows": len(a)} for a, b in parts]
    error = sum(row["rows"] * abs(row["seen"] - row["predicted"]) for row in table) / len(y)
    return {"brier": score, "base_brier": brier(y, pd.Series(base, index=y.index)), "error": error, "table": table}


def calibrate_named(sealed: pd.DataFrame, development: pd.DataFrame) -> dict[str, Any]:
    """As `calibrate`, of more than two classes: how often the class that is named, the likeliest, is the right one.

    Parameters
    ----------
    sealed, development : DataFrame (rows, ...)
        `target` (codes) and the probabilities ``p_0, p_1, p_2, ...``; rows with a NaN in them do not count.

    Returns
    -------
    dict
        As `calibrate`, with ``named`` True; the base is the share of right names among the development rows. Empty
        for two classes, or a value.

    Examples
    --------
    >>> rows = pd.DataFrame({"target": [0.0, 1.0] * 20, "p_0": 0.5, "p_1": 0.3, "p_2": 0.2})
    >>> found = calibrate_named(rows, rows)
    >>> found["table"], found["named"]
    ([{'predicted': 0.5, 'seen': 0.5, 'rows': 40}], True)
    """
    if not class_columns(sealed) or class_columns(sealed) != class_columns(development):
        return {}
    right, sure = _named(sealed)
    found = calibrate(right, sure, float(_named(development)[0].mean()))
    return found | {"named": True} if found else {}


def _named(rows: pd.DataFrame) -> tuple[pd.Series[Any], pd.Series[Any]]:
    """Whether the likeliest class occurred, and the probability that it was given."""
    columns = class_columns(rows)
    rows = rows[rows["target"].notna() & rows[columns].notna().all(axis=1)]
    said = rows[columns].to_numpy(float)
    right = (said.argmax(axis=1) == rows["target"].to_numpy(float)).astype(float)
    return pd.Series(right, index=rows.index), pd.Series(said.max(axis=1), index=rows.index)


def reliability_png(table: Sequence[Mapping[str, Any]], named: bool = False) -> str:
    """The reliability plot as PNG in base64; "" for no table. `named`: of the class that is named.

    Made without pyplot and without changing any setting, for it is drawn in the person's own kernel.

    Examples
    --------
    >>> reliability_png([])
    ''
    """
    if not table:
        return ""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.0, 3.6), dpi=DPI, facecolor="none", layout="constrained")
    axes = figure.add_subplot(facecolor="none")
    said, seen = [row["predicted"] for row in table], [row["seen"] for row in table]
    low, high = min(*said, *seen), max(*said, *seen)
    edge = max(0.02, 0.08 * (high - low))
    ends = [max(0.0, low - edge), min(1.0, high + edge)]
    axes.plot(ends, ends, linestyle="--", color=colour(3), label="perfect")
    axes.plot(said, seen, marker="o", color=colour(0), label="model, groups of equal count")
    axes.set(xlim=ends, ylim=ends)
    axes.set_title("Reliability on the sealed rows", loc="left", fontsize=11, fontweight="bold", color=INK)
    axes.set_xlabel("predicted probability", color=INK)
    axes.set_ylabel("share that was right" if named else "share that was 1", color=INK)
    axes.tick_params(colors=INK)
    axes.grid(color=INK, alpha=0.22, linewidth=0.7)
    for side in axes.spines.values():
        side.set_color(INK)
    axes.legend(frameon=False, fontsize=9, labelcolor=INK)
    written = io.BytesIO()
    figure.savefig(written, format="png", facecolor="none")
    return base64.b64encode(written.getvalue()).decode()
