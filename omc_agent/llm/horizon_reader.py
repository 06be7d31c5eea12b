"""How far ahead a goal looks, and the size of the bars it names."""

from __future__ import annotations

from datetime import timedelta

from omc_agent.llm.spans import BAR, Span
from omc_agent.llm.time_words import ADJECTIVES, duration_at, unit_at
from omc_agent.llm.words import Words, stem

BAR_NOUNS = {"bar", "candle", "candlestick", "kline", "interval", "resolution", "timeframe", "granularity"}
_AHEAD = {"next", "coming", "following", "upcoming"}
_LEADS = {"in", "within", "over", "after", "for", "by", "inside", "of"}
_TRAILS = {"ahead", "later", "out", "forward", "horizon", "away", "hence", "advance"}


def read_bar_size(words: Words, bar: timedelta = BAR) -> tuple[str, timedelta] | None:
    """Take the size of a bar that the goal names, such as "5-minute candles" or "hourly data"; refuse any but `bar`.

    Returns
    -------
    tuple of (str, timedelta) or None
        The size as it was typed, and its length.
    """
    for i in range(len(words)):
        found = duration_at(words, i)
        if words.low(i) in ADJECTIVES:
            found = i + 1, timedelta(seconds=ADJECTIVES[words.low(i)])
        if found is None:
            continue
        stop, size = found
        noun = stem(words.low(stop))
        is_single = words.said(stop - 1) == stem(words.said(stop - 1))
        if noun in BAR_NOUNS or (noun in ("data", "ohlc", "ohlcv") and is_single and size <= timedelta(days=1)):
            (words.take if size == bar else words.refuse)(i, stop)
            words.take(stop)
            return words.text(i, stop + 1), size
    return None


def read_horizon(words: Words, *, bar: timedelta = BAR) -> tuple[list[timedelta], Span | None]:
    """Take the horizons out of the goal, after the span was.

    Returns
    -------
    tuple of (list of timedelta, Span or None)
        The different horizons named, the one to take first; and a bare longer duration next to a horizon
        ("1h, 90 days"), which can only be history.
    """
    cued: list[timedelta] = []
    bare: list[tuple[int, int, timedelta]] = []
    i = 0
    while i < len(words):
        if found := _ahead_at(words, i, bar):
            words.take(i, found[0])
            cued.append(found[1])
            i = found[0]
        elif plain := duration_at(words, i, bar):
            bare.append((i, *plain))
            i = plain[0]
        else:
            i += 1
    rest = sorted(bare, key=lambda hit: hit[2])
    if not cued and rest:
        start, stop, shortest = rest.pop(0)
        words.take(start, stop)
        cued.append(shortest)
    span = _history(words, rest, cued)
    return list(dict.fromkeys(cued)), span


def _history(words: Words, rest: list[tuple[int, int, timedelta]], cued: list[timedelta]) -> Span | None:
    span: Span | None = None
    for start, stop, length in rest:
        if length in cued:
            words.take(start, stop)
        elif span is None and length >= timedelta(days=1) and length > max(cued):
            span = Span(words.text(start, stop), back=length)
            words.take(start, stop)
        else:
            words.take(start, stop)
            cued.append(length)
    return span


def _ahead_at(words: Words, i: int, bar: timedelta) -> tuple[int, timedelta] | None:
    """Read next hour, in 4h, within a day, an hour ahead, horizon of 15 minutes, tomorrow, hourly."""
    low = words.low(i)
    k = i + (low in _LEADS)
    k += words.low(k) == "the"
    if low in ("tomorrow", "today") or words.low(k) == "tomorrow":
        return k + 1, timedelta(days=1)
    if low in ADJECTIVES:
        return i + 1, timedelta(seconds=ADJECTIVES[low])
    if (
        words.low(k) in _AHEAD
        or (words.low(k) == "this" and words.low(k + 1) in ("day", "week", "month"))
        or (k - i == 2 and low != "of")
    ):
        k += words.low(k) in (*_AHEAD, "this")
        unit = unit_at(words, k, bar)
        if unit and words.low(k) not in ("bar", "candle"):
            half = words.text(k + 1, k + 4).lower() == "and a half"
            return _with_trail(words, k + 1 + 3 * half), timedelta(seconds=round(unit * (1.5 if half else 1)))
    elif low == "horizon":
        k = i + 1 + (words.low(i + 1) in ("of", ":", "=", "is"))
    elif k > i or (found := duration_at(words, k, bar)) is None or _with_trail(words, found[0]) == found[0]:
        k = k if low in _LEADS - {"of"} else len(words)
    found = duration_at(words, k, bar)
    return (_with_trail(words, found[0]), found[1]) if found else None


def _with_trail(words: Words, k: int) -> int:
    """Past "ahead", "later", "from now", "into the future", "time"."""
    two = f"{words.low(k)} {words.low(k + 1)}"
    if two in ("from now", "in advance", "time horizon", "look ahead"):
        return k + 2
    if two == "into the" and words.low(k + 2) == "future":
        return k + 3
    return k + 1 if words.low(k) in _TRAILS | {"time"} else k
