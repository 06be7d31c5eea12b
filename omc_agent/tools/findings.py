"""What the leak test found: a column, how often and how much of it changed, and the findings of all cuts in one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import pandas as pd

ROWS = "(rows)"
# Code of a finding: why it matters. Those of NOTES are told and change nothing, the others send back.
WHY = {
    "leak": "A score made with it counts on what nobody knows when the forecast is made.",
    "not_reproducible": "What comes out otherwise each time cannot be scored or delivered; a draw needs a seed.",
    "coins_mixed": "The order of the coins says nothing about any of them; group by coin before rolling or shifting.",
    "fitted_on_all_rows": "A statistic of all rows holds the rows that judge the model; it belongs into a fit cell.",
    "uses_other_coins": "It can only be made where the other coins are there too.",
    "rounding": "It is below what counts as a change, and may come from the order of a sum.",
}
NOTES = frozenset({"uses_other_coins", "rounding"})


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
        One of ``WHY``: ``leak``; ``not_reproducible`` where the same input gave another value; ``coins_mixed`` and
        ``uses_other_coins`` where other coins decide; ``fitted_on_all_rows`` where other rows do; ``rounding``.
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

    @property
    def sends_back(self) -> bool:
        """Whether the column has to go; a note is only told."""
        return self.code not in NOTES

    def why(self) -> str:
        """Why it matters, in one sentence."""
        return WHY[self.code]

    def text(self) -> str:
        """The finding in one sentence: how often, how much, since when."""
        since = "" if self.first is None else f", first at {self.first:%Y-%m-%d %H:%M} UTC"
        rows = f"({100 * self.share:.1f} % of rows, by up to {self.change:.2g} of its size{since})"
        said = {
            "leak": f"changed at {self.cuts} of {self.of} cuts when only the future changed",
            "not_reproducible": "came out otherwise when the same cells ran again on the same rows",
            "coins_mixed": "changed when the coins stood in another order",
            "fitted_on_all_rows": "changed when half of the other rows were taken away",
            "uses_other_coins": "changed when one coin stood alone: it uses other coins",
            "rounding": "changed by less than 1e-9 of its size",
        }[self.code]
        return f"{self.column} {said} {rows}."


def merge(found: Sequence[Finding | Sequence[Finding]], of: int | None = None) -> list[Finding]:
    """One finding a column and code out of the findings of every cut, the most often seen first.

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
    'ahead changed at 1 of 2 cuts when only the future changed (10.0 % of rows, by up to 0.5 of its size).'
    >>> merge([[seen], []]) == merge([seen], of=2)
    True
    """
    replays = len(found) if of is None else of
    by_column: dict[tuple[str, str], list[Finding]] = {}
    for part in found:
        for finding in [part] if isinstance(part, Finding) else part:
            by_column.setdefault((finding.column, finding.code), []).append(finding)
    merged = [
        Finding(
            column,
            cuts=len(same),
            of=replays,
            share=max(finding.share for finding in same),
            change=max(finding.change for finding in same),
            first=min((finding.first for finding in same if finding.first is not None), default=None),
            code=code,
        )
        for (column, code), same in by_column.items()
    ]
    return sorted(merged, key=lambda finding: -finding.cuts)


def coded(found: Sequence[Finding], code: str) -> list[Finding]:
    """The findings of a comparison that was no cut in time, under the code of what was compared.

    Examples
    --------
    >>> [finding.code for finding in coded([Finding("mean", 1, 1, 1.0, 0.3, None)], "coins_mixed")]
    ['coins_mixed']
    """
    return [replace(finding, code=code) for finding in found if finding.sends_back]


def not_reproducible(finding: Finding) -> Finding:
    """The finding of a control replay: the same rows gave another value, which is no leak but a fault.

    Examples
    --------
    >>> not_reproducible(Finding("noise", 1, 1, 1.0, 0.3, None)).code
    'not_reproducible'
    """
    return replace(finding, code="not_reproducible")
