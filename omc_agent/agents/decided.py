"""What a person decided holds for any model: arguments of a tool that an override fixes, and models it rules out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from langchain.tools import ToolRuntime
from langchain_core.tools import BaseTool, StructuredTool
from langgraph.types import Command

from omc_agent.agents.context import RunContext
from omc_agent.brief import CLASSIFIERS, REGRESSORS
from omc_agent.candidate import SIMPLE
from omc_agent.errors import UsageError
from omc_agent.overrides import params_for

Arguments = dict[str, Any]
Decide = Callable[[Mapping[str, Any], Arguments], Arguments]

FOLLOW = (
    " `overrides` in the facts are decisions of the person, as is what they say while you work: follow them, also"
    " where they differ from the brief."
)


def decided(tool: BaseTool, decide: Decide) -> BaseTool:
    """`tool`, its arguments changed to what the person decided: ``decide(state, given) -> given``."""
    assert isinstance(tool, StructuredTool)
    inner = tool.coroutine
    assert inner is not None

    async def call(runtime: ToolRuntime[RunContext, Any], **given: Any) -> Command[Any]:
        return await inner(runtime=runtime, **decide(runtime.state, given))  # type: ignore[no-any-return]

    return StructuredTool.from_function(
        coroutine=call, name=tool.name, description=tool.description, args_schema=tool.args_schema
    )


def overrides_of(state: Mapping[str, Any]) -> dict[str, Any]:
    """The overrides of the run's branch."""
    return dict(state.get("overrides") or {})


def decided_params(state: Mapping[str, Any], given: Arguments) -> Arguments:
    """Hyperparameters that the person fixed for the model, over those that are given."""
    fixed, _ = params_for(overrides_of(state), str(given.get("model")))
    return {**given, "params": {**(given.get("params") or {}), **fixed}} if fixed else given


def decided_model(state: Mapping[str, Any], given: Arguments) -> Arguments:
    """As `decided_params`; an algorithm that the person left out is refused, but for the simple ones to compare with.

    Raises
    ------
    UsageError
        ``usage.value``, with the algorithms that are left.
    """
    model, overrides = given.get("model"), overrides_of(state)
    fitting = CLASSIFIERS if state["brief"]["task"] == "classification" else REGRESSORS
    wanted = [name for name in overrides.get("models", fitting) if name in fitting] or list(fitting)
    left = [name for name in wanted if name not in overrides.get("avoid_models", ())]
    beside = model in SIMPLE and model not in overrides.get("avoid_models", ())
    if model in fitting and left and model not in left and not beside:
        raise UsageError(
            "usage.value",
            given=f"The model was {model}, which a person left out.",
            have=f"They decided on {', '.join(left)}.",
            try_="Score one of these.",
        )
    return decided_params(state, given)


def decided_space(state: Mapping[str, Any], given: Arguments) -> Arguments:
    """Where the person gave them: ranges as the space of a search, values as parameters of every trial."""
    _, ranges = params_for(overrides_of(state), str(given.get("model")))
    made = decided_params(state, given)
    return {**made, "space": ranges} if ranges else made
