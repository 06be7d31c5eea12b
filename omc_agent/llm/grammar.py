"""An English goal read into a `Brief` by rules: no model, no network, the same goal always read the same.

Readers go over the goal one after another. Each takes the words it understands and leaves the rest; what no
reader took is listed as unread, what was taken without being said is listed as assumed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from omc_agent.brief import PRICE_TARGETS, Brief, format_duration
from omc_agent.errors import GoalError
from omc_agent.llm import lexicon
from omc_agent.llm.choices import (
    Algorithms,
    read_indicators,
    read_metrics,
    read_models,
    settle_metric,
    settle_models,
)
from omc_agent.llm.coin_reader import default_coins, nearest, read_coins
from omc_agent.llm.draft import Draft
from omc_agent.llm.questions import settle_questions
from omc_agent.llm.spans import Market, Span
from omc_agent.llm.table_reader import read_column, read_table
from omc_agent.llm.target_reader import Cues, read_cues, read_target, settle_task
from omc_agent.llm.threshold_reader import given_threshold, read_threshold
from omc_agent.llm.times import default_span, read_times, settle_horizon, settle_span
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
    """

    brief: Brief
    notes: list[str]
    questions: list[ClarificationQuestion]
    unknown_coins: list[str]
    span: Span | None

    @property
    def span_days(self) -> float | None:
        """Length of the span in days where that needs no newest bar, else None."""
        return self.span.days if self.span else None


@dataclass(frozen=True)
class _Heard:
    """What the readers took out of the goal."""

    table: str
    column: str | None
    algorithms: Algorithms
    indicators: list[str]
    metrics: list[str]
    cues: Cues
    span: Span | None
    horizons: list[timedelta]
    coins: list[str]
    unknown_coins: list[str]
    price_target: str | None
    threshold: float | None


def read_goal(
    goal: str, market: Market | None = None, table: str | None = None, target: str | None = None
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
    """
    words = Words(goal)
    if not any(token.kind == "word" for token in words.tokens):
        raise _empty()
    draft = Draft(words, market or {}, bool(market))
    heard = _hear(draft, table, target)
    if not (heard.coins or heard.column or heard.price_target):
        stranger = _stranger(draft)
        if stranger or not heard.cues.is_task:
            raise _unread(goal, stranger)
    return _settle(draft, heard)


def _hear(draft: Draft, table: str | None, target: str | None) -> _Heard:
    """One reader after another: what one takes, the next no longer sees."""
    table_name, named_table = read_table(draft, table)
    column = read_column(draft, target, named_table)
    algorithms = read_models(draft)
    indicators = read_indicators(draft)
    metrics = read_metrics(draft)
    threshold = None if column else read_threshold(draft)
    cues = read_cues(draft, bool(algorithms.asked))
    span, horizons = read_times(draft, cues.explores)
    coins, unknown = read_coins(draft, column)
    price_target = None if column else read_target(draft, cues, threshold)
    if target in PRICE_TARGETS and not column:
        price_target, threshold = target, given_threshold(draft, str(target), threshold)
    return _Heard(
        table=table_name,
        column=column,
        algorithms=algorithms,
        indicators=indicators,
        metrics=metrics,
        cues=cues,
        span=span,
        horizons=horizons,
        coins=coins,
        unknown_coins=unknown,
        price_target=price_target,
        threshold=threshold,
    )


def _settle(draft: Draft, heard: _Heard) -> Reading:
    """What was heard made to fit together; what is missing assumed, what is open asked."""
    asked = heard.algorithms.asked
    task, target = settle_task(draft, heard.cues, heard.column, heard.price_target, heard.metrics, asked)
    coins = heard.coins
    if not (coins or heard.column or draft.has_no_time):
        coins = default_coins(draft)
    models, avoid_models = settle_models(draft, task, heard.algorithms)
    metric = settle_metric(draft, task, heard.metrics)
    span = heard.span
    if span is None and heard.column is None and not draft.has_no_time:
        span = default_span(draft)
    start, end, span = settle_span(draft, span, coins)
    horizon = settle_horizon(draft, heard.horizons)
    brief = Brief.model_validate(
        {
            "task": task,
            "coins": coins,
            "table": heard.table,
            "start": start,
            "end": end,
            "horizon": format_duration(horizon),
            "target": target,
            "threshold": heard.threshold if target == "threshold" else None,
            "models": models,
            "avoid_models": avoid_models,
            "indicators": heard.indicators,
            "metric": metric,
            "assumed": draft.assumed,
            "unread": draft.words.left(),
        }
    )
    needs_horizon = not heard.horizons and task != "analysis" and target in PRICE_TARGETS
    questions = settle_questions(draft, coins, needs_horizon)
    return Reading(brief, draft.notes, questions, heard.unknown_coins, span)


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
