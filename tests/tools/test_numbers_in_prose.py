"""A sentence stays only when each of its numbers was recorded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omc_agent.tools.numbers_in_prose import check_prose, recorded_numbers


@pytest.mark.parametrize(
    ("sentence", "recorded", "stays"),
    [
        ("The AUC is 0.54.", [0.5376], True),
        ("The AUC is 0.55.", [0.5376], False),
        ("It rose by 54 %.", [0.5376], True),
        ("It rose by 53.8%.", [0.5376], True),
        ("It rose by 53.7%.", [0.5376], False),
        ("It lost -0.02.", [0.02], False),
        ("It lost 0.02.", [-0.02], True),
        ("It holds 25,920 bars.", [25920], True),
        ("It holds 25,921 bars.", [25920], False),
        ("Over 5 folds.", [4], False),
        ("Since 2024.", [2023], False),
        ("No number here.", [], True),
        ("The feature ret_12 helps.", [], True),
    ],
)
def test_a_number_matches_what_rounds_to_it(sentence, recorded, stays):
    kept, dropped = check_prose(sentence, recorded)
    assert (kept, dropped) == ((sentence, []) if stays else ("", [sentence]))


@given(st.floats(-1e6, 1e6), st.integers(0, 6))
def test_a_recorded_number_may_be_said_at_any_precision(value, digits):
    said = f"The value is {value:+,.{digits}f} here."
    assert check_prose(said, [value]) == (said, [])


@given(st.floats(0.001, 1), st.floats(0.6, 100))
def test_a_number_that_is_off_by_more_than_its_last_digit_is_dropped(value, off):
    said = f"The value is {value + off / 1000:.3f} here."
    assert check_prose(said, [value])[1] == ([said] if abs(float(said.split()[3]) - value) > 0.00051 else [])


def test_only_the_sentence_is_dropped_and_texts_are_records_too():
    known = list(recorded_numbers({"brief": {"start": "2024-08-01"}, "scores": [0.61], "flag": True}))
    assert check_prose("It is 0.61. It is 0.99!\nSince 2024.", known) == ("It is 0.61. Since 2024.", ["It is 0.99!"])
    assert 1.0 not in list(recorded_numbers({"flag": True}))
