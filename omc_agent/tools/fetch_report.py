"""What became of fetched bars: counted, and the gaps told as gaps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from omc_agent.tools.exchange import utc_text

Times = np.ndarray[Any, np.dtype[np.int64]]
SHOWN_GAPS = 5


@dataclass(frozen=True)
class Gap:
    """Bars that the exchange does not have: the first and the last missing one, and how many (times in ms, UTC)."""

    start: int
    end: int
    bars: int

    def line(self) -> str:
        """In words."""
        if self.bars == 1:
            return f"{utc_text(self.start)} (1 bar)"
        return f"{utc_text(self.start)} to {utc_text(self.end)} ({self.bars:,} bars)"


@dataclass(frozen=True)
class Fetched:
    """What became of one symbol: `asked` = `there_before` + `written` + the bars of all gaps.

    Attributes
    ----------
    symbol, coin : str
        The exchange's name of the market, and the table's of the coin.
    asked : int
        Bars in the span.
    there_before : int
        Bars of the span that the table had.
    written : int
        Bars written now.
    refused : int
        Bars of the exchange that are none: no number, a price of zero or less, high below low, or off the grid.
    before, after : Gap or None
        What is missing before the first and after the last bar: the market did not exist, or the exchange does not
        give bars of that age; or it stands still.
    gaps : list of Gap
        What is missing in between: outages. Nothing is filled in.
    """

    symbol: str
    coin: str
    asked: int
    there_before: int
    written: int
    refused: int
    before: Gap | None
    after: Gap | None
    gaps: list[Gap] = field(default_factory=list)

    def lines(self) -> list[str]:
        """A line a fact; facts that are nought are left out."""
        head = f"{self.symbol}: {self.written:,} bars written as {self.coin}"
        said = [f"{head}, {self.there_before:,} were there" if self.there_before else head]
        if self.refused:
            said.append(f"  {self.refused:,} bars of the exchange are none (no price above zero, high below low, or"
                        " between two bars) and were left out")  # fmt: skip
        said += [f"  nothing before: {self.before.line()}"] if self.before else []
        if self.gaps:
            lost = sum(gap.bars for gap in self.gaps)
            said.append(f"  {len(self.gaps):,} gaps, {lost:,} bars that the exchange does not have; not filled in:")
            said += [f"    {gap.line()}" for gap in sorted(self.gaps, key=lambda gap: -gap.bars)[:SHOWN_GAPS]]
            more = len(self.gaps) - SHOWN_GAPS
            said += [f"    and {more:,} shorter ones"] if more > 0 else []
        said += [f"  nothing after: {self.after.line()}"] if self.after else []
        return said

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON; times are ISO 8601 UTC."""
        spans = {"before": _gap_dict(self.before), "after": _gap_dict(self.after)}
        plain = {
            name: getattr(self, name) for name in ("symbol", "coin", "asked", "there_before", "written", "refused")
        }
        return {**plain, **spans, "gaps": [_gap_dict(gap) for gap in self.gaps]}


@dataclass(frozen=True)
class FetchReport:
    """What was fetched: `since` and `until` (exclusive) in milliseconds since the epoch, UTC."""

    exchange: str
    timeframe: str
    table: str
    since: int
    until: int
    symbols: list[Fetched]

    def lines(self) -> list[str]:
        """The report, a line a fact."""
        span = f"{utc_text(self.since)} to {utc_text(self.until)} UTC"
        head = f"{self.exchange}, {self.timeframe} bars, {span}, into {self.table}"
        return [head, *(line for each in self.symbols for line in each.lines())]

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {"exchange": self.exchange, "timeframe": self.timeframe, "table": self.table,
                "since": _iso(self.since), "until": _iso(self.until),
                "symbols": [each.to_dict() for each in self.symbols]}  # fmt: skip


def gaps_of(grid: Times, there: Times, step: int) -> list[Gap]:
    """Stretches of `grid` that are not `there`, in order.

    Examples
    --------
    >>> [gap.bars for gap in gaps_of(np.arange(6), np.array([0, 3]), 1)]
    [2, 2]
    """
    missing = np.setdiff1d(grid, there, assume_unique=True)
    if not len(missing):
        return []
    cuts = np.flatnonzero(np.diff(missing) != step) + 1
    return [Gap(int(part[0]), int(part[-1]), len(part)) for part in np.split(missing, cuts)]


def _iso(milliseconds: int) -> str:
    return f"{utc_text(milliseconds).replace(' ', 'T')}:00+00:00"


def _gap_dict(gap: Gap | None) -> dict[str, Any] | None:
    return None if gap is None else {"start": _iso(gap.start), "end": _iso(gap.end), "bars": gap.bars}
