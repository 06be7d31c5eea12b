"""A restart from a stage: a branch of its own, seeded with the values that the stage began with.

The old branch stays as it was. Frames and cells of the stages before are kept, not made again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from omc_agent.agents.answers import answered
from omc_agent.errors import RunError
from omc_agent.events import Branched, Event
from omc_agent.overrides import split_by_home
from omc_agent.stages import STAGES

if TYPE_CHECKING:  # the graph is built of heavy things; a server reads branches without it
    from omc_agent.graph.edges import Graph


@dataclass(frozen=True)
class Turn:
    """A person's wish to do it again from `stage` on, with other values."""

    stage: str
    overrides: dict[str, Any] = field(default_factory=dict)
    by: str = ""


@dataclass(frozen=True)
class Seed:
    """What a branch begins with: the state, and the numbers of the cells that it keeps."""

    values: dict[str, Any]
    cells: frozenset[int]


async def seed_of(graph: Graph, lineage: Sequence[str], turn: Turn) -> Seed:
    """The values with which the run first came to the stage; what was overridden since, and now, put in.

    Parameters
    ----------
    graph : CompiledStateGraph
        With its checkpoints.
    lineage : sequence of str
        The branch that is left, then those that it comes from.
    turn : Turn
        Where to, and with what.

    Raises
    ------
    RunError
        ``run.not_finished`` when the run never came there.
    """
    base = None
    reached: set[str] = set()
    left_at = ""  # the stage from which the younger branch left this one: what came after is no past of it
    for branch in lineage:
        past = [snapshot async for snapshot in graph.aget_state_history(_thread(branch))]  # newest first
        if left_at:
            past = past[_first_entry(past, left_at) :]
        reached.update(stage for snapshot in past for stage in snapshot.next)
        entry = _first_entry(past, turn.stage)
        if entry < len(past):
            base = past[entry]
            break
        left_at = past[-1].next[0] if past else left_at
    if base is None:
        there = [stage for stage in STAGES if stage in reached]
        raise RunError("run.not_finished", given=f"{lineage[0]} has not come to {turn.stage}.",
                       have=f"It came to {', '.join(there) or 'no stage'}.",
                       try_="Restart from one of these, or give the override without --from.")  # fmt: skip
    now = (await graph.aget_state(_thread(lineage[0]))).values
    values = dict(base.values)
    overrides = {**values.get("overrides", {}), **now.get("overrides", {}), **turn.overrides}
    brief = split_by_home(overrides)[0]
    if brief and values.get("brief"):
        values["brief"] = answered(values["brief"], brief)
    values |= {"overrides": overrides, "goto": turn.stage, "error": None, "trouble": None}
    return Seed(values, frozenset(int(n) for n in values.get("cells", {})))


def _first_entry(past: Sequence[Any], stage: str) -> int:
    """Where in `past` (newest first) the stage was about to begin for the first time; its length when nowhere."""
    return max((n for n, snapshot in enumerate(past) if snapshot.next == (stage,)), default=len(past))


async def plant(graph: Graph, branch: str, seed: Seed) -> None:
    """Write the seed as the branch's first checkpoint; `goto` sends it to its stage."""
    # Any node whose router obeys `goto` will do; this one is not an agent, so it has no state of its own.
    await graph.aupdate_state(_thread(branch), seed.values, as_node="clarification")


def branched(turn: Turn, parent: str, branch: str) -> Branched:
    """The first event of the branch."""
    return Branched(stage=turn.stage, new_branch=branch, parent=parent, overrides=dict(turn.overrides),
                    decided_by=turn.by)  # fmt: skip


def standing(events: Iterable[Event]) -> list[Event]:
    """The events that still hold: without those of stages that a later branch did again."""
    kept: list[Event] = []
    for event in events:
        if isinstance(event, Branched):
            redone = STAGES[STAGES.index(event.stage) :]
            kept = [each for each in kept if each.stage not in redone]
        kept.append(event)
    return kept


def _thread(branch: str) -> Any:
    return {"configurable": {"thread_id": branch}}
