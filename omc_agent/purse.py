"""What the chat model may cost, what it did cost, and the question when the one reaches the other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from omc_agent.errors import RunStopped
from omc_agent.graph.gates import Ask
from omc_agent.request import Request


class Purse:
    """The money and tokens of one run.

    Parameters
    ----------
    budget : float
        US dollars; 0: no limit.
    max_tokens : int
        Read and written together; 0: no limit.
    spent : dict
        ``tokens_in, tokens_out, usd, calls`` so far; counted up by whoever spends.
    granted : iterable of float
        New limits that a person gave before.
    """

    def __init__(
        self, budget: float, max_tokens: int, spent: dict[str, float], granted: Iterable[float] = ()
    ) -> None:
        self.spent = spent
        self.in_tokens = bool(max_tokens) and not budget
        self.limit = max([float(max_tokens if self.in_tokens else budget), *granted])

    def used(self) -> float:
        """What counts against the limit: dollars, or tokens."""
        return self.spent["tokens_in"] + self.spent["tokens_out"] if self.in_tokens else self.spent["usd"]

    def is_empty(self) -> bool:
        """Whether the next call is not paid for."""
        return bool(self.limit) and self.used() >= self.limit

    async def afford(self, ask: Ask, run_id: str, stage: str, key: str) -> None:
        """Return when one more call is paid for; a person is asked when it is not, under every policy.

        Raises
        ------
        RunStopped
            ``run.rejected`` when the person says no, or gives a limit that is used up already.
        """
        if not self.is_empty():
            return
        decision = await ask(self._request(stage), key)
        if decision.type != "reject":
            self.limit = float(decision.value or self._doubled())
        # Asked once: the same question again would get the same answer, and turn in a circle.
        if decision.type == "reject" or self.is_empty():
            flag = "--max-tokens" if self.in_tokens else "--budget"
            raise RunStopped("run.rejected", given=f"The budget of run {run_id} is used up: {self.said()}.",
                             have="The work so far is kept.",
                             try_=f"%agent resume {run_id} {flag} N goes on.")  # fmt: skip

    def _request(self, stage: str) -> Request:
        unit = "tokens" if self.in_tokens else "US dollars"
        return Request(
            gate="budget",
            stage=stage,
            question="The budget is used up. Go on?",
            context=f"Used: {self.said()}.",
            effect=f"Raises the limit to {self._doubled():g} {unit}, or to what you answer.",
            default=f"{self._doubled():g}",
        )

    def _doubled(self) -> float:
        return max(2 * self.limit, self.used() + self.limit)

    def said(self) -> str:
        """How much of the limit is used, in words."""
        used = f"{self.used():,.0f} of {self.limit:,.0f} tokens" if self.in_tokens else ""
        return used or f"${self.used():.2f} of ${self.limit:.2f}"


def grants(rows: Iterable[dict[str, Any]]) -> list[float]:
    """The limits that decided requests of the budget gate gave."""
    made = []
    for row in rows:
        decision = row["decision"]
        if row["gate"] == "budget" and decision.get("type") == "approve":
            made.append(float(decision.get("value") or row["payload"].get("default") or 0))
    return made
