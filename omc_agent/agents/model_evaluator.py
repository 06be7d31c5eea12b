"""Compare the candidates, see what they live on, and tune again or go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from langchain.tools import ToolRuntime
from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool, StructuredTool
from langgraph.types import Command
from pydantic import BaseModel, Field

from omc_agent.accepting import SEARCHED, next_step
from omc_agent.agents.base import BaseAgent, free_code_tool
from omc_agent.agents.context import RunContext
from omc_agent.agents.decided import FOLLOW, decided, decided_params, overrides_of
from omc_agent.agents.middleware import StageState
from omc_agent.agents.toolbox import CellTool, Code, answer, as_told, cell_key
from omc_agent.candidate import with_failed
from omc_agent.errors import UsageError
from omc_agent.events import Reason
from omc_agent.naming import model_name
from omc_agent.overrides import params_for


class _Proposal(BaseModel):
    next: Literal["tune", "select"]
    model: str | None = Field(None, description="algorithm to tune")
    why: str = ""


_importance = CellTool(
    "calculate_feature_importance",
    "look",
    ("importance",),
    fixed=lambda context, state: {"seed": context.trust.seed, "task": state["brief"]["task"]},
    hidden=("seed", "n_repeats", "task"),
    shown="{0}.head(12).round(5)",
)


class ModelEvaluatorAgent(BaseAgent):
    """Comparison, importances, and the proposal of what comes next."""

    stage = "model_evaluation"
    title = "Evaluation"
    task = "Compare the candidates and propose what comes next."
    prompt = f"""\
Stage: model_evaluation. compare_models shows all candidates with intervals; evaluate_model shows all metrics and the
errors of one of them on the last fold; calculate_feature_importance, on `features`, shows what the best one lives on.
Then call propose_next: tune (name the algorithm: {", ".join(SEARCHED)}) when `rounds_left` is above 0 and a
search may help, else select. In `candidates` a naive rule has baseline true, and yardstick true means that nobody
asked for it: it is there to compare with. Scores here are claims on development rows; nobody has seen the holdout.
The final choice is not made here: a rule of the house takes the simplest candidate within noise of the best, or a
person chooses. The stage is done when propose_next has answered.{FOLLOW}
Example: evaluate_model {{"model": "random_forest"}}
Example: propose_next {{"next": "select", "why": "No candidate is ahead of the naive rules by more than noise."}}"""

    def tools(self) -> Sequence[BaseTool]:
        """Comparison, one candidate's errors, importances, the proposal."""
        return [
            CellTool(
                "compare_models",
                "look",
                ("comparison",),
                fixed=lambda context, state: {"candidates": Code("candidates")},
                hidden=("candidates",),
                shown="{0}[['name', 'score', 'low', 'high', 'within_noise_of_best']].round(4)",
            ).build(),
            decided(_evaluate_tool(), decided_params),
            decided(_importance.build(), decided_params),
            StructuredTool.from_function(
                coroutine=_propose_next,
                name="propose_next",
                description="Say whether to tune a model or to go on to the selection.",
                args_schema=_Proposal,
            ),
            free_code_tool(),
        ]

    async def facts(self, state: StageState, context: RunContext) -> dict[str, Any]:
        """Candidates, and how many rounds of tuning are left."""
        slim = [as_told({k: v for k, v in c.items() if k != "folds"}) for c in state.get("candidates", {}).values()]
        failed = {name: each["why"] for name, each in (state.get("failed") or {}).items() if each}
        known = {"candidates": slim, "failed": failed, "rounds_left": _rounds_left(state, context)}
        return {**await super().facts(state, context), **known}

    def values(self, state: StageState) -> dict[str, Any]:
        """`candidates`, a list; at its end those that could not be scored, with the reason as `failed`."""
        metric = str((state.get("brief") or {}).get("metric"))
        failed = state.get("failed") or {}
        return {"candidates": with_failed(list(state.get("candidates", {}).values()), failed, metric)}

    def missing(self, state: StageState) -> str | None:
        """A proposal."""
        made_now = state.get("proposal", {}).get("visit") == state["entered"]["visit"]
        return None if made_now else "a proposal"


def _rounds_left(state: Mapping[str, Any], context: RunContext) -> int:
    used = int(state.get("visits", {}).get("hyperparameter_tuning", 0))
    planned = [step["stage"] for step in state.get("plan") or []]
    out = "hyperparameter_tuning" in (state.get("dropped") or []) or "hyperparameter_tuning" not in planned
    return 0 if planned and out else max(0, context.work.tuning_rounds - used)


class _Evaluate(BaseModel):
    model: str = Field(description="algorithm")
    params: dict[str, Any] | None = Field(None, description="hyperparameters; default: those of the algorithm")


def _evaluate_tool() -> BaseTool:
    return StructuredTool.from_function(
        coroutine=_evaluate_model,
        name="evaluate_model",
        description="Train on the earlier folds, look at all metrics and errors on the last one.",
        args_schema=_Evaluate,
    )


async def _evaluate_model(
    model: str, runtime: ToolRuntime[RunContext, Any], params: dict[str, Any] | None = None
) -> Command[Any]:
    state, trust = runtime.state, runtime.context.trust
    task = state["brief"]["task"]
    given = f"model={model!r}, params={params!r}, " if params else f"model={model!r}, "
    classes = ["confusion = confusion_table(model, test)", "print(confusion)"] if task == "classification" else []
    own = [] if model == "gradient_boosting" else ["print(model_importance(model).head(10))"]
    code = "\n".join(
        [
            f"train, test = last_fold(features, n_splits={trust.folds}, task={task!r}, seed={trust.seed})",
            f"model = train_{task}_model(train, {given}seed={trust.seed})",
            "evaluation = evaluate_model(model, test)",
            *classes,
            *own,
            "evaluation",
        ]
    )
    outcome = await runtime.context.run_cell(
        code, key=cell_key(runtime), kind="look", into=["evaluation"], entered=state["entered"]
    )
    return answer(outcome, runtime)


async def _propose_next(
    next: str,  # noqa: A002 - the word of the schema
    runtime: ToolRuntime[RunContext, Any],
    model: str | None = None,
    why: str = "",
) -> Command[Any]:
    state, context = runtime.state, runtime.context
    if next == "tune" and model not in SEARCHED:
        raise UsageError(
            "usage.value",
            given=f"The proposal was to tune {model!r}.",
            have=f"There are spaces to search for {', '.join(SEARCHED)}.",
            try_="Name one of the scored candidates among these, or propose to select.",
        )
    candidates = list(state.get("candidates", {}).values())
    ranged = [each for each in SEARCHED if params_for(overrides_of(state), each)[1]]
    rule = next_step(candidates, _rounds_left(state, context), ranged)
    told = "The proposal is noted."
    if (rule.next, rule.model) != (next, model if next == "tune" else None):
        says = f"tune {model_name(rule.model)}" if rule.next == "tune" else "accept what is there"
        told = f"{told} The rule for tuning or accepting would {says}: {rule.why}"
        await context.emit(Reason(stage=state["entered"]["stage"], text=told), f"{cell_key(runtime)}:rule")
    reply = ToolMessage(told, tool_call_id=runtime.tool_call_id or "")
    proposal = {"next": next, "model": model, "why": why, "visit": state["entered"]["visit"], "rule": rule.to_dict()}
    return Command(update={"proposal": proposal, "messages": [reply]})
