"""Numbers in sentences that a chat model wrote: each must match a recorded one, or its sentence is dropped."""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_NUMBER = re.compile(r"(?<![\w.])[-+\u2212]?(?:\d{1,3}(?:[,\u202f]\d{3})+|\d+)(?:\.\d+)?(?:[eE][-+]?\d+)?(\s?%)?")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")


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
        # Dates and names such as 2024-08-01 or ret_12 are recorded by their digits.
        yield from (float(part) for part in re.findall(r"\d+(?:\.\d+)?", things.replace(",", "")))
    elif isinstance(things, (int, float)) and not isinstance(things, bool) and math.isfinite(things):
        yield float(things)


def check_prose(text: str, recorded: Iterable[float]) -> tuple[str, list[str]]:
    """The text without the sentences that hold a number which was not recorded.

    Parameters
    ----------
    text : str
        Sentences; lines end sentences too.
    recorded : iterable of float
        What was recorded; see `recorded_numbers`.

    Returns
    -------
    kept : str
        The sentences that may stay, in their order.
    dropped : list of str
        The others.

    Notes
    -----
    A number matches when some recorded one rounds to it at the digits that it shows; a sign that is not shown is not
    compared. A percentage stands for its hundredth; one that was recorded as a percentage matches too.

    Examples
    --------
    >>> check_prose("The AUC is 0.54. It earns 12 %.", [0.5376])
    ('The AUC is 0.54.', ['It earns 12 %.'])
    """
    values = list(recorded)
    known = sorted({*values, *(abs(value) for value in values)})
    kept: list[str] = []
    dropped: list[str] = []
    for sentence in _SENTENCE.split(text):
        if sentence.strip():
            good = all(_matches(found, known) for found in _NUMBER.finditer(sentence))
            (kept if good else dropped).append(sentence.strip())
    return " ".join(kept), dropped


def _matches(found: re.Match[str], known: list[float]) -> bool:
    shown = re.sub(r"[,\u202f%\s]", "", found[0]).replace("\u2212", "-")
    value = float(shown)
    mantissa, _, power = shown.lower().partition("e")
    digits = len(mantissa.partition(".")[2]) - int(power or 0)
    if _rounds(value, digits, known):
        return True
    return bool(found[1]) and _rounds(value / 100, digits + 2, known)


def _rounds(value: float, digits: int, known: list[float]) -> bool:
    """Whether a recorded number lies within half a unit of the last digit shown."""
    half = 0.5 * 10.0**-digits * (1 + 1e-9) + 1e-12 * abs(value)
    place = bisect_left(known, value - half)
    return place < len(known) and known[place] <= value + half
