"""Shuffled folds asked for: refused on bars, with the reason, and what rows without time get anyway."""

from __future__ import annotations

from omc_agent.llm.draft import Draft
from omc_agent.llm.wishes import are_wanted
from omc_agent.llm.words import Hit, Words, word_set

WHY = (
    "{} is refused on bars: labels of neighbouring bars overlap, so a shuffled fold would be scored by a model that"
    " has seen its answers. Purged walk-forward folds are used."
)
_SHUFFLING = word_set("shuffle shuffled shuffling")
_BY_CHANCE = _SHUFFLING | word_set("random randomly randomised randomized stratified")
_BETWEEN = word_set("k n train test / - the my into holdout by in")
_ENDS = word_set("fold folds kfold cv crossval crossvalidation split splits splitting")
_ROWS = word_set("the my all rows bars data samples it them")
_CROSS = word_set("validation validate validated validating val")
_IN_TIME = word_set("forward expanding rolling purged blocked time ordered")


def read_folds(draft: Draft) -> None:
    """Note that shuffled, random or k-fold cross-validation is refused; the rest of the goal is read as before.

    Examples
    --------
    >>> draft = Draft(Words("Predict BTC with shuffled 5-fold cross-validation"), {}, False)
    >>> read_folds(draft)
    >>> draft.notes[0][:45]
    'shuffled 5-fold cross-validation is refused o'
    """
    words = draft.words
    spots = _spots(words)
    asked = [spot for spot, wanted in zip(spots, are_wanted(words, spots), strict=True) if wanted]
    for start, stop in spots:
        if (start, stop) not in asked or draft.has_no_time:  # rows without time are shuffled anyway
            words.take(start, stop)
    if not draft.has_no_time:
        draft.refuse([Hit(start, stop, True) for start, stop in asked], WHY)


def _spots(words: Words) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    i = 0
    while i < len(words):
        stop = _by_chance(words, i) or _in_k(words, i)
        if stop:
            found.append((i, stop))
        i = max(stop, i + 1)
    return found


def _by_chance(words: Words, i: int) -> int:
    """The end of "random train/test split", "shuffled 5-fold CV" or "shuffle the rows"; 0 for none."""
    if words.said(i) not in _BY_CHANCE:
        return 0
    k = i + 1
    while words.said(k) in _BETWEEN | _ROWS or (k < len(words) and words.tokens[k].kind == "number"):
        k += 1
    stop = _end(words, k)
    if not stop and words.said(i) in _SHUFFLING:
        k = i + 1
        while words.said(k) in _ROWS:
            k += 1
        return k
    return stop


def _in_k(words: Words, i: int) -> int:
    """The end of "k-fold", "kfold" or "10-fold cross-validation"; 0 for none, and for folds in time."""
    if words.said(i - 1) in _IN_TIME:
        return 0
    if words.said(i) == "kfold":
        return _end(words, i)
    named, numbered = words.said(i) in ("k", "n"), words.tokens[i].kind == "number"
    if words.said(i + 1) != "fold" or not (named or numbered):
        return 0
    if words.said(i + 2) in _IN_TIME | {"walk"}:
        return 0
    stop = _end(words, i + 1)
    return stop if named or stop > i + 2 else 0  # a "10-fold increase" is no cross-validation


def _end(words: Words, k: int) -> int:
    """The end of "folds", "CV" or "cross-validation", one after another, from token `k`; 0 for none."""
    start = k
    while words.said(k) in _ENDS or (words.said(k) == "cross" and words.said(k + 1) in _CROSS):
        k += 2 if words.said(k) == "cross" else 1
    return k if k > start else 0
