"""A goal as words: tokens, each *free*, *used* by a reader, or *refused* (understood, but nothing here does it).

What is free or refused at the end is what the person is told was not read.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

T = TypeVar("T")
Phrases = dict[tuple[str, ...], T]

MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan january",
            "feb february",
            "mar march",
            "apr april",
            "may",
            "jun june",
            "jul july",
            "aug august",
            "sep sept september",
            "oct october",
            "nov november",
            "dec december",
        ),
        start=1,
    )
    for name in names.split()
}

_TOKEN = re.compile(
    r"(?P<date>[0-9]{4}[-/][0-9]{1,2}(?:[-/][0-9]{1,2}"
    r"(?:[Tt ][0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?(?:Z|z|[+-][0-9]{2}:?[0-9]{2})?)?)?(?![\w-]))"
    r"|(?P<odd>[0-9]{1,2}[./][0-9]{1,2}[./][0-9]{2,4}(?!\w))"
    r"|(?P<number>(?:(?<!\S)[-+])?(?:[0-9]+(?:,[0-9]{3}(?!\d))*(?:\.[0-9]+)?|\.[0-9]+))"
    r"|(?P<unit>(?<=[0-9])[^\W0-9_]+)"
    r"|(?P<word>\$?[^\W0-9]\w*(?:'[^\W0-9]+)?)"
    r"|(?P<mark>\S)"
)
_DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−﹘﹣-"), "-")
_QUOTES = dict.fromkeys(map(ord, "‘’ʼ`´"), "'")


def word_set(text: str) -> frozenset[str]:
    """The words of `text`, parted by blanks."""
    return frozenset(text.split())


STOP = word_set(
    "a an the this that these those it its it's they them their there here i i'd i'm me my we us our you your he she"
    " is are was were be been being am do does did will would shall should can could may might must has have had"
    " having to of in on at by for from with into onto over under about as than then so if whether when what what's"
    " which who how why where and or but also plus vs versus per via out off through within after before between"
    " against during until since all any some each every both either please kindly help want wants wanted need needs"
    " like know tell give get let let's try use uses used using based go goes going gone make makes making build"
    " built create run train trained training fit fitted model models modelling modeling algorithm algorithms"
    " classifier classifiers regressor method methods approach data dataset history historical past previous bars bar"
    " candle candles row rows sample samples crypto cryptos cryptocurrency cryptocurrencies coin coins token tokens"
    " pair pairs good best better well accurate accurately optimise optimize optimising optimizing maximise maximize"
    " minimise minimize score scored scoring metric measure measured evaluate evaluated judge judged only just"
    " thing things question goal task target etc next now future utc time times period most likely probably possible"
    " possibly new compare comparing comparison several different various set value values predictor column table"
    " feature features technical market markets one's whose because while more less very can't say see find think"
) - {"not", "no", "without", "never", "except"}


def stem(word: str) -> str:
    """`word` in lower case without a possessive or a plural s.

    Examples
    --------
    >>> stem("Forests"), stem("BTC's"), stem("gas"), stem("loss")
    ('forest', 'btc', 'gas', 'loss')
    """
    low = word.lower().removesuffix("'s").removesuffix("'")
    return low[:-1] if len(low) > 3 and low.endswith("s") and not low.endswith("ss") else low


@dataclass(frozen=True)
class Token:
    """One word, number, date or mark, its place in the goal; `glued` if no blank stands before it."""

    text: str
    kind: Literal["word", "number", "date", "odd", "mark"]
    start: int
    stop: int
    glued: bool

    @property
    def low(self) -> str:
        """Lower case, without a possessive s."""
        return self.text.lower().removesuffix("'s")

    @property
    def number(self) -> float | None:
        """The value of a number, else None."""
        return float(self.text.replace(",", "")) if self.kind == "number" else None


def normalize(goal: str) -> str:
    """`goal` with one kind of dash and quote, and full-width characters made plain."""
    return unicodedata.normalize("NFKC", goal).translate(_DASHES | _QUOTES).replace("^2", "2")


def tokenize(goal: str) -> list[Token]:
    """`goal` in tokens; a hyphen within a compound such as 15-minute is left out, one in a range stays.

    Examples
    --------
    >>> [token.text for token in tokenize("BTC–USDT, 15-minute, 2023-2024")]
    ['BTC', 'USDT', ',', '15', 'minute', ',', '2023', '-', '2024']
    """
    tokens: list[Token] = []
    last_stop = -1
    for match in _TOKEN.finditer(normalize(goal)):
        kind = "word" if match.lastgroup == "unit" else match.lastgroup
        assert kind is not None
        token = Token(match.group(), kind, *match.span(), glued=match.start() == last_stop)  # type: ignore[arg-type]
        tokens.append(token)
        last_stop = token.stop
    return [token for i, token in enumerate(tokens) if not _is_hyphen(tokens, i)]


def _is_hyphen(tokens: list[Token], i: int) -> bool:
    if tokens[i].text != "-" or not 0 < i < len(tokens) - 1:
        return False
    before, after = tokens[i - 1], tokens[i + 1]
    in_range = all(side.kind in ("number", "date") or side.low in MONTHS for side in (before, after))
    return tokens[i].glued and after.glued and before.kind != "mark" and not in_range


@dataclass(frozen=True)
class Hit(Generic[T]):
    """A phrase found at tokens `start` to `stop` (exclusive), and what it stands for."""

    start: int
    stop: int
    value: T


class Words:
    """The goal's tokens, and which of them a reader has dealt with.

    Examples
    --------
    >>> words = Words("Predict BTC using tweets")
    >>> words.take(1)
    >>> words.left()
    ['Predict', 'tweets']
    """

    def __init__(self, goal: str) -> None:
        self.goal = normalize(goal)
        self.tokens = tokenize(self.goal)
        self._state = ["free"] * len(self.tokens)

    def __len__(self) -> int:
        return len(self.tokens)

    def said(self, i: int) -> str:
        """Token `i` in lower case, whoever used it; empty outside the goal."""
        return self.tokens[i].low if 0 <= i < len(self) else ""

    def low(self, i: int) -> str:
        """Token `i` in lower case while it is free, else empty."""
        return self.tokens[i].low if self.is_free(i) else ""

    def is_free(self, i: int) -> bool:
        """Whether `i` is a token that no reader has dealt with."""
        return 0 <= i < len(self) and self._state[i] == "free"

    def take(self, start: int, stop: int | None = None) -> None:
        """Mark tokens as used."""
        self._mark("used", start, stop)

    def is_used(self, i: int) -> bool:
        """Whether a reader took token `i`."""
        return 0 <= i < len(self) and self._state[i] == "used"

    def refuse(self, start: int, stop: int | None = None) -> None:
        """Mark tokens as understood but not served: they stay among the unread."""
        self._mark("refused", start, stop)

    def _mark(self, state: str, start: int, stop: int | None) -> None:
        for i in range(max(0, start), min(len(self), start + 1 if stop is None else stop)):
            if self._state[i] == "free":
                self._state[i] = state

    def text(self, start: int, stop: int) -> str:
        """Tokens as they were typed."""
        part = self.tokens[start:stop]
        return self.goal[part[0].start : part[-1].stop] if part else ""

    def hits(self, phrases: Phrases[T]) -> list[Hit[T]]:
        """Where free tokens spell a phrase, from left to right, the longest phrase first."""
        longest = max(map(len, phrases), default=0)
        found: list[Hit[T]] = []
        i = 0
        while i < len(self):
            hit = self._hit_at(i, phrases, longest)
            if hit:
                found.append(hit)
            i = hit.stop if hit else i + 1
        return found

    def _hit_at(self, i: int, phrases: Phrases[T], longest: int) -> Hit[T] | None:
        for size in range(min(longest, len(self) - i), 0, -1):
            if all(self.is_free(k) for k in range(i, i + size)):
                key = tuple(stem(self.tokens[k].text) for k in range(i, i + size))
                if key in phrases:
                    return Hit(i, i + size, phrases[key])
        return None

    def left(self) -> list[str]:
        """The words not used, in order, once each, without stop words and marks."""
        texts = [
            token.text
            for token, state in zip(self.tokens, self._state, strict=True)
            if token.kind != "mark" and (state == "refused" or (state == "free" and token.low not in STOP))
        ]
        return list(dict.fromkeys(texts))


def phrases(table: Mapping[str, T]) -> Phrases[T]:
    """A table of phrases, each key cut into stemmed words; `|` parts phrases of one meaning.

    Examples
    --------
    >>> phrases({"random forest|rf": 1})
    {('random', 'forest'): 1, ('rf',): 1}
    """
    return {
        tuple(stem(token.text) for token in tokenize(phrase)): value
        for key, value in table.items()
        for phrase in key.split("|")
    }
