"""What a split may be asked for: lengths, shares and counts, and the errors for those that cannot be."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd

from omc_agent.errors import DataError, UsageError


def span_of(name: str, value: str | timedelta) -> pd.Timedelta:
    """A length of time, not below zero; otherwise ``usage.value``."""
    try:
        span = pd.Timedelta(value)
    except (ValueError, TypeError):
        span = pd.Timedelta(-1, unit="us")
    if not span >= pd.Timedelta(0):
        raise bad_value(name, value, 'It is a length of time such as "1h", not below zero.')
    return span


def at_least(name: str, value: int, least: int) -> int:
    """A whole number, not below `least`; otherwise ``usage.value``."""
    if int(value) != value or value < least:
        raise bad_value(name, value, f"It is a whole number from {least}.")
    return int(value)


def bad_value(name: str, value: object, have: str) -> UsageError:
    """The error for a value that cannot be."""
    return UsageError("usage.value", given=f"{name} was {value!r}.", have=have, try_="Try the default.")


def no_shuffle() -> UsageError:
    """The error for shuffled folds of rows in time."""
    return UsageError(
        "usage.value",
        given="shuffle was True for rows in time.",
        have="Labels of neighbouring rows overlap: a shuffled fold is scored by a model that has seen its answers.",
        try_="Try shuffle=False, which gives purged walk-forward folds.",
    )


def too_few(count: int, n_splits: int) -> DataError:
    """The error for rows that are too few to cut."""
    return DataError(
        "data.too_few_rows",
        given=f"There are {count} rows to cut into {n_splits} folds.",
        have="Each fold needs rows to learn from, whose labels end before its test block starts.",
        try_="Try a longer span, a shorter horizon or fewer folds.",
    )


def too_few_periods(count: int, n_splits: int, calendar: str) -> DataError:
    """The error for a span that holds fewer periods of the calendar than folds."""
    return DataError(
        "data.too_few_rows",
        given=f"The rows lie in {count} periods of {calendar}, to be cut into {n_splits} folds.",
        have="Each fold tests one period, and needs rows before it to learn from.",
        try_="Try a longer span, a shorter period or fewer folds.",
    )
