"""The words of a goal."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omc_agent.llm.words import Hit, Words, phrases, stem, tokenize


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("24-hour", ["24", "hour"]),
        ("4h30m", ["4", "h", "30", "m"]),
        ("15‑minute", ["15", "minute"]),
        ("BTC—ETH", ["BTC", "ETH"]),
        ("2023–2024", ["2023", "-", "2024"]),
        ("Jan-Mar 2024", ["Jan", "-", "Mar", "2024"]),
        ("2024-03-01 12:30", ["2024-03-01 12:30"]),
        ("on 2024-03-01.", ["on", "2024-03-01", "."]),
        ("-2.5%", ["-2.5", "%"]),
        ("1,000 bars", ["1,000", "bars"]),
        ("June 1,2024", ["June", "1", ",", "2024"]),
        ("R²", ["R2"]),
        ("don’t", ["don't"]),
        ("$BTC's", ["$BTC's"]),
        ("Q2 F1", ["Q2", "F1"]),
        ("ＢＴＣ", ["BTC"]),
    ],
)
def test_a_goal_is_cut_into_tokens(text: str, tokens: list[str]) -> None:
    assert [token.text for token in tokenize(text)] == tokens


def test_stems_drop_plural_and_possessive() -> None:
    assert [stem(word) for word in ("rises", "BTC's", "loss", "gas", "Bands")] == [
        "rise",
        "btc",
        "loss",
        "gas",
        "band",
    ]


def test_the_longest_phrase_wins_and_taken_tokens_match_nothing() -> None:
    words = Words("random forest and forest")
    table = phrases({"random forest": "rf", "forest": "f"})
    assert words.hits(table) == [Hit(0, 2, "rf"), Hit(3, 4, "f")]
    words.take(1)
    assert words.hits(table) == [Hit(3, 4, "f")]


def test_what_is_left_is_free_or_refused_but_no_stop_word() -> None:
    words = Words("the tweets and the lightgbm, tweets of BTC")
    words.take(8)
    words.refuse(4)
    assert words.left() == ["tweets", "lightgbm"]


def test_a_refused_token_is_left_even_when_it_is_a_stop_word() -> None:
    words = Words("data")
    words.refuse(0)
    words.take(0)
    assert words.left() == ["data"]


def test_the_text_of_tokens_is_as_typed() -> None:
    assert Words("a 20-day  SMA, now").text(1, 4) == "20-day  SMA"


def test_a_token_is_free_until_it_is_used_or_refused() -> None:
    words = Words("one two three")
    words.take(0)
    words.refuse(1)
    assert [words.is_used(i) for i in range(-1, 4)] == [False, True, False, False, False]
    assert [words.is_free(i) for i in range(-1, 4)] == [False, False, False, True, False]
    assert (words.low(0), words.said(0)) == ("", "one")


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=40))
def test_no_printable_character_is_lost(text: str) -> None:
    words = Words(text)
    seen = "".join(token.text for token in words.tokens)
    hyphens = words.goal.count("-") - seen.count("-")
    assert len("".join(words.goal.split())) - len("".join(seen.split())) == hyphens
