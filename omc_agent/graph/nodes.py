"""Stages that are no agents: what is asked, and what happens after three failures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langgraph.runtime import Runtime

from omc_agent.agents.answers import answered
from omc_agent.agents.context import FAILED, RunContext
from omc_agent.brief import Brief
from omc_agent.errors import RunError, UsageError
from omc_agent.events import BriefRead, Said, StageFinished, Warned
from omc_agent.graph.state import OPTIONAL, AgentState
from omc_agent.graph.visit import visiting
from omc_agent.request import ClarificationQuestion, ClarificationRequest, ClarificationResponse, Request

MAX_ROUNDS = 6  # a policy that always says "try again" must come to an end too
STOP, AGAIN, WITHOUT = "stop", "try again", "go on without it"


async def clarification(state: AgentState, runtime: Runtime[RunContext]) -> dict[str, Any]:
    """Ask what is ambiguous: once, at most three questions, each with a default.

    After retrieval it may ask once more, about poor data; an answer that changes the brief fetches again.
    """
    context, questions = runtime.context, state.get("questions") or []
    number = int(state.get("visits", {}).get("clarification", 0)) + 1
    if not questions:
        skipped = StageFinished(stage="clarification", status="skipped", seconds=0.0, cells=0, visit=number)
        await context.emit(skipped, f"clarification:{number}:skipped")
        return {"visits": {"clarification": number}, "goto": None, "trouble": None}
    async with visiting("clarification", "Questions", state, context) as visit:
        request = ClarificationRequest(
            questions=[ClarificationQuestion.model_validate(question) for question in questions[:3]],
            question="One question before it goes on" if len(questions) == 1 else "A few questions before the plan",
        )
        decision = await context.ask(request, visit.key)
        if decision.type == "reject":
            visit.status = "back"
            return {"error": _unanswered(decision.why), "visits": visit.entered(), "goto": None, "trouble": None}
        given = ClarificationResponse.model_validate(decision.model_dump()).answers
        defaults = {question.field: question.default for question in request.questions}
        changed = {name: answer for name, answer in given.items() if answer != defaults.get(name)}
        brief = _answered(state["brief"], given, changed)
        read = Brief.model_validate(brief)
        await visit.tell(BriefRead(stage="clarification", title=read.title(), brief=read.model_dump()))
        again = "data_retrieval" if state.get("sealed") and changed else None
        return {"brief": brief, "questions": [], "visits": visit.entered(), "goto": again, "trouble": None}


def _answered(brief: Mapping[str, Any], given: Mapping[str, str], changed: Mapping[str, str]) -> dict[str, Any]:
    """The brief with the answers, each that its field can take; a default that was taken stays an assumption."""
    made = dict(brief)
    for name, answer in given.items():
        try:
            made = answered(made, {name: answer})
        except UsageError:
            continue
    return {**made, "assumed": [name for name in brief["assumed"] if name not in changed]}


async def circuit_breaker(state: AgentState, runtime: Runtime[RunContext]) -> dict[str, Any]:
    """After a stage could not be mended ask: try again with guidance, go on without it, or stop."""
    context, trouble = runtime.context, state.get("trouble") or {}
    stage = str(trouble.get("stage", ""))
    visit = int(state.get("visits", {}).get(stage, 1))
    # What the data cannot give no round can mend: the person hears it in one line, and changes the goal.
    slip = str(_told(trouble).get("code", "")).startswith(("data.", "goal."))
    answer = STOP if slip else await _what_now(stage, trouble, context, f"breaker:{stage}:{visit}")
    if answer == WITHOUT and stage in OPTIONAL:
        text = f"{stage} did not leave {trouble.get('missing')}; going on without it."
        await context.emit(Warned(stage=stage, code="stage_dropped", text=text), f"breaker:{stage}")
        return {"dropped": [*(state.get("dropped") or []), stage], "trouble": None, "goto": None}
    if answer == STOP or visit > MAX_ROUNDS:
        return {"error": _why_failed(stage, trouble), "trouble": None, "goto": None}
    if answer != AGAIN:
        await context.emit(Said(stage=stage, text=answer), f"breaker:{stage}:{visit}:said")
    # The stage begins with new messages: what went wrong would be unknown to it.
    return {"trouble": None, "goto": stage, "texts": {f"{FAILED}{stage}": trouble.get("error") or {}}}


async def _what_now(stage: str, trouble: Mapping[str, Any], context: RunContext, key: str) -> str:
    default = WITHOUT if stage in OPTIONAL else STOP
    question = ClarificationQuestion(
        field="guidance",
        question=f"{stage.replace('_', ' ').capitalize()} did not leave {trouble.get('missing')}. What now?",
        context=_why_failed(stage, trouble)["given"],
        options=[default, AGAIN, *([STOP] if default != STOP else [])],
        default=default,
    )
    request = Request(gate="clarification", stage=stage, question=question.question, questions=[question])
    decision = await context.ask(request, key)
    if decision.type == "reject":
        return STOP
    return ClarificationResponse.model_validate(decision.model_dump()).answers.get("guidance", default)


def _unanswered(why: str) -> dict[str, str]:
    return RunError(
        "run.rejected",
        given=f"The questions were rejected{': ' + why if why else ''}.",
        have="Nothing was fetched yet.",
        try_="Say the goal in other words.",
    ).to_dict()


def _told(trouble: Mapping[str, Any]) -> dict[str, Any]:
    """The error inside of what the last tool answered."""
    nested = (trouble.get("error") or {}).get("error")
    return nested if isinstance(nested, dict) else {}


def _why_failed(stage: str, trouble: Mapping[str, Any]) -> dict[str, str]:
    told, nested = trouble.get("error") or {}, _told(trouble)
    if "code" in nested:
        return {key: str(nested[key]) for key in ("code", "given", "have", "try")}
    why = str(told.get("reason") or (nested or {}).get("message") or "it gave up").partition("\n")[0]
    return RunError(
        "run.failed",
        given=f"{stage.replace('_', ' ')} did not leave {trouble.get('missing')}: {why}",
        have="The work so far is kept.",
        try_="%agent show ID shows the steps; change the goal, or try another model with -m.",
    ).to_dict()
