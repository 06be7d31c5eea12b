"""The threshold of a goal: the signed fraction of "rise by 2%", "a 3 percent drop", "falls 50 bps", "doubles"."""

from __future__ import annotations

from dataclasses import dataclass

from omc_agent.llm import lexicon
from omc_agent.llm.draft import Draft
from omc_agent.llm.time_words import count_at
from omc_agent.llm.words import STOP, Words, stem

_PERCENT = {("%",): 0.01, ("percent",): 0.01, ("per", "cent"): 0.01, ("pct",): 0.01, ("percentage", "point"): 0.01}
_PERCENT |= {("bps",): 1e-4, ("bp",): 1e-4, ("basis", "point"): 1e-4}
_FACTORS = {"double": 1.0, "doubles": 1.0, "halve": -0.5, "halves": -0.5}
_BEFORE_NOUN = lexicon.INPUTS | {"a", "an", "the", "of", "on", "two", "both", "into"}
_BEFORE = {"by", "of", "a", "an", "at", "least", "more", "than", "over", "about", "around", "roughly", "some", "the"}
_BEFORE |= {"above", "below", "beyond", "in", "price", "value", "it", "its", "or", "greater", "another", "to"}
_AFTER = {"or", "more", "in", "a", "price", "to", "the"}
_BEYOND = {"exceed": 1, "exceeds": 1, "above": 1, "over": 1, "greater": 1, "more": 1}
_BEYOND |= {"below": -1, "under": -1, "less": -1}


@dataclass(frozen=True)
class _Change:
    """A change at tokens `start` to `stop`, its move included; no `value` where it is none that can be learnt.

    `number_stop` is the token after the number itself; `is_open` where nothing says which way.
    """

    start: int
    stop: int
    number_stop: int
    value: float | None
    is_open: bool = False


def read_threshold(draft: Draft) -> float | None:
    """The signed fraction of "rise by 2%", "a 3 percent drop", "falls 50 bps", "doubles"; the first one named."""
    words, threshold = draft.words, None
    for i in range(len(words)):
        change = _factor_at(words, i) or _percentage_at(words, i)
        if change is None:
            continue
        if change.value == 0:
            words.take(i, change.number_stop)
        elif change.value is None or threshold is not None:
            words.refuse(i, change.number_stop)
            draft.note(f"{words.text(i, change.number_stop)} was not read as a threshold.")
            if change.value not in (None, threshold) and threshold is not None:
                _ask_which(draft, threshold, float(change.value or 0))
        else:
            threshold = change.value
            if change.is_open:
                _ask_side(draft, threshold, words.text(change.start, change.stop))
            words.take(change.start, change.stop)
            draft.note(
                f"A threshold of {100 * threshold:+g} % counts as reached when it is touched within the horizon."
            )
    return threshold


def _factor_at(words: Words, i: int) -> _Change | None:
    """Read "will double", "halves": the verbs, neither the "double top" nor "two halves"."""
    low, before, after = words.low(i), words.said(i - 1), words.said(i + 1)
    if low not in _FACTORS or before in _BEFORE_NOUN:
        return None
    is_verb = low.endswith("s") or after in STOP | {"", "tomorrow", "today"} or not after[0].isalpha()
    return _Change(i, i + 1, i + 1, _FACTORS[low]) if is_verb else None


def _percentage_at(words: Words, i: int) -> _Change | None:
    share, stop = _percent_at(words, i)
    if share is None:
        return None
    move = _move_beside(words, i, stop)
    if move is None or not -1 < share * (move[0] or 1) <= 10:
        return _Change(i, stop, stop, None)
    sign, first, last = move
    value = share if share < 0 else share * (sign or 1)
    is_open = sign == 0 and share > 0 and words.tokens[i].text[0] != "+"
    return _Change(min(first, i), max(last, stop), stop, value, is_open)


def _percent_at(words: Words, i: int) -> tuple[float | None, int]:
    number = words.tokens[i].number if words.is_free(i) else None
    number = count_at(words, i) if number is None else number
    if number is None:
        return None, i
    for unit, scale in _PERCENT.items():
        stop = i + 1 + len(unit)
        if all(stem(words.low(i + 1 + k)) == stem(part) for k, part in enumerate(unit)):
            return round(number * scale, 12), stop
    return None, i


def _move_beside(words: Words, i: int, stop: int) -> tuple[int, int, int] | None:
    """Sign of the move that a percentage belongs to, and the tokens from the move to its end."""
    k = i - 1
    while k > i - 6 and words.low(k) in _BEFORE and lexicon.move_sign(words.low(k)) is None:
        k -= 1
    if (sign := lexicon.move_sign(words.low(k))) is not None:
        both = _names_both(words, k, sign)
        return (0 if both else sign), k - 2 * both, stop
    k = stop
    while k < stop + 3 and words.low(k) in _AFTER:
        k += 1
    if (sign := lexicon.move_sign(words.low(k))) is not None:
        return sign, i, k + 1
    for n in (i - 1, i - 2):
        if words.said(n) in _BEYOND and any(stem(words.said(m)) in ("return", "change") for m in range(n)):
            return _BEYOND[words.said(n)], n, stop
    if words.low(i - 1) == "by" or words.tokens[i].text[0] in "+-":
        signs = [s for m in range(i) if (s := lexicon.move_sign(words.low(m))) is not None]
        if signs or words.tokens[i].text[0] in "+-":
            return (signs[-1] if signs else 0), i, stop
    return None


def _names_both(words: Words, k: int, sign: int) -> bool:
    """Whether the move at `k` ends a pair such as "rise or fall"."""
    other = lexicon.move_sign(words.low(k - 2))
    return words.low(k - 1) in ("or", "/") and other is not None and other != sign


def given_threshold(draft: Draft, target: str, threshold: float | None) -> float | None:
    """The threshold for a target given beside the goal: a rise of 1 % where the goal names none."""
    if target != "threshold" or threshold is not None:
        return threshold
    draft.assume("threshold")
    draft.note("The goal names no threshold; a rise of 1 % is taken.")
    return 0.01


def _ask_side(draft: Draft, share: float, said: str) -> None:
    draft.note(f"'{said}' does not say which way; a rise is taken.")
    draft.ask(
        "threshold",
        f"A move of {100 * share:g} % up, or down?",
        f"The goal says '{said}'; one model learns one side.",
        [f"{share:g}", f"{-share:g}"],
        f"{share:g}",
    )


def _ask_which(draft: Draft, first: float, second: float) -> None:
    draft.ask(
        "threshold",
        "Which threshold?",
        f"The goal names {100 * first:+g} % and {100 * second:+g} %; one run has one.",
        [f"{first:g}", f"{second:g}"],
        f"{first:g}",
    )
