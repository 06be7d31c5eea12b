"""What a goal says of a thing it names: asked for, ruled out, or only to learn from."""

from __future__ import annotations

from omc_agent.llm import lexicon
from omc_agent.llm.words import Words, stem

_NOT = {"without", "no", "not", "avoid", "avoiding", "except", "excluding", "exclude", "don't", "dont", "never"}
_NOT |= {"stop", "remove", "leave"}
_NOT |= {"skip", "ignore", "omit", "rather", "instead", "drop", "nor", "doesn't", "neither", "minus"}
_YES = {"with", "use", "using", "via", "but", "only", "just", "by", "prefer", "including", "include", "try", "fit"}
_YES |= {"train", "compare", ";", ".", ":", "add", "want"}
_JOINERS = {",", "and", "or", "nor", "/", "&", "+", "a", "an", "the", "any"}
_BETWEEN = {"past", "historical", "recent", "lagged", "the", "its", "their", "previous", "own", "only", "on", "and"}
_BETWEEN |= {"raw", "just", "hourly", "daily", "coin", "last"}


def are_wanted(words: Words, spots: list[tuple[int, int]]) -> list[bool]:
    """For each item (its first token, and the token after it) whether the goal asks for it or rules it out."""
    answers: list[bool] = []
    for k, (start, _) in enumerate(spots):
        floor = spots[k - 1][1] if k else max(0, start - 5)
        answer = _nearest_cue(words, start, floor)
        if answer is None and k and _continues(words, spots, k, answers[-1]):
            answer = answers[-1]
        answers.append(answer is not False)
    return answers


def _nearest_cue(words: Words, start: int, floor: int) -> bool | None:
    for i in range(start - 1, floor - 1, -1):
        low, before = words.said(i), words.said(i - 1)
        if low == "," and words.is_used(i - 1):  # "without xgboost, BTC direction": what is before is another list
            return None
        if low in _NOT:
            words.take(i)
            return False
        if low in _YES:
            if before in _NOT or (low == "but" and before in ("anything", "everything", "all")):
                words.take(i - 1)
                return False
            return True
    return None


def _continues(words: Words, spots: list[tuple[int, int]], k: int, last: bool) -> bool:
    # "without RSI, MACD and EMA" rules out three; "no trees, logistic regression" only the first.
    gaps = [[words.said(i) for i in range(spots[n - 1][1], spots[n][0])] for n in range(k, len(spots))]
    if not set(gaps[0]) <= _JOINERS:
        return False
    if last or {"or", "and", "nor", "/", "&", "+"} & set(gaps[0]):
        return True
    for gap in gaps:
        if not set(gap) <= _JOINERS:
            return False
        if {"or", "and", "nor"} & set(gap):
            return True
    return False


def is_input(words: Words, i: int) -> bool:
    """Whether the word at `i` is something to learn from: "using past returns"."""
    k = i - 1
    while k > i - 6 and _is_between(words.said(k)):
        k -= 1
    return words.said(k) in lexicon.INPUTS


def _is_between(low: str) -> bool:
    key = (stem(low),)
    return low in _BETWEEN or low.upper() in lexicon.COINS or key in lexicon.COIN_NAMES or key in lexicon.TARGETS
