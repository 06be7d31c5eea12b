"""The span of a goal: the history to learn from or to look at."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from omc_agent.llm.spans import BAR, Ago, Date, Edge, Moment, Point, Span
from omc_agent.llm.time_words import duration_at, point_at, unit_at, whole_at
from omc_agent.llm.words import Words, stem

DATA_NOUNS = {"data", "history", "price", "bar", "candle", "lookback", "window", "sample", "worth", "record", "back"}
_LAST = {"last", "past", "previous", "recent", "trailing", "latest", "prior", "preceding"}
_OPEN_START = {"since": "first", "from": "first", "after": "after", "starting": "first", "beginning": "first"}
_OPEN_END = {"until": "after", "till": "after", "through": "after", "before": "first", "ending": "after"}
_WITHIN = {"in", "during", "for", "of", "on", "over", "throughout", "using", "with", "within", "at"}
_TO = {"to", "until", "till", "through", "-", "and", "thru"}
Found = tuple[int, Span]


def read_span(words: Words, *, bar: timedelta = BAR, exploring: bool = False) -> tuple[Span | None, list[str]]:
    """Take the span out of the goal.

    Parameters
    ----------
    words : Words
        The goal; the tokens of the span become used, those of a second one refused.
    bar : timedelta
        What "the last 500 bars" counts in.
    exploring : bool
        Whether the task looks back only, so that a bare "30 days" or "this week" is history, no horizon.

    Returns
    -------
    tuple of (Span or None, list of str)
        The span, and sentences about what was not taken.
    """
    span: Span | None = None
    notes = []
    for start, stop, more in _spans_in(words, bar, exploring):
        joined = more if span is None else _join(span, more)
        if joined is None:
            words.refuse(start, stop)
            notes.append(f"Only one span can be taken: '{words.text(start, stop)}' was left out.")
        else:
            span = joined
            words.take(start, stop)
    return span, notes


def _spans_in(words: Words, bar: timedelta, exploring: bool) -> list[tuple[int, int, Span]]:
    """Each stretch of history named: its first token, the token after it, the span."""
    found: list[tuple[int, int, Span]] = []
    i = 0
    while i < len(words):
        hit = next((hit for read in _FORMS if (hit := read(words, i, bar))), None)
        hit = hit or (_bare_at(words, i, bar) if exploring else None)
        if hit and (exploring or not _looks_ahead(words, i, hit)):
            found.append((i, *hit))
            i = hit[0]
        else:
            i += 1
    return found


def _join(span: Span, more: Span) -> Span | None:
    """Halves of one span in one: "since March" and "until May", "the last 30 days" and "before June"."""
    if span.end is None and more.end is not None and more.start is None and more.back is None:
        return replace(span, words=f"{span.words} {more.words}", end=more.end)
    if span.start is None and span.back is None and more.end is None:
        return replace(more, words=f"{span.words} {more.words}", end=span.end)
    return span if span == more else None


def _looks_ahead(words: Words, i: int, hit: Found) -> bool:
    # "will BTC rise this week", "rise today": no history, a horizon.
    first, last = words.low(hit[0] - 2), words.low(hit[0] - 1)
    only_now = last == "today" or (first == "this" and last in ("day", "week", "month"))
    return only_now and words.low(i) not in (*_OPEN_START, *_OPEN_END, *_WITHIN, "between", "up")


def _range_at(words: Words, i: int, bar: timedelta) -> Found | None:
    """Read from X to Y, between X and Y, X - Y."""
    low = words.low(i)
    opener = low in ("from", "between")
    k = i + (opener or low in _WITHIN)
    first = point_at(words, k) or _day_number_at(words, k)
    if first is None:
        return None
    k, start = first
    if words.low(k) not in _TO or (words.low(k) == "and" and low != "between"):
        return None
    k += 1 + (words.low(k + 1) == "to")
    last = point_at(words, k)
    if last is None or (not opener and not (_is_dated(start) or _is_dated(last[1]))):
        return None
    stop, end = last
    if isinstance(start, int):
        if not (isinstance(end, Date) and end.day):
            return None
        start = replace(end, day=start)
    return stop, Span(words.text(i, stop), Edge(start, "first"), Edge(end, "after"))


def _day_number_at(words: Words, i: int) -> tuple[int, int] | None:
    day = whole_at(words, i, range(1, 32))
    if day is None:
        return None
    return i + 1 + (words.low(i + 1) in ("st", "nd", "rd", "th")), day


def _is_dated(point: Point | int) -> bool:
    return isinstance(point, Moment) or (isinstance(point, Date) and point.year is not None)


def _open_at(words: Words, i: int, bar: timedelta) -> Found | None:
    """Read since X, from X on, after X, until X, before X, up to X."""
    low = words.low(i)
    k = i + 1
    if low == "up" and words.low(k) in ("to", "until", "till"):
        low, k = "until", k + 1
    k += low in ("starting", "beginning", "ending") and words.low(k) in ("in", "on", "from", "at")
    side = _OPEN_START.get(low) or _OPEN_END.get(low)
    found = point_at(words, k) if side else None
    if found is None or side is None:
        return None
    stop, point = found
    if low in _OPEN_START and point == Ago(timedelta(0)):  # "two hours from now" is a horizon
        return None
    edge = Edge(point, "after" if side == "after" else "first")
    if low in _OPEN_END:
        return stop, Span(words.text(i, stop), end=edge)
    stop += words.low(stop) in ("on", "onwards", "onward")
    return stop, Span(words.text(i, stop), start=edge)


def _back_at(words: Words, i: int, bar: timedelta) -> Found | None:
    """Read the last 90 days, past month, 90 days of data, using 90 days, a lookback of 30 days."""
    k = i + (words.low(i) == "the")
    k += words.low(k) == "most" and words.low(k + 1) == "recent"
    if words.low(k) in _LAST:
        found = duration_at(words, k + 1, bar)
        unit = unit_at(words, k + 1, bar)
        if found is None and unit and (k > i or words.low(k) not in ("last", "previous")):
            found = k + 2, timedelta(seconds=unit)
    elif words.low(k) in ("lookback", "history", "window") and words.low(k + 1) == "of":
        found = duration_at(words, k + 2, bar)
    else:
        found = _data_at(words, i, bar)
    if found is None:
        return None
    stop = found[0]
    i += words.low(i) in ("on", "using", "use")
    if words.low(stop) == "of" and stem(words.low(stop + 1)) in DATA_NOUNS:
        stop += 2
    return stop, Span(words.text(i, found[0]), back=found[1])


def _data_at(words: Words, i: int, bar: timedelta) -> tuple[int, timedelta] | None:
    """90 days of data, 90-day history, using 90 days, trained on 30 days."""
    using = words.low(i) in ("using", "use") or (words.low(i) == "on" and words.said(i - 1).startswith("train"))
    found = duration_at(words, i + using, bar)
    if found is None:
        return None
    stop, back = found
    noun = stop + (words.low(stop) == "of")
    if stem(words.low(noun)) in DATA_NOUNS and words.low(noun) != "":
        return noun + 1, back
    # "using 4h candles" is the size of a bar, "using a 4h horizon" a horizon
    return found if using and words.low(stop) in ("", "of", ",", ".", "and", "to", "for") else None


def _within_at(words: Words, i: int, bar: timedelta) -> Found | None:
    """Read in 2023, during July 2024, last month, yesterday, a bare July 2024."""
    k = i + (words.low(i) in _WITHIN)
    found = point_at(words, k)
    if found is None:
        return None
    stop, point = found
    if isinstance(point, Ago | Moment):
        return None
    bare_month = isinstance(point, Date) and point.year is None
    if bare_month and k == i and not words.tokens[k].text[0].isupper():
        return None
    if bare_month and words.tokens[k].text.lower() in ("may", "march") and k == i:
        return None
    if words.low(stop) in ("onward", "onwards"):
        return stop + 1, Span(words.text(k, stop + 1), Edge(point, "first"))
    return stop, Span(words.text(k, stop), Edge(point, "first"), Edge(point, "after"))


def _bare_at(words: Words, i: int, bar: timedelta) -> Found | None:
    k = i + (words.low(i) in ("over", "for", "across"))
    found = duration_at(words, k, bar)
    if found is None or words.low(found[0]) in ("ahead", "volatility", "return", "returns", "horizon"):
        return None
    return found[0], Span(words.text(k, found[0]), back=found[1])


_FORMS = (_range_at, _open_at, _back_at, _within_at)
