"""The pure parts of the leak test: what changed below a cut. Where to cut is in `cuts`, other futures in `futures`.

A feature is causal when nothing after a row can change it. The test replays the cells on a frame whose end was
cut off, and on one whose end was replaced by another future; values at or below the cut must stay as they were.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from omc_agent.errors import DataError
from omc_agent.tools.bars import Flags, Floats, Ints, is_number
from omc_agent.tools.cuts import cut_points
from omc_agent.tools.findings import ROWS, Finding, coded, merge, not_reproducible
from omc_agent.tools.futures import scramble, truncate, upto
from omc_agent.tools.targets import parse_horizon

__all__ = ["Finding", "coded", "compare", "cut_points", "merge", "not_reproducible", "scramble", "truncate"]

TOLERANCE = 1e-9


def compare(
    reference: pd.DataFrame,
    replayed: pd.DataFrame,
    cut: pd.Timestamp | None,
    horizon: str | timedelta,
    target_columns: Sequence[str] = ("target", "label_end"),
    notes: bool = False,
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
    notes : bool
        Whether changes within the tolerance are told too, as findings with code ``rounding``.

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
    match = _Match.of(reference, replayed, cut)
    found = _compare_rows(reference, replayed, match)
    settled = known = _Pairs.of(match.before, match.after)
    if cut is not None and "timestamp" in reference.columns:
        told = (reference["timestamp"].iloc[match.before] + parse_horizon(horizon) <= cut).to_numpy(dtype=bool)
        settled = _Pairs.of(match.before[told], match.after[told])
    for name in reference.columns.union(replayed.columns, sort=False):
        if name not in reference.columns or name not in replayed.columns:
            first = _first(reference, np.concatenate([match.before, match.gone]))
            found.append(Finding(str(name), 1, 1, 1.0, 1.0, first))
        else:
            found += _compare_column(reference, replayed, name, settled if name in target_columns else known)
    return found if notes else [finding for finding in found if finding.sends_back]


def _check_labels(reference: pd.DataFrame, replayed: pd.DataFrame) -> None:
    for frame in (reference, replayed):
        if not frame.index.is_unique:
            raise DataError(
                "data.unreadable",
                given=f"The index label {frame.index[frame.index.duplicated()][0]!r} occurs twice.",
                have="Index labels name the rows, in a replay as in the run.",
                try_="Try to keep the index of the prices: no reset_index, no concat.",
            )


class _Pairs(NamedTuple):
    """Positions of the same rows in reference and replay; slices, which copy nothing, where they can be."""

    before: Ints | slice
    after: Ints | slice

    @classmethod
    def of(cls, before: Ints, after: Ints) -> _Pairs:
        return cls(*(_tight(positions) for positions in (before, after)))


def _tight(positions: Ints) -> Ints | slice:
    if not len(positions) or (np.diff(positions) != 1).any():
        return positions
    return slice(int(positions[0]), int(positions[-1]) + 1)


class _Match(NamedTuple):
    """Positions of the rows at or below a cut: in both frames, only in the reference, only in the replay."""

    before: Ints
    after: Ints
    gone: Ints
    new: Ints

    @classmethod
    def of(cls, reference: pd.DataFrame, replayed: pd.DataFrame, cut: pd.Timestamp | None) -> _Match:
        early, new = upto(reference, cut), upto(replayed, cut).copy()
        if reference.index.equals(replayed.index):
            place = np.arange(len(reference), dtype=np.int64)
        else:
            place = replayed.index.get_indexer(reference.index).astype(np.int64)
        before = np.flatnonzero(early & (place >= 0))
        new[place[before]] = False
        return cls(before, place[before], np.flatnonzero(early & (place < 0)), np.flatnonzero(new))


def _compare_rows(reference: pd.DataFrame, replayed: pd.DataFrame, match: _Match) -> list[Finding]:
    gone, new = match.gone, match.new
    if not len(gone) and not len(new):
        return []
    share = (len(gone) + len(new)) / (len(match.before) + len(gone) + len(new))
    first = min((t for t in (_first(reference, gone), _first(replayed, new)) if t is not None), default=None)
    return [Finding(ROWS, 1, 1, share, 1.0, first)]


def _compare_column(reference: pd.DataFrame, replayed: pd.DataFrame, name: Any, rows: _Pairs) -> list[Finding]:
    whole, other = reference[name], replayed[name]
    if _same(whole, other, rows):
        return []
    one, two = whole.iloc[rows.before], other.iloc[rows.after]
    if is_number(one) and is_number(two):
        changed, size = _changed_numbers(_floats(one), _floats(two), _floats(whole))
    else:
        one, two = one.astype(object), two.astype(object)
        changed = ~((one == two).fillna(False) | (one.isna() & two.isna())).to_numpy(dtype=bool)
        size = 1.0
    if not changed.any():
        return [] if size == 0 else [_rounded(reference, name, len(one), size)]
    early = np.arange(len(whole))[rows.before][changed]
    return [Finding(str(name), 1, 1, float(changed.mean()), size, _first(reference, early))]


def _rounded(reference: pd.DataFrame, name: Any, rows: int, size: float) -> Finding:
    return Finding(str(name), 1, 1, 1.0 / max(rows, 1), size, None, code="rounding")


def _same(whole: pd.Series[Any], other: pd.Series[Any], rows: _Pairs) -> bool:
    """Whether a column is equal at a glance; False only says that a closer look is needed."""
    if whole.dtype != other.dtype or whole.dtype == object:
        return False
    one, two = whole.array[rows.before], other.array[rows.after]
    if whole.dtype == np.float64:
        # Bit by bit: one pass over memory, and NaN equals NaN.
        return bool(np.array_equal(_bits(one), _bits(two)))
    return bool(one.equals(two))


def _bits(values: Any) -> Ints:
    return np.ascontiguousarray(values).view(np.int64)


def _floats(values: pd.Series[Any]) -> Floats:
    return values.to_numpy(dtype=np.float64, na_value=np.nan)


def _changed_numbers(one: Floats, two: Floats, whole: Floats) -> tuple[Flags, float]:
    magnitude = float(np.max(np.abs(whole[np.isfinite(whole)]), initial=0.0)) or 1.0
    finite = np.isfinite(one) & np.isfinite(two)
    away = np.abs(np.where(finite, one, 0.0) - np.where(finite, two, 0.0)) / magnitude
    came_or_went = ~finite & ~((one == two) | (np.isnan(one) & np.isnan(two)))
    changed = came_or_went | (away > TOLERANCE)
    return changed, 1.0 if came_or_went.any() else float(away.max(initial=0.0))


def _first(frame: pd.DataFrame, rows: Ints) -> pd.Timestamp | None:
    """The earliest time of those rows."""
    if "timestamp" not in frame.columns or not len(rows):
        return None
    earliest = frame["timestamp"].iloc[rows].min()
    return None if pd.isna(earliest) else pd.Timestamp(earliest)
