"""The times of a brief: its start, end and horizon, from what the goal says and the market holds."""

from __future__ import annotations

from datetime import datetime, timedelta

from omc_agent.brief import format_duration
from omc_agent.llm.draft import Draft
from omc_agent.llm.horizon_reader import read_bar_size, read_horizon
from omc_agent.llm.span_reader import read_span
from omc_agent.llm.spans import DEFAULT_SPAN, Span, bar_length, newest_bar, oldest_bar
from omc_agent.llm.time_words import ranges

DEFAULT_HORIZON = timedelta(hours=1)


def read_times(draft: Draft, exploring: bool) -> tuple[Span | None, list[timedelta]]:
    """The span and the horizons that the goal names; `exploring` where it looks back only."""
    words, bar = draft.words, bar_length(draft.market)
    spreads = ranges(words, bar)
    size = read_bar_size(words, bar)
    if size is not None and size[1] != bar:
        draft.note(f"'{size[0]}' was left out: the bars are of {bar / timedelta(minutes=1):g} minutes.")
    span, notes = read_span(words, bar=bar, exploring=exploring)
    horizons, history = read_horizon(words, bar=bar)
    for sentence in notes:
        draft.note(sentence)
    if history is not None and span is None:
        draft.note(f"'{history.words}' is taken as the history to learn from, as the horizon is the shorter time.")
    for start, larger, stop in spreads:
        if words.is_used(start):
            draft.note(f"'{words.text(start, stop)}' is a range; the larger, {words.text(larger, stop)}, is taken.")
    for i, token in enumerate(words.tokens):
        if words.is_free(i) and token.kind in ("odd", "date"):
            draft.note(f"'{token.text}' was not read as a date; write dates as 2024-06-01.")
    return span or history, horizons


def settle_horizon(draft: Draft, horizons: list[timedelta]) -> timedelta:
    """The first horizon, in whole bars; an hour where none is named."""
    if not horizons:
        draft.assume("horizon")
        return DEFAULT_HORIZON
    if len(horizons) > 1:
        draft.note(f"The goal names {len(horizons)} horizons; {format_duration(horizons[0])} is taken.")
        names = [format_duration(_in_bars(draft, each)) for each in horizons]
        draft.ask("horizon", "Which horizon?", "One run has one horizon.", names[:4], names[0])
    horizon, whole = horizons[0], _in_bars(draft, horizons[0])
    if whole != horizon:
        said, taken = format_duration(horizon), format_duration(whole)
        draft.note(f"A horizon of {said} is no whole number of bars; {taken} is taken.")
        draft.assume("horizon")
    return whole


def _in_bars(draft: Draft, horizon: timedelta) -> timedelta:
    """The next whole number of bars; of a table without bars the horizon itself."""
    bar = bar_length(draft.market)
    return -(-horizon // bar) * bar if draft.coins else horizon


def default_span(draft: Draft) -> Span:
    """The span to take when the goal names none."""
    draft.assume("start", "end")
    return DEFAULT_SPAN


def settle_span(draft: Draft, span: Span | None, coins: list[str]) -> tuple[str | None, str | None, Span | None]:
    """Dates where a newest bar is known, and the span, turned round where it ends before it starts."""
    if span is None:
        return None, None, None
    newest = newest_bar(draft.market, coins)
    turned = _turned(draft, span)
    if newest is None:
        return None, None, turned
    start, end = turned.resolve(draft.market, coins)
    shown = f"{newest:%Y-%m-%d %H:%M} UTC"
    if turned.back is not None and turned.end is None:
        lead = "No span is named; " if turned is DEFAULT_SPAN else ""
        draft.note(f"{lead}{turned.words} counts back from the newest bar, {shown}.")
    elif start and end:
        draft.note(
            f"'{turned.words}' is taken as {start[:16].replace('T', ' ')} to {end[:16].replace('T', ' ')} UTC."
        )
    oldest = oldest_bar(draft.market, coins)
    if start and oldest and start < oldest.isoformat():
        draft.note(f"The bars begin only at {oldest:%Y-%m-%d %H:%M} UTC.")
    if end and end > (newest + bar_length(draft.market)).isoformat():
        draft.note(f"The newest bar is of {shown}, before the span ends.")
    return start, end, turned


def _turned(draft: Draft, span: Span) -> Span:
    """The span, its two ends in order; what is turned round is asked."""
    newest = newest_bar(draft.market)
    if span.start is None or (newest is None and not span.is_absolute):
        return span
    limit = (newest + bar_length(draft.market)) if newest else None
    start, end = span.ends(newest, limit)
    if start is None or start < end:
        return span
    if span.end is None:
        draft.note(f"'{span.words}' starts after the newest bar.")
        if newest is not None:
            _ask_start(draft, span, start, newest + bar_length(draft.market))
        return span
    if start == end:
        # Turned round it is as empty; whoever fetches says so, with the span there is.
        draft.note(f"'{span.words}' holds no time.")
        return span
    draft.assume("start", "end")
    turned = span.turned()
    draft.note(f"'{span.words}' ends before it starts; the two dates are taken the other way round.")
    start, end = turned.ends(newest, limit)
    if start is None or start >= end:
        draft.note("The span is empty; the last 90 days are taken.")
        return DEFAULT_SPAN
    _ask_start(draft, span, start, end)
    return turned


def _ask_start(draft: Draft, span: Span, start: datetime, end: datetime) -> None:
    options = [start.isoformat(), (end - timedelta(days=90)).isoformat()]
    context = f"The goal says '{span.words}', which holds no bar; the span ends at {end.isoformat()}."
    draft.ask("start", "Where does the span start?", context, options, options[0])
