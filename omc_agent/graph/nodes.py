"""Stages that are no agents: what is asked, what is chosen, and what happens after three failures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langgraph.runtime import Runtime

from omc_agent.agents.context import RunContext
from omc_agent.errors import RunError
from omc_agent.events import ChoiceMade, StageFinished, Warned
from omc_agent.graph.state import OPTIONAL, AgentState
from omc_agent.graph.visit import visiting
from omc_agent.tools.evaluation import recommend

DEFAULT_METRIC = {"classification": "roc_auc", "regression": "mae"}


async def clarification(state: AgentState, runtime: Runtime[RunContext]) -> dict[str, Any]:
    """Ask what is ambiguous, at most three questions, each with a default.

    Until a person can answer inline the stated default is taken, and the request and its decision are written down.
    """
    context, questions = runtime.context, state.get("questions") or []
    if not questions:
        number = int(state.get("visits", {}).get("clarification", 0)) + 1
        skipped = StageFinished(stage="clarification", status="skipped", seconds=0.0, cells=0, visit=number)
        await context.emit(skipped, f"clarification:{number}:skipped")
        return {"visits": {"clarification": number}, "goto": None, "trouble": None}
    async with visiting("clarification", "Questions", state, context) as visit:
        brief = dict(state["brief"])
        for number, question in enumerate(questions):
            decision = await context.ask(
                gate="clarification",
                stage="clarification",
                question=question["question"],
                payload=question,
                sha256="",
                key=f"{visit.key}:{number}",
            )
            brief = _answered(brief, question["field"], decision.get("value", question["default"]))
        return {"brief": brief, "questions": [], "visits": visit.entered(), "goto": None, "trouble": None}


def _answered(brief: dict[str, Any], name: str, value: Any) -> dict[str, Any]:
    """The brief with one field answered; an answer for a field that does not exist changes nothing."""
    if name not in brief:
        return brief
    if name == "task" and value != brief["task"]:
        brief = {**brief, "metric": DEFAULT_METRIC.get(str(value), brief["metric"])}
    if isinstance(brief[name], list) and not isinstance(value, list):
        value = [part.strip() for part in str(value).split(",") if part.strip()]
    return {**brief, name: value}


async def selection(state: AgentState, runtime: Runtime[RunContext]) -> dict[str, Any]:
    """Choose the candidate that goes to scoring: the simplest within noise of the best."""
    context = runtime.context
    candidates = list(state["candidates"].values())
    async with visiting("selection", "Choice", state, context) as visit:
        advice = recommend(candidates)
        why = str(advice["why"])
        await visit.reason("Take the simplest model within noise of the best. The sealed rows have no say in it.")
        decision: dict[str, Any] = {}
        if context.gates.approve == "always" or (context.gates.approve == "risky" and advice["within_noise"]):
            decision = await context.ask(
                gate="selection",
                stage="selection",
                question="Which candidate goes to the sealed holdout?",
                payload={"options": [c["name"] for c in candidates if not c["baseline"]], "default": advice["name"]},
                sha256="",
                key=visit.key,
            )
        name = decision.get("value") or advice["name"]
        if name not in state["candidates"] or state["candidates"][name]["baseline"]:
            name = advice["name"]
        await visit.tell(ChoiceMade(stage="selection", name=name, why=why, recommended=advice["name"]))
        chosen = {
            key: state["candidates"][name][key] for key in ("name", "model", "params", "score", "oof", "metric")
        }
        return {
            "choice": {**chosen, "why": why, "recommended": advice["name"]},
            "visits": visit.entered(),
            "goto": None,
            "trouble": None,
        }


async def circuit_breaker(state: AgentState, runtime: Runtime[RunContext]) -> dict[str, Any]:
    """After a stage could not be mended: drop it when the run can do without, else end with the work kept."""
    context, trouble = runtime.context, state.get("trouble") or {}
    stage = str(trouble.get("stage", ""))
    if stage in OPTIONAL:
        text = f"{stage} did not leave {trouble.get('missing')}; going on without it."
        await context.emit(Warned(stage=stage, code="stage_dropped", text=text), f"breaker:{stage}")
        return {"dropped": [*(state.get("dropped") or []), stage], "trouble": None, "goto": None}
    return {"error": _why_failed(stage, trouble), "trouble": None, "goto": None}


def _why_failed(stage: str, trouble: Mapping[str, Any]) -> dict[str, str]:
    told = trouble.get("error") or {}
    nested = told.get("error")
    if isinstance(nested, dict) and "code" in nested:
        return {key: str(nested[key]) for key in ("code", "given", "have", "try")}
    why = told.get("reason") or (nested or {}).get("message") or "it gave up"
    return RunError(
        "run.failed",
        given=f"{stage.replace('_', ' ')} did not leave {trouble.get('missing')}: {why}",
        have="The work so far is kept.",
        try_="%agent show ID shows the steps; change the goal, or try another model with -m.",
    ).to_dict()
