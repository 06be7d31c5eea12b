"""What a goal is about: its task, and its target where that is made from bars."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from omc_agent.brief import CLASSIFIERS, NUMBER_METRICS, ModelName, Task
from omc_agent.llm import lexicon
from omc_agent.llm.coin_spelling import nearest
from omc_agent.llm.draft import Draft
from omc_agent.llm.wishes import is_input
from omc_agent.llm.words import stem

_PROBABILITY = {"whether", "probability", "chance", "chances", "likelihood", "odds", "classify", "classification"}
_NUMBER = {"regress", "regression", "level", "levels", "magnitude", "size", "exact", "amount", "number"}
_HOW = {"much", "many", "high", "low", "far", "volatile", "big", "large", "strongly"}
_DATA = {"history", "data", "bar", "candle"}
_SOFT = {"positive", "negative", "high", "low", "elevated", "calm", "spike", "spikes", "large", "big", "sign", "way"}

_TASKS = ["classification", "regression"]


@dataclass(frozen=True)
class Cues:
    """Hints on the task, all over the goal."""

    explores: bool
    predicts: bool
    asks_class: bool
    asks_number: bool
    asks_what: bool
    regresses: bool = False
    classifies: bool = False

    @property
    def is_task(self) -> bool:
        """Whether the goal says to predict or to explore."""
        return self.explores or self.predicts


def read_cues(draft: Draft, has_models: bool) -> Cues:
    """Take the words that say what is to be done; an algorithm named asks for a prediction too."""
    words = draft.words
    said = [words.low(i) for i in range(len(words))]
    here = set(said)
    opens = {said[i] for i in range(len(said)) if i == 0 or words.said(i - 1) in (",", ".", ";", ":")}
    will = bool(here & {"will", "going", "gonna"})
    asks_class = bool(here & (_PROBABILITY | {"classifier"}))
    how = any(a == "how" and b in _HOW for a, b in pairwise(said))
    asks_number = not asks_class and (bool(here & _NUMBER) or how)
    asks_what = not asks_class and bool(here & {"what", "what's"})
    predicts = bool(here & lexicon.PREDICT) or has_models
    compares = "compare" in here or "comparison" in here or "comparing" in here
    explores = not predicts and not will and bool(here & lexicon.EXPLORE or (compares and "whether" not in here))
    for i, low in enumerate(said):
        if low in lexicon.PREDICT | lexicon.EXPLORE | _PROBABILITY | _NUMBER or (how and low in _HOW - {"volatile"}):
            words.take(i)
    asks_class = asks_class or bool(opens & {"will", "is", "does", "are"})
    return Cues(
        explores,
        predicts and bool(here & lexicon.PREDICT),
        asks_class,
        asks_number,
        asks_what,
        regresses=bool(here & {"regression", "regress", "regressor"}),
        classifies=bool(here & {"classification", "classify", "classifier"}),
    )


def read_target(draft: Draft, cues: Cues, threshold: float | None) -> str | None:
    """Which of the targets made from bars the goal is about."""
    words = draft.words
    names, others = _named_targets(draft)
    signs = {sign for i in range(len(words)) if (sign := lexicon.move_sign(words.low(i))) is not None}
    soft = {words.low(i) for i in range(len(words))} & _SOFT
    target = _pick_target(names, cues, threshold, bool(signs), bool(soft))
    if target is None:
        return None
    for i in range(len(words)):
        if lexicon.move_sign(words.low(i)) is not None or (
            words.low(i) in _SOFT and target in ("direction", "volatility")
        ):
            words.take(i)
    if others and target == names[0]:
        draft.ask("target", "Which target?", "The goal names several; one run has one.", [target, *others], target)
    if target == "direction" and -1 in signs and 1 not in signs:
        draft.note("The label is 1 when the close is higher at the horizon; a fall is the same model read as 0.")
    return target


def _named_targets(draft: Draft) -> tuple[list[str], list[str]]:
    """Targets by their names, without those that are data to learn from; and further ones of a list, left out."""
    words, names, others = draft.words, list[str](), list[str]()
    for hit in words.hits(lexicon.TARGETS):
        after = words.low(hit.stop)
        is_data = stem(after) in _DATA or after == "table" or is_input(words, hit.start)
        is_listed = words.said(hit.start - 1) in ("and", "or", ",", "/", "&")
        if is_data:
            (words.take if hit.value in ("price", "return") else words.refuse)(hit.start, hit.stop)
        elif names and hit.value not in names and is_listed:
            draft.note(f"One run has one target; {words.text(hit.start, hit.stop)} was left out.")
            words.refuse(hit.start, hit.stop)
            others.append(hit.value)
        else:
            names.append(hit.value)
            words.take(hit.start, hit.stop)
    return names, others


def _pick_target(names: list[str], cues: Cues, threshold: float | None, moved: bool, soft: bool) -> str | None:
    if threshold is not None:
        return "threshold"
    if "volatility" in names:
        return "volatility"
    if "return" in names:
        return (
            "direction"
            if not (cues.asks_number or cues.asks_what) and (soft or (moved and cues.asks_class))
            else "return"
        )
    if "direction" in names:
        return "direction"
    if moved:
        return "return" if cues.asks_number else "direction"
    return "price" if "price" in names else None


def settle_task(
    draft: Draft,
    cues: Cues,
    column: str | None,
    price_target: str | None,
    metrics: list[str],
    models: list[ModelName],
) -> tuple[Task, str]:
    """Task and target, each as said, as implied by the other, or as assumed."""
    number = cues.asks_number or any(metric in NUMBER_METRICS for metric in metrics)
    only_numbers = bool(models) and not set(models) & set(CLASSIFIERS)
    if column or draft.has_no_time:
        return _column_task(draft, cues, column, number or only_numbers)
    if cues.explores:
        if price_target is None:
            draft.assume("target")
        return "analysis", price_target or "direction"
    if price_target is None:
        return _default_target(draft, cues, number or only_numbers)
    if price_target == "volatility":
        number = number or cues.asks_what
        if not number:
            draft.note("Volatility is predicted as a class: above its median over the development rows, or not.")
        if not number and not cues.asks_class:
            context = "As a class it is above its median over the development rows or not; as a number, its level."
            draft.ask("task", "Volatility as a class, or as a number?", context, _TASKS, _TASKS[0])
        return ("regression" if number else "classification"), price_target
    is_number = price_target in ("return", "price")
    if cues.regresses and price_target == "direction":
        _ask_kind(draft, "regression", price_target, "return")
    elif cues.classifies and is_number:
        _ask_kind(draft, "classification", price_target, "direction")
    return ("regression" if is_number else "classification"), price_target


def _ask_kind(draft: Draft, said: str, target: str, other: str) -> None:
    """A target that the task, as the goal names it, does not have."""
    draft.note(f"The goal says {said}, and {target} is none; {target} is taken.")
    context = f"The goal says {said}, and {target} is none; {other} would be one."
    draft.ask("target", f"Predict {target}, or {other}?", context, [target, other], target)


def _default_target(draft: Draft, cues: Cues, number: bool) -> tuple[Task, str]:
    draft.assume("target")
    if number:
        draft.note("The goal asks for a number but not for which: the return is taken.")
        return "regression", "return"
    if not cues.asks_class:
        draft.assume("task")
    options = ["direction", "return", "price", "volatility"]
    draft.ask("target", "What is to be predicted?", "The goal does not say.", options, options[0])
    return "classification", "direction"


def _column_task(draft: Draft, cues: Cues, column: str | None, number: bool) -> tuple[Task, str]:
    if cues.explores:
        if column is None:
            draft.assume("target")
        return "analysis", column or (draft.columns or ["direction"])[-1]
    if column is None and draft.columns:
        left = draft.words.left()
        close = [name for word in left for name in nearest(word, draft.columns)]
        column = (close or draft.columns)[-1 if not close else 0]
        draft.assume("target")
        options = list(dict.fromkeys([column, *draft.columns]))[:6]
        draft.ask("target", "Which column is to be predicted?", "The goal names none of them.", options, column)
    kind = (draft.market or {}).get("kinds", {}).get(column)
    assumed = (draft.market or {}).get("assumed_classes", {}).get(column)
    if assumed and not number and not cues.asks_class:
        draft.note(assumed)
        draft.assume("task")
    number = number or (kind == "number" and not cues.asks_class)
    if not number and not cues.asks_class and kind is None:
        draft.ask("task", f"Is {column} a class or a number?", "The goal does not say.", _TASKS, _TASKS[0])
    return ("regression" if number else "classification"), column or "direction"
