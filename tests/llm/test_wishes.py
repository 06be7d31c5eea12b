"""What a goal asks for, rules out, and only learns from."""

from __future__ import annotations

import pytest

from omc_agent.llm.wishes import are_wanted, is_input
from omc_agent.llm.words import Words

A, B, C = "AAA", "BBB", "CCC"


@pytest.mark.parametrize(
    ("goal", "wanted"),
    [
        ("AAA", "y"),
        ("with AAA", "y"),
        ("without AAA", "n"),
        ("without AAA, BBB and CCC", "nnn"),
        ("no AAA, BBB", "ny"),
        ("no AAA or BBB", "nn"),
        ("AAA but not BBB", "yn"),
        ("anything but AAA", "n"),
        ("don't use AAA, use BBB", "ny"),
        ("AAA without BBB, with CCC", "yny"),
    ],
)
def test_the_nearest_cue_decides_and_a_list_shares_it(goal: str, wanted: str) -> None:
    words = Words(goal)
    spots = [(i, i + 1) for i, token in enumerate(words.tokens) if token.text in (A, B, C)]
    assert are_wanted(words, spots) == [letter == "y" for letter in wanted]


def test_the_word_that_rules_out_is_used() -> None:
    words = Words("without AAA")
    are_wanted(words, [(1, 2)])
    assert words.is_used(0)


def test_what_follows_using_is_something_to_learn_from() -> None:
    words = Words("volatility using past BTC returns and volatility after prices")
    assert [is_input(words, i) for i in (0, 4, 6, 8)] == [False, True, True, False]
