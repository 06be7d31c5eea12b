"""What the readers of a goal share while it is read: its words, the market, and what was noted, asked and assumed."""

from __future__ import annotations

from dataclasses import dataclass, field

from omc_agent.brief import Brief
from omc_agent.llm.spans import Market
from omc_agent.llm.words import Hit, Words
from omc_agent.request import ClarificationQuestion


@dataclass
class Draft:
    """One goal while it is read; `base` is the brief of the run that it follows."""

    words: Words
    market: Market
    has_market: bool
    notes: list[str] = field(default_factory=list)
    questions: list[ClarificationQuestion] = field(default_factory=list)
    assumed: list[str] = field(default_factory=list)
    base: Brief | None = None
    coins_out: set[str] = field(default_factory=set)

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

    def ask(self, name: str, question: str, context: str, options: list[str], default: str) -> None:
        """Ask for field `name` of the brief, once; every option, and the default, is a value that it takes."""
        self.assume(name)
        if name not in [asked.field for asked in self.questions]:
            options = list(dict.fromkeys(options))
            self.questions.append(
                ClarificationQuestion(
                    field=name, question=question, context=context, options=options, default=default
                )
            )

    def refuse(self, hits: list[Hit[bool]], sentence: str) -> None:
        """Leave what the hits name among the unread, and say why."""
        for hit in hits:
            self.note(sentence.format(self.words.text(hit.start, hit.stop)))
            self.words.refuse(hit.start, hit.stop)
