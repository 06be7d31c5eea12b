"""Coins that look or sound like what was typed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from omc_agent.llm.lexicon import COINS


def nearest(symbol: str, known: Iterable[str]) -> list[str]:
    """The symbols of `known` that look or sound most like `symbol`, best first, at most three.

    Parameters
    ----------
    symbol : str
        What was typed: a symbol or a name.
    known : iterable of str
        The symbols there are; a coin's names count as its symbol.

    Examples
    --------
    >>> nearest("BTCC", ["BTC", "ETH", "LTC"])
    ['BTC']
    >>> nearest("bitcion", ["BTC", "ETH"])
    ['BTC']
    """
    by_word: dict[str, str] = {}
    for coin in known:
        for word in (coin, *COINS.get(coin.upper(), ())):
            by_word.setdefault(word.upper(), coin)
    close = difflib.get_close_matches(symbol.upper(), by_word, n=6, cutoff=0.6)
    return list(dict.fromkeys(by_word[word] for word in close))[:3]


def near_coins(low: str, known: set[str]) -> list[str]:
    """The coins whose names are nearly spelt so, best first.

    Examples
    --------
    >>> near_coins("bitcion", {"BTC", "ETH", "LTC"}), near_coins("litcoin", {"BTC", "ETH", "LTC"})
    (['BTC'], ['LTC', 'BTC'])
    """
    names = {name: symbol for symbol in sorted(known) for name in COINS.get(symbol, ()) if len(name) > 4}
    close = difflib.get_close_matches(low, names, n=3, cutoff=0.84)
    return list(dict.fromkeys(names[name] for name in close))
