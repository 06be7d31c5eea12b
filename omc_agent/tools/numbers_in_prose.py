"""Numbers in sentences that a chat model wrote: each must match a recorded one, or its sentence is dropped."""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_NUMBER = re.compile(r"(?<![\w.])[-+\u2212]?(?:\d{1,3}(?:[,\u202f]\d{3})+|\d+)(?:\.\d+)?(?:[eE][-+]?\d+)?(\s?%)?")
_IN_TEXT = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?|\d+(?:\.\d+)?")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_CLAUSE = re.compile(r"[;:]|,\s")
# Below ten almost any number was recorded somewhere, so there it has to be the count of something.
_SMALL = 10
_DOWN = re.compile(
    r"\b(?:f[ae]ll\w*|los(?:es?|t|ing)|dropp?\w*|declin\w*|decreas\w*|reduc\w*|shr[aiu]nk\w*|down|below|under|behind|minus"
    r"|less|lower|worse|smaller|short|negative)\b",
    re.IGNORECASE,
)
_ORDER = re.compile(
    r"\b(?:steps?|stages?|parts?|rounds?|figures?|cells?|sections?|options?|points?|phases?|lines?|number|no\.|first|top)"
    r"\s*$",
    re.IGNORECASE,
)
_COUNTED = frozenset({"trials", "opened", "folds", "n_splits", "cuts", "blocks", "gaps", "rows", "missing_bars"})
_LISTED = frozenset({"coins", "models", "indicators", "columns", "folds", "classes", "lags", "windows", "candidates"})
_SETTING = re.compile(r"\b(?:n_splits|trials|lags|windows)=(\[[\d, ]*\]|\d+)")


def recorded_numbers(things: Any) -> Iterator[float]:
    """Every number in plain JSON and in the texts that it holds.

    Examples
    --------
    >>> sorted(recorded_numbers({"score": 0.5, "text": "12 bars", "ok": True}))
    [0.5, 12.0]
    """
    if isinstance(things, Mapping):
        for value in things.values():
            yield from recorded_numbers(value)
    elif isinstance(things, (list, tuple)):
        for value in things:
            yield from recorded_numbers(value)
    elif isinstance(things, str):
        # Dates and names such as 2024-08-01 or ret_12 are recorded by their digits; elsewhere a minus is a sign.
        yield from (float(part) for part in _IN_TEXT.findall(things.replace(",", "").replace("\u2212", "-")))
    elif isinstance(things, (int, float)) and not isinstance(things, bool) and math.isfinite(things):
        yield float(things)


def recorded_counts(things: Any) -> Iterator[int]:
    """Counts of things in plain JSON: trials, folds, coins, rules; and the settings in code that it holds.

    Examples
    --------
    >>> sorted(recorded_counts({"coins": ["BTC", "ETH"], "trials": 3, "round": 7, "code": "f(x, n_splits=5)"}))
    [2, 3, 5]
    """
    if isinstance(things, Mapping):
        for name, value in things.items():
            if name in _COUNTED and isinstance(value, int) and not isinstance(value, bool):
                yield value
            if name in _LISTED and isinstance(value, (list, tuple, Mapping)):
                yield len(value)
            if name == "candidates" and isinstance(value, Mapping):
                rules = sum(bool(each.get("baseline")) for each in value.values())
                yield from (rules, len(value) - rules)
            yield from recorded_counts(value)
    elif isinstance(things, (list, tuple)):
        for value in things:
            yield from recorded_counts(value)
    elif isinstance(things, str):
        for setting in _SETTING.findall(things):
            yield from map(int, re.findall(r"\d+", setting))


def check_prose(text: str, recorded: Iterable[float], counts: Iterable[int] | None = None) -> tuple[str, list[str]]:
    """The text without the sentences that hold a number which was not recorded.

    Parameters
    ----------
    text : str
        Sentences; lines end sentences too.
    recorded : iterable of float
        What was recorded; see `recorded_numbers`.
    counts : iterable of int, optional
        What was counted; see `recorded_counts`. A whole number below ten has to be one of them, unless it says a
        place in an order, as in "step 2" or "1st". None: such numbers are compared like all others.

    Returns
    -------
    kept : str
        The sentences that may stay, in their order.
    dropped : list of str
        The others.

    Notes
    -----
    A number matches when some recorded one rounds to it at the digits that it shows. A minus that is not shown is
    allowed only beside a word of direction: "fell 3 %" may stand for -0.03. A percentage stands for its hundredth;
    one that was recorded as a percentage matches too.

    Examples
    --------
    >>> check_prose("The AUC is 0.54. It earns 12 %.", [0.5376])
    ('The AUC is 0.54.', ['It earns 12 %.'])
    >>> check_prose("It fell 3 %. The return is 0.03.", [-0.03])
    ('It fell 3 %.', ['The return is 0.03.'])
    >>> check_prose("Step 2: use 3 folds. Over 4 coins.", [2, 3, 4], counts=[3])
    ('Step 2: use 3 folds.', ['Over 4 coins.'])
    """
    known = sorted(recorded)
    counted = None if counts is None else frozenset(counts)
    kept: list[str] = []
    dropped: list[str] = []
    for sentence in map(str.strip, _SENTENCE.split(text)):
        if sentence:
            (kept if _holds(sentence, known, counted) else dropped).append(sentence)
    return " ".join(kept), dropped


def _holds(sentence: str, known: list[float], counts: frozenset[int] | None) -> bool:
    for found in _NUMBER.finditer(sentence):
        if counts is not None and (small := _small(found)) is not None:
            if small not in counts and not _is_order(sentence, found):
                return False
        elif not _matches(found, known, bool(_DOWN.search(_clause(sentence, found)))):
            return False
    return True


def _small(found: re.Match[str]) -> int | None:
    """A bare whole number below ten; None for any other."""
    return int(found[0]) if found[0].isdigit() and int(found[0]) < _SMALL else None


def _is_order(sentence: str, found: re.Match[str]) -> bool:
    after = sentence[found.end() :]
    item = found.start() == 0 and re.match(r"[.)](?:\s|$)", after)  # "1. Fetch the rows"
    return bool(item or re.match(r"(?:st|nd|rd|th)\b", after) or _ORDER.search(sentence[: found.start()]))


def _clause(sentence: str, found: re.Match[str]) -> str:
    begin = max((mark.end() for mark in _CLAUSE.finditer(sentence, 0, found.start())), default=0)
    end = _CLAUSE.search(sentence, found.end())
    return sentence[begin : end.start() if end else len(sentence)]


def _matches(found: re.Match[str], known: list[float], down: bool) -> bool:
    shown = re.sub(r"[,\u202f%\s]", "", found[0]).replace("\u2212", "-")
    value = float(shown)
    mantissa, _, power = shown.lower().partition("e")
    digits = len(mantissa.partition(".")[2]) - int(power or 0)
    signs = (1.0, -1.0) if down and shown[0] not in "+-" else (1.0,)
    scales = ((1.0, 0), (100.0, 2)) if found[1] else ((1.0, 0),)
    return any(_rounds(sign * value / scale, digits + more, known) for sign in signs for scale, more in scales)


def _rounds(value: float, digits: int, known: list[float]) -> bool:
    """Whether a recorded number lies within half a unit of the last digit shown."""
    half = 0.5 * 10.0**-digits * (1 + 1e-9) + 1e-12 * abs(value)
    place = bisect_left(known, value - half)
    return place < len(known) and known[place] <= value + half
