"""What was known before each row of a series: lags, changes and the season of the target, lags of other columns.

A transform: a row looks at rows of earlier times only, by the order of distinct times, so that neither later rows nor
the order of the frame can change it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pandas as pd

from omc_agent.tools.bars import DAY, Floats, epoch_us

# What a calendar says is known before the row is.
_CALENDAR = re.compile(
    r"(is_)?(year|quarter|month|week|week_?day|week_?of_?year|day|day_?of_?(week|month|year)|dow|doy|hour|minute"
    r"|holiday|week_?end|season)$",
    re.IGNORECASE,
)
_SHORT = 3
_YEAR_DAYS = 365.25
CYCLES = {"day": 1.0, "week": 7.0, "year": _YEAR_DAYS}  # days


def lag_columns(
    times: pd.Series[Any],
    label: pd.Series[Any],
    others: pd.DataFrame,
    lags: Sequence[int],
    season: int = 1,
    cycle: str = "",
) -> pd.DataFrame:
    """Features of a series, each known before its row.

    Parameters
    ----------
    times : Series (rows,)
        UTC, in any order. Rows at one time know nothing of each other; their values are averaged for later rows.
    label : Series (rows,)
        The target as float64, named as its column. A missing value is, for later rows, the last one known.
    others : DataFrame (rows, columns)
        All other columns.
    lags : sequence of int
        How many distinct times back, at least 1; 1 and 2 are always among them.
    season : int
        Times in a season; 1 for none.
    cycle : str
        ``day``, ``week`` or ``year``, when the season is that of the calendar; empty for another.

    Returns
    -------
    DataFrame, index of `label`
        With y the name of the target:

        - ``y_lag_<k>``: the value k times back; ``y_change_1`` and ``y_change_2``: the last move, and the one
          before; ``y_from_mean_<w>``, ``y_std_<w>``: the last value against the mean of the last w, and their
          standard deviation, for w = 3 and the longest lag;
        - with a season ``y_season_move`` (what followed one season before) and ``y_season_gap`` (the value one
          season before, less the last one), and with a cycle ``year_sin_1``, ... : the place in it;
        - columns that a calendar knows (`month`, `holiday`, ...) as they are, any other column one time late as
          ``<column>_lag_1``;
        - `naive_last`, `naive_before`, `naive_day`: the value one and two times and one season back; NaN, as a
          mark of warm-up, where any feature made of the target is.

    Examples
    --------
    >>> days = pd.Series(pd.date_range("2024-01-01", periods=5, freq="1D", tz="UTC"))
    >>> made = lag_columns(days, pd.Series([1.0, 2.0, 4.0, 8.0, 16.0], name="y"), pd.DataFrame(index=days.index), [1])
    >>> made["y_lag_1"].tolist(), made["naive_before"].tolist()
    ([nan, 1.0, 2.0, 4.0, 8.0], [nan, nan, nan, 2.0, 4.0])
    """
    place, value = _by_time(times, label)
    stem = str(label.name) if not str(label.name).startswith("naive_") else f"past_{label.name}"
    back = _Back(place, value, label.index)
    own = _own(back, stem, sorted({1, 2, *map(int, lags)}), season)
    known = own.notna().all(axis=1)
    season_back = back.at(season)
    naive = {"naive_last": back.at(1), "naive_before": back.at(2), "naive_day": season_back}
    parts = [own, _phase(times, cycle), _late(times, place, others)]
    parts.append(pd.DataFrame({name: column.where(known) for name, column in naive.items()}))
    return pd.concat(parts, axis=1)


class _Back:
    """The values of distinct times, looked up from rows."""

    def __init__(self, place: Floats, value: pd.Series[Any], index: pd.Index[Any]) -> None:
        self.place, self.value, self.index = place, value, index

    def at(self, k: int) -> pd.Series[Any]:
        """The value k distinct times before each row."""
        return self.of(self.value.shift(k))

    def of(self, past: pd.Series[Any]) -> pd.Series[Any]:
        """Values by distinct time as values by row; NaN for a row without a time."""
        return pd.Series(past.reindex(self.place).to_numpy(), index=self.index)


def _by_time(times: pd.Series[Any], label: pd.Series[Any]) -> tuple[Floats, pd.Series[Any]]:
    """The number of each row's time in order (-1 for none), and the last known value at each of these."""
    place, moments = pd.factorize(times, sort=True)
    value = label.groupby(place).mean().reindex(range(len(moments))).ffill()
    return cast("Floats", place), value


def _own(back: _Back, stem: str, lags: Sequence[int], season: int) -> pd.DataFrame:
    made = {f"{stem}_lag_{k}": back.at(k) for k in sorted({*lags, *([season] if season > 1 else [])})}
    made[f"{stem}_change_1"] = back.at(1) - back.at(2)
    if max(lags) >= _SHORT:
        made[f"{stem}_change_2"] = back.at(2) - back.at(3)
    past = back.value.shift(1)
    for window in sorted({_SHORT, max(lags)} - {1, 2}):
        mean, deviation = _rolled(past.to_numpy(), window)
        made[f"{stem}_from_mean_{window}"] = back.at(1) - back.of(mean)
        made[f"{stem}_std_{window}"] = back.of(deviation)
    if season > 1:
        made[f"{stem}_season_move"] = back.at(season) - back.at(season + 1)
        made[f"{stem}_season_gap"] = back.at(season) - back.at(1)
    return pd.DataFrame(made)


def _rolled(past: Floats, window: int) -> tuple[pd.Series[Any], pd.Series[Any]]:
    """Mean and standard deviation of the last `window` values; NaN where one of them is not known."""
    mean, deviation = np.full(len(past), np.nan), np.full(len(past), np.nan)
    if len(past) >= window:
        # Summed anew for each window: pandas' running sums would carry rounding from row to row.
        each = np.lib.stride_tricks.sliding_window_view(past, window)
        mean[window - 1 :], deviation[window - 1 :] = each.mean(axis=1), each.std(axis=1)
    return pd.Series(mean), pd.Series(deviation)


def _phase(times: pd.Series[Any], cycle: str) -> pd.DataFrame:
    """The place of a row in the year, the week or the day as two waves; nothing without a cycle."""
    if not cycle:
        return pd.DataFrame(index=times.index)
    days = epoch_us(times.fillna(pd.Timestamp(0, tz="UTC"))) / (DAY / pd.Timedelta(1, unit="us"))
    angle = 2 * np.pi * (days % CYCLES[cycle]) / CYCLES[cycle]
    waves = {f"{cycle}_{wave}_{n}": getattr(np, wave)(n * angle) for n in (1, 2) for wave in ("sin", "cos")}
    return pd.DataFrame(waves, index=times.index)


def _late(times: pd.Series[Any], place: Floats, others: pd.DataFrame) -> pd.DataFrame:
    made: dict[str, pd.Series[Any]] = {}
    order = times.argsort(kind="stable").to_numpy()
    order = order[place[order] >= 0]
    # The last row of each time, in the order of times.
    last = order[np.flatnonzero(np.diff(place[order], append=np.inf) > 0)]
    for name, column in others.items():
        if _CALENDAR.fullmatch(str(name)):
            made[str(name)] = column
            continue
        if pd.api.types.is_numeric_dtype(column):
            past = column.groupby(place).mean().reindex(range(len(last))).ffill()
        else:
            past = column.iloc[last].reset_index(drop=True)
        late = past.shift(1).reindex(place)
        late.index = column.index
        made[f"{name}_lag_1"] = late
    return pd.DataFrame(made, index=times.index)
