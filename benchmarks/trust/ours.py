"""Ours: the package's own pipeline, stage by stage as a run does it, with the cells run in this process.

Hundreds of walks could not be paid with a sandbox each. `confirm` in `honesty.py` checks on a few of them that a real
run gives the same verdict and the same scores.
"""

from __future__ import annotations

import resource
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from omc_agent import tools
from omc_agent.accepting import next_step
from omc_agent.agents.data_analyst import table_facts
from omc_agent.agents.rows_in_time import one_series
from omc_agent.agents.table_quality import table_reading
from omc_agent.brief import Brief
from omc_agent.config import Trust, Work
from omc_agent.graph.scoring import simple_rival
from omc_agent.llm.feature_groups import LAGS, WINDOWS
from omc_agent.llm.model_choice import choose_models
from omc_agent.llm.moves import NAIVE
from omc_agent.overrides import INDICATORS
from omc_agent.tools import leakage
from omc_agent.tools.conditions import failed_conditions
from omc_agent.tools.evaluation import recommend
from omc_agent.tools.naive import NAIVE_COLUMNS
from omc_agent.tools.rule import as_likelihood, freeze_rule, naive_predictions
from omc_agent.tools.splits import seal
from omc_agent.tools.tuning import trial_frames
from omc_agent.tools.verdict import call_verdict
from omc_agent.tools.verdict_words import explain
from trust.replaying import Make, find_leaks


@dataclass
class Outcome:
    """What one pipeline came to; `predictions` are of the sealed rows, with `target` beside them."""

    verdict: dict[str, Any] = field(default_factory=dict)
    sentence: str = ""
    choice: str = ""
    scores: dict[str, float] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    cpu: dict[str, float] = field(default_factory=dict)
    wall: float = 0.0
    peak_mb: float = 0.0
    predictions: pd.DataFrame | None = None

    def row(self) -> dict[str, Any]:
        """Ready for JSON: everything but the predictions."""
        return {name: value for name, value in vars(self).items() if name != "predictions"}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Adds the CPU seconds of what is done inside to the stage."""
        begin = time.process_time()
        try:
            yield
        finally:
            self.cpu[name] = self.cpu.get(name, 0.0) + time.process_time() - begin


def ours(
    rows: pd.DataFrame,
    brief: Brief,
    trust: Trust | None = None,
    work: Work | None = None,
    make: Make | None = None,
    time_column: str | None = None,
) -> Outcome:
    """Seal, features, leak test, candidates, tuning, choice, scoring, verdict.

    Parameters
    ----------
    rows : DataFrame
        Bars (`coin`, `timestamp`, `close`, ...) where the brief names coins, else any table.
    brief : Brief
        What a goal would have been read as.
    trust, work : Trust, Work
        Share sealed, folds, cuts and seed; trials. The defaults of a run.
    make : callable, optional
        Other feature cells than those of the offline model.
    time_column : str, optional
        A table's column of times; it has to be called `timestamp` for the seal to be in time.

    Returns
    -------
    Outcome
        A stage that raises is a failure with its sentence, and there is no verdict.
    """
    out, began = Outcome(), time.monotonic()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _Pipeline(out, brief, trust or Trust(), work or Work(), make, time_column).run(rows)
    except Exception as error:  # whatever it is, it is a result of this benchmark
        last = traceback.extract_tb(error.__traceback__)[-1]
        out.failures.append(f"{type(error).__name__} in {last.name}: {str(error)[:300]}")
    out.wall = time.monotonic() - began
    out.peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return out


@dataclass
class _Pipeline:
    out: Outcome
    brief: Brief
    trust: Trust
    work: Work
    make: Make | None
    time_column: str | None
    facts: dict[str, Any] = field(default_factory=dict)

    def run(self, rows: pd.DataFrame) -> None:
        out, brief, trust = self.out, self.brief, self.trust
        with out.stage("retrieval"):
            target = {} if "timestamp" in rows else {"target": brief.target}
            development, sealed = seal(rows, trust.holdout, brief.horizon, trust.seed, **target)
            make = self.make or self._cells(development)
            features = make(development)
        with out.stage("leak_test"):
            cuts = leakage.cut_points(development, k=trust.leak_cuts, seed=trust.seed)
            leaking = find_leaks(make, development, features, cuts, self.horizon)
            out.leaks = [finding.column for finding in leaking]
            if leaking:
                made = make
                make = lambda frame: tools.drop_columns(made(frame), out.leaks)  # noqa: E731
                features = make(development)
        candidates, oofs, trials = self._train(features)
        advice = recommend(list(candidates.values()))
        choice = candidates[advice["name"]]
        out.choice = advice["name"]
        out.scores = {name: each["score"] for name, each in candidates.items()}
        with out.stage("scoring"):
            scored, leak, replay_ok = self._score(make, features, choice, candidates, development, sealed)
            out.predictions = scored
            self._judge(features, scored, choice, candidates, oofs, trials, leak, replay_ok)

    def _cells(self, development: pd.DataFrame) -> Make:
        """The feature cells of the offline model; what is learned of rows is learned on development rows, once."""
        brief = self.brief
        if not brief.coins:
            facts: dict[str, Any] = {"time": self.time_column} if self.time_column else {}
            if self.time_column:
                one_series(development, facts, brief.model_dump(), "auto")
            facts |= table_reading(development, brief.model_dump(), facts, self.trust.folds)
            self.facts, given = facts, {"target": brief.target, **table_facts(facts, brief.task)}
            return lambda frame: tools.prepare_table(frame, **given)
        threshold = brief.threshold if brief.target == "threshold" else None
        if brief.target == "volatility" and brief.task == "classification":
            threshold = tools.fit_median_volatility(tools.clean_data(development), brief.horizon)

        def cells(prices: pd.DataFrame) -> pd.DataFrame:
            bars = tools.calculate_technical_indicators(tools.clean_data(prices), list(INDICATORS))
            return tools.create_features(bars, lags=list(LAGS), windows=list(WINDOWS), target=brief.target,
                                         horizon=brief.horizon, threshold=threshold)  # fmt: skip

        return cells

    @property
    def horizon(self) -> str:
        """From decision to label: a step for a table in time."""
        return str(self.facts.get("step") or self.brief.horizon)

    def _train(self, features: pd.DataFrame) -> tuple[dict[str, Any], dict[str, pd.DataFrame], int]:
        """Naive rules, all candidates, one bounded search; a candidate that fails is left behind."""
        brief, out = self.brief, self.out
        folds = {"metric": brief.metric, "n_splits": self.trust.folds, "seed": self.trust.seed, "task": brief.task}
        candidates: dict[str, Any] = {}
        oofs: dict[str, pd.DataFrame] = {}
        rules = NAIVE if "naive_last" in features else ("constant",)
        for name in rules:
            with out.stage("training"), _noted(out, name):
                candidates[name], oofs[name] = tools.cross_validate_model(features, name, name=name, **folds)
        for choice in choose_models(brief, len(features), features.shape[1]):
            name, params = choice.model, choice.params or None
            with out.stage("training"), _noted(out, name):
                found, oofs[name] = tools.cross_validate_model(features, name, params, name=name, **folds)
                candidates[name] = {**found, "yardstick": choice.yardstick, "trials": 1}
        step = next_step(list(candidates.values()), self.work.tuning_rounds)
        if step.model is not None:
            name = f"{step.model}_tuned"
            with out.stage("tuning"), _noted(out, name):
                found, tried, oofs[name] = tools.tune_hyperparameters(
                    features, step.model, trials=self.work.trials, keep_trials=True, **folds
                )
                candidates[name] = {**found, "name": name, "trials": len(tried)}
        trials = sum(each["trials"] for each in candidates.values() if not each["baseline"])
        return candidates, oofs, trials

    def _score(
        self, make: Make, features: pd.DataFrame, choice: dict[str, Any], candidates: dict[str, Any],
        development: pd.DataFrame, sealed: pd.DataFrame,
    ) -> tuple[pd.DataFrame, bool, bool]:  # fmt: skip
        """Train the choice, then open: replay on the joined frame, leak test inside the holdout, predict."""
        brief, trust = self.brief, self.trust
        train = getattr(tools, f"train_{brief.task}_model")
        model = train(features, model=choice["model"], params=choice["params"], seed=trust.seed)
        rival = simple_rival({"choice": choice, "candidates": candidates}, brief.task)
        joined = pd.concat([development, sealed]).sort_index()
        replayed = make(joined)
        has_time = "timestamp" in features
        last = features["timestamp"].max() if has_time else None
        changed = leakage.compare(features, replayed if has_time else replayed.reindex(features.index), last,
                                  self.horizon)  # fmt: skip
        inside = leakage.cut_points(sealed, k=max(4, trust.leak_cuts // 2), seed=trust.seed)
        leaks = find_leaks(make, joined, replayed, inside, self.horizon)
        kept = [name for name in ("timestamp", "coin", "target", *NAIVE_COLUMNS) if name in replayed]
        scored = replayed.loc[sealed.index, kept]
        scored = scored.join(tools.predict_frame(model, replayed))
        if rival:
            simple = train(features, model=rival, seed=trust.seed)
            scored = scored.join(tools.predict_frame(simple, replayed, "simple"))
        return scored, bool(leaks), not changed

    def _judge(
        self, features: pd.DataFrame, scored: pd.DataFrame, choice: dict[str, Any], candidates: dict[str, Any],
        oofs: dict[str, pd.DataFrame], trials: int, leak: bool, replay_ok: bool,
    ) -> None:  # fmt: skip
        brief, seed = self.brief, self.trust.seed
        horizon = self.horizon if "timestamp" in features else None
        naive = [name for name in NAIVE_COLUMNS if name in features]
        oof = oofs[choice["name"]].join(features[naive])
        models = [name for name, each in candidates.items() if not each["baseline"]]
        tried = [frame for name in models for frame in (trial_frames(oofs[name]) or [oofs[name]])]
        rule = freeze_rule(oof, task=brief.task, horizon=horizon, seed=seed)
        verdict = call_verdict(
            scored, oof, task=brief.task, horizon=horizon, rule=rule, trials=trials, oof_trials=tried, seed=seed,
            claimed=choice["score"] if brief.metric == "roc_auc" else None, leak=leak, replay_ok=replay_ok,
        )  # fmt: skip
        self.out.verdict = verdict.model_dump()
        self.out.sentence = " ".join(explain(verdict, brief.model_dump()))
        scored, oof = as_likelihood(scored), as_likelihood(oof)
        known = scored[scored["target"].notna() & scored["prediction"].notna()]
        said = naive_predictions(known, rule.task, rule.base, None if horizon is None else pd.Timedelta(horizon))
        self.out.failed = failed_conditions(known, said, oof, rule, verdict.beats or {})


@contextmanager
def _noted(out: Outcome, name: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # a candidate that fails is told, and the others go on
        out.failures.append(f"{name}: {type(error).__name__}: {str(error)[:200]}")
