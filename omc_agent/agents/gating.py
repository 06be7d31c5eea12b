"""Which calls of an agent a person is asked about, and what their answer does to the call.

Free code is asked about by itself; a stage's plan once, at its first step, under ``--approve always``. Calls inside
an approved plan pass.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import ToolMessage
from langgraph.types import Command

from omc_agent.agents.answers import answered
from omc_agent.agents.context import RunContext
from omc_agent.agents.free_code import FREE_CODE as FREE_CODE
from omc_agent.agents.free_code import refused_call
from omc_agent.brief import Brief
from omc_agent.errors import RunStopped
from omc_agent.overrides import INDICATORS
from omc_agent.request import Decision, Request, words_of

SUBMIT_PLAN = "submit_plan"
STAGE_GATES = {"feature_engineering": "features", "model_training": "models", "hyperparameter_tuning": "models"}
_QUESTIONS = {
    "features": "Make these features?",
    "models": "Train these models?",
    "scope": "Go on with this plan?",
    "code": "Run this code, which the model wrote?",
}

State = Mapping[str, Any]
Call = Mapping[str, Any]


def request_for(
    stage: str, call: Call, state: State, context: RunContext, *, host: bool, held: bool = True
) -> Request | None:
    """What a person has to be asked before `call` runs; None when it passes.

    Parameters
    ----------
    stage : str
        The agent's stage.
    call : mapping
        The tool call: `name` and `args`.
    state : mapping
        The agent's state: what was allowed before stands in `allowed`.
    context : RunContext
        Its `gates`.
    host : bool
        Whether the call makes no cell.
    held : bool
        Whether a wall holds the code: what was allowed for the rest of a run was allowed behind a wall.
    """
    allowed = state.get("allowed", {})
    if call["name"] == FREE_CODE:
        if allowed.get("code") and held:
            return None
        # What will not be run is not asked about: the tool answers it.
        return None if refused_call(call["args"], state) else _code(stage, call, state)
    if context.gates.approve != "always":
        return None
    if call["name"] == SUBMIT_PLAN:
        return _scope(call, state)
    gate = STAGE_GATES.get(stage)
    if gate is None or host or allowed.get(f"{gate}:{stage}"):
        return None
    return _stage_plan(gate, stage, state, context)


def rejected(request: Request, decision: Decision, call: Call, state: State) -> Command[Any]:
    """The call is not run: free code is told so to the model, a tuning is left out, any other plan ends the run."""
    why = decision.why or "no reason given"
    update: dict[str, Any] = {"messages": [_told(call, f"A person rejected this: {why}", ok=False)]}
    if request.stage == "hyperparameter_tuning":
        update["dropped"] = [*(state.get("dropped") or []), request.stage]
        update["allowed"] = {f"models:{request.stage}": True}
    elif request.gate != "code":
        update["error"] = RunStopped(
            "run.rejected",
            given=f"The plan of {request.stage.replace('_', ' ')} was rejected: {why}.",
            have="The work so far is kept.",
            try_=f"%agent restart ID --from {request.stage} KEY=VALUE goes on another way.",
        ).to_dict()
    return Command(update=update)


def changed(request: Request, decision: Decision, call: Call, state: State) -> Command[Any]:
    """The person changed what the stage works with: it begins anew with that, and is not asked about again."""
    text = f"A person {words_of(decision)}. The stage begins anew with that."
    return Command(
        update={
            "messages": [_told(call, text, ok=True)],
            "brief": answered(state["brief"], decision.value),
            "overrides": dict(decision.value),
            "allowed": {f"{request.gate}:{request.stage}": True},
            "goto": request.stage,
        }
    )


def edited(decision: Decision, call: Call) -> dict[str, Any]:
    """The arguments that run in place of those of the model."""
    if decision.code is not None:
        return {**call["args"], "code": decision.code}
    if decision.plan is not None:
        return {**call["args"], "steps": decision.plan}
    return dict(call["args"])


def granted(request: Request, decision: Decision) -> dict[str, Any]:
    """The state update of an approval: what is allowed is state, so a setting that changes later runs nothing."""
    if request.gate == "code":
        return {"allowed": {"code": True}} if decision.rest else {}
    update: dict[str, Any] = {"allowed": {f"{request.gate}:{request.stage}": True}}
    if decision.plan is not None:
        update["texts"] = {"plan_notes": _notes(request.plan, decision.plan)}
    return update


def _notes(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """What a person wrote into the plan, by stage: the stage's agent is told so."""
    known = {(step["stage"], step["detail"]) for step in before}
    notes: dict[str, list[str]] = {}
    for step in after:
        if (step["stage"], step["detail"]) not in known:
            notes.setdefault(str(step["stage"]), []).append(str(step["detail"]))
    return notes


def effect_words(steps: Sequence[Mapping[str, Any]]) -> str:
    """What steps of a plan do, summed up.

    Examples
    --------
    >>> effect_words([{"rows": 25920, "minutes": 0.5}, {"fits": 20, "minutes": 1}])
    'reads 25,920 rows, 20 fits, about 1.5 min'
    """

    def total(name: str) -> float:
        return sum(float(step.get(name) or 0) for step in steps)

    parts = [f"reads {total('rows'):,.0f} rows"] if total("rows") else []
    parts += [f"makes {total('columns'):,.0f} columns"] if total("columns") else []
    parts += [f"{total('fits'):,.0f} fits"] if total("fits") else []
    parts += [f"about {max(0.1, total('minutes')):.2g} min"] if total("minutes") else []
    parts += [f"${total('usd'):.2f}"] if total("usd") else []
    return ", ".join(parts)


def _code(stage: str, call: Call, state: State) -> Request:
    args = call["args"]
    frames = ", ".join(sorted(state.get("frames", {}))) or "no frame"
    leaves = ", ".join(args.get("into") or []) or "nothing"
    kind = {"transform": "It is replayed for scoring.", "fit": "What it learns is kept."}.get(
        str(args.get("kind")), "It only looks; it is not replayed for scoring."
    )
    return Request(
        gate="code",
        stage=stage,
        question=_QUESTIONS["code"],
        context=f"The model wants to go where no tool of the house reaches. {kind}",
        effect=f"Runs in the sandbox on {frames}; leaves {leaves}.",
        code=str(args.get("code", "")),
        rest=True,
    )


def _scope(call: Call, state: State) -> Request:
    steps = [dict(step) if isinstance(step, Mapping) else step.model_dump() for step in call["args"].get("steps", [])]
    title = Brief.model_validate(state["brief"]).title()
    return Request(gate="scope", stage="planning", question=_QUESTIONS["scope"], context=f"{title}.",
                   effect=effect_words(steps), plan=steps, default="approve")  # fmt: skip


def _stage_plan(gate: str, stage: str, state: State, context: RunContext) -> Request:
    steps = [step for step in state.get("plan", []) if step["stage"] == stage]
    overrides, brief = state.get("overrides", {}), state["brief"]
    if gate == "features":
        changes = {
            "indicators": brief["indicators"] or list(INDICATORS),
            "lags": overrides.get("lags", [1, 3, 12]),
            "windows": overrides.get("windows", [12, 48]),
            "drop": overrides.get("drop", []),
        }
    elif stage == "hyperparameter_tuning":
        changes = {"trials": context.work.trials}
    else:
        changes = {"models": brief["models"], "avoid_models": brief["avoid_models"], "metric": brief["metric"],
                   "folds": context.trust.folds}  # fmt: skip
    folds = f"{context.trust.folds} folds of the purged walk-forward. " if gate == "models" else ""
    return Request(
        gate=gate,
        stage=stage,
        question=_QUESTIONS[gate],
        context=folds.strip(),
        effect=effect_words(steps),
        plan=steps,
        changes=changes,
        default="approve",
    )


def _told(call: Call, text: str, *, ok: bool) -> ToolMessage:
    status = "ok" if ok else "rejected"
    content = json.dumps({"status": status, "output": text})
    return ToolMessage(content, tool_call_id=call["id"], name=call["name"], status="success" if ok else "error")
