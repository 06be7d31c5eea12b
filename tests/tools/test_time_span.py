"""A span has its start and not its end, and says what it is in words."""

from __future__ import annotations

import pandas as pd
import pytest

from omc_agent.errors import DataError
from omc_agent.tools.time_span import as_span, as_utc, told, within


def test_naive_times_are_utc_and_others_are_moved_there():
    assert as_utc("2024-01-01") == as_utc("2024-01-01T01:00+01:00") == pd.Timestamp("2024-01-01", tz="UTC")


def test_the_start_is_in_the_span_and_the_end_is_not():
    times = pd.to_datetime(["2024-01-01", "2024-01-02", None, "2024-01-03"], utc=True)
    rows = pd.DataFrame({"timestamp": times})
    assert within(rows, *as_span("2024-01-01", "2024-01-03")).index.tolist() == [0, 1, 2]
    assert within(rows, *as_span("2024-01-02", None)).index.tolist() == [1, 2, 3]
    assert within(rows, *as_span(None, None)).index.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("start", "end", "why"),
    [
        ("2024-01-02", "2024-01-01", "before"),
        ("2024-01-02", "2024-01-02", "where it starts"),
        ("soon", None, "ISO 8601"),
    ],
)
def test_a_span_that_cannot_be_says_why(start, end, why):
    with pytest.raises(DataError, match=why) as caught:
        as_span(start, end)
    assert caught.value.code == "data.empty_span"


def test_open_ends_are_told_in_words():
    assert told(None, None) == "the first bar to the last bar UTC"
