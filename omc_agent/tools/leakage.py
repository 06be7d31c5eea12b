"""The pure parts of the leak test: where to cut, what the future is replaced by, what changed.

A feature is causal when nothing after a row can change it. The test replays the cells on a frame whose end was
cut off, and on one whose end was replaced by another future; values at or below the cut must stay as they were.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

from omc_agent.errors import DataError
from omc_agent.tools.targets import PRICE_COLUMNS, Flags, Floats, epoch_us, parse_horizon

TOLERANCE = 1e-9
ROWS = "(rows)"
# Scrambling moves blocks, so that the other future keeps the short-term pattern of the real one.
_BLOCK = 12
_DAY_SECONDS = 86_400
_MOST_GAP_CUTS = 4


@dataclass(frozen=True)
class Finding:
    """A column whose past changed when its future did.

    Attributes
    ----------
    column : str
        Its name; ``(rows)`` where rows at or below the cut vanished or appeared.
    cuts : int
        Cuts at which it changed.
    of : int
        Cuts that were tried.
    share : float
        Largest share of the compared rows that changed, 0 to 1.
    change : float
        Largest change relative to the column's largest magnitude; 1.0 where a value came or went, or for text.
    first : Timestamp or None
        Time of the first row that changed, UTC; None for a table without time.
    code : str
        ``leak``, or ``not_reproducible`` where the same input gave another value.
    """

    column: str
    cuts: int
    of: int
    share: float
    change: float
    first: pd.Timestamp | None
    code: str = "leak"

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON holds them, `first` as ISO 8601."""
        return asdict(self) | {"first": None if self.first is None else self.first.isoformat()}

    def text(self) -> str:
        """The finding in one sentence."""
        since = "" if self.first is None else f", first at {self.first:%Y-%m-%d %H:%M} UTC"
        rows = f"({self.share:.1%} of rows{since})"
        if self.code == "not_reproducible":
            return f"{self.column} came out otherwise when the same cells ran again on the same rows {rows}."
        return f"{self.column} changed at {self.cuts} of {self.of} cuts when only the future changed {rows}."


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
        Sorted, UTC, all in the frame: at most k, and up to 4 more inside runs of missing input (a missing or
        unusable value, or the last bar before missing bars). Empty for a table without `timestamp`, which
        has no future to cut off.

    Notes
    -----
    Forward and backward fills only show at cuts inside the run they fill, hence the last four.

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
    inside = sorted(_in_gaps(frame, times) - chosen)
    if inside:
        pick = np.linspace(0, len(inside) - 1, min(_MOST_GAP_CUTS, len(inside))).round().astype(int)
        chosen |= {inside[place] for place in pick}
    return [pd.Timestamp(time, unit="us", tz="UTC").as_unit("us") for time in sorted(chosen)]


def truncate(frame: pd.DataFrame, cut: pd.Timestamp) -> pd.DataFrame:
    """The rows with `timestamp` at or below the cut; index labels are kept.

    Examples
    --------
    >>> times = pd.date_range("2024-01-01", periods=3, freq="1h", tz="UTC")
    >>> truncate(pd.DataFrame({"timestamp": times}), times[1]).index.tolist()
    [0, 1]
    """
    return frame[_upto(frame, cut)].copy()


def scramble(frame: pd.DataFrame, cut: pd.Timestamp, seed: int) -> pd.DataFrame:
    """All rows, with the numbers after the cut replaced by another plausible future.

    Prices are moved together: the log returns after the cut are dealt anew in blocks of 12 bars, turned round and
    blurred, and applied to the coin's last price; open, high, low, bid and ask keep their distance to close,
    missing and unusable prices stay so. Other numbers are dealt in the same order and stretched by a random
    factor between 0.5 and 1.5. Times, text and flags stay.

    Parameters
    ----------
    frame : DataFrame (rows, ...)
        With `timestamp` (UTC), and optionally `coin` and `close`.
    cut : Timestamp
        The last time that stays.
    seed : int
        Of the other future.

    Returns
    -------
    DataFrame, rows, index, columns and dtypes of `frame`

    Examples
    --------
    >>> times = pd.date_range("2024-01-01", periods=4, freq="1h", tz="UTC")
    >>> other = scramble(pd.DataFrame({"timestamp": times, "close": [1.0, 2.0, 3.0, 4.0]}), times[1], seed=0)
    >>> other["close"].head(2).tolist(), bool((other["close"].tail(2) == [3.0, 4.0]).any())
    ([1.0, 2.0], False)
    """
    other, rng = frame.copy(), np.random.default_rng(seed)
    after = ~_upto(frame, cut)
    code = pd.factorize(frame["coin"])[0] if "coin" in frame.columns else np.zeros(len(frame), dtype=np.int64)
    numeric = [name for name in frame.columns if _is_number(frame[name])]
    priced = [name for name in PRICE_COLUMNS if name in numeric] if "close" in numeric else []
    future = {name: frame[name].to_numpy(dtype=np.float64, na_value=np.nan).copy() for name in numeric}
    for one in np.unique(code[after]):
        rows = np.flatnonzero(after & (code == one))
        known = np.flatnonzero(~after & (code == one))
        deal = _deal(len(rows), rng)
        if priced:
            _other_prices(future, priced, known, rows, deal, rng)
        for name in (name for name in numeric if name not in priced):
            future[name][rows] = future[name][rows[deal]] * rng.uniform(0.5, 1.5, len(rows))
    for name, values in future.items():
        whole = pd.api.types.is_integer_dtype(frame[name])
        changed = pd.Series(np.where(after, values.round() if whole else values, np.nan), index=frame.index)
        other.loc[after, name] = changed[after].astype(frame[name].dtype)
    return other


def compare(
    reference: pd.DataFrame,
    replayed: pd.DataFrame,
    cut: pd.Timestamp | None,
    horizon: str | timedelta,
    target_columns: Sequence[str] = ("target", "label_end"),
) -> list[Finding]:
    """What changed at or below one cut.

    Parameters
    ----------
    reference : DataFrame (rows, ...)
        What the cells gave on the whole input; `timestamp` (UTC) unless `cut` is None.
    replayed : DataFrame
        What they gave on the truncated or scrambled input; rows are matched by index label.
    cut : Timestamp or None
        None compares every row, for the control replay on the same input, and for a table without time.
    horizon : str or timedelta
        From a row to its label. The target columns are compared only where the label was known at the cut
        (timestamp + horizon <= cut); the rest of the columns wherever timestamp <= cut.
    target_columns : sequence of str
        The declared target and its end; any other column made from the target is a feature.

    Returns
    -------
    list of Finding, with `of` = 1
        Empty when nothing changed. A change is one beyond 1e-9 of the column's largest magnitude; NaN equals NaN,
        and a value that becomes NaN, or NaN that becomes a value, is a change. Rows that are missing or new
        at or below the cut are the finding ``(rows)``, a missing or new column a finding of its own.

    Raises
    ------
    DataError
        ``data.unreadable`` when an index label occurs twice.

    Examples
    --------
    >>> times = pd.date_range("2024-01-01", periods=3, freq="1h", tz="UTC")
    >>> whole = pd.DataFrame({"timestamp": times, "ahead": [2.0, 3.0, np.nan]})
    >>> part = pd.DataFrame({"timestamp": times[:2], "ahead": [2.0, np.nan]})
    >>> [finding.column for finding in compare(whole, part, times[1], "1h")]
    ['ahead']
    """
    _check_labels(reference, replayed)
    known = reference[_upto(reference, cut)]
    found = _compare_rows(known, replayed, cut)
    both = known.index.intersection(replayed.index)
    for name in reference.columns.union(replayed.columns, sort=False):
        if name not in reference.columns or name not in replayed.columns:
            found.append(Finding(str(name), 1, 1, 1.0, 1.0, _first(known, known.index)))
            continue
        labels = both
        if name in target_columns and cut is not None:
            labels = both[(known.loc[both, "timestamp"] + parse_horizon(horizon) <= cut).to_numpy(dtype=bool)]
        found += _compare_column(reference, replayed, str(name), labels)
    return found


def merge(found: Sequence[Finding | Sequence[Finding]], of: int | None = None) -> list[Finding]:
    """One finding a column out of the findings of every cut, the most often seen first.

    Parameters
    ----------
    found : sequence
        For each replay the list that `compare` gave, or all their findings in one list together with `of`.
    of : int, optional
        Replays that were compared; by default the number of lists.

    Examples
    --------
    >>> seen = Finding("ahead", 1, 1, 0.1, 0.5, None)
    >>> merge([[seen], []])[0].text()
    'ahead changed at 1 of 2 cuts when only the future changed (10.0% of rows).'
    >>> merge([[seen], []]) == merge([seen], of=2)
    True
    """
    replays = len(found) if of is None else of
    by_column: dict[str, list[Finding]] = {}
    for part in found:
        for finding in [part] if isinstance(part, Finding) else part:
            by_column.setdefault(finding.column, []).append(finding)
    merged = [
        Finding(
            column,
            cuts=len(same),
            of=replays,
            share=max(finding.share for finding in same),
            change=max(finding.change for finding in same),
            first=min((finding.first for finding in same if finding.first is not None), default=None),
            code=same[0].code,
        )
        for column, same in by_column.items()
    ]
    return sorted(merged, key=lambda finding: -finding.cuts)


def not_reproducible(finding: Finding) -> Finding:
    """The finding of a control replay: the same rows gave another value, which is no leak but a fault.

    Examples
    --------
    >>> not_reproducible(Finding("noise", 1, 1, 1.0, 0.3, None)).code
    'not_reproducible'
    """
    return replace(finding, code="not_reproducible")


def _spread(times: np.ndarray[Any, np.dtype[np.int64]], k: int, rng: np.random.Generator) -> list[int]:
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
            away = np.abs(stretch // 1_000_000 % _DAY_SECONDS - second)
            away = np.minimum(away, _DAY_SECONDS - away)
            near = np.flatnonzero(away == away.min())
            chosen.append(int(stretch[rng.choice(near)]))
    return chosen


def _in_gaps(frame: pd.DataFrame, times: np.ndarray[Any, np.dtype[np.int64]]) -> set[int]:
    """Times with unusable input, and the last times before a gap; the frame's last time left out."""
    unusable = np.zeros(len(frame), dtype=bool)
    for name in (name for name in frame.columns if _is_number(frame[name])):
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


def _deal(rows: int, rng: np.random.Generator) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Positions 0..rows-1 in blocks whose order is random (turned, where there are two or three)."""
    starts = np.arange(0, rows, min(_BLOCK, max(rows // 2, 1)))
    order = np.roll(starts, 1) if len(starts) < 4 else rng.permutation(starts)
    size = starts[1] - starts[0] if len(starts) > 1 else rows
    return np.concatenate([np.arange(begin, min(begin + size, rows)) for begin in order])


def _other_prices(
    future: dict[str, Floats],
    priced: list[str],
    known: np.ndarray[Any, np.dtype[np.int64]],
    rows: np.ndarray[Any, np.dtype[np.int64]],
    deal: np.ndarray[Any, np.dtype[np.int64]],
    rng: np.random.Generator,
) -> None:
    """Write another path of one coin's prices into `future` at `rows`."""
    close = future["close"]
    line = pd.Series(np.where(_usable(close), close, np.nan)[np.concatenate([known, rows])])
    line = line.ffill().bfill().fillna(1.0)
    log = np.log(line.to_numpy())
    returns = np.diff(log, prepend=log[:1])[len(known) :]
    blur = max(float(np.std(returns)), 1e-4)
    moved = -returns[deal] + rng.normal(0.0, blur / 2, len(rows))
    level = np.exp(log[max(len(known) - 1, 0)] + np.cumsum(moved))
    own = close[rows[deal]]
    usable = _usable(own)
    for name in priced:
        value = future[name][rows[deal]]
        safe = np.where(usable, own, 1.0)
        future[name][rows] = np.where(usable & _usable(value), level * value / safe, value)


def _usable(values: Floats) -> Flags:
    return np.isfinite(values) & (values > 0)


def _is_number(column: pd.Series[Any]) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _upto(frame: pd.DataFrame, cut: pd.Timestamp | None) -> Flags:
    if cut is None or "timestamp" not in frame.columns:
        return np.ones(len(frame), dtype=bool)
    return (frame["timestamp"] <= cut).to_numpy(dtype=bool)


def _check_labels(reference: pd.DataFrame, replayed: pd.DataFrame) -> None:
    for frame in (reference, replayed):
        if not frame.index.is_unique:
            raise DataError(
                "data.unreadable",
                given=f"The index label {frame.index[frame.index.duplicated()][0]!r} occurs twice.",
                have="Index labels name the rows, in a replay as in the run.",
                try_="Try to keep the index of the prices: no reset_index, no concat.",
            )


def _compare_rows(known: pd.DataFrame, replayed: pd.DataFrame, cut: pd.Timestamp | None) -> list[Finding]:
    gone = known.index.difference(replayed.index)
    new = replayed.index[_upto(replayed, cut)].difference(known.index)
    if not len(gone) and not len(new):
        return []
    share = (len(gone) + len(new)) / max(len(known) + len(new), 1)
    first = min((t for t in (_first(known, gone), _first(replayed, new)) if t is not None), default=None)
    return [Finding(ROWS, 1, 1, share, 1.0, first)]


def _compare_column(
    reference: pd.DataFrame, replayed: pd.DataFrame, name: str, labels: pd.Index[Any]
) -> list[Finding]:
    before, after = reference[name], replayed[name]
    if _is_number(before) and _is_number(after):
        changed, size = _changed_numbers(before, after, labels)
    else:
        one, two = before.loc[labels].astype(object), after.loc[labels].astype(object)
        changed = ~((one == two).fillna(False) | (one.isna() & two.isna())).to_numpy(dtype=bool)
        size = 1.0
    if not changed.any():
        return []
    return [Finding(name, 1, 1, float(changed.mean()), size, _first(reference, labels[changed]))]


def _changed_numbers(before: pd.Series[Any], after: pd.Series[Any], labels: pd.Index[Any]) -> tuple[Flags, float]:
    whole = before.to_numpy(dtype=np.float64, na_value=np.nan)
    magnitude = float(np.max(np.abs(whole[np.isfinite(whole)]), initial=0.0)) or 1.0
    one = before.loc[labels].to_numpy(dtype=np.float64, na_value=np.nan)
    two = after.loc[labels].to_numpy(dtype=np.float64, na_value=np.nan)
    finite = np.isfinite(one) & np.isfinite(two)
    away = np.abs(np.where(finite, one, 0.0) - np.where(finite, two, 0.0)) / magnitude
    came_or_went = ~finite & ~((one == two) | (np.isnan(one) & np.isnan(two)))
    changed = came_or_went | (away > TOLERANCE)
    return changed, 1.0 if came_or_went.any() else float(away.max(initial=0.0))


def _first(frame: pd.DataFrame, labels: pd.Index[Any]) -> pd.Timestamp | None:
    if "timestamp" not in frame.columns or not len(labels):
        return None
    earliest = frame.loc[labels, "timestamp"].min()
    return None if pd.isna(earliest) else pd.Timestamp(earliest)
