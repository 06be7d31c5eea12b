"""What the chat models of one run cost: counted call by call, kept on disk, warned about at 80 % of a limit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from omc_agent.errors import RunStopped
from omc_agent.events import Event, Warned
from omc_agent.graph.gates import Ask
from omc_agent.llm.prices import FREE, price_of
from omc_agent.purse import Purse
from omc_agent.store.records import SessionManager

NEARLY = 0.8


class Spending:
    """The account of one run.

    Parameters
    ----------
    store : SessionManager
        Where the sum of a day is read, and what was spent is kept.
    run_id, owner : str
        Whose.
    purse : Purse
        The limits of the run; its `spent` is counted up here.
    daily : float
        US dollars that all runs of one day (UTC) of this store may cost; 0: no limit.
    emit : callable
        ``await emit(event, key)``.
    keep : callable
        ``await keep()`` writes what was spent.
    """

    def __init__(
        self,
        store: SessionManager,
        run_id: str,
        purse: Purse,
        *,
        daily: float,
        emit: Callable[[Event, str], Awaitable[None]],
        keep: Callable[[], Awaitable[None]],
    ) -> None:
        self.store, self.run_id, self.purse, self.daily = store, run_id, purse, daily
        self._emit, self._keep = emit, keep
        self._others_today: float | None = None

    async def spend(self, stage: str, name: str, usage: Mapping[str, Any], key: str) -> None:
        """Count one call."""
        spent = self.purse.spent
        spent["tokens_in"] += int(usage.get("input_tokens") or 0)
        spent["tokens_out"] += int(usage.get("output_tokens") or 0)
        spent["calls"] += 1
        price = price_of(name, usage)
        if price is None:
            text = f"The price of {name} is not known: dollars are not counted, --max-tokens limits the run."
            await self._emit(Warned(stage=stage, code="no_price", text=text), f"no_price:{name}")
        spent["usd"] += price or 0.0
        if usage.get("input_tokens") or usage.get("output_tokens"):
            await self._keep()
        if name.partition(":")[0] not in FREE:
            await self._warn(stage)

    async def _warn(self, stage: str) -> None:
        purse = self.purse
        if purse.limit and purse.used() >= NEARLY * purse.limit:
            text = f"{purse.said()} of the budget is used: at the limit the run asks, or parks with its work kept."
            await self._emit(Warned(stage=stage, code="budget", text=text), f"budget:{purse.limit:g}")
        today = await self._today()
        if self.daily and today >= NEARLY * self.daily:
            text = f"${today:.2f} of ${self.daily:.2f} a day is used, over all runs of this store."
            await self._emit(Warned(stage=stage, code="daily_budget", text=text), f"daily:{datetime.now(UTC):%F}")

    async def afford(self, ask: Ask, stage: str, key: str) -> None:
        """Return when one more call is paid for.

        Raises
        ------
        RunStopped
            ``run.rejected`` when a person says no; ``run.daily`` at the limit of the day.
        """
        if self.daily and await self._today() >= self.daily:
            raise RunStopped(
                "run.daily",
                given=f"The daily budget is used up: ${await self._today():.2f} of ${self.daily:.2f}.",
                have="It counts all runs of this store since midnight UTC; the work so far is kept.",
                try_=f"%agent resume {self.run_id} tomorrow, or with AgentSettings.daily_budget raised.",
            )
        await self.purse.afford(ask, self.run_id, stage, key)

    async def _today(self) -> float:
        if self._others_today is None:
            self._others_today = await asyncio.to_thread(spent_today, self.store, self.run_id)
        return self._others_today + self.purse.spent["usd"]


def spent_today(store: SessionManager, but: str = "") -> float:
    """Dollars of all runs that were begun since midnight UTC, without the run `but`."""
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    rows = [row for row in store.list() if row["id"] != but and str(row["created_at"])[:10] == today]
    return sum(float((row["summary"].get("cost") or {}).get("usd") or 0.0) for row in rows)
