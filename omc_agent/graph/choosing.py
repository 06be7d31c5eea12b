"""The choice: candidates side by side, what speaks for and against each, and which of them goes to scoring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langgraph.runtime import Runtime

from omc_agent.agents.answers import answered
from omc_agent.agents.context import RunContext
from omc_agent.agents.middleware import taken_up
from omc_agent.candidate import sign_of
from omc_agent.errors import RunStopped
from omc_agent.events import ChoiceMade
from omc_agent.graph.state import AgentState
from omc_agent.graph.visit import Visit, visiting
from omc_agent.naming import model_name
from omc_agent.request import Decision, Option, Request
from omc_agent.tools.evaluation import recommend

_LINEAR = frozenset({"logistic_regression", "linear", "ridge", "lasso"})
_SEEN = ("name", "model", "params", "metric", "score", "low", "high", "folds", "fit_seconds", "predict_seconds",
         "baseline")  # fmt: skip

Candidate = Mapping[str, Any]


async def selection(state: AgentState, runtime: Runtime[RunContext]) -> dict[str, Any]:
    """Choose the candidate that goes to scoring; a person may take another, train others, or stop."""
    context = runtime.context
    taken = taken_up(state, context)
    candidates = {name: dict(each) for name, each in state["candidates"].items()}
    async with visiting("selection", "Choice", state, context) as visit:
        advice = recommend(list(candidates.values()))
        await visit.reason("Take the simplest model within noise of the best. The sealed rows have no say in it.")
        wanted = {**state.get("overrides", {}), **taken.get("overrides", {})}.get("choice")
        if wanted in candidates and not candidates[wanted]["baseline"]:
            decision = Decision(value=wanted)
        else:
            decision = await _asked(state, context, candidates, advice, visit)
        ended = {"visits": visit.entered(), "trouble": None, **taken}
        if decision.type == "reject":
            visit.status = "back"
            return {**ended, "goto": None, "error": _stopped(decision).to_dict()}
        if decision.type == "edit" and isinstance(decision.value, dict):
            visit.status = "back"
            again = answered(state["brief"], decision.value)
            return {**ended, "goto": "model_training", "brief": again, "overrides": {"choice": "", **decision.value}}
        name = decision.value if decision.value in candidates else advice["name"]
        name = advice["name"] if candidates[name]["baseline"] else name
        why = str(advice["why"]) if name == advice["name"] else "Chosen by a person."
        await visit.tell(ChoiceMade(stage="selection", name=name, why=why, recommended=advice["name"]))
        keys = ("name", "model", "params", "score", "oof", "metric")
        chosen = {**{key: candidates[name][key] for key in keys}, "why": why, "recommended": advice["name"]}
        return {**ended, "goto": None, "choice": chosen}


async def _asked(
    state: AgentState,
    context: RunContext,
    candidates: Mapping[str, Candidate],
    advice: Mapping[str, Any],
    visit: Visit,
) -> Decision:
    """Ask when it matters: always, or when the score alone does not choose."""
    if context.gates.approve != "always" and not (context.gates.approve == "risky" and advice["within_noise"]):
        return Decision(value=advice["name"])
    models = [each for each in candidates.values() if not each["baseline"]]
    request = Request(
        gate="selection",
        stage="selection",
        question="Which candidate goes to the sealed holdout?",
        context=str(advice["why"]),
        effect="Opens the holdout once, with the candidate you choose. A second look at the same rows counts.",
        options=options_for(models, str(advice["name"])),
        default=str(advice["name"]),
        candidates=[{key: each[key] for key in _SEEN if key in each} for each in candidates.values()],
        changes={
            "models": sorted({str(each["model"]) for each in models if not each.get("yardstick")}),
            "metric": state["brief"]["metric"],
        },
    )
    return await context.ask(request, visit.key)


def options_for(models: Sequence[Candidate], recommended: str) -> list[Option]:
    """Each candidate with its pros and cons, the recommended one first.

    Examples
    --------
    >>> one = {"name": "ridge", "model": "ridge", "score": 0.1, "low": 0.0, "high": 0.2, "fit_seconds": 0.02}
    >>> options_for([one], "ridge")[0].pros
    ['its coefficients can be read', 'fastest to fit (0.02 s)']
    """
    fastest = min(float(each["fit_seconds"]) for each in models)
    best = max(models, key=lambda each: float(each["score"]) * sign_of(each.get("metric")))
    options = [
        Option(
            value=str(each["name"]),
            label=model_name(str(each["name"])),
            note="recommended" if each["name"] == recommended else "",
            pros=_pros(each, fastest, alone=len(models) == 1, best=each is best),
            cons=_cons(each, fastest),
        )
        for each in models
    ]
    return sorted(options, key=lambda option: option.value != recommended)


def _pros(each: Candidate, fastest: float, *, alone: bool, best: bool) -> list[str]:
    pros = ["its coefficients can be read"] if each["model"] in _LINEAR else []
    pros += ["best score on the development rows"] if best and not alone else []
    pros += [f"fastest to fit ({each['fit_seconds']:.2g} s)"] if each["fit_seconds"] == fastest else []
    return pros


def _cons(each: Candidate, fastest: float) -> list[str]:
    cons = [] if each["model"] in _LINEAR else ["many trees: only importances can be read"]
    trials = int(each.get("trials", 1))
    cons += [f"best of {trials} trials, so its score is flattered"] if trials > 1 else []
    ratio = float(each["fit_seconds"]) / max(fastest, 1e-9)
    cons += [f"{ratio:.0f} times as long to fit"] if ratio >= 3 else []
    return cons


def _stopped(decision: Decision) -> RunStopped:
    return RunStopped(
        "run.rejected",
        given=f"Stopped at the choice{': ' + decision.why if decision.why else ''}.",
        have="The holdout was not opened, and the work is kept.",
        try_="%agent restart ID --from model_training models=NAME trains others.",
    )
