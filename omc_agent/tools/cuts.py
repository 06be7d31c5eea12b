"""Where the leak test cuts: spread over span, hour and minute; where input is missing; where coins begin and end."""

from __future__ import annotations

import numpy as np
import pandas as pd

from omc_agent.tools.bars import PRICE_COLUMNS, Ints, epoch_us, is_number

_MOST_GAP_CUTS = 4
_MOST_EDGE_CUTS = 8
# Before so many times of the frame the length of a bar cannot be told, and honest features would be accused.
_LEAST_BEFORE = 12


def cut_points(frame: pd.DataFrame, k: int = 8, seed: int = 0) -> list[pd.Timestamp]:
    """Times at which to cut: spread over the span and over the phase of hour and day.

    Parameters
    ----------
    frame : DataFrame (rows, ...)
        The input of the cells to test, with `timestamp` (UTC); any number of coins.
    k : int
        Cuts spread over the last 90 % of the span, one in each of k equal stretches. Hours of day and minutes of
        hour are dealt to them like cards, so that a leak within the hour or the day cannot hide.
    seed : int
        Of the deal.

    Returns
    -------
    list of Timestamp
        Sorted, UTC, all in the frame: at most k; up to 4 more inside runs of missing input (a missing or
        unusable value, or the last bar before missing bars); and up to 8 more where a coin begins after the
        frame does, or ends before it. Empty for a table without `timestamp`, which has no future to cut off.

    Notes
    -----
    Forward and backward fills only show at cuts inside the run they fill, hence the four. Where a coin comes or
    goes, rows of other coins move, and what was computed across coins shows.

    Examples
    --------
    >>> times = pd.date_range("2024-01-01", periods=2000, freq="5min", tz="UTC")
    >>> len(cut_points(pd.DataFrame({"timestamp": times, "close": 1.0}), k=4))
    4
    """
    if "timestamp" not in frame.columns or len(frame) < 3:
        return []
    times = np.unique(epoch_us(frame["timestamp"]))
    chosen = set(_spread(times, k, np.random.default_rng(seed)))
    chosen |= _thinned(_in_gaps(frame, times) - chosen, _MOST_GAP_CUTS)
    chosen |= _thinned(_coin_edges(frame, times) - chosen, _MOST_EDGE_CUTS)
    return [pd.Timestamp(time, unit="us", tz="UTC").as_unit("us") for time in sorted(chosen)]


def _spread(times: Ints, k: int, rng: np.random.Generator) -> list[int]:
    """One time in each of k stretches, as near as can be to the hour and minute dealt to it."""
    edges = np.linspace(times[0] + 0.1 * (times[-1] - times[0]), times[-1], k + 1)
    hours = (rng.permutation(k) + rng.uniform(size=k)) / k * 24
    minutes = (rng.permutation(k) + rng.uniform(size=k)) / k * 60
    wanted = np.floor(hours) * 3600 + minutes * 60
    chosen = []
    for begin, end, second in zip(edges[:-1], edges[1:], wanted, strict=True):
        # The last time is left out: nothing lies after it.
        stretch = times[(times >= begin) & (times < end)]
        if len(stretch):
            # First the hour, then the minute: a stretch without that hour still gets its minute.
            near = _nearest(stretch // 3_600_000_000 % 24, second // 3600, 24, stretch)
            near = _nearest(near // 1_000_000 % 3600, second % 3600, 3600, near)
            chosen.append(int(rng.choice(near)))
    return chosen


def _nearest(phase: Ints, wanted: float, cycle: int, times: Ints) -> Ints:
    """Those of `times` whose phase lies nearest to the one wanted, around a cycle."""
    away = np.abs(phase - wanted)
    away = np.minimum(away, cycle - away)
    return np.asarray(times[away == away.min()], dtype=np.int64)


def _in_gaps(frame: pd.DataFrame, times: Ints) -> set[int]:
    """Times with unusable input, and the last times before a gap; the frame's last time left out."""
    unusable = np.zeros(len(frame), dtype=bool)
    for name in (name for name in frame.columns if is_number(frame[name])):
        value = frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
        unusable |= ~np.isfinite(value) | ((value <= 0) & (name in PRICE_COLUMNS))
    stamp = epoch_us(frame["timestamp"])
    found = set(stamp[unusable].tolist())
    coins = frame["coin"].to_numpy() if "coin" in frame.columns else np.zeros(len(frame))
    for _, labels in pd.Series(stamp).groupby(pd.factorize(coins)[0]):
        one = np.unique(labels.to_numpy())
        steps = np.diff(one)
        if len(steps):
            found |= set(one[:-1][steps > np.median(steps)].tolist())
    return found - {int(times[-1])}


def _coin_edges(frame: pd.DataFrame, times: Ints) -> set[int]:
    """First and last times of coins that begin later, or end earlier, than the frame."""
    if "coin" not in frame.columns:
        return set()
    spans = pd.Series(epoch_us(frame["timestamp"])).groupby(pd.factorize(frame["coin"])[0]).agg(["min", "max"])
    begins = spans["min"][spans["min"] >= times[min(_LEAST_BEFORE, len(times) - 1)]]
    ends = spans["max"][spans["max"] >= times[min(_LEAST_BEFORE, len(times) - 1)]]
    return (set(begins.tolist()) | set(ends.tolist())) - {int(times[-1])}


def _thinned(found: set[int], most: int) -> set[int]:
    """At most so many of them, evenly picked."""
    ordered = sorted(found)
    pick = np.linspace(0, len(ordered) - 1, min(most, len(ordered))).round().astype(int)
    return {ordered[place] for place in pick}
