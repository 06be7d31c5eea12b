"""What people send to a run while it works: words, changes, a restart, Stop; and what of it is to be taken up yet."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from omc_agent.agents.context import Words
from omc_agent.branching import Turn
from omc_agent.events import Branched, Event, Overridden, Said, StageStarted, Warned
from omc_agent.graph.state import STAGES
from omc_agent.overrides import earliest_stage, split_by_home
from omc_agent.store.records import Row


class Steering:
    """The helm of one run.

    Parameters
    ----------
    emit : callable
        ``await emit(event, key)``.
    stage : callable
        The stage that the run is in.
    keep_settings : callable
        ``await keep_settings(changes)`` takes changed settings of the run.
    cancel : callable
        Ends the present work; it is kept.

    Attributes
    ----------
    words : Words
        What the person said.
    pending : dict
        Overrides that no stage has taken up yet.
    begun : set of str
        Stages that the present branch has come to.
    turn : Turn or None
        A branch that is to begin.
    """

    def __init__(
        self,
        *,
        emit: Callable[[Event, str], Awaitable[None]],
        stage: Callable[[], str],
        keep_settings: Callable[[dict[str, Any]], Awaitable[None]],
        cancel: Callable[[], None],
    ) -> None:
        self._emit, self._stage, self._keep_settings, self._cancel = emit, stage, keep_settings, cancel
        self.words = Words()
        self.pending: dict[str, Any] = {}
        self.begun: set[str] = set()
        self.turn: Turn | None = None

    def note(self, event: Event) -> None:
        """Know what was told, by this process or before it."""
        if isinstance(event, Said) and event.text not in self.words.said:
            self.words.said.append(event.text)
        elif isinstance(event, Overridden):
            self.pending |= event.overrides
        elif isinstance(event, StageStarted):
            self.begun.add(event.stage)
        elif isinstance(event, Branched):
            before = STAGES[: STAGES.index(event.stage)]
            self.begun = {stage for stage in self.begun if stage in before}
            self.pending = {k: v for k, v in self.pending.items() if k not in event.overrides}

    async def hear(self, row: Row) -> None:
        """One word out of the inbox."""
        payload, by, key = row["payload"], row["sent_by"], f"inbox:{row['seq']}"
        if row["kind"] == "stop":
            self._cancel()
        elif row["kind"] == "say":
            await self._emit(Said(stage=self._stage(), text=str(payload["text"])), key)
        elif row["kind"] == "restart":
            await self._restart(Turn(payload["stage"], payload.get("overrides", {}), by), key)
        elif row["kind"] == "override":
            await self._override(payload["overrides"], by, key)

    async def _restart(self, turn: Turn, key: str) -> None:
        if turn.stage in self.begun or turn.stage == "clarification":
            self._turn_to(turn)
            return
        text = f"The run has not come to {turn.stage.replace('_', ' ')}, so it cannot begin there again."
        await self._emit(Warned(code="restart_refused", text=text, stage=self._stage()), key)

    async def _override(self, changes: dict[str, Any], by: str, key: str) -> None:
        """At once from the earliest stage that it touches; later, when that has not begun."""
        stage = earliest_stage(changes)
        if stage in self.begun:
            self._turn_to(Turn(stage, changes, by))
            return
        await self._emit(Overridden(stage=stage, overrides=changes, decided_by=by), key)
        await self._keep_settings(split_by_home(changes)[1])

    def _turn_to(self, turn: Turn) -> None:
        self.turn = turn
        self._cancel()
