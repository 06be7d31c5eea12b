"""The offline model's plan: a step for each stage, with an effect estimated from the market's row counts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from omc_agent.brief import Brief, PlanStep
from omc_agent.llm.model_choice import DEFAULT_CLASSIFIERS, DEFAULT_REGRESSORS, choose_models, reasons
from omc_agent.naming import plain_name

__all__ = [
    "DEFAULT_CLASSIFIERS",
    "DEFAULT_REGRESSORS",
    "SECONDS_PER_10K",
    "candidate_models",
    "expected_rows",
    "plan_steps",
]

_DEVELOPMENT = 0.8  # the rest is sealed

# Seconds a fit on 10,000 rows of 26 columns, one core (benchmarks/RESULTS.md, fit times on real bars).
SECONDS_PER_10K = {
    "logistic_regression": 0.1,
    "random_forest": 1.0,
    "gradient_boosting": 0.5,
    "xgboost": 0.3,
    "linear": 0.02,
    "ridge": 0.02,
    "lasso": 0.1,
}


def plan_steps(brief: Brief, market: dict[str, Any], work: dict[str, Any]) -> list[dict[str, Any]]:
    """Steps as plain JSON (fields of `PlanStep`)."""
    rows = expected_rows(brief, market)
    folds, trials = int(work["folds"]), int(work["trials"])
    steps = [
        PlanStep(
            stage="data_retrieval",
            title="Data",
            detail="Read the rows and seal the last stretch before any code sees it."
            if brief.task != "analysis"
            else "Read the rows.",
            rows=rows,
        ),
        PlanStep(
            stage="data_analysis",
            title="Analysis",
            detail="Clean, add indicators, and explore with plots.",
            columns=9,
        ),
    ]
    if brief.task != "analysis":
        kinds = list((market.get("kinds") or {}).values())
        size = None if rows is None else int(rows * _DEVELOPMENT)
        choices = choose_models(brief, size, len(kinds) or None, kinds.count("class"))
        models = [choice.model for choice in choices]
        minutes = sum(SECONDS_PER_10K[m] for m in models) * (rows or 20_000) / 10_000 * folds * 0.5 / 60
        steps += [
            PlanStep(
                stage="feature_engineering",
                title="Features",
                detail="Lags, rolling statistics and indicators, and the target by label time.",
                columns=26,
            ),
            PlanStep(
                stage="leak_test",
                title="Leak test",
                detail="Make the features again without and with another future.",
            ),
            PlanStep(
                stage="model_training",
                title="Training",
                detail=f"Naive rules, then {', '.join(plain_name(m) for m in models)}, by purged walk-forward. "
                + reasons(choices),
                fits=len(models) * folds,
                minutes=round(minutes, 2),
            ),
            PlanStep(stage="model_evaluation", title="Evaluation", detail="Compare, with intervals and importances."),
            PlanStep(
                stage="hyperparameter_tuning",
                title="Tuning",
                detail=f"One search of {trials} trial{'s' * (trials != 1)} on the same folds.",
                fits=trials * folds,
            ),
            PlanStep(stage="selection", title="Choice", detail="The simplest candidate within noise of the best."),
            PlanStep(stage="scoring", title="Scoring", detail="Open the holdout once and call the verdict.", fits=2),
        ]
    steps.append(
        PlanStep(stage="reporting", title="Report", detail="Write what was found, and what was not.", usd=0.0)
    )
    passed = set() if brief.coins else {"data_analysis"}  # a table that is not bars has nothing to clean by bars
    if not work.get("rounds", 1):
        passed.add("hyperparameter_tuning")
    return [step.model_dump() for step in steps if step.stage not in passed]


def expected_rows(brief: Brief, market: dict[str, Any]) -> int | None:
    """Bars that the span holds, from the market's spans; None when nothing is known."""
    coins = market.get("coins") or {}
    minutes = market.get("bar_minutes") or 5
    if not coins or not brief.start or not brief.end:
        return None
    span = datetime.fromisoformat(brief.end) - datetime.fromisoformat(brief.start)
    bars = int(span.total_seconds() // (60 * minutes))
    known = [coins[coin]["rows"] for coin in brief.coins if coin in coins]
    return sum(min(bars, rows) for rows in known) or None


def candidate_models(brief: Brief) -> list[str]:
    """The algorithms to try by name, where nothing is known of the size; see `model_choice.choose_models`."""
    return [choice.model for choice in choose_models(brief)]
