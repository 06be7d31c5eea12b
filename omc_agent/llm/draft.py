"""What the readers of a goal share while it is read: its words, the market, and what was noted, asked and assumed."""

from __future__ import annotations

from dataclasses import dataclass, field

from omc_agent.llm.spans import Market
from omc_agent.llm.words import Hit, Words


@dataclass(frozen=True)
class Question:
    """What a person should be asked; every option, and the default, is a value that the brief's `field` takes.

    A field that holds a list takes its values joined by commas.
    """

    field: str
    question: str
    context: str
    options: list[str]
    default: str


@dataclass
class Draft:
    """One goal while it is read."""

    words: Words
    market: Market
    has_market: bool
    notes: list[str] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    assumed: list[str] = field(default_factory=list)

    @property
    def coins(self) -> dict[str, int]:
        """Rows by coin, in the market's order."""
        return {coin.upper(): int(fact.get("rows") or 0) for coin, fact in (self.market.get("coins") or {}).items()}

    @property
    def columns(self) -> list[str]:
        """Columns of the market's table."""
        return [str(column) for column in self.market.get("columns") or []]

    @property
    def has_no_time(self) -> bool:
        """Whether the market is a table of rows, not of bars."""
        return self.has_market and not self.coins

    def note(self, sentence: str) -> None:
        """Say what was taken how, once."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def assume(self, *names: str) -> None:
        """List fields of the brief as taken by default."""
        self.assumed.extend(name for name in names if name not in self.assumed)

    def refuse(self, hits: list[Hit[bool]], sentence: str) -> None:
        """Leave what the hits name among the unread, and say why."""
        for hit in hits:
            self.note(sentence.format(self.words.text(hit.start, hit.stop)))
            self.words.refuse(hit.start, hit.stop)
