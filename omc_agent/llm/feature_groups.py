"""Groups of features as people name them: momentum, volatility, trend; which columns belong to each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from omc_agent.llm.words import Hit, Words, phrases

LAGS = (1, 3, 12)
WINDOWS = (12, 48)


@dataclass(frozen=True)
class Group:
    """Features that are named together.

    Attributes
    ----------
    name : str
        As it is told.
    indicators : tuple of str
        Those that belong to it.
    lagged : tuple of str
        Columns of one lag, up to its number.
    windowed : tuple of str
        Columns of one window, up to its number.
    single : tuple of str
        Columns without lag and window.
    """

    name: str
    indicators: tuple[str, ...]
    lagged: tuple[str, ...] = ()
    windowed: tuple[str, ...] = ()
    single: tuple[str, ...] = ()

    def columns(self, lags: Sequence[int], windows: Sequence[int]) -> list[str]:
        """The columns of the features frame that belong to it, without those of indicators."""
        made = [f"{head}{lag}" for head in self.lagged for lag in lags]
        return [*made, *(f"{head}{size}" for head in self.windowed for size in windows), *self.single]


MOMENTUM = Group("momentum", ("rsi", "macd"), lagged=("ret_",))
VOLATILITY = Group("volatility", ("bollinger",), windowed=("std_", "range_ratio_"), single=("range",))
TREND = Group("trend", ("sma", "ema", "macd"), windowed=("mean_", "z_"))
REST = Group("activity", (), windowed=("volume_ratio_",), single=("spread", "hour_sin", "hour_cos"))
GROUPS = phrases({"momentum": MOMENTUM, "volatility|vol": VOLATILITY, "trend|trend following|moving averages": TREND})


def group_hits(words: Words) -> list[Hit[Group]]:
    """The groups that are named, from left to right."""
    return words.hits(GROUPS)


def columns_outside(groups: Sequence[Group], lengths: Mapping[str, Any]) -> list[str]:
    """Columns of every other group, for the lags and windows that are made."""
    return columns_within([group for group in (MOMENTUM, VOLATILITY, TREND, REST) if group not in groups], lengths)


def columns_within(groups: Sequence[Group], lengths: Mapping[str, Any]) -> list[str]:
    """Columns of these groups.

    Examples
    --------
    >>> columns_within([TREND], {"windows": [24]})
    ['mean_24', 'z_24']
    """
    lags, windows = lengths.get("lags", LAGS), lengths.get("windows", WINDOWS)
    return [column for group in groups for column in group.columns(lags, windows)]
