"""A sentence stays only when each of its numbers was recorded."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from omc_agent.tools.numbers_in_prose import check_prose, recorded_counts, recorded_numbers


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
        ("The return is 0.02.", [-0.02], False),
        ("The return is 0.02.", [0.02], True),
        ("The log loss is 0.02.", [-0.02], False),
        ("The close fell 3 %.", [-0.031], True),
        ("The close fell; the return is 0.02.", [-0.02], False),
        ("It fell +3 %.", [-0.03], False),
        ("It is 3 % lower.", [-0.03], True),
        ("Between 0.49-0.53.", [0.49, 0.53], True),
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
    away = abs(float(said.split()[3]) - value)
    assume(abs(away - 0.0005) > 1e-8)
    assert check_prose(said, [value])[1] == ([said] if away > 0.0005 else [])


def test_only_the_sentence_is_dropped_and_texts_are_records_too():
    known = list(recorded_numbers({"brief": {"start": "2024-08-01"}, "scores": [0.61], "flag": True}))
    assert check_prose("It is 0.61. It is 0.99!\nSince 2024.", known) == ("It is 0.61. Since 2024.", ["It is 0.99!"])
    assert 1.0 not in list(recorded_numbers({"flag": True}))


@pytest.mark.parametrize(
    ("sentence", "stays"),
    [
        ("Over 5 folds.", True),
        ("All 4 coins rise.", False),
        ("Step 4 comes next.", True),
        ("The 2nd round.", True),
        ("1. Fetch the rows", True),
        ("1) Fetch the rows", True),
        ("It rises in 4 of 5 folds.", False),
        ("It is 4.0 long.", True),
    ],
)
def test_a_small_whole_number_has_to_be_a_count_or_a_place_in_an_order(sentence, stays):
    kept, dropped = check_prose(sentence, [1.0, 2.0, 4.0, 5.0], counts=[5])
    assert bool(dropped) is not stays
    assert ("Fetch" in kept) is ("Fetch" in sentence)


def test_counts_are_of_things_and_signs_in_texts_are_kept():
    state = {"coins": ["BTC", "ETH"], "visits": {"data_analysis": 7}, "trials": True, "folds": [0.5] * 3,
             "candidates": {"a": {"baseline": True}, "b": {"trials": 6}}, "code": "f(lags=[1, 9], x=8)"}  # fmt: skip
    assert set(recorded_counts(state)) == {1, 2, 3, 6, 9}
    assert list(recorded_numbers("ret -0.5 of 2024-08-01 \u22120.25")) == [-0.5, 2024.0, 8.0, 1.0, -0.25]
