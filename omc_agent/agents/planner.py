"""Understanding the goal, and planning the stages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain.tools import ToolRuntime
from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool, StructuredTool
from langgraph.types import Command
from pydantic import BaseModel, ConfigDict, Field

from omc_agent.agents.base import BaseAgent
from omc_agent.agents.brief_checks import fitted, known_stages
from omc_agent.agents.context import RunContext
from omc_agent.agents.middleware import StageState
from omc_agent.agents.toolbox import cell_key
from omc_agent.brief import Brief, Metric, PlanStep
from omc_agent.events import BriefRead, PlanMade, Progressed
from omc_agent.request import ClarificationQuestion
from omc_agent.tools.power import what_span_shows


class _BriefArguments(Brief):
    # The tool's runtime is injected beside the arguments, so the schema of the tool may not forbid more.
    model_config = ConfigDict(extra="ignore")

    metric: Metric | None = Field(None, description="default: roc_auc, for regression mae")  # type: ignore[assignment]
    notes: list[str] = Field(default_factory=list, description="plain sentences: what was taken how")
    questions: list[ClarificationQuestion] = Field(default_factory=list, max_length=3)


class _PlanArguments(BaseModel):
    steps: list[PlanStep]


class UnderstandingAgent(BaseAgent):
    """Goal -> Brief, with the host's metadata at hand."""

    has_cells = False
    stage = "understanding"
    title = "Goal"
    task = "Read the goal below into a brief and submit it with submit_brief."
    prompt = """\
Stage: understanding. Turn the person's goal into a Brief.
- coins are upper-case base symbols out of `market.coins`; keep a coin that is not there, it will be reported. For a
  table that is no prices leave them empty; table and target are then those of `source`, or a column of the market.
- a relative span counts back from `market.newest`; end is exclusive; times are ISO 8601 UTC. The default span is the
  last 90 days, the default horizon one hour (PT1H).
- task is analysis when the person wants to explore or describe, regression for a level (target return, price,
  volatility, or a column of numbers), else classification (direction; threshold with a signed fraction; volatility;
  or a column of classes).
- metric fits the task: roc_auc unless the goal names another, for regression mae.
- list in `assumed` each field you filled by default, in `unread` each word of the goal you could not use.
- ask at most three questions, never one that the goal already answers, each with what the data offers as its context,
  options, and a default that the brief holds: coins, target, task, span, threshold, horizon, or wishes that clash.
- `base`, where it is there, is the run that the goal follows: what the goal does not say stays as in its brief, is
  not assumed, and a note says so.
The stage is done when submit_brief has answered that the brief is noted.
Example: submit_brief {"task": "classification", "coins": ["BTC"], "target": "direction", "horizon": "PT4H",
"metric": "roc_auc", "models": ["random_forest"], "assumed": ["metric"], "notes": ["The span is left open."]}"""

    def tools(self) -> Sequence[BaseTool]:
        """`submit_brief`."""
        return [
            StructuredTool.from_function(
                coroutine=_submit_brief,
                name="submit_brief",
                description="Submit the goal as it was read.",
                args_schema=_BriefArguments,
            )
        ]

    async def facts(self, state: StageState, context: RunContext) -> dict[str, Any]:
        """Goal, the market's metadata, and what the command line fixed."""
        source = {"table": context.source.table, "target": context.source.target}
        base = {"base": context.base} if context.base else {}
        return {"goal": state["goal"], "market": await context.describe(), "source": source, **base}

    def missing(self, state: StageState) -> str | None:
        """A brief."""
        return None if state.get("brief") else "a brief"


async def _submit_brief(runtime: ToolRuntime[RunContext, Any], **given: Any) -> Command[Any]:
    submitted = _BriefArguments.model_validate(fitted(given))
    brief = Brief.model_validate(submitted.model_dump(exclude={"notes", "questions"}))
    event = BriefRead(stage="understanding", title=brief.title(), brief=brief.model_dump())
    await runtime.context.emit(event, f"{cell_key(runtime)}:brief")
    return Command(
        update={
            "brief": brief.model_dump(),
            "questions": [question.model_dump() for question in submitted.questions],
            "texts": {"notes": submitted.notes},
            "messages": [ToolMessage("The brief is noted.", tool_call_id=runtime.tool_call_id or "")],
        }
    )


class PlanningAgent(BaseAgent):
    """The plan as steps with effects."""

    has_cells = False
    stage = "planning"
    title = "Plan"
    task = "Plan the stages that follow and submit the plan with submit_plan."
    prompt = """\
Stage: planning. List the stages that will follow, in the order of the house: data_retrieval, data_analysis,
feature_engineering, leak_test, model_training, model_evaluation, hyperparameter_tuning, selection, scoring,
reporting. For task `analysis` only data_retrieval, data_analysis and reporting; a table that is no prices has no
data_analysis. A plan without hyperparameter_tuning searches nothing: leave it out only when `work.rounds` is 0 or the
goal says so. For each say in one sentence what will be done and why, and its effect: rows read, columns made, models
fitted (each of the `work.folds` folds counts; a search has `work.trials` trials), minutes. Nothing is done here: the
stage is done when submit_plan has answered that the plan is noted.
Example: submit_plan {"steps": [{"stage": "data_retrieval", "title": "Data", "detail":
"Read 90 days of BTC and seal the last fifth.", "rows": 25920},
{"stage": "data_analysis", "title": "Analysis", "detail": "Clean and look."}]}"""

    def tools(self) -> Sequence[BaseTool]:
        """`submit_plan`."""
        return [
            StructuredTool.from_function(
                coroutine=_submit_plan,
                name="submit_plan",
                description="Submit the plan, a step for each stage.",
                args_schema=_PlanArguments,
            )
        ]

    async def facts(self, state: StageState, context: RunContext) -> dict[str, Any]:
        """Brief, market and how much work is allowed."""
        work = {"folds": context.trust.folds, "trials": context.work.trials, "rounds": context.work.tuning_rounds}
        return {**await super().facts(state, context), "market": await context.describe(), "work": work}

    def missing(self, state: StageState) -> str | None:
        """A plan."""
        return None if state.get("plan") else "a plan"


async def _submit_plan(runtime: ToolRuntime[RunContext, Any], **given: Any) -> Command[Any]:
    known_stages([step.stage for step in _PlanArguments.model_validate(given).steps])
    steps, context = [step.model_dump() for step in _PlanArguments.model_validate(given).steps], runtime.context
    # What the span can show is the host's arithmetic, not the model's opinion.
    brief = Brief.model_validate(runtime.state.get("brief", {}))
    note = what_span_shows(brief, await context.describe(), context.trust.holdout)
    await context.emit(PlanMade(stage="planning", steps=steps, note=note), f"{cell_key(runtime)}:plan")
    progress = Progressed(stage="planning", done=0, total=len(steps), text="plan made")
    await context.emit(progress, f"{cell_key(runtime)}:progress")
    reply = ToolMessage("The plan is noted.", tool_call_id=runtime.tool_call_id or "")
    return Command(update={"plan": steps, "texts": {"span": note}, "messages": [reply]})
