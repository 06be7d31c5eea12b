"""The readers of a goal, one after another, and what they took out of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from omc_agent.brief import PRICE_TARGETS
from omc_agent.llm.choices import Algorithms, read_indicators, read_metrics, read_models
from omc_agent.llm.coin_reader import read_coins
from omc_agent.llm.draft import Draft
from omc_agent.llm.fold_reader import read_folds
from omc_agent.llm.spans import Span
from omc_agent.llm.table_reader import read_column, read_table
from omc_agent.llm.target_reader import Cues, read_cues, read_target
from omc_agent.llm.threshold_reader import given_threshold, read_threshold
from omc_agent.llm.times import read_times


@dataclass(frozen=True)
class Taken:
    """What the readers took out of a goal."""

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


def take_words(draft: Draft, table: str | None, target: str | None) -> Taken:
    """One reader after another: what one takes, the next no longer sees."""
    table_name, named_table = read_table(draft, table)
    column = read_column(draft, target, named_table)
    read_folds(draft)
    algorithms = read_models(draft)
    indicators = read_indicators(draft)
    metrics = read_metrics(draft)
    threshold = None if column else read_threshold(draft)
    cues = read_cues(draft, bool(algorithms.asked))
    span, horizons = read_times(draft, cues.explores or _looks_on(draft, cues))
    coins, unknown = read_coins(draft, column)
    price_target = None if column else read_target(draft, cues, threshold)
    if target in PRICE_TARGETS and not column:
        price_target, threshold = target, given_threshold(draft, str(target), threshold)
    return Taken(
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


def _looks_on(draft: Draft, cues: Cues) -> bool:
    """Whether it follows an exploration, and predicts nothing itself."""
    return draft.base is not None and draft.base.task == "analysis" and not cues.predicts
