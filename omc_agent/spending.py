"""What the chat models of one run cost: counted call by call, kept on disk, warned about at 80 % of a limit."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from omc_agent import endings
from omc_agent.config import AgentSettings
from omc_agent.deciding import decide
from omc_agent.errors import RunStopped, UsageError
from omc_agent.events import Event, Warned
from omc_agent.graph.gates import Ask
from omc_agent.llm.names import OFFLINE, read_names
from omc_agent.llm.prices import details_of, is_free, is_priced, name_of, price_of
from omc_agent.purse import DAY, NEARLY, TOKENS, USD, Purse
from omc_agent.request import Decision
from omc_agent.store.calls import ANSWERED, GUESSED, REFUSED, REMEMBERED
from omc_agent.store.database import StoreBusy
from omc_agent.store.records import Row, SessionManager

Emit = Callable[[Event, str], Awaitable[None]]
T = TypeVar("T")


class Spending:
    """The account of one run.

    A call is written before it is sent, with the tokens that it is thought to read, and again when the provider told
    its usage. A process that dies in between leaves the first: such a call counts as it was thought to.

    Parameters
    ----------
    store : SessionManager
        Where calls are kept, and the sum of a day is read.
    run_id, branch, owner : str
        Whose.
    purse : Purse
        The limits of the run; its `spent` and `today` are kept up here.
    emit : callable
        ``await emit(event, key)``.
    ask : callable
        Asks a person when a limit is used up.
    model : str
        The model that is asked first, as ``provider:model``.
    """

    def __init__(
        self,
        store: SessionManager,
        run_id: str,
        branch: str,
        owner: str | None,
        purse: Purse,
        *,
        emit: Emit,
        ask: Ask,
        model: str = "",
    ) -> None:
        self.store, self.run_id, self.branch, self.owner, self.purse = store, run_id, branch, owner, purse
        self._emit, self._ask, self._model = emit, ask, model
        self._begun: dict[str, tuple[float, int]] = {}
        self._stopped: RunStopped | None = None

    async def afford(self, stage: str, key: str) -> None:
        """Return when the run may go on; what costs nothing is not held back by dollars.

        Raises
        ------
        RunStopped
            As :meth:`omc_agent.purse.Purse.afford`.
        """
        await self._look(self._model)
        await self._within(stage, key, free=is_free(self._model))

    async def begin_call(self, stage: str, name: str, tokens: int, key: str) -> str:
        """Return the id of a call that may be sent now, once it is paid for and written down.

        Parameters
        ----------
        stage, name : str
            Who asks, and which model.
        tokens : int
            What it will read, as far as one can tell beforehand.
        key : str
            Of the step that asks.

        Raises
        ------
        RunStopped
            As :meth:`omc_agent.purse.Purse.afford`; also for a stand-in, once a person said no.
        LeaseLost
            When another process drives the run.
        """
        await self._look(name)
        await self._within(stage, key, free=is_free(name))
        call = secrets.token_hex(16)

        def write() -> None:
            usd = price_of(name, {"input_tokens": tokens})
            self._begin(call, stage, name, tokens_in=tokens, usd=usd)

        if name != OFFLINE:  # nobody bills it, so that one row behind the call is enough
            await self._written(write)
        self._begun[call] = (time.monotonic(), tokens)
        return call

    def _begin(self, call: str, stage: str, name: str, **values: Any) -> None:
        self.store.begin_call(self.run_id, self.branch, owner=self.owner, key=call, stage=stage, model=name, **values)

    async def spend(self, stage: str, name: str, usage: Mapping[str, Any], call: str) -> None:
        """Count a call that was answered.

        Parameters
        ----------
        stage, name : str
            As it was begun.
        usage : mapping
            LangChain's usage metadata. Without ``input_tokens`` the provider told none: then
            ``guessed_output_tokens`` counts. With a ``total_cost`` of 0 the answer came from a cache, and nothing
            was billed.
        call : str
            What :meth:`begin_call` gave.
        """
        since, tokens = self._begun.pop(call, (time.monotonic(), 0))
        told, seconds = usage.get("input_tokens") is not None, time.monotonic() - since
        if not told:
            guessed = usage.get("guessed_output_tokens") or 0
            usage = {"input_tokens": tokens, "output_tokens": guessed}
        remembered = told and usage.get("total_cost") == 0

        def write() -> float | None:
            usd = price_of(name, usage)
            counted = details_of(usage)
            counted.pop("written_1h")
            status = REMEMBERED if remembered else ANSWERED if told else GUESSED
            made = {"status": status, "usd": usd, "seconds": seconds, **counted}
            if name == OFFLINE:
                self._begin(call, stage, name, **made)
            else:
                self.store.end_call(call, **made)
            self._read()
            return usd

        usd = await self._written(write)
        if usd is None:
            await self._say_no_price(stage, name)
        if not is_free(name):
            await self._warn(stage)

    async def drop_call(self, call: str) -> None:
        """A call that the provider refused with a status: it is not billed."""
        since, _ = self._begun.pop(call, (time.monotonic(), 0))

        def write() -> None:
            zero = {"tokens_in": 0, "usd": 0.0, "seconds": time.monotonic() - since}
            self.store.end_call(call, status=REFUSED, **zero)
            self._read()

        await self._written(write)

    async def _written(self, write: Callable[[], T]) -> T:
        """In a thread. A store that is gone must not be taken for a provider that does not answer."""
        try:
            return await asyncio.to_thread(write)
        except StoreBusy as error:
            raise endings.not_written(self.run_id, error) from error

    async def _look(self, name: str) -> None:
        """At what other runs, and tries that broke off, have cost."""
        if not is_free(name) and self.purse.limits:
            await self._written(self._read)

    async def _within(self, stage: str, key: str, *, free: bool) -> None:
        if self._stopped is not None:
            raise self._stopped
        try:
            await self.purse.afford(self._ask, self.run_id, stage, key, free=free)
        except RunStopped as error:
            self._stopped = error
            raise

    def _read(self) -> None:
        """The sums of the run and of the day, as the store has them: other processes write there too."""
        self.purse.spent.update(self.store.cost_of(self.run_id))
        if DAY in self.purse.limits:
            self.purse.today = self.store.spent_on(today())

    async def _say_no_price(self, stage: str, name: str) -> None:
        limited = TOKENS in self.purse.limits
        limit = "--max-tokens limits the run" if limited else "only --max-tokens can limit the run"
        text = f"The price of {name} is not known: dollars are not counted, {limit}."
        await self._emit(Warned(stage=stage, code="no_price", text=text), f"no_price:{name}")

    async def _warn(self, stage: str) -> None:
        """Once for each limit: 80 % of it is used."""
        for name in self.purse.reached(NEARLY):
            text = f"{self.purse.said(name)} is used: at the limit the run asks, or parks with its work kept."
            key = f"budget:{name}:{self.purse.limits[name]:g}"
            if name == DAY:
                await self._emit(Warned(stage=stage, code="daily_budget", text=text), f"{key}:{today()}")
            else:
                await self._emit(Warned(stage=stage, code="budget", text=text), key)


def today() -> str:
    """The day in UTC, ``YYYY-MM-DD``."""
    return f"{datetime.now(UTC):%Y-%m-%d}"


def check_limits(settings: AgentSettings, model: Any = None) -> None:
    """Refuse a budget in dollars for a model whose price nobody knows: it would limit nothing.

    Parameters
    ----------
    settings : AgentSettings
        Of the run.
    model : BaseChatModel, optional
        In place of those that `settings.model` names.

    Raises
    ------
    UsageError
        ``usage.value`` when `budget` is set, `max_tokens` is not, and one of the models, stand-ins included, is
        neither free nor priced.
    ModelError
        ``model.unknown`` for a name that cannot be read.
    """
    if not settings.budget or settings.max_tokens:
        return
    read = [] if model is not None else read_names(settings.model, settings.models)
    names = [each.text for each in read] or [name_of(model, settings.model)]
    if unknown := [name for name in names if not is_priced(name)]:
        raise UsageError(
            "usage.value",
            given=f"--budget {settings.budget:g} cannot limit {', '.join(unknown)}: no price is known for it.",
            have="Prices come from a table without network; a budget in dollars would limit nothing.",
            try_="Give --max-tokens N, which limits any model; with it --budget may stay.",
        )


def pay(store: SessionManager, row: Row, given: Mapping[str, Any], daily: float) -> Row:
    """Take limits that are given when a run goes on; returns its row, which keeps them.

    A new limit is the answer to the question that waits for one. So is a new day, or a raised limit of the day, when
    nothing else waits.

    Raises
    ------
    UsageError
        ``usage.value`` for a limit that is used up already: the run stays as it is.
    """
    run_id, spent = str(row["id"]), store.cost_of(str(row["id"]))
    new = {name: float(given[flag]) for name, flag in ((USD, "budget"), (TOKENS, "max_tokens")) if given.get(flag)}
    purse = Purse(new.get(USD, 0.0), int(new.get(TOKENS, 0)), spent, daily=daily)
    purse.today = store.spent_on(today()) if daily else 0.0
    if late := [name for name in purse.reached() if name in new]:
        raise UsageError(
            "usage.value",
            given=f"Run {run_id} has used more than that: {'; '.join(purse.said(name) for name in late)}.",
            have="The run stays as it was, with its work kept.",
            try_="Give more than what is used.",
        )
    if DAY in purse.limits and DAY not in purse.reached():
        new[DAY] = daily
    if kept := {flag: given[flag] for flag in ("budget", "max_tokens", "daily_budget") if flag in given}:
        row = {**row, "settings": {**row["settings"], **kept}}
        store.update(run_id, settings=row["settings"])
    for waiting in store.requests(run_id):
        asked = set(waiting["payload"].get("limits") or {})
        if waiting["gate"] == "budget" and asked and asked <= set(new):
            by = "a new day, or a new limit of the day" if asked == {DAY} else "a new budget"
            value = {name: new[name] for name in asked}
            decide(store, waiting["id"], Decision(value=value), by)
    return row
