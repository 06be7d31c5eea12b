"""The coins of a goal."""

from __future__ import annotations

import pytest

from omc_agent.llm.coin_reader import coin_hits, is_shouting, stranger_hits
from omc_agent.llm.coin_spelling import near_coins, nearest
from omc_agent.llm.grammar import read_goal
from omc_agent.llm.lexicon import COINS
from omc_agent.llm.words import Words
from tests.llm.goals import MARKET, ROWS


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
    assert is_shouting(words)
    assert [hit.value for hit in coin_hits(words, set(COINS), shouting=True)] == ["BTC"]
    assert not is_shouting(Words("BTC ETH"))


def test_nearest_knows_symbols_and_names_and_gives_three_at_most() -> None:
    assert nearest("BTCC", ["ETH", "BTC"]) == ["BTC"]
    assert nearest("etherium", ["BTC", "ETH"]) == ["ETH"]
    assert nearest("zzzzzz", ["BTC", "ETH"]) == []
    assert len(nearest("AB", ["ABA", "ABB", "ABC", "ABD"])) == 3


def test_near_coin_is_strict() -> None:
    assert near_coins("bitcion", {"BTC"}) == ["BTC"]
    assert near_coins("weather", set(COINS)) == []
    assert near_coins("litcoin", {"BTC", "ETH", "LTC"}) == ["LTC", "BTC"]


def test_no_coin_is_asked_for_unless_there_is_only_one() -> None:
    reading = read_goal("Predict whether the price rises", MARKET)
    question = reading.questions[0]
    assert (question.field, question.default, reading.brief.coins) == ("coins", "BTC", ["BTC"])
    assert question.options == ["BTC", "ETH", "LTC", "XRP", ", ".join(ROWS)]
    assert "coins" in reading.brief.assumed
    without = {coin: fact for coin, fact in MARKET["coins"].items() if coin != "BTC"}
    assert read_goal("Predict whether the price rises", {**MARKET, "coins": without}).brief.coins == ["ETH"]
    alone = read_goal("Predict whether the price rises", {**MARKET, "coins": {"SOL": MARKET["coins"]["SOL"]}})
    assert (alone.brief.coins, alone.questions) == (["SOL"], [])
    assert "coins" in alone.brief.assumed


def test_a_market_coin_that_the_lexicon_lacks_is_known() -> None:
    market = {
        **MARKET,
        "coins": {**MARKET["coins"], "FOOCOIN": MARKET["coins"]["SOL"], "1INCH": MARKET["coins"]["SOL"]},
    }
    reading = read_goal("Predict whether FOOCOIN and 1INCH rise", market)
    assert (reading.brief.coins, reading.unknown_coins) == (["FOOCOIN", "1INCH"], [])


def test_without_a_market_a_coin_of_the_lexicon_is_known() -> None:
    assert read_goal("Predict whether ADA rises").unknown_coins == []
    reading = read_goal("Predict whether BTCC rises")
    assert reading.unknown_coins == ["BTCC"]
    assert "BTCC is no coin that is known here; nearest: BTC." in reading.notes[0]


def test_all_coins_without_a_market_wait_for_one() -> None:
    reading = read_goal("Predict the direction of all coins")
    assert (reading.brief.coins, reading.questions) == ([], [])
    assert "coins" not in reading.brief.assumed


def test_a_stranger_looks_like_a_symbol_but_is_no_common_short_form() -> None:
    hits = stranger_hits(Words("Predict QQQX and $zzy by CPI, not ABCX, using DEFX"))
    assert [hit.value for hit in hits] == ["QQQX", "ZZY"]
