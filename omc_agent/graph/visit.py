"""One visit of a stage that is a node: counted, told, timed."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from omc_agent.agents.context import RunContext
from omc_agent.events import Event, Progressed, Reason, StageFinished, StageStarted


@dataclass
class Visit:
    """A stage that is being visited; `status` and `cells` may be set before it ends."""

    stage: str
    number: int
    context: RunContext
    status: str = "ok"
    cells: int = 0
    _told: int = field(default=0, repr=False)

    async def tell(self, event: Event) -> None:
        """Emit an event of this visit, once."""
        self._told += 1
        await self.context.emit(event, f"{self.key}:{event.kind}:{self._told}")

    async def reason(self, text: str) -> None:
        """Say why."""
        await self.tell(Reason(stage=self.stage, text=text))

    @property
    def key(self) -> str:
        """Stable over a kill: the same visit of the same branch."""
        return f"{self.stage}:{self.number}"

    def entered(self) -> dict[str, int]:
        """The state update that counts the visit, and uses up a `goto`."""
        return {self.stage: self.number}


@asynccontextmanager
async def visiting(
    stage: str, title: str, state: Mapping[str, Any], context: RunContext, *, done_text: str = ""
) -> AsyncIterator[Visit]:
    """Tell that the stage began, and how it ended."""
    visit = Visit(stage, int(state.get("visits", {}).get(stage, 0)) + 1, context)
    began = time.time()
    await visit.tell(StageStarted(stage=stage, title=title, visit=visit.number))
    await visit.tell(progress(stage, state))
    yield visit
    await visit.tell(
        StageFinished(
            stage=stage, status=visit.status, seconds=time.time() - began, cells=visit.cells, visit=visit.number
        )
    )


def progress(stage: str, state: Mapping[str, Any]) -> Progressed:
    """How far along the plan this stage is."""
    planned = [step["stage"] for step in state.get("plan", [])]
    done = planned.index(stage) if stage in planned else 0
    return Progressed(stage=stage, done=done, total=len(planned), text=stage.replace("_", " "))
