"""The holdout is opened, once, after the choice is frozen; our code scores it and calls the verdict.

In a fresh sandbox the chosen cells are replayed on development (fit included) and the model is trained; only then
the sealed bars enter. Labels are made here on the host from the host's own bars, so a child cannot write them.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pandas as pd
from langgraph.runtime import Runtime

from omc_agent.agents.context import Bench, RunContext
from omc_agent.brief import Brief
from omc_agent.errors import SandboxError
from omc_agent.events import LeakTested, VerdictCalled, Warned
from omc_agent.graph.leak_test import TRANSFORM, find_leaks
from omc_agent.graph.state import AgentState
from omc_agent.graph.visit import Visit, visiting
from omc_agent.tools import leakage
from omc_agent.tools.analysis import clean_data
from omc_agent.tools.features import prepare_table
from omc_agent.tools.targets import fit_median_volatility, make_target
from omc_agent.tools.verdict import Verdict, call_verdict, explain

SIMPLE = {"classification": "logistic_regression", "regression": "ridge"}
TRAINERS = {"classification": "train_classification_model", "regression": "train_regression_model"}


async def scoring(state: AgentState, runtime: Runtime[RunContext]) -> dict[str, Any]:
    """Freeze, open, replay, predict, score."""
    context, brief = runtime.context, Brief.model_validate(state["brief"])
    async with visiting("scoring", "Scoring", state, context) as visit:
        await visit.reason(
            f"The choice is frozen: {state['choice']['name']}. Replay its cells on development rows in a fresh"
            " sandbox, train it, then open the sealed rows once and score them on the host."
        )
        frozen = _frozen(state, context)
        sealed, opened = await context.open_sealed(frozen)
        name = state["sealed"]["frame"]
        development = await context.load_frame(str(state["frames"][name]["sha"]))
        try:
            scored, leaks = await _score(context, visit, state, brief, development, sealed)
            verdict = await _verdict(context, state, brief, scored, opened, leaks=bool(leaks), replay_ok=True)
        except SandboxError as error:
            await visit.tell(Warned(stage=visit.stage, code="replay", text=error.line()))
            verdict = await _verdict(context, state, brief, None, opened, leaks=False, replay_ok=False)
        headline, sentence = explain(verdict, brief.model_dump())
        values = verdict.model_dump()
        await visit.tell(VerdictCalled(stage=visit.stage, verdict=values, headline=headline, sentence=sentence))
        said = {"headline": headline, "sentence": sentence}
        return {
            "verdict": values,
            "texts": {"verdict": said},
            "visits": visit.entered(),
            "goto": None,
            "trouble": None,
        }


def _frozen(state: AgentState, context: RunContext) -> dict[str, Any]:
    """What is fixed before opening, with its fingerprint."""
    choice = {key: state["choice"][key] for key in ("name", "model", "params")}
    features = state["frames"]["features"]["sha"]
    frozen = {"choice": choice, "features": features, "seed": context.trust.seed, "brief": state["brief"]}
    digest = hashlib.sha256(json.dumps(frozen, sort_keys=True).encode()).hexdigest()
    return {**frozen, "sha256": digest}


async def _score(
    context: RunContext,
    visit: Visit,
    state: AgentState,
    brief: Brief,
    development: pd.DataFrame,
    sealed: pd.DataFrame,
) -> tuple[pd.DataFrame, list[Any]]:
    """Predictions of the frozen model on the sealed rows, beside labels made on the host."""
    name, choice = state["sealed"]["frame"], state["choice"]
    reference = await context.load_frame(str(state["frames"]["features"]["sha"]))
    joined = pd.concat([development, sealed]).sort_index()  # labels of bars are in the order of coin and time
    trainer, simple = TRAINERS[brief.task], SIMPLE[brief.task]
    seed = context.trust.seed
    async with context.fresh_box() as bench:
        await bench.replay({name: development}, ["features"], kinds=("transform", "fit"))
        lines = [
            f"model = {trainer}(features, model={choice['model']!r}, params={choice['params']!r}, seed={seed})",
            f"simple = {trainer}(features, model={simple!r}, seed={seed})",
            "save_model(model, 'model.skops')",
            "save_model(simple, 'simple.skops')",
        ]
        await bench.run("\n".join(lines), key=f"{visit.key}:train", kind="model")
        # Only now do the sealed bars enter; fit cells are not run again, their recorded state is read.
        replayed = (await bench.replay({name: joined}, ["features"], kinds=TRANSFORM))["features"]
        await _check_replay(reference, replayed, brief)
        lines = [
            "predictions = predict(load_model('model.skops'), features).to_frame('prediction')",
            "predictions['simple'] = predict(load_model('simple.skops'), features)",
        ]
        await bench.run("\n".join(lines), key=f"{visit.key}:predict", kind="model")
        predictions = (await bench.get("predictions")).reindex(sealed.index)
        model_file = await bench.take_file("model.skops")
        leaks = await _sealed_leaks(context, visit, bench, name, joined, replayed, sealed, brief)
    visit.cells = 2
    await context.save_artifact("model.skops", model_file.read_bytes())
    scored = _label(joined, development.index, brief).reindex(sealed.index)
    return scored.join(predictions), leaks


async def _check_replay(reference: pd.DataFrame, replayed: pd.DataFrame, brief: Brief) -> None:
    """Development features must come back within 1e-9 when the sealed rows stand behind them."""
    if list(reference.columns) != list(replayed.columns):
        raise SandboxError(
            "sandbox.replay",
            given="The replay on development and holdout gave other columns.",
            have=f"{len(reference.columns)} columns before, {len(replayed.columns)} now.",
            try_="Choose columns in a fit cell, and store the choice with save_state.",
        )
    if "timestamp" not in reference:
        same = leakage.compare(reference, replayed.reindex(reference.index), None, brief.horizon)
    else:
        same = leakage.compare(reference, replayed, reference["timestamp"].max(), brief.horizon)
    if same:
        raise SandboxError(
            "sandbox.replay",
            given=f"{same[0].column} changed when the sealed rows were joined.",
            have="Features of development rows must not depend on later rows.",
            try_="A statistic of the whole frame belongs in a fit cell.",
        )


async def _sealed_leaks(
    context: RunContext,
    visit: Visit,
    bench: Bench,
    name: str,
    joined: pd.DataFrame,
    replayed: pd.DataFrame,
    sealed: pd.DataFrame,
    brief: Brief,
) -> list[Any]:
    """The leak test again, with cuts inside the holdout: a feature leak scores as well there as in development."""
    if "timestamp" not in joined:
        return []
    cuts = leakage.cut_points(sealed, k=max(4, context.trust.leak_cuts // 2), seed=context.trust.seed)
    findings = await find_leaks(bench, name, joined, replayed, cuts, brief.horizon)
    told = [finding.to_dict() for finding in findings]
    event = LeakTested(
        stage=visit.stage, where="holdout", cuts=2 * len(cuts), columns=replayed.shape[1], findings=told
    )
    await visit.tell(event)
    return findings


def _label(joined: pd.DataFrame, development: pd.Index[Any], brief: Brief) -> pd.DataFrame:
    """Labels and naive scores of all rows, made on the host from the host's own bars."""
    if "close" not in joined or not brief.is_price_target:
        return prepare_table(joined, brief.target)[["target"]]
    bars = clean_data(joined)
    threshold = brief.threshold
    if brief.target == "volatility":
        threshold = None
        if brief.task == "classification":
            threshold = fit_median_volatility(bars.loc[development], brief.horizon)
    target = make_target(bars, target=brief.target, horizon=brief.horizon, threshold=threshold)
    return bars[["coin", "timestamp"]].join(target)


async def _verdict(
    context: RunContext,
    state: AgentState,
    brief: Brief,
    scored: pd.DataFrame | None,
    opened: int,
    *,
    leaks: bool,
    replay_ok: bool,
) -> Verdict:
    choice = state["choice"]
    candidates = [c for c in state["candidates"].values() if not c["baseline"]]
    frames = {c["oof"]: state["frames"][c["oof"]]["sha"] for c in candidates if c["oof"] in state["frames"]}
    oof = {name: await context.load_frame(str(sha)) for name, sha in frames.items()}
    features = await context.load_frame(str(state["frames"]["features"]["sha"]))
    naive = [column for column in ("naive_last", "naive_day") if column in features]
    development = oof[choice["oof"]].join(features[naive])
    return call_verdict(
        scored,
        development,
        task=brief.task,
        horizon=brief.horizon,
        claimed=choice["score"],
        trials=sum(int(c["trials"]) for c in candidates),
        opened=opened,
        leak=leaks,
        replay_ok=replay_ok,
        seed=context.trust.seed,
        oof_trials=list(oof.values()),
    )
