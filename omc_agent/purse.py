"""What the chat model may cost, what it did cost, and the question when the one reaches the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from omc_agent.errors import RunStopped
from omc_agent.graph.gates import Ask
from omc_agent.request import Decision, Request

USD, TOKENS, DAY = "usd", "tokens", "day"
NEARLY = 0.8
FLAGS = {USD: "--budget", TOKENS: "--max-tokens", DAY: "--daily-budget"}
_NOUNS = {USD: "budget", TOKENS: "limit of tokens", DAY: "budget of the day"}
_DUST = 1e-9  # what sums of prices are off by
_ROUNDS = 100  # more answers than a person gives within one step


class Purse:
    """The money and tokens of one run. All limits that are given hold.

    Parameters
    ----------
    budget : float
        US dollars; 0: no limit.
    max_tokens : int
        Read and written together; 0: no limit.
    spent : dict
        ``tokens_in, tokens_out, usd, calls`` so far; counted up by whoever spends.
    granted : mapping of str to float
        New limits that a person gave before, as :func:`grants` reads them.
    daily : float
        US dollars that all runs of the store may cost on a day (UTC); 0: no limit.

    Attributes
    ----------
    today : float
        What all runs of the store cost today; read anew by whoever spends.
    """

    def __init__(
        self,
        budget: float,
        max_tokens: int,
        spent: dict[str, float],
        granted: Mapping[str, float] | None = None,
        *,
        daily: float = 0.0,
    ) -> None:
        self.spent, self.today = spent, 0.0
        given = {USD: float(budget), TOKENS: float(max_tokens), DAY: float(daily)}
        granted = granted or {}
        self.limits = {name: max(limit, granted.get(name, 0.0)) for name, limit in given.items() if limit}

    def used(self, name: str) -> float:
        """What counts against the limit `name`: usd, tokens or day."""
        tokens = self.spent["tokens_in"] + self.spent["tokens_out"]
        return {USD: self.spent["usd"], TOKENS: tokens, DAY: self.today}[name]

    def reached(self, share: float = 1.0, *, free: bool = False) -> list[str]:
        """The limits of which `share` is used; `free`: those in dollars hold back no call that costs nothing."""
        names = [name for name in self.limits if name == TOKENS or not free]
        return [name for name in names if self.used(name) >= share * self.limits[name] - _DUST]

    async def afford(self, ask: Ask, run_id: str, stage: str, key: str, *, free: bool = False) -> None:
        """Return when one more call is paid for; a person is asked when it is not, under every policy.

        Raises
        ------
        RunStopped
            ``run.rejected``, or ``run.daily`` at the limit of the day, when the person says no, or gives a limit that
            is used up already.
        """
        for _ in range(_ROUNDS):
            names = self.reached(free=free)
            if not names:
                return
            request = self._request(stage, names)
            stands = "+".join(f"{name}{self.limits[name]:g}" for name in names)
            decision = await ask(request, f"{key}:{stands}")
            # A step that is entered again gets the answers to its earlier questions first, in their order.
            if decision.sha256 not in ("", request.sha256()):
                continue
            if decision.type != "reject":
                self.limits |= granted_by(request.limits, decision)
            # Asked once: the same question again would get the same answer, and turn in a circle.
            if decision.type == "reject" or self.reached(free=free):
                raise self._stopped(run_id, names)
        raise self._stopped(run_id, self.reached(free=free))

    def _request(self, stage: str, names: list[str]) -> Request:
        limits = {name: {"limit": self.limits[name], "next": self._more(name)} for name in names}
        first = names[0]
        also = "".join(f", and the {_NOUNS[name]} to {_amount(name, self._more(name))}" for name in names[1:])
        return Request(
            gate="budget",
            stage=stage,
            question=f"The {' and the '.join(_NOUNS[name] for name in names)} is used up. Go on?",
            context=f"Used: {'; '.join(self.said(name) for name in names)}.",
            effect=f"Raises the limit to {_amount(first, self._more(first))}, or to what you answer{also}.",
            default=f"{self._more(first):g}",
            limits=limits,
        )

    def _more(self, name: str) -> float:
        """Twice the limit, or what is used and the limit once more; tokens whole, dollars to the cent."""
        more = max(2 * self.limits[name], self.used(name) + self.limits[name])
        return more if name == TOKENS else round(more + 0.005, 2) if more != round(more, 2) else more

    def _stopped(self, run_id: str, names: list[str]) -> RunStopped:
        nouns = " and the ".join(_NOUNS[name] for name in names)
        flags = " ".join(f"{FLAGS[name]} N" for name in names)
        tomorrow = " So it does tomorrow." if names == [DAY] else ""
        return RunStopped(
            "run.daily" if names == [DAY] else "run.rejected",
            given=f"The {nouns} of run {run_id} is used up: {'; '.join(self.said(name) for name in names)}.",
            have="The work so far is kept.",
            try_=f"%agent resume {run_id} {flags} goes on.{tomorrow}",
        )

    def said(self, name: str) -> str:
        """How much of the limit is used, in words."""
        used, limit = self.used(name), self.limits[name]
        if name == TOKENS:
            return f"{used:,.0f} of {limit:,.0f} tokens"
        return f"{money(used)} of {money(limit)}{' a day, by all runs of this store' if name == DAY else ''}"


def money(usd: float) -> str:
    """US dollars; four digits behind the point where two would hide what a call costs.

    Examples
    --------
    >>> money(0), money(0.0842), money(2.5), money(1200)
    ('$0.00', '$0.0842', '$2.50', '$1,200.00')
    """
    return f"${usd:,.2f}" if usd >= 1 or round(usd, 4) == round(usd, 2) else f"${usd:.4f}"


def _amount(name: str, value: float) -> str:
    return f"{value:,.0f} tokens" if name == TOKENS else money(value)


def granted_by(limits: Mapping[str, Mapping[str, float]], decision: Decision) -> dict[str, float]:
    """The limits that an answer gives: an amount is for the first that is used up, the others are doubled.

    Parameters
    ----------
    limits : mapping
        `Request.limits`.
    decision : Decision
        Its value: nothing, an amount, or amounts by the name of the limit.

    Examples
    --------
    >>> granted_by({"usd": {"limit": 1, "next": 2}, "tokens": {"limit": 9, "next": 18}}, Decision(value=5))
    {'usd': 5.0, 'tokens': 18.0}
    """
    value = decision.value
    given = value if isinstance(value, dict) else dict.fromkeys(list(limits)[:1], value) if value else {}
    return {name: float(given.get(name) or stood["next"]) for name, stood in limits.items()}


def grants(rows: Iterable[dict[str, Any]], today: str = "") -> dict[str, float]:
    """The limits that decided requests of the budget gate gave; that of a day for this day only.

    Parameters
    ----------
    rows : iterable of dict
        Of `agent_requests`.
    today : str
        ``YYYY-MM-DD`` in UTC.
    """
    made: dict[str, float] = {}
    for row in rows:
        decision = Decision.model_validate(row["decision"] or {})
        if row["gate"] != "budget" or not row["decision"] or decision.type != "approve":
            continue
        for name, limit in granted_by(row["payload"].get("limits") or {}, decision).items():
            if name != DAY or str(row.get("decided_at"))[:10] == today:
                made[name] = max(limit, made.get(name, 0.0))
    return made
