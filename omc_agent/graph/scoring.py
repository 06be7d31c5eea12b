"""The holdout is opened, once, after the choice is frozen; our code scores it and calls the verdict.

In a fresh sandbox the chosen cells are replayed on development (fit included) and the model is trained; only then
the opening is written and the sealed bars enter. Labels are made here on the host from the host's own bars, so a
child cannot write them.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import pandas as pd
from langgraph.runtime import Runtime

from omc_agent.agents.context import Bench, RunContext
from omc_agent.agents.data_analyst import table_facts
from omc_agent.brief import Brief
from omc_agent.errors import SandboxError
from omc_agent.events import LeakTested, VerdictCalled, Warned
from omc_agent.graph.leak_test import TRANSFORM, find_leaks, horizon_of, told
from omc_agent.graph.state import AgentState
from omc_agent.graph.visit import Visit, visiting
from omc_agent.naming import model_name
from omc_agent.tools import leakage
from omc_agent.tools.analysis import clean_data
from omc_agent.tools.description import SIMPLE_PREFIX, describe_sealed
from omc_agent.tools.grouping import GROUP
from omc_agent.tools.metrics import HIGHER_IS_BETTER
from omc_agent.tools.naive import NAIVE_COLUMNS
from omc_agent.tools.rule import ALPHA_SHRINKS, DecisionRule, freeze_rule
from omc_agent.tools.table_features import prepare_table
from omc_agent.tools.targets import fit_median_volatility, make_target
from omc_agent.tools.tuning import trial_frames
from omc_agent.tools.verdict import Verdict, call_verdict
from omc_agent.tools.verdict_words import explain, say_more

LINEAR = frozenset({"logistic_regression", "linear", "ridge", "lasso"})
# A linear model and small trees, with their defaults: what complexity has to pay for. Linear first.
SIMPLE = {
    "classification": ("logistic_regression", "gradient_boosting"),
    "regression": ("ridge", "gradient_boosting"),
}


@dataclass
class Scored:
    """What became of one opening; `rows` is empty when the replay failed."""

    rows: pd.DataFrame = field(default_factory=lambda: pd.DataFrame({"target": [], "prediction": []}))
    leaks: list[Any] = field(default_factory=list)
    opened: int = 0
    replay_ok: bool = False


@dataclass
class Case:
    """All that scoring needs of the run, read once."""

    context: RunContext
    visit: Visit
    state: AgentState
    brief: Brief
    name: str
    development: pd.DataFrame
    features: pd.DataFrame
    oof: pd.DataFrame

    @cached_property
    def rule(self) -> DecisionRule:
        """The rule at a first opening, from development rows."""
        horizon, seed = _horizon(self), self.context.trust.seed
        return freeze_rule(self.oof, task=self.brief.task, horizon=horizon, seed=seed)

    def rule_at(self, opened: int) -> DecisionRule:
        """The same rule at the level of a later opening; nothing else of it changes."""
        return replace(self.rule, alpha=self.rule.alpha / ALPHA_SHRINKS ** (max(opened, 1) - 1))


async def scoring(state: AgentState, runtime: Runtime[RunContext]) -> dict[str, Any]:
    """Freeze, replay, train, open, predict, score."""
    context, brief = runtime.context, Brief.model_validate(state["brief"])
    async with visiting("scoring", "Scoring", state, context) as visit:
        await visit.reason(
            f"The choice is frozen: {model_name(state['choice']['name'])}. Replay its cells on development rows in a"
            " fresh sandbox, train it, then open the sealed rows once and score them on the host."
        )
        case = await _read_case(context, visit, state, brief)
        scored = Scored()
        try:
            await _score(case, scored)
        except SandboxError as error:
            scored = Scored(opened=scored.opened)
            await visit.tell(Warned(stage=visit.stage, code="replay", text=error.line()))
        verdict = await _verdict(case, scored)
        details = _describe(case, scored, verdict)
        headline, sentence = explain(verdict, brief.model_dump(), details)
        if details:
            details["more"] = say_more(verdict, details)
        values = verdict.model_dump()
        said: dict[str, Any] = {"headline": headline, "sentence": sentence, "details": details}
        await visit.tell(VerdictCalled(stage=visit.stage, verdict=values, **said))
        return {
            "verdict": values,
            "texts": {"verdict": said},
            "visits": visit.entered(),
            "goto": None,
            "trouble": None,
        }


async def _read_case(context: RunContext, visit: Visit, state: AgentState, brief: Brief) -> Case:
    frames, name = state["frames"], state["sealed"]["frame"]
    features = await context.load_frame(str(frames["features"]["sha"]))
    oof = await context.load_frame(str(frames[state["choice"]["oof"]]["sha"]))
    naive = [column for column in NAIVE_COLUMNS if column in features]
    development = await context.load_frame(str(frames[name]["sha"]))
    return Case(context, visit, state, brief, name, development, features, oof.join(features[naive]))


def _frozen(case: Case) -> dict[str, Any]:
    """What is fixed before opening (choice, features, reference, delta), with its fingerprint."""
    state, seed = case.state, case.context.trust.seed
    frozen = {
        "choice": {key: state["choice"][key] for key in ("name", "model", "params")},
        "features": state["frames"]["features"]["sha"],
        "seed": seed,
        "brief": state["brief"],
        # The level is known when the openings are counted; how it shrinks is fixed here.
        "rule": {**case.rule.to_dict(), "shrinks": ALPHA_SHRINKS},
    }
    digest = hashlib.sha256(json.dumps(frozen, sort_keys=True).encode()).hexdigest()
    return {**frozen, "sha256": digest}


async def _score(case: Case, scored: Scored) -> None:
    """Fill `scored`: predictions of the frozen model on the sealed rows, beside labels made on the host."""
    context, visit, brief = case.context, case.visit, case.brief
    frozen = _frozen(case)
    async with context.fresh_box() as bench:
        await _train(case, bench)
        # Only now: the opening is written first, a resumed run continues the same one.
        sealed, scored.opened = await context.open_sealed(frozen)
        # Labels of bars are in the order of coin and time, so this is the order they had before the cut.
        joined = pd.concat([case.development, sealed]).sort_index()
        replayed = (await bench.replay({case.name: joined}, ["features"], kinds=TRANSFORM))["features"]
        _check_replay(case.features, replayed, brief)
        lines = [
            "predictions = predict_frame(load_model('model.skops'), features)",
        ]
        lines += [
            f"predictions = predictions.join(predict_frame(load_model('{SIMPLE_PREFIX}{n}.skops'), features,"
            f" '{SIMPLE_PREFIX}{n}'))"
            for n in SIMPLE[brief.task]
        ]
        await bench.run("\n".join(lines), key=f"{visit.key}:predict", kind="model")
        predictions = (await bench.get("predictions")).reindex(sealed.index)
        model_file = await bench.take_file("model.skops")
        scored.leaks = await _sealed_leaks(case, bench, joined, replayed, sealed)
    visit.cells = 2
    await context.save_artifact("model.skops", model_file.read_bytes())
    scored.rows = _label(case, joined).reindex(sealed.index).join(predictions)
    if simple := simple_rival(case.state, brief.task):
        rival = f"{SIMPLE_PREFIX}{simple}"
        held = [name for name in scored.rows if name == rival or str(name).startswith(f"{rival}_p_")]
        scored.rows = scored.rows.join(scored.rows[held].rename(columns=lambda name: name.replace(rival, "simple")))
    scored.replay_ok = True


async def _train(case: Case, bench: Bench) -> None:
    """Replay on development rows, fit cells included, and train the frozen choice and the simple model."""
    choice, task, seed = case.state["choice"], case.brief.task, case.context.trust.seed
    again = await bench.replay({case.name: case.development}, ["features"], kinds=("transform", "fit"))
    _check_replay(case.features, again["features"], case.brief)
    trainer = f"train_{task}_model"
    lines = [
        f"model = {trainer}(features, model={choice['model']!r}, params={choice['params']!r}, seed={seed})",
        "model_sha256 = save_model(model, 'model.skops')",
    ]
    for name in SIMPLE[task]:
        lines += [
            f"{SIMPLE_PREFIX}{name} = {trainer}(features, model={name!r}, seed={seed})",
            f"{SIMPLE_PREFIX}{name}_sha256 = save_model({SIMPLE_PREFIX}{name}, '{SIMPLE_PREFIX}{name}.skops')",
        ]
    await bench.run("\n".join(lines), key=f"{case.visit.key}:train", kind="model")


def simple_rival(state: Mapping[str, Any], task: str) -> str:
    """The simple model that the choice has to beat, chosen on development rows; "" when it is simple itself.

    The choice is measured against what is simpler than itself, never against itself. A simple model that was no
    candidate has no development score, so the linear one goes first then.
    """
    linear, trees = SIMPLE[task]
    choice = state["choice"]
    tuned = bool(choice.get("params"))
    if choice["model"] in LINEAR:
        return linear if choice["model"] != linear or tuned else ""
    if choice["model"] == trees and not tuned:
        return linear
    sign = 1.0 if HIGHER_IS_BETTER.get(str(choice.get("metric", "roc_auc")), True) else -1.0
    scores = {
        each["model"]: sign * float(each["score"])
        for each in state["candidates"].values()
        if not each["baseline"] and not each.get("params") and each["model"] in SIMPLE[task]
    }
    return trees if scores.get(trees, -math.inf) > scores.get(linear, math.inf) else linear


def _check_replay(reference: pd.DataFrame, replayed: pd.DataFrame, brief: Brief) -> None:
    """Development features must come back within 1e-9, also when the sealed rows stand behind them."""
    if list(reference.columns) != list(replayed.columns):
        raise SandboxError(
            "sandbox.replay",
            given="The replay gave other columns.",
            have=f"{len(reference.columns)} columns before, {len(replayed.columns)} now.",
            try_="Choose columns in a fit cell, and store the choice with save_state.",
        )
    if "timestamp" in reference:
        changed = leakage.compare(reference, replayed, reference["timestamp"].max(), brief.horizon)
    else:
        changed = leakage.compare(reference, replayed.reindex(reference.index), None, brief.horizon)
    if changed:
        raise SandboxError(
            "sandbox.replay",
            given=f"{changed[0].column} is not what it was when the cells are replayed.",
            have="Features of development rows must not depend on later rows, nor on chance.",
            try_="A statistic of the whole frame belongs in a fit cell; a random draw needs a seed.",
        )


async def _sealed_leaks(
    case: Case, bench: Bench, joined: pd.DataFrame, replayed: pd.DataFrame, sealed: pd.DataFrame
) -> list[Any]:
    """The leak test again, with cuts inside the holdout: a feature leak scores as well there as in development."""
    if "timestamp" not in replayed:
        return []
    trust = case.context.trust
    cuts = leakage.cut_points(sealed, k=max(4, trust.leak_cuts // 2), seed=trust.seed)
    findings = await find_leaks(bench, case.name, joined, replayed, cuts, horizon_of(case.state))
    event = LeakTested(
        stage=case.visit.stage,
        where="holdout",
        cuts=2 * len(cuts),
        columns=replayed.shape[1],
        findings=[told(case.state, finding) for finding in findings if finding.sends_back],
        notes=[told(case.state, finding) for finding in findings if not finding.sends_back],
    )
    await case.visit.tell(event)
    return [finding for finding in findings if finding.sends_back]


def _label(case: Case, joined: pd.DataFrame) -> pd.DataFrame:
    """Labels and naive scores of all rows, made on the host from the host's own bars."""
    brief = case.brief
    if case.name != "prices":
        table = prepare_table(joined, brief.target, **table_facts(case.state["sealed"], brief.task))
        return table[[name for name in ("timestamp", "label_end", GROUP, *NAIVE_COLUMNS, "target") if name in table]]
    bars = clean_data(joined)
    threshold = brief.threshold if brief.target == "threshold" else None
    if brief.target == "volatility" and brief.task == "classification":
        threshold = fit_median_volatility(bars.loc[case.development.index], brief.horizon)
    target = make_target(bars, target=brief.target, horizon=brief.horizon, threshold=threshold)
    forward = make_target(bars, target="return", horizon=brief.horizon)["target"].rename("forward")
    return bars[["coin", "timestamp"]].join(target).join(forward)


async def _verdict(case: Case, scored: Scored) -> Verdict:
    """By the frozen rule; trials of the search count one each."""
    state, brief, seed = case.state, case.brief, case.context.trust.seed
    frames = state["frames"]
    candidates = [c for c in state["candidates"].values() if not c["baseline"]]
    trials: list[pd.DataFrame] = []
    for candidate in candidates:
        oof = await case.context.load_frame(str(frames[candidate["oof"]]["sha"]))
        trials += trial_frames(oof) or [oof]
    verdict = call_verdict(
        scored.rows,
        case.oof,
        task=brief.task,
        horizon=_horizon(case),
        claimed=state["choice"]["score"] if brief.metric == "roc_auc" else None,
        trials=sum(int(c["trials"]) for c in candidates),
        opened=max(scored.opened, 1),
        leak=bool(scored.leaks),
        replay_ok=scored.replay_ok,
        seed=seed,
        oof_trials=trials,
        rule=case.rule_at(scored.opened),
    )
    return verdict.model_copy(update={"opened": scored.opened})


def _describe(case: Case, scored: Scored, verdict: Verdict) -> dict[str, Any]:
    """What is shown beside a verdict; nothing where there is none."""
    if verdict.call is None or verdict.score is None:
        return {}
    brief, seed, trust = case.brief, case.context.trust.seed, case.context.trust
    return describe_sealed(
        scored.rows,
        case.oof,
        case.rule_at(scored.opened),
        target=brief.target,
        threshold=brief.threshold,
        fees=trust.fees,
        slippage=trust.slippage,
        simple=simple_rival(case.state, brief.task),
        lift=(verdict.claimed or 0.0) - (verdict.claimed_deflated or verdict.claimed or 0.0),
        seed=seed,
    )


def _horizon(case: Case) -> str | None:
    return horizon_of(case.state) if "timestamp" in case.features else None
