"""What the leak test found: a column, how often and how much of it changed, and the findings of all cuts in one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import pandas as pd

ROWS = "(rows)"


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
