"""An English goal read into a `Brief` by rules: no model, no network, the same goal always read the same.

Readers go over the goal one after another. Each takes the words it understands and leaves the rest; what no
reader took is listed as unread, what was taken without being said is listed as assumed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from omc_agent.brief import PRICE_TARGETS, Brief, format_duration
from omc_agent.errors import GoalError
from omc_agent.llm import lexicon
from omc_agent.llm.choices import settle_metric, settle_models
from omc_agent.llm.coin_reader import default_coins
from omc_agent.llm.coin_spelling import nearest
from omc_agent.llm.draft import Draft
from omc_agent.llm.followup import follow, follow_choices, says_something
from omc_agent.llm.questions import settle_questions
from omc_agent.llm.readers import Taken, take_words
from omc_agent.llm.spans import Market, Span
from omc_agent.llm.target_reader import settle_task
from omc_agent.llm.times import default_span, settle_horizon, settle_span
from omc_agent.llm.words import STOP, Words
from omc_agent.request import ClarificationQuestion

__all__ = ["Reading", "Span", "nearest", "read_goal"]


@dataclass(frozen=True)
class Reading:
    """A goal as it was read.

    Parameters
    ----------
    brief : Brief
        The goal in the words of the field, defaults filled in.
    notes : list of str
        Sentences on what was taken how.
    questions : list of Question
        At most three; the brief already holds their defaults.
    unknown_coins : list of str
        Those of ``brief.coins`` that the market lacks; without a market, those that the lexicon lacks.
    span : Span or None
        The span in the person's terms, to be resolved when a market is at hand; None for a table without time.
    kept : list of str
        What was taken from the run that the goal follows.
    """

    brief: Brief
    notes: list[str]
    questions: list[ClarificationQuestion]
    unknown_coins: list[str]
    span: Span | None
    kept: list[str] = field(default_factory=list)

    @property
    def span_days(self) -> float | None:
        """Length of the span in days where that needs no newest bar, else None."""
        return self.span.days if self.span else None


def read_goal(
    goal: str,
    market: Market | None = None,
    table: str | None = None,
    target: str | None = None,
    base: Brief | None = None,
) -> Reading:
    """Read a goal.

    Parameters
    ----------
    goal : str
        What the person typed, in English.
    market : dict, optional
        What the table holds: `table`, `bar_minutes`, `columns`, `coins` (symbol -> `rows`, `start`, `end`) and
        `newest` (ISO 8601 UTC, open time of the newest bar). With it the span gets dates; no `coins` means a
        table without bars.
    table, target : str, optional
        The table and the target column where something other than the goal names them; they win.
    base : Brief, optional
        The brief of the run that the goal follows: what the goal does not say is taken from it.

    Returns
    -------
    Reading

    Raises
    ------
    GoalError
        ``goal.empty`` when there are no words; ``goal.unread`` when no coin, target or task could be read.

    Examples
    --------
    >>> reading = read_goal("Predict whether BTC rises over the next 30 minutes, using tweets")
    >>> reading.brief.coins, reading.brief.horizon, reading.brief.assumed, reading.brief.unread
    (['BTC'], 'PT30M', ['metric', 'start', 'end'], ['tweets'])
    >>> after = read_goal("now for ETH", base=reading.brief)
    >>> after.brief.coins, after.brief.horizon, after.brief.target
    (['ETH'], 'PT30M', 'direction')
    """
    words = Words(goal)
    if not any(token.kind == "word" for token in words.tokens):
        raise _empty()
    draft = Draft(words, market or {}, bool(market), base=base)
    taken = take_words(draft, table, target)
    if not (taken.coins or taken.column or taken.price_target):
        stranger = _stranger(draft)
        if stranger or not (taken.cues.is_task if base is None else says_something(words)):
            raise _unread(goal, stranger)
    kept: list[str] = []
    if base is not None:
        taken, kept = follow(draft, base, taken)
    return _settle(draft, taken, kept)


def _settle(draft: Draft, taken: Taken, kept: list[str]) -> Reading:
    """What was taken made to fit together; what is missing assumed, what is open asked."""
    asked, base = taken.algorithms.asked, draft.base
    task, target = settle_task(draft, taken.cues, taken.column, taken.price_target, taken.metrics, asked)
    coins = taken.coins
    if not (coins or taken.column or draft.has_no_time):
        coins = default_coins(draft)
    algorithms, metrics = taken.algorithms, taken.metrics
    if base is not None:
        algorithms, metrics = follow_choices(draft, base, taken, task, kept)
    models, avoid_models = settle_models(draft, task, algorithms)
    metric = settle_metric(draft, task, metrics, target)
    start, end, span = _span(draft, taken, coins, kept)
    horizon = settle_horizon(draft, taken.horizons)
    brief = Brief.model_validate(
        {
            "task": task,
            "coins": coins,
            "table": taken.table,
            "start": start,
            "end": end,
            "horizon": format_duration(horizon),
            "target": target,
            "threshold": taken.threshold if target == "threshold" else None,
            "models": models,
            "avoid_models": avoid_models,
            "indicators": taken.indicators,
            "metric": metric,
            "assumed": draft.assumed,
            "unread": draft.words.left(),
        }
    )
    needs_horizon = not taken.horizons and task != "analysis" and target in PRICE_TARGETS
    questions = settle_questions(draft, coins, needs_horizon)
    return Reading(brief, draft.notes, questions, taken.unknown_coins, span, kept)


def _span(
    draft: Draft, taken: Taken, coins: list[str], kept: list[str]
) -> tuple[str | None, str | None, Span | None]:
    span, base = taken.span, draft.base
    if span is None and taken.column is None and not draft.has_no_time:
        if base is not None and base.start:
            kept.append("span")
            return base.start, base.end, None
        span = default_span(draft)
    return settle_span(draft, span, coins)


def _stranger(draft: Draft) -> str | None:
    """What is to be predicted where it is named, but is nothing known: "predict the weather"."""
    words = draft.words
    if draft.has_no_time:
        return None
    for i in range(len(words)):
        if words.said(i) in lexicon.PREDICT - {"train"}:
            k = i + 1
            while words.said(k) in ("the", "a", "an", "whether", "if", "when", "my", "how", "what", "is", "of"):
                k += 1
            if words.is_free(k) and words.tokens[k].kind == "word" and words.low(k) not in STOP:
                return words.tokens[k].text
    return None


def _empty() -> GoalError:
    return GoalError(
        "goal.empty",
        given="The goal has no words in it.",
        have="A goal names a coin or a table, and what to find out.",
        try_="Try: Predict whether BTC rises over the next hour, using the last 90 days.",
    )


def _unread(goal: str, stranger: str | None) -> GoalError:
    shown = " ".join(goal.split())
    have = "No coin, target or task could be read from it."
    if stranger:
        have = f"{stranger!r} is no coin, no target made from prices, and no column that is known."
    return GoalError(
        "goal.unread",
        given=f"The goal was: {shown if len(shown) <= 80 else shown[:77] + '...'!r}.",
        have=have,
        try_="Try: Predict whether BTC rises over the next hour; or: Predict churn from the table customers.",
    )
