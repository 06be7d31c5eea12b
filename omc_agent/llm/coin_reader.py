"""The coins of a goal: by symbol, by name, nearly spelt, or none named."""

from __future__ import annotations

from omc_agent.llm.coin_spelling import near_coins, nearest
from omc_agent.llm.draft import Draft
from omc_agent.llm.lexicon import (
    ACRONYMS,
    COIN_GROUPS,
    COIN_NAMES,
    COIN_NOUNS,
    COINS,
    CURRENCIES,
    EXPLORE,
    INPUTS,
    PREDICT,
    WEAK,
    move_sign,
)
from omc_agent.llm.wishes import are_wanted
from omc_agent.llm.words import STOP, Hit, Words, stem

_COMMANDS = PREDICT | EXPLORE | {"whether", "will", "of", "for"}


def read_coins(draft: Draft, column: str | None) -> tuple[list[str], list[str]]:
    """Coins asked for, and those of them that are not at hand."""
    words, there = draft.words, draft.coins
    if column and not there:
        return [], []
    known = set(there) | set(COINS)
    coins, outs = _named_coins(words, known, with_strangers=not column)
    draft.coins_out = outs
    groups = words.hits(COIN_GROUPS)
    for group in groups:
        words.take(group.start, group.stop)
    if groups and there:
        coins = [coin for coin in there if coin not in outs]
    elif groups and not coins:
        draft.note("'All coins' is resolved when a database is at hand.")
    coins = [coin for coin in coins if coin not in outs]
    if not (coins or column or groups):
        coins = _misspelt(draft, known)
    unknown = [coin for coin in coins if coin not in (there or COINS)]
    for coin in unknown:
        close = nearest(coin, there or COINS)
        where = "is not in the table" if there else "is no coin that is known here"
        draft.note(f"{coin} {where}" + (f"; nearest: {', '.join(close)}." if close else "."))
    return coins, unknown


def _named_coins(words: Words, known: set[str], with_strangers: bool) -> tuple[list[str], set[str]]:
    """Coins asked for, and those ruled out; strangers look like a symbol which nothing here knows."""
    shouting = is_shouting(words)
    hits = coin_hits(words, known, shouting)
    wanted = are_wanted(words, [(hit.start, hit.stop) for hit in hits]) if hits else []
    for hit in hits:
        words.take(hit.start, hit.stop)
    strangers = stranger_hits(words) if with_strangers and not shouting else []
    for hit in strangers:
        words.take(hit.start, hit.stop)
    named = [*zip(hits, wanted, strict=True), *((hit, True) for hit in strangers)]
    named.sort(key=lambda pair: pair[0].start)
    coins = list(dict.fromkeys(hit.value for hit, is_wanted in named if is_wanted))
    return coins, {hit.value for hit, is_wanted in named if not is_wanted}


def _misspelt(draft: Draft, known: set[str]) -> list[str]:
    """A coin that is nearly spelt ("bitcion"), or that only its ending gives away ("foocoin")."""
    words = draft.words
    for i, token in enumerate(words.tokens):
        if not words.is_free(i) or token.kind != "word" or len(token.low) < 5 or token.low in STOP:
            continue
        name = near_coins(token.low, known)
        if name:
            draft.note(f"'{token.text}' is taken as {name[0]}.")
            draft.assume("coins")
            words.take(i)
            if len(name) > 1:
                draft.ask("coins", "Which coin?", f"The goal says '{token.text}'.", name, name[0])
            return name[:1]
        if token.low.endswith("coin"):
            words.take(i)
            return [token.low.upper()]
    return []


def default_coins(draft: Draft) -> list[str]:
    """The coin to take when the goal names none."""
    there = draft.coins
    if any("'All coins'" in sentence for sentence in draft.notes):
        return []
    draft.assume("coins")
    if len(there) == 1:
        return list(there)
    default = "BTC" if "BTC" in there or not there else max(there, key=lambda coin: there[coin])
    draft.note(f"The goal names no coin; {default} is taken.")
    largest = sorted(there, key=lambda coin: -there[coin])
    options = list(dict.fromkeys([default, *largest, "BTC", "ETH"] if not there else [default, *largest]))[:4]
    if 1 < len(there) <= 10:
        options.append(", ".join(there))
    draft.ask("coins", "Which coin?", "The goal names none.", options, default)
    return [default]


def is_shouting(words: Words) -> bool:
    """Whether the whole goal is in capitals, so that capitals make no symbol."""
    texts = [token.text for token in words.tokens if token.kind == "word"]
    plain = STOP | PREDICT | EXPLORE
    return all(text == text.upper() for text in texts) and any(
        text.lower() in plain and len(text) > 1 for text in texts if text not in COINS
    )


def coin_hits(words: Words, known: set[str], shouting: bool) -> list[Hit[str]]:
    """Names and symbols of `known` coins among the free tokens, in order, each with its quote currency.

    Examples
    --------
    >>> [hit.value for hit in coin_hits(Words("bitcoin, eth and near, the one I link"), set(COINS), False)]
    ['BTC', 'ETH', 'NEAR']
    """
    names = [hit for hit in words.hits(COIN_NAMES) if _is_coin_name(words, hit)]
    inside = {i for hit in names for i in range(hit.start, hit.stop)}
    hits = list(names)
    for i in range(len(words)):
        if i in inside or not words.is_free(i):
            continue
        symbol, stop = _symbol_at(words, i, known)
        if symbol and (_is_sure(words, i, shouting) or _has_coin_company(words, i, stop)):
            hits.append(Hit(i, stop, symbol))
    hits.sort(key=lambda hit: hit.start)
    hits += _listed(words, hits, known)
    return [_with_currency(words, hit) for hit in sorted(hits, key=lambda hit: hit.start)]


def _is_coin_name(words: Words, hit: Hit[str]) -> bool:
    low = words.low(hit.start)
    return hit.stop - hit.start > 1 or low not in WEAK or _has_coin_company(words, hit.start, hit.stop)


def _symbol_at(words: Words, i: int, known: set[str]) -> tuple[str | None, int]:
    """The known symbol at token `i`, alone (btc, $BTC), with its currency (BTCUSDT) or after a number (1INCH)."""
    token = words.tokens[i]
    if token.kind == "number" and words.is_free(i + 1) and words.tokens[i + 1].glued:
        glued = (token.text + words.tokens[i + 1].text).upper()
        return (glued, i + 2) if glued in known else (None, i)
    symbol = token.low.removeprefix("$").upper()
    if token.kind != "word" or symbol in known:
        return (symbol if token.kind == "word" else None), i + 1
    for currency in CURRENCIES:
        base = symbol.removesuffix(currency.upper())
        base = {"XBT": "BTC"}.get(base, base)
        if base != symbol and base in known:
            return base, i + 1
    return None, i


def _is_sure(words: Words, i: int, shouting: bool) -> bool:
    token = words.tokens[i]
    if token.text.startswith("$") or token.kind == "number":
        return True
    upper = token.text.removesuffix("'s").isupper() and not shouting
    if upper:
        return True
    common = token.low in WEAK or token.low in STOP
    return not common and (token.low.upper() in COINS or len(token.low) > 4)


def _has_coin_company(words: Words, i: int, stop: int) -> bool:
    """Whether the neighbours of an English word make it a coin: "near price", "will dot rise", "predict link"."""
    after, before = words.said(stop), words.said(i - 1)
    if words.tokens[i].low in STOP - {"etc"}:
        return False
    if after in COIN_NOUNS or (after == "/" and words.said(stop + 1) in CURRENCIES):
        return True
    if after in CURRENCIES or before in ("coin", "token"):
        return True
    closes = after in ("", ",", ".", "?", "!") or move_sign(after) is not None or after in ("goes", "go", "going")
    listed = after in ("and", "or") and words.said(stop + 1).upper() in COINS
    return before in _COMMANDS and (closes or listed)


def _listed(words: Words, hits: list[Hit[str]], known: set[str]) -> list[Hit[str]]:
    """English words in a list of coins: the dot of "btc, eth and dot"."""
    ends = {hit.stop for hit in hits}
    taken = {i for hit in hits for i in range(hit.start, hit.stop)}
    found: list[Hit[str]] = []
    for i in range(len(words)):
        low = words.low(i)
        k = i - 1
        while words.said(k) in (",", "and", "or", "&", "/", "+"):
            k -= 1
        symbol = COIN_NAMES.get((low,), low.upper())
        if i not in taken and low in WEAK and symbol in known and k < i - 1 and k + 1 in ends:
            found.append(Hit(i, i + 1, symbol))
            ends.add(i + 1)
    return found


def _with_currency(words: Words, hit: Hit[str]) -> Hit[str]:
    stop = hit.stop + (words.said(hit.stop) == "/")
    return Hit(hit.start, stop + 1, hit.value) if words.low(stop) in CURRENCIES else hit


def stranger_hits(words: Words) -> list[Hit[str]]:
    """Upper-case words that look like a symbol which nothing here knows."""
    found = []
    for i, token in enumerate(words.tokens):
        symbol = token.text.removesuffix("'s").removeprefix("$")
        looks = token.kind == "word" and 2 <= len(symbol) <= 10 and symbol.isascii() and symbol.isalnum()
        if not (looks and words.is_free(i) and (symbol.isupper() or token.text.startswith("$"))):
            continue
        common = symbol.lower() in ACRONYMS | STOP or stem(symbol) in ACRONYMS
        if not common and words.said(i - 1) not in INPUTS | {"by", "via", "no", "without", "not"}:
            found.append(Hit(i, i + 1, symbol.upper()))
    return found
