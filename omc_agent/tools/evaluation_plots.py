"""The pictures of an evaluation: confusion and calibration, predicted against true, candidates, importances."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from omc_agent.naming import metric_name, model_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]

_BINS = 10
_MOST_BARS = 20


def draw_classification(target: Floats, probability: Floats) -> None:
    """Confusion matrix at 0.5 (rows, and share of all) beside a calibration curve with ten equal-count bins."""
    import matplotlib.pyplot as plt

    from omc_agent.tools.plots import colour, house_style

    with house_style():
        _, (left, right) = plt.subplots(1, 2)
        _draw_confusion(left, target, probability)
        order = np.argsort(probability, kind="stable")
        bins = [part for part in np.array_split(order, _BINS) if len(part)]
        said = [float(probability[part].mean()) for part in bins]
        seen = [float(target[part].mean()) for part in bins]
        right.plot([0, 1], [0, 1], linestyle="--", color=colour(4), label="perfect")
        right.plot(said, seen, marker="o", color=colour(0), label="model")
        right.set(title="Calibration", xlabel="predicted probability", ylabel="share that was 1")
        right.legend()


def draw_precision_recall(target: Floats, probability: Floats) -> None:
    """Precision against recall at every threshold, with the share of class 1, which is what chance gives."""
    from omc_agent.tools.plots import colour, house_style, new_axes, thin

    order = np.argsort(-probability, kind="stable")
    hits = np.cumsum(target[order] == 1)
    # A threshold takes in all rows of one probability, so only the last of each counts.
    last = np.append(np.diff(probability[order]) != 0, True)
    found = hits[last]
    if not found[-1]:
        return
    precision, recall = found / (np.flatnonzero(last) + 1), found / found[-1]
    shown = thin(len(recall))
    with house_style():
        _, axes = new_axes("Precision and recall", "recall (share of class 1 that was found)", "precision")
        axes.plot(recall[shown], precision[shown], color=colour(0), label="model")
        axes.axhline(float(np.mean(target)), linestyle="--", color=colour(4), label="share of class 1")
        axes.set_ylim(0, 1.02)
        axes.legend()


def _draw_confusion(axes: Axes, target: Floats, probability: Floats) -> None:
    called = probability >= 0.5
    counts = np.array([[np.sum((target == t) & (called == c)) for c in (False, True)] for t in (0, 1)])
    shares = counts / max(int(counts.sum()), 1)
    # Half of all rows is the darkest: four equal quarters, which is chance, look like what they are.
    axes.imshow(shares, vmin=0, vmax=0.5, cmap="Blues", aspect="auto")
    for (row, column), count in np.ndenumerate(counts):
        share = shares[row, column]
        ink = "white" if share > 0.3 else "black"
        axes.text(column, row, f"{count:,}\n{100 * share:.1f} %", ha="center", va="center", color=ink)
    axes.grid(False)
    axes.set(title="Confusion at 0.5", xlabel="predicted", ylabel="true")
    axes.set_xticks([0, 1], ["0", "1"])
    axes.set_yticks([0, 1], ["0", "1"])


def draw_classes(target: Floats, called: Floats, classes: int) -> None:
    """Confusion matrix of more than two classes: rows of each true class, and the share of it that was called so."""
    import matplotlib.pyplot as plt

    from omc_agent.tools.plots import house_style

    counts = np.zeros((classes, classes), dtype=int)
    np.add.at(counts, (target.astype(int), called.astype(int)), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    with house_style():
        _, axes = plt.subplots()
        axes.imshow(shares, vmin=0, vmax=1, cmap="Blues", aspect="auto")
        for (row, column), count in np.ndenumerate(counts if classes <= _MOST_BARS else counts[:0]):
            ink = "white" if shares[row, column] > 0.6 else "black"
            axes.text(column, row, f"{count:,}", ha="center", va="center", color=ink)
        axes.grid(False)
        axes.set(title="Confusion of the most likely class", xlabel="predicted", ylabel="true")
        axes.set_xticks(range(classes))
        axes.set_yticks(range(classes))


def draw_regression(target: Floats, prediction: Floats) -> None:
    """Predicted against true values, at most 1,500 of them, with the line where both agree."""
    from omc_agent.tools.plots import colour, house_style, new_axes, thin

    with house_style():
        _, axes = new_axes("Predicted against true", "true value", "predicted value")
        shown = thin(len(target))
        axes.scatter(target[shown], prediction[shown], s=8, alpha=0.5, color=colour(0))
        ends = [float(target.min()), float(target.max())]
        axes.plot(ends, ends, linestyle="--", color=colour(1), label="agreement")
        axes.legend()


def draw_candidates(table: pd.DataFrame, metric: str) -> None:
    """Each candidate's score with its 95 % interval, best on top; baselines in another colour and marker."""
    from omc_agent.tools.plots import colour, house_style, new_axes

    with house_style():
        figure, axes = new_axes("Candidates", f"{metric_name(metric)}, 95 % interval", "")
        figure.set_figheight(1.0 + 0.32 * len(table))
        middle, low, high = (table[name].to_numpy(dtype=np.float64) for name in ("score", "low", "high"))
        place = np.arange(len(table))
        for kind, here in enumerate((~table["baseline"].to_numpy(bool), table["baseline"].to_numpy(bool))):
            axes.hlines(place[here], low[here], high[here], color=colour(kind))
            label = "baseline" if kind else "model"
            axes.plot(middle[here], place[here], "so"[1 - kind], color=colour(kind), label=label)
        axes.set_yticks(place, [model_name(name) for name in table["name"]])
        axes.legend(loc="lower right")
        axes.invert_yaxis()


def draw_importance(table: pd.DataFrame, unit: str) -> None:
    """The twenty most important features as bars with their 95 % intervals."""
    from omc_agent.tools.plots import colour, house_style, new_axes

    top = table.head(_MOST_BARS)
    with house_style():
        figure, axes = new_axes("Feature importance", f"{unit} when shuffled, 95 % interval", "")
        figure.set_figheight(1.0 + 0.24 * len(top))
        reach = [(top["importance"] - top["low"]).to_numpy(), (top["high"] - top["importance"]).to_numpy()]
        axes.barh(range(len(top)), top["importance"], xerr=reach, color=colour(0), ecolor=colour(1))
        axes.set_yticks(range(len(top)), top["feature"].tolist())
        axes.invert_yaxis()
