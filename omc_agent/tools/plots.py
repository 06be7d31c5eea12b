"""The look of every plot: one style for light and dark pages, one palette that colour-blind readers can tell."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from cycler import cycler

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito (2008), "Color Universal Design", without its black and yellow, which vanish on one ground.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7")
# The grey whose contrast on white and on #111111 is above 4:1 both ways.
INK = "#767676"
FIGURE_SIZE = (8.0, 3.0)
DPI = 100

_STYLE: dict[str, Any] = {
    "figure.figsize": FIGURE_SIZE,
    "figure.dpi": DPI,
    "figure.facecolor": "none",
    "figure.constrained_layout.use": True,
    "savefig.facecolor": "none",
    "axes.facecolor": "none",
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.labelsize": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": INK,
    "grid.alpha": 0.22,
    "grid.linewidth": 0.7,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.4,
    "font.size": 9.5,
    "image.cmap": "cividis",
}


@contextmanager
def house_style() -> Iterator[None]:
    """A context in which figures are made in the house style; what was set before comes back after it.

    Backgrounds are transparent and the ink is a middle grey, so a picture reads on light and dark pages.
    Figures are 8 x 3 inches at 100 dpi. Nothing is shown or closed here.

    Examples
    --------
    >>> with house_style():
    ...     mpl.rcParams["axes.edgecolor"]
    '#767676'
    """
    style: Any = _STYLE | {"axes.prop_cycle": cycler(color=PALETTE)}
    with mpl.rc_context(style):
        yield


def new_axes(title: str, x: str, y: str) -> tuple[Figure, Axes]:
    """An open figure with one pair of axes, titled and labelled (units belong in the labels).

    It must be called within `house_style`, and stays open so that a notebook shows it.
    """
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots()
    axes.set(title=title, xlabel=x, ylabel=y)
    return figure, axes


def label_dates(axes: Axes) -> None:
    """Write the times below the axes as shortly as they can be told apart."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator()  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]


def label_wide_range(axes: Axes) -> None:
    """A log scale with plain numbers where the largest value is over five times the smallest."""
    from matplotlib.ticker import LogLocator, NullLocator

    if axes.dataLim.ymax <= 5 * axes.dataLim.ymin:
        return
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylabel(f"{axes.get_ylabel()}, log scale")


def thin(length: int, most: int = 1500) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Positions of at most `most` of `length` points, evenly spread, with the first and the last.

    Examples
    --------
    >>> thin(5, most=3).tolist()
    [0, 2, 4]
    """
    return np.unique(np.linspace(0, max(length - 1, 0), min(length, most)).round().astype(np.int64))


def colour(position: int) -> str:
    """The palette's colour at that position; it starts anew after the last.

    Examples
    --------
    >>> colour(0) == colour(6)
    True
    """
    return PALETTE[position % len(PALETTE)]
