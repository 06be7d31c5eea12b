"""The outer state: things, not flags; and no messages (each agent has its own)."""

from __future__ import annotations

from typing import Any

from omc_agent.agents.context import Shared
from omc_agent.stages import OPTIONAL, STAGES

__all__ = ["OPTIONAL", "STAGES", "AgentState", "first_state", "standing_state"]


class AgentState(Shared, total=False):
    """What the outer graph carries from stage to stage.

    `error` ends the run; `goto` (of `Shared`) is obeyed once by whichever router comes next.
    """

    plan_only: bool


def standing_state(snapshot: Any) -> dict[str, Any]:
    """The things there are: the outer ones, and over them those of a stage that has not come to its end.

    Parameters
    ----------
    snapshot : StateSnapshot
        Taken with its subgraphs.
    """
    values = dict(snapshot.values)
    for task in snapshot.tasks:
        inner = getattr(task.state, "values", None) or {}
        values |= {name: inner[name] for name in Shared.__annotations__ if name in inner}
    return values


def first_state(goal: str, *, plan_only: bool = False, **things: Any) -> AgentState:
    """The state a run starts with."""
    state: AgentState = {"goal": goal, "plan_only": plan_only}
    state.update(things)  # type: ignore[typeddict-item]
    return state
