"""Baselines first, then candidates, each scored by purged walk-forward; and the bounded search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.tools import BaseTool
from pydantic import ValidationError

from omc_agent.agents.base import BaseAgent, free_code_tool
from omc_agent.agents.context import Outcome, RunContext
from omc_agent.agents.decided import FOLLOW, decided, decided_model, decided_params, decided_space, overrides_of
from omc_agent.agents.middleware import StageState
from omc_agent.agents.toolbox import CellTool, as_told, render_call
from omc_agent.brief import CLASSIFIERS, REGRESSORS
from omc_agent.candidate import SIMPLE, SIMPLE_LINEAR, SIMPLE_TREE, SMALL_TREES, Candidate
from omc_agent.events import CandidateScored, Reason
from omc_agent.naming import model_name
from omc_agent.overrides import params_for
from omc_agent.tools.cross_validation import cross_validate_model

NAIVE = ("constant", "last", "reversal", "seasonal")


def _candidate(outcome: Outcome, name: str, oof: str, **more: Any) -> dict[str, Any]:
    """The claim of a child, checked for shape; nothing when it has none."""
    value = outcome.values.get(name)
    if not isinstance(value, dict) or oof not in outcome.frames:
        return {}
    # What a model is there for is the host's to say, not the child's.
    value = {**value, "simple": False, "yardstick": False}
    try:
        candidate = Candidate.model_validate({**value, "name": name, "oof": oof, **more})
    except ValidationError:
        return {}
    return {"candidates": {name: candidate.model_dump()}}


def _absorb_score(outcome: Outcome, into: list[str], state: dict[str, Any]) -> dict[str, Any]:
    update = _candidate(outcome, into[0], into[1])
    for name, found in update.get("candidates", {}).items():
        found["simple"] = found["model"] in SIMPLE
        found["yardstick"] = found["simple"] and not found["baseline"] and not _asked(state, found["model"])
        if (state.get("failed") or {}).get(name):
            update["failed"] = {name: None}  # it was tried again
    return update


def _asked(state: dict[str, Any], model: str) -> bool:
    """Whether the person named the model, or named none that fits the task and left the choice open."""
    brief = state["brief"]
    fitting = CLASSIFIERS if brief["task"] == "classification" else REGRESSORS
    named = [name for name in brief.get("models") or [] if name in fitting]
    return not named or model in named


def _lost_score(outcome: Outcome, into: list[str], arguments: dict[str, Any]) -> dict[str, Any]:
    """A candidate that could not be scored, with its reason; a child that died says nothing about a candidate."""
    error = outcome.error or {}
    if outcome.status not in ("error", "timeout", "memory", "output") or error.get("type") == "SandboxError":
        return {}
    why = str(error.get("message") or outcome.reason or outcome.status).strip().splitlines()[0][:300]
    why = why if why.endswith((".", "!")) else f"{why}."
    kept = {"name": into[0], "model": arguments.get("model"), "params": arguments.get("params") or {}}
    return {"failed": {into[0]: {**kept, "why": why, "cell": outcome.n}}}


def _absorb_search(outcome: Outcome, into: list[str], state: dict[str, Any]) -> dict[str, Any]:
    trials = outcome.frames.get(into[1], {}).get("rows", 1)
    update = _candidate(outcome, into[0], into[2], trials=trials)
    for found in update.get("candidates", {}).values():
        fixed, _ = params_for(overrides_of(state), found["model"])
        if any(found["params"].get(name) != value for name, value in fixed.items()):
            return {}  # the defaults won, and they are not what the person decided
    return update


def _folds(context: RunContext, state: dict[str, Any]) -> dict[str, Any]:
    task = state["brief"]["task"]  # of more than two classes the values alone do not say
    return {"metric": _metric(state), "n_splits": context.trust.folds, "seed": context.trust.seed, "task": task}


def _search(context: RunContext, state: dict[str, Any]) -> dict[str, Any]:
    # All trials are kept: the luck of the best is estimated from their out-of-fold predictions together.
    wall = {"wall": context.work.search_wall} if context.work.search_wall else {}
    return {**_folds(context, state), "trials": context.work.trials, "keep_trials": True, **wall}


def _metric(state: dict[str, Any]) -> str:
    return str(state["brief"]["metric"])


class ModelTrainingAgent(BaseAgent):
    """Naive rules and candidates on the same folds."""

    stage = "model_training"
    title = "Training"
    forgives = frozenset({"cross_validate_model"})
    task = "Score the naive rules, then the candidates, by purged walk-forward."
    prompt = f"""\
Stage: model_training. First score each naive rule ({", ".join(NAIVE)}) with cross_validate_model on
`features`, then the candidates: those the brief names, else all that suit the task and the size of the data and are
not avoided: linear models and a forest where rows are few or columns many for them, boosted trees where rows are
many. Say why for each. Give each its own name in `into`, that of the algorithm; only what cross_validate_model scored
is a candidate. Classification: {", ".join(CLASSIFIERS)}.
Regression: {", ".join(REGRESSORS)}.
Always score a linear model and small trees as well (random_forest; with few shallow trees where nobody asked for it):
they say whether complexity pays, and what you leave out of them is scored at the end of the stage all the same. A
candidate that fails is reported; go on with the others. Where `sealed.frame` is rows and `sealed.lags` is empty the
rows are no series, and constant is the only rule. Metric, folds and seed are fixed by the run. Search no
hyperparameters here: that is a later stage, with counted trials. The stage is done when rules and candidates are
scored.{FOLLOW}
Example: cross_validate_model {{"features": "features", "model": "constant", "into": "constant"}}
Example: cross_validate_model {{"features": "features", "model": "random_forest",
"params": {{"n_estimators": 25, "max_depth": 4}}, "into": "random_forest"}}"""

    def tools(self) -> Sequence[BaseTool]:
        """Walk-forward scoring, plain training to look at one model, free code."""
        fixed = ("n_splits", "seed", "metric", "name", "task")
        seeded = ("seed",)
        score = CellTool(
            "cross_validate_model",
            "model",
            ("candidate", "candidate_oof"),
            fixed=_folds,
            absorb=_absorb_score,
            hidden=fixed,
            lost=_lost_score,
        )
        train = [
            CellTool(f"train_{task}_model", "model", ("model",), fixed=_seed, hidden=seeded)
            for task in ("classification", "regression")
        ]
        return [
            decided(score.build(), decided_model),
            *(decided(tool.build(), decided_params) for tool in train),
            free_code_tool(),
        ]

    async def facts(self, state: StageState, context: RunContext) -> dict[str, Any]:
        """Brief, frames and whether there is time."""
        kinds = list((state.get("market", {}).get("kinds") or {}).values())
        known = {"sealed": as_told(state.get("sealed", {})), "text_columns": kinds.count("class")}
        return {**await super().facts(state, context), **known}

    def missing(self, state: StageState) -> str | None:
        """At least one scored candidate that is no baseline."""
        scored = [c for c in state.get("candidates", {}).values() if not c["baseline"]]
        return None if scored else "a scored candidate"

    async def complete(self, state: StageState, context: RunContext) -> dict[str, Any]:
        """The simple models, where the chat model left them out: they say whether complexity pays."""
        made: dict[str, Any] = {"candidates": {}, "failed": {}, "frames": {}, "cells": {}}
        for model, params in _simple_owed(state):
            for key, value in (await _score_beside(model, params, state, context)).items():
                made[key].update(value)
        return {key: value for key, value in made.items() if value}


def _simple_owed(state: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The simple models that nobody scored and no person left out, with their parameters."""
    overrides, brief = overrides_of(state), state["brief"]
    tried = {each["model"] for each in state.get("candidates", {}).values()}
    tried |= {each["model"] for each in (state.get("failed") or {}).values() if each}
    avoided = {*(brief.get("avoid_models") or []), *overrides.get("avoid_models", ())}
    fitting = CLASSIFIERS if brief["task"] == "classification" else REGRESSORS
    lines = [name for name in (SIMPLE_LINEAR[brief["task"]], *sorted(SIMPLE - {SIMPLE_TREE})) if name in fitting]
    free = [name for name in lines if name not in avoided]
    owed: list[tuple[str, dict[str, Any]]] = [(free[0], {})] if free and not tried & set(lines) else []
    if SIMPLE_TREE not in {*tried, *avoided} and "models" not in overrides:  # a list made by hand is kept to
        owed.append((SIMPLE_TREE, dict(SMALL_TREES)))
    return [(name, {**params, **params_for(overrides, name)[0]}) for name, params in owed]


async def _score_beside(
    model: str, params: dict[str, Any], state: StageState, context: RunContext
) -> dict[str, dict[str, Any]]:
    """One more cell by the host's hand, recorded like any other; its key is the same after a kill."""
    entered = state["entered"]
    key = f"{entered['stage']}:{entered['visit']}:beside:{model}"
    name = model if model not in state.get("candidates", {}) else f"{model}_simple"
    into = [name, f"{name}_oof"]
    given = {"features": "features", "model": model, **({"params": params} if params else {})}
    said = f"Score {model_name(model)} beside them: it says whether complexity pays."
    await context.emit(Reason(stage=entered["stage"], text=said), f"{key}:reason")
    code = render_call(cross_validate_model, {**given, **_folds(context, dict(state))}, ["features"], into)
    outcome = await context.run_cell(code, key=key, kind="model", into=into, entered=entered)
    place = {"stage": entered["stage"], "visit": entered["visit"]}
    cells = {str(outcome.n): {**place, "status": outcome.status}}
    if not outcome.ok:
        return {"cells": cells, **_lost_score(outcome, into, given)}
    update = _absorb_score(outcome, into, dict(state))
    for each in update.get("candidates", {}).values():
        await context.emit(CandidateScored(stage=entered["stage"], candidate=each), f"{key}:scored")
    frames = {each: {**ref, **place, "cell": outcome.n} for each, ref in outcome.frames.items()}
    return {"cells": cells, "frames": frames, **update}


def _seed(context: RunContext, state: dict[str, Any]) -> dict[str, Any]:
    return {"seed": context.trust.seed}


class TuningAgent(BaseAgent):
    """A bounded search, counted in trials so that it is reproducible."""

    stage = "hyperparameter_tuning"
    title = "Tuning"
    task = "Search hyperparameters of the proposed model."
    prompt = f"""\
Stage: hyperparameter_tuning. Call tune_hyperparameters once, on `features`, for the algorithm in `proposal.model`;
it leaves a candidate, so name it after the algorithm, with `_tuned` at its end. Every trial is scored on the same
purged folds; the number of trials is fixed by the run and counts against the claimed score. Its `gain` compares the
best trial with the defaults on the same folds: without a gain beyond noise the untuned model is kept. The stage is
done after one search; the evaluation comes again.{FOLLOW}
Example: tune_hyperparameters {{"features": "features", "model": "xgboost", "into": "xgboost_tuned"}}"""

    def tools(self) -> Sequence[BaseTool]:
        """The search."""
        search = CellTool(
            "tune_hyperparameters",
            "model",
            ("tuned", "tuned_trials", "tuned_oof"),
            fixed=_search,
            absorb=_absorb_search,
            hidden=("n_splits", "seed", "metric", "trials", "space", "keep_trials", "wall", "task"),
            shown="print({0}['gain']['text'], {0}['stopped'])",
        )
        return [decided(search.build(), decided_space)]

    async def facts(self, state: StageState, context: RunContext) -> dict[str, Any]:
        """Brief, frames, and the proposal of the evaluation."""
        return {**await super().facts(state, context), "proposal": state.get("proposal", {})}
