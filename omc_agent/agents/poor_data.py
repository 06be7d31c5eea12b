"""Data that is poor but usable, put to the person once: go on as it is, or take the better part.

Only what the person can choose by start, end or coins is asked; the default is to go on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from omc_agent.agents.quality import needed_bars
from omc_agent.brief import Brief
from omc_agent.request import ClarificationQuestion

POOR_SHARE = 0.1  # of the span's bars missing: gaps of exchanges are well below it
SCARCE = 2  # times the rows that are needed at least


def poor_data_question(
    frame: pd.DataFrame, brief_values: Mapping[str, Any], market: Mapping[str, Any]
) -> dict[str, Any] | None:
    """What to ask of the rows as they came, as fields of `ClarificationQuestion`; None where they are good enough.

    Parameters
    ----------
    frame : DataFrame (rows, ...)
        Bars with `coin`, `timestamp` (UTC) and `close`, before the cut.
    brief_values : mapping
        Fields of `Brief`.
    market : mapping
        The market's facts: `coins`, each with `rows`, `start`, `end`.
    """
    brief = Brief.model_validate(brief_values)
    if brief.task == "analysis" or "close" not in frame or "timestamp" not in frame:
        return None
    coins = {str(coin): bars["timestamp"].sort_values() for coin, bars in frame.groupby("coin", observed=True)}
    needed = needed_bars(frame, brief)
    found = _gap_question(coins, brief, needed) or _scarce_question(coins, brief, needed, market)
    return found.model_dump() if found else None


def _gap_question(coins: dict[str, pd.Series], brief: Brief, needed: int) -> ClarificationQuestion | None:
    missing = {coin: _missing(times) for coin, times in coins.items()}
    poor = [coin for coin, share in missing.items() if share >= POOR_SHARE]
    if not poor:
        return None
    good = [coin for coin in coins if coin not in poor]
    if good:
        told = ", ".join(f"{coin} {100 * missing[coin]:.0f} %" for coin in poor)
        asked = brief.coins or list(coins)
        return ClarificationQuestion(
            field="coins",
            question=f"Go on with {', '.join(poor)}, or without?",
            context=f"Of the bars of the span there are missing: {told}. {_has(coins, good)}",
            options=[", ".join(asked), ", ".join(coin for coin in asked if coin in good)],
            default=", ".join(asked),
        )
    return _largest_gap(coins, max(poor, key=lambda coin: missing[coin]), missing, brief, needed)


def _largest_gap(
    coins: dict[str, pd.Series], coin: str, missing: dict[str, float], brief: Brief, needed: int
) -> ClarificationQuestion | None:
    """The longer side of the coin's largest gap, where it holds enough."""
    times = coins[coin].reset_index(drop=True)
    at = int(times.diff().argmax())
    before, after = times[:at], times[at:]
    side = after if len(after) >= len(before) else before
    if len(side) < needed:
        return None
    name, word = ("start", "after") if side is after else ("end", "before")
    edge = after.iloc[0] if side is after else times.iloc[at - 1] + times.diff().median()
    whole = brief.start if name == "start" else brief.end
    default = whole or (times.iloc[0] if name == "start" else times.iloc[-1] + times.diff().median()).isoformat()
    gap = f"{times.iloc[at - 1]:%Y-%m-%d %H:%M} and {times.iloc[at]:%Y-%m-%d %H:%M}"
    return ClarificationQuestion(
        field=name,
        question=f"{coin} has gaps: go on, or use the span {word} the largest gap?",
        context=f"{coin} has {100 * missing[coin]:.0f} % of its bars missing, the most between {gap} UTC;"
        f" the span {word} it holds {len(side):,} bars.",
        options=[default, edge.isoformat()],
        default=default,
    )


def _scarce_question(
    coins: dict[str, pd.Series], brief: Brief, needed: int, market: Mapping[str, Any]
) -> ClarificationQuestion | None:
    """Fewer rows than twice what is needed, while the table holds earlier ones."""
    most = max((len(times) for times in coins.values()), default=0)
    facts = {str(coin).upper(): fact for coin, fact in (market.get("coins") or {}).items()}
    first = min(
        (pd.Timestamp(facts[c]["start"]) for c in coins if c in facts and facts[c].get("start")), default=None
    )
    start = min((times.iloc[0] for times in coins.values()), default=None)
    if most >= SCARCE * needed or first is None or start is None or first >= start:
        return None
    default = brief.start or start.isoformat()
    return ClarificationQuestion(
        field="start",
        question="There are few bars: go on, or start earlier?",
        context=f"The span holds {most:,} bars a coin; {needed:,} are needed at least. {_has(coins, list(coins))}"
        f" The table begins at {first:%Y-%m-%d %H:%M} UTC.",
        options=[default, first.isoformat()],
        default=default,
    )


def _missing(times: pd.Series) -> float:
    """Share of the bars between the first and the last that are not there."""
    bar = times.diff().median()
    if len(times) < 3 or not bar or pd.isna(bar):
        return 0.0
    whole = (times.iloc[-1] - times.iloc[0]) / bar + 1
    return max(0.0, float(1 - len(times) / whole))


def _has(coins: dict[str, pd.Series], names: list[str]) -> str:
    parts = [
        f"{c}, {len(coins[c]):,} bars from {coins[c].iloc[0]:%Y-%m-%d} to {coins[c].iloc[-1]:%Y-%m-%d}" for c in names
    ]
    return f"There is {'; '.join(parts[:4])}."
