"""Which questions a goal leaves: the three that matter most, each with what the data offers."""

from __future__ import annotations

from omc_agent.llm.draft import Draft
from omc_agent.llm.spans import as_utc
from omc_agent.request import ClarificationQuestion

MOST = 3
# What decides most comes first; the horizon of one hour is asked only beside something else.
IMPORTANCE = ("coins", "target", "task", "start", "end", "threshold", "horizon", "models", "indicators", "metric")
HORIZONS = ["PT1H", "PT4H", "P1D"]


def settle_questions(draft: Draft, coins: list[str], missing_horizon: bool) -> list[ClarificationQuestion]:
    """At most three questions.

    Parameters
    ----------
    draft : Draft
        With all that the readers asked.
    coins : list of str
        The coins of the brief.
    missing_horizon : bool
        Whether the target needs a horizon and the goal hints at none.
    """
    asked = sorted(draft.questions, key=lambda question: IMPORTANCE.index(question.field))[:MOST]
    if missing_horizon and 0 < len(asked) < MOST:
        asked.append(
            ClarificationQuestion(
                field="horizon",
                question="How far ahead?",
                context="The goal does not say; the label is made that long after each bar.",
                options=HORIZONS,
                default=HORIZONS[0],
            )
        )
    return [question.model_copy(update={"context": _context(draft, question, coins)}) for question in asked]


def _context(draft: Draft, question: ClarificationQuestion, coins: list[str]) -> str:
    return f"{question.context} {offer(draft, [] if question.field == 'coins' else coins)}"


def offer(draft: Draft, coins: list[str]) -> str:
    """What the market has of `coins`, or of its largest coins, in one sentence."""
    if not draft.has_market:
        return "No data is at hand yet."
    table = draft.market.get("table") or "handed in"
    if not draft.coins:
        return f"The table {table} has the columns {', '.join(draft.columns[:8])}."
    there = draft.coins
    shown = [coin for coin in coins if coin in there] or sorted(there, key=lambda coin: -there[coin])
    facts = {coin.upper(): fact for coin, fact in draft.market["coins"].items()}
    parts = [_coin(coin, facts[coin]) for coin in shown[:5]]
    more = f"; {len(shown) - 5} more coins" if len(shown) > 5 else ""
    return f"The table {table} has {'; '.join(parts)}{more}."


def _coin(coin: str, fact: dict[str, object]) -> str:
    start, end = as_utc(fact.get("start")), as_utc(fact.get("end"))
    span = f" from {start:%Y-%m-%d} to {end:%Y-%m-%d}" if start and end else ""
    return f"{coin}, {int(str(fact.get('rows') or 0)):,} bars{span}"
