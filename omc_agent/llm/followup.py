"""A goal that follows an earlier run: what it does not say is taken from that run's brief."""

from __future__ import annotations

from dataclasses import replace

from omc_agent.brief import CLASS_METRICS, CLASSIFIERS, NUMBER_METRICS, REGRESSORS, Brief, ModelName, Task
from omc_agent.llm.choices import Algorithms, adds
from omc_agent.llm.draft import Draft
from omc_agent.llm.planning import candidate_models
from omc_agent.llm.readers import Taken
from omc_agent.llm.target_reader import Cues
from omc_agent.llm.words import Words

_AGAIN = {"again", "same", "repeat", "rerun", "once"}


def says_something(words: Words) -> bool:
    """Whether a reader could use any word of the goal, or it asks for the same once more."""
    return any(words.is_used(i) or words.low(i) in _AGAIN for i in range(len(words)))


def follow(draft: Draft, base: Brief, taken: Taken) -> tuple[Taken, list[str]]:
    """What was taken out of the goal, filled up from `base`; and the names of what came from there."""
    kept: list[str] = []
    for i in range(len(draft.words)):
        if draft.words.low(i) in _AGAIN | {"instead", "rather"}:
            draft.words.take(i)
    if not (taken.coins or taken.column) and base.coins:
        taken = replace(taken, coins=[coin for coin in base.coins if coin not in draft.coins_out] or base.coins)
        kept.append("coins")
    if not (taken.price_target or taken.column):
        taken = _with_target(draft, base, taken)
        kept += ["target"] if base.target in (taken.price_target, taken.column) else []
    if not taken.horizons:
        taken = replace(taken, horizons=[base.horizon_span])
        kept.append("horizon")
    if base.indicators and taken.indicators == base.indicators:
        kept.append("indicators")
    return taken, kept


def _with_target(draft: Draft, base: Brief, taken: Taken) -> Taken:
    cues = _cues(base, taken.cues)
    if draft.has_no_time or not base.is_price_target:
        return replace(taken, column=base.target, cues=cues)
    target, threshold = base.target, base.threshold
    if cues.regresses and target in ("direction", "threshold"):
        target, threshold = "return", None
    elif cues.classifies and target in ("return", "price"):
        target = "direction"
    return replace(taken, price_target=target, threshold=threshold, cues=cues)


def _cues(base: Brief, cues: Cues) -> Cues:
    """The task of the earlier run, unless the goal names another."""
    if base.task == "analysis":
        return cues if cues.predicts else replace(cues, explores=True)
    number = cues.asks_number or (base.task == "regression" and not cues.asks_class)
    return replace(cues, asks_number=number, asks_class=not number)


def follow_choices(
    draft: Draft, base: Brief, taken: Taken, task: Task, kept: list[str]
) -> tuple[Algorithms, list[str]]:
    """Algorithms and metrics filled up from `base` as far as they fit the task; names are added to `kept`."""
    metrics = taken.metrics
    fitting = NUMBER_METRICS if task == "regression" else CLASS_METRICS
    if not metrics and task in (base.task, "analysis") and base.metric in fitting and "metric" not in base.assumed:
        metrics = [base.metric]
        kept.append("metric")
    algorithms = _algorithms(draft, base, taken.algorithms, task)
    if base.models and algorithms.asked == base.models:
        kept.append("models")
    return algorithms, metrics


def _algorithms(draft: Draft, base: Brief, said: Algorithms, task: Task) -> Algorithms:
    fitting = {"classification": CLASSIFIERS, "regression": REGRESSORS}.get(task, (*CLASSIFIERS, *REGRESSORS))
    names_some = bool(said.asked or said.simple or said.every)
    before: list[ModelName] = [name for name in base.models if name in fitting]
    if names_some and adds(draft.words):
        before = before or [name for name in candidate_models(base) if name in fitting]  # type: ignore[misc]
    elif names_some:
        before = []
    left = [name for name in before if name not in said.avoided]
    asked = list(dict.fromkeys([*left, *said.asked]))
    avoided = [name for name in base.avoid_models if name not in asked]
    return replace(said, asked=asked, avoided=list(dict.fromkeys([*avoided, *said.avoided])))


def as_before(brief: Brief, kept: list[str], run_id: str) -> str:
    """What was taken from the earlier run, in one sentence.

    Examples
    --------
    >>> as_before(Brief(coins=["ETH"]), ["target", "horizon"], "calm-fox")
    'As in run calm-fox: target direction; horizon PT1H.'
    """
    values = {
        "coins": ", ".join(brief.coins),
        "target": brief.target,
        "horizon": brief.horizon,
        "span": f"{(brief.start or '')[:16]} to {(brief.end or '')[:16]}",
        "models": ", ".join(brief.models),
        "indicators": ", ".join(brief.indicators),
        "metric": brief.metric,
    }
    return f"As in run {run_id}: {'; '.join(f'{name} {values[name]}' for name in kept)}."
