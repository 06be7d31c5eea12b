"""Coins by symbol, whatever a table or a person calls them."""

from __future__ import annotations

import difflib
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence

from omc_agent.errors import DataError

# In the order in which one is preferred, where a table holds several pairs of the same coin.
QUOTES = ("USDT", "USDC", "USD", "FDUSD", "BUSD", "TUSD", "EUR", "GBP")


class UnknownCoinWarning(UserWarning):
    """A coin that was asked for beside others is not in the table."""


def base_symbol(name: str) -> str:
    """The base coin of a pair, upper case.

    Examples
    --------
    >>> [base_symbol(name) for name in ("btc", "BTC/USDT", "BTCUSDT", "BTC-USD", "btc_usdt", "BTC/USDT:USDT")]
    ['BTC', 'BTC', 'BTC', 'BTC', 'BTC', 'BTC']
    >>> base_symbol("TUSD")
    'TUSD'
    """
    first = re.split(r"[/\-_:\s]", name.strip().upper())[0] or name.strip().upper()
    if first in QUOTES:
        return first
    for quote_name in sorted(QUOTES, key=len, reverse=True):
        if first.endswith(quote_name) and len(first) >= len(quote_name) + 2:
            return first[: -len(quote_name)]
    return first


def symbols(spellings: Iterable[str]) -> dict[str, list[str]]:
    """Symbol -> the table's own spellings.

    Of several pairs of one coin the one in the preferred quote (USDT, then USDC, USD, ...) has the base symbol;
    the others keep their name, so that no two markets are mixed.

    Examples
    --------
    >>> symbols(["BTC/EUR", "BTC/USDT", "btc/usdt", "ETH"])
    {'BTC': ['BTC/USDT', 'btc/usdt'], 'BTC/EUR': ['BTC/EUR'], 'ETH': ['ETH']}
    """
    pairs: dict[str, dict[str, list[str]]] = {}
    for spelling in sorted(spellings):
        plain = re.sub(r"[/\-_:\s]", "", spelling.upper())
        pairs.setdefault(base_symbol(spelling), {}).setdefault(plain, []).append(spelling)
    found: dict[str, list[str]] = {}
    for base, markets in pairs.items():
        for rank, plain in enumerate(sorted(markets, key=lambda market: _quote_rank(base, market))):
            found[base if rank == 0 else markets[plain][0].upper()] = markets[plain]
    return dict(sorted(found.items()))


def choose_coins(coins: Sequence[str] | str | None, there: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """The coins asked for, by symbol; one that is not there is named with its nearest."""
    asked = list(there) if coins is None else [coins] if isinstance(coins, str) else list(coins)
    chosen: dict[str, list[str]] = {}
    unknown: list[str] = []
    for coin in asked:
        spelled = coin.strip().upper()
        symbol = spelled if spelled in there else base_symbol(coin)
        if symbol in there:
            chosen[symbol] = there[symbol]
        else:
            unknown.append(coin)
    if not chosen:
        raise DataError(
            "data.unknown_coin",
            given=f"The coins were {', '.join(unknown) or 'none'}.",
            have=f"The table has {', '.join(list(there)[:20]) or 'no coins'}{', ...' if len(there) > 20 else ''}.",
            try_=f"Try {_nearest(unknown, there)}.",
        )
    if unknown:
        text = f"{', '.join(unknown)} is not in the table; the nearest is {_nearest(unknown, there)}"
        warnings.warn(text, UnknownCoinWarning, stacklevel=3)
    return chosen


def _nearest(unknown: Sequence[str], there: Mapping[str, list[str]]) -> str:
    near = [name for coin in unknown for name in difflib.get_close_matches(base_symbol(coin), there, 3, 0.4)]
    return " or ".join(list(dict.fromkeys(near))[:3] or list(there)[:3]) or "omc-agent import FILE"


def _quote_rank(base: str, market: str) -> tuple[int, str]:
    quote_name = market.removeprefix(base)
    ranks = {name: rank for rank, name in enumerate(("", *QUOTES))}
    return ranks.get(quote_name, len(ranks)), market
