"""The algorithms, indicators and metric that a goal chooses, and those that fit its task."""

from __future__ import annotations

from dataclasses import dataclass

from omc_agent.brief import CLASS_METRICS, CLASSIFIERS, NUMBER_METRICS, REGRESSORS, ModelName, Task
from omc_agent.llm import lexicon
from omc_agent.llm.draft import Draft
from omc_agent.llm.wishes import are_wanted
from omc_agent.llm.words import Words, stem

_TIME_WORDS = {"period", "day", "hour", "minute", "bar", "week", "h", "d", "m", "min", "%", "percent", "candle"}


_ADD = {"also", "add", "adding", "plus", "additionally", "too"}


@dataclass(frozen=True)
class Algorithms:
    """Algorithms asked for and ruled out; whether a simple one, or every one, is wanted."""

    asked: list[ModelName]
    avoided: list[ModelName]
    simple: bool
    every: bool


def read_models(draft: Draft) -> Algorithms:
    """The algorithms that the goal names, and those it rules out."""
    words = draft.words
    strangers = words.hits(lexicon.OTHER_MODELS)
    hits = words.hits(lexicon.MODELS)
    hits = [h for h in hits if not any(h.start < s.stop and s.start < h.stop for s in strangers)]
    spots = sorted([(h.start, h.stop) for h in hits] + [(s.start, s.stop) for s in strangers])
    wanted = dict(zip(spots, are_wanted(words, spots), strict=True))
    there = ", ".join(dict.fromkeys((*CLASSIFIERS, *REGRESSORS)))
    draft.refuse(strangers, "There is no {} here; the algorithms are " + there + ".")
    asked: list[ModelName] = []
    avoided: list[ModelName] = []
    for hit in hits:
        (asked if wanted[hit.start, hit.stop] else avoided).extend(hit.value)
        words.take(hit.start, hit.stop)
    simple, every = words.hits(lexicon.SIMPLE_MODEL), words.hits(lexicon.EVERY_MODEL)
    for plain in (*simple, *every):
        words.take(plain.start, plain.stop)
    return Algorithms(list(dict.fromkeys(asked)), list(dict.fromkeys(avoided)), bool(simple), bool(every))


def settle_models(draft: Draft, task: Task, read: Algorithms) -> tuple[list[ModelName], list[ModelName]]:
    """Algorithms that fit the task, and those to avoid; a clash between the two is asked."""
    if task == "analysis":
        return read.asked, read.avoided
    fitting: tuple[str, ...] = CLASSIFIERS if task == "classification" else REGRESSORS
    stand_in: ModelName = "logistic_regression" if task == "classification" else "linear"
    models: list[ModelName] = []
    for name in [*read.asked, *([stand_in] if read.simple else [])]:
        if name not in fitting:
            draft.note(f"{name} is not made for {task}; {stand_in} is taken.")
        models.append(name if name in fitting else stand_in)
    avoid = list(read.avoided)
    if read.every:
        models += [name for name in _model_names(fitting) if name not in avoid]
    if "linear" in avoid and stand_in not in avoid:
        draft.note(f"For {task} the linear model is {stand_in}; left out.")
        avoid.append(stand_in)
    models = list(dict.fromkeys(models))
    clash = [name for name in models if name in avoid]
    return (_without(draft, models, clash, avoid, fitting) if clash else models), avoid


def _without(
    draft: Draft, models: list[ModelName], clash: list[ModelName], avoid: list[ModelName], fitting: tuple[str, ...]
) -> list[ModelName]:
    """Leave out what the goal both asks for and rules out, and ask."""
    rest = [name for name in models if name not in avoid]
    rest = rest or [name for name in _model_names(fitting) if name not in avoid]
    draft.note(f"The goal both asks for and rules out {', '.join(clash)}; left out.")
    draft.ask(
        "models",
        f"With or without {', '.join(clash)}?",
        "The goal both asks for it and rules it out.",
        [", ".join(rest), ", ".join(dict.fromkeys([*clash, *(m for m in models if m in rest)]))],
        ", ".join(rest),
    )
    return rest


def _model_names(names: tuple[str, ...]) -> list[ModelName]:
    return list(dict.fromkeys(name for hit in lexicon.MODELS.values() for name in hit if name in names))


def read_indicators(draft: Draft) -> list[str]:
    """The indicators to compute; an empty list leaves the choice to the tool."""
    words = draft.words
    strangers = words.hits(lexicon.OTHER_INDICATORS)
    hits = words.hits(lexicon.INDICATORS)
    spots = sorted([(h.start, h.stop) for h in hits] + [(s.start, s.stop) for s in strangers])
    wanted = dict(zip(spots, are_wanted(words, spots), strict=True))
    draft.refuse(strangers, "There is no {} here; the indicators are " + ", ".join(lexicon.ALL_INDICATORS) + ".")
    asked = list(dict.fromkeys(hit.value for hit in hits if wanted[hit.start, hit.stop]))
    avoided = {hit.value for hit in hits if not wanted[hit.start, hit.stop]}
    for hit in hits:
        words.take(hit.start, hit.stop)
        _refuse_window(draft, hit.start, hit.stop)
    return _settle_indicators(draft, asked, avoided)


def _settle_indicators(draft: Draft, asked: list[str], avoided: set[str]) -> list[str]:
    words = draft.words
    every = words.hits(lexicon.ANY_INDICATOR)
    spots = [(hit.start, hit.stop) for hit in every]
    none_at_all = not asked and False in are_wanted(words, spots)
    if none_at_all:
        draft.refuse(every, "Leaving out all {} is not possible; they are computed.")
    for hit in every:
        words.take(hit.start, hit.stop)
    before = draft.base.indicators if draft.base else []
    if both := sorted(avoided & set(asked)):
        return _without_indicators(draft, asked, both, avoided)
    if asked:
        return list(dict.fromkeys([*before, *asked])) if before and adds(words) else asked
    if avoided:
        rest = [name for name in before or lexicon.ALL_INDICATORS if name not in avoided]
        rest = rest or [name for name in lexicon.ALL_INDICATORS if name not in avoided]
        draft.note(f"Without {', '.join(sorted(avoided))}, the other indicators are taken: {', '.join(rest)}.")
        return rest
    return list(lexicon.ALL_INDICATORS) if every and not none_at_all else list(before)


def _without_indicators(draft: Draft, asked: list[str], both: list[str], avoided: set[str]) -> list[str]:
    """Leave out what the goal both asks for and rules out, and ask."""
    rest = [name for name in asked if name not in avoided]
    rest = rest or [name for name in lexicon.ALL_INDICATORS if name not in avoided]
    draft.note(f"The goal both asks for and rules out {', '.join(both)}; left out.")
    if rest:
        draft.ask(
            "indicators",
            f"With or without {', '.join(both)}?",
            "The goal both asks for it and rules it out.",
            [", ".join(rest), ", ".join(asked)],
            ", ".join(rest),
        )
    return rest


def adds(words: Words) -> bool:
    """Whether what is named comes on top of what there is: "also try ridge"."""
    return bool(_ADD & {words.said(i) for i in range(len(words))})


def _refuse_window(draft: Draft, start: int, stop: int) -> None:
    """Mark a window such as RSI(14), 14-period RSI or 20-day SMA as not served."""
    words = draft.words
    k = stop + (words.said(stop) == "(")
    if (
        words.is_free(k)
        and words.tokens[k].kind == "number"
        and (k > stop or stem(words.said(k + 1)) not in _TIME_WORDS)
    ):
        windows = [(k, k + 1)]
    elif stem(words.said(start - 1)) in _TIME_WORDS and words.is_free(start - 2):
        windows = [(start - 2, start)] if words.tokens[start - 2].kind == "number" else []
    else:
        return
    for first, last in windows:
        draft.note(f"The window {words.text(first, last)} was left out: an indicator's windows are the tool's own.")
        words.refuse(first, last)


def read_metrics(draft: Draft) -> list[str]:
    """Metrics in the order they are named."""
    words = draft.words
    strangers = words.hits(lexicon.OTHER_METRICS)
    there = ", ".join((*CLASS_METRICS, *NUMBER_METRICS))
    draft.refuse(strangers, "{} is not among the metrics here: " + there + ".")
    hits = words.hits(lexicon.METRICS)
    for hit in hits[:1]:
        words.take(hit.start, hit.stop)
    for hit in hits[1:]:
        if hit.value == hits[0].value:
            words.take(hit.start, hit.stop)
            continue
        draft.note(f"One metric decides: {hits[0].value}; {words.text(hit.start, hit.stop)} was left out.")
        words.refuse(hit.start, hit.stop)
    return [hit.value for hit in hits[:1]]


def settle_metric(draft: Draft, task: Task, metrics: list[str], target: str = "") -> str:
    """The metric named where it measures the task, else the task's own."""
    fitting = NUMBER_METRICS if task == "regression" else CLASS_METRICS
    if metrics and metrics[0] in fitting:
        return metrics[0]
    draft.assume("metric")
    if task == "classification" and not metrics and (draft.market or {}).get("classes", {}).get(target, 2) > 2:
        return "log_loss_skill"
    if metrics and task != "analysis":
        draft.note(f"{metrics[0]} does not measure a {task}; {fitting[0]} is taken.")
        context = f"The goal asks for a {task}, and {metrics[0]} does not measure one."
        draft.ask("metric", f"Which metric, as {metrics[0]} does not fit?", context, list(fitting), fitting[0])
    return fitting[0]
