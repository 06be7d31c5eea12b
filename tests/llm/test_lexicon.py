"""The words of a goal and the names in it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omc_agent.brief import CLASSIFIERS, REGRESSORS, Metric
from omc_agent.llm import lexicon
from omc_agent.llm.lexicon import COINS, Hit, Words, coin_hits, near_coin, nearest, phrases, stem, tokenize


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


def test_tables_only_name_what_the_brief_takes() -> None:
    models = {name for names in lexicon.MODELS.values() for name in names}
    assert models == {*CLASSIFIERS, *REGRESSORS}
    assert set(lexicon.METRICS.values()) == set(Metric.__args__)
    assert set(lexicon.INDICATORS.values()) == set(lexicon.ALL_INDICATORS)


def test_symbols_and_names_are_about_sixty_and_unambiguous() -> None:
    names = [name for coin in COINS.values() for name in coin]
    assert len(COINS) >= 60
    assert len(names) == len(set(names))
    assert all(symbol == symbol.upper() for symbol in COINS)


@pytest.mark.parametrize(
    ("text", "coins"),
    [
        ("bitcoin BTC btc", ["BTC", "BTC", "BTC"]),
        ("Bitcoin Cash, not bitcoin", ["BCH", "BTC"]),
        ("$sol", ["SOL"]),
        ("btcusdt", ["BTC"]),
        ("XBTUSD", ["BTC"]),
        ("BTC-USDT ETH/USD", ["BTC", "ETH"]),
        ("BTC's", ["BTC"]),
        ("near the dot one link", []),
        ("NEAR DOT ONE LINK ADA SAND", ["NEAR", "DOT", "ONE", "LINK", "ADA", "SAND"]),
        ("the near price", ["NEAR"]),
        ("will sand rise", ["SAND"]),
        ("eth, link and dot", ["ETH", "LINK", "DOT"]),
        ("1INCH", ["1INCH"]),
        ("ripple litecoin dogecoin solana cardano avalanche polkadot chainlink tron polygon", None),
    ],
)
def test_coins_are_found_by_name_and_symbol(text: str, coins: list[str] | None) -> None:
    known = {*COINS, "1INCH"}
    wanted = coins or ["XRP", "LTC", "DOGE", "SOL", "ADA", "AVAX", "DOT", "LINK", "TRX", "MATIC"]
    found = [hit.value for hit in coin_hits(Words(text), known, shouting=False)]
    assert found == (wanted if coins is None else coins)


def test_in_a_goal_in_capitals_capitals_make_no_symbol() -> None:
    words = Words("PREDICT WHETHER BTC RISES NEAR NOON")
    assert lexicon.is_shouting(words)
    assert [hit.value for hit in coin_hits(words, set(COINS), shouting=True)] == ["BTC"]
    assert not lexicon.is_shouting(Words("BTC ETH"))


def test_nearest_knows_symbols_and_names_and_gives_three_at_most() -> None:
    assert nearest("BTCC", ["ETH", "BTC"]) == ["BTC"]
    assert nearest("etherium", ["BTC", "ETH"]) == ["ETH"]
    assert nearest("zzzzzz", ["BTC", "ETH"]) == []
    assert len(nearest("AB", ["ABA", "ABB", "ABC", "ABD"])) == 3


def test_near_coin_is_strict() -> None:
    assert near_coin("bitcion", {"BTC"}) == "BTC"
    assert near_coin("weather", set(COINS)) is None


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=40))
def test_no_printable_character_is_lost(text: str) -> None:
    words = Words(text)
    seen = "".join(token.text for token in words.tokens)
    hyphens = words.goal.count("-") - seen.count("-")
    assert len("".join(words.goal.split())) - len("".join(seen.split())) == hyphens
