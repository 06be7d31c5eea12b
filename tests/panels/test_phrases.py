"""Numbers as words."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omc_agent.panels import phrases


@pytest.mark.parametrize(
    ("seconds", "whole", "said"),
    [
        (0, False, "0 s"),
        (0.42, False, "0.4 s"),
        (59.94, False, "59.9 s"),
        (59.96, False, "1 min"),
        (59.96, True, "59 s"),
        (72, False, "1 min 12 s"),
        (3600, False, "1 h"),
        (7380, False, "2 h 3 min"),
        (90_000, False, "1 d 1 h"),
        (-1, False, "0 s"),
        (None, False, "n/a"),
        (float("nan"), False, "n/a"),
    ],
)
def test_durations(seconds, whole, said):
    assert phrases.duration(seconds, whole=whole) == said


@settings(max_examples=80, deadline=None)
@given(st.one_of(st.none(), st.text(max_size=5), st.floats(), st.integers(), st.lists(st.integers(), max_size=1)))
def test_no_value_makes_a_phrase_fail(value):
    for phrase in (
        phrases.duration, phrases.thousands, phrases.usd, phrases.size, phrases.score, phrases.signed, phrases.times,
        phrases.moment, phrases.metric, phrases.from_epoch,
    ):  # fmt: skip
        phrase(value)
    assert "nan" not in phrases.score(value) + phrases.duration(value) + phrases.usd(value)


def test_counts_money_sizes_and_scores():
    assert phrases.count(1, "cell") == "1 cell"
    assert phrases.count(0, "cell") == "0 cells"
    assert phrases.count(25_920, "bar") == "25,920 bars"
    assert [phrases.usd(x) for x in (0, 0.0042, 1234.5)] == ["$0.00", "$0.004", "$1,234.50"]
    assert [phrases.size(x) for x in (1, 18_400, 2_500_000)] == ["1 byte", "18 kB", "2.5 MB"]
    assert [phrases.score(x) for x in (0.5171, 1532.7, -0.5)] == ["0.517", "1,533", "−0.500"]
    assert [phrases.times(x) for x in (1, 2, 3)] == ["once", "twice", "3 times"]
    assert [phrases.ordinal(x) for x in (1, 2, 3, 4, 11, 22)] == ["1st", "2nd", "3rd", "4th", "11th", "22nd"]


def test_spans_and_lengths():
    assert phrases.span("2024-06-08", "2024-09-06") == "8 June to 6 September 2024"
    assert phrases.span("2023-12-30T00:00:00Z", "2024-01-02T00:00:00Z") == "30 December 2023 to 2 January 2024"
    assert phrases.span("2024-06-08T10:00:00+02:00", "2024-06-08T12:00:00Z") == "8 June 2024, 08:00 to 12:00 UTC"
    assert phrases.span("soon", "later") == "soon to later"
    assert phrases.length("2024-08-19", "2024-09-06") == "18 days"
    assert phrases.length("2024-08-19T00:00:00Z", "2024-08-19T01:00:00Z") == "1 hour"
