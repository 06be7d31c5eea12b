"""What the offline model does at each stage: the next move from the facts and the results so far.

One function a stage; each returns the moves of the stage in their order, and the number of results says which of
them is next. A failed move ends the stage: fixed rules have no second idea.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from omc_agent.brief import Brief
from omc_agent.llm.grammar import read_goal
from omc_agent.llm.planning import candidate_models, plan_steps
from omc_agent.naming import model_name

Facts = dict[str, Any]
NAIVE = ("constant", "last", "reversal", "seasonal")
RULES = {
    "last": "Next the rule that repeats the last value.",
    "reversal": "Next the rule that reverses the last move.",
    "seasonal": "Next the rule that repeats the value of one day before.",
}
TUNABLE = ("xgboost", "gradient_boosting", "logistic_regression", "random_forest", "ridge", "lasso")
INDICATORS = ("sma", "ema", "rsi", "macd", "bollinger")


@dataclass(frozen=True)
class Move:
    """Words, and a tool call; without a tool the stage ends."""

    reason: str
    tool: str = ""
    args: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Situation:
    """The facts that the stage opened with, and the results since."""

    facts: Facts
    results: list[dict[str, Any]]


def next_move(tools: tuple[str, ...], situation: Situation) -> Move:
    """The next move; the bound tools name the stage.

    Parameters
    ----------
    tools : tuple of str
        Names of the bound tools.
    situation : Situation
        Facts and results.
    """
    for mark, moves in _STAGES:
        if mark in tools:
            failed = next((r for r in situation.results if not r["ok"]), None)
            if failed is not None:
                return Move(f"{failed['tool']} failed and there is no rule for another way.")
            done = len(situation.results)
            for number, move in enumerate(moves(situation)):
                if number == done:
                    return move
            return Move("")
    return Move("There is no rule for these tools.")


def _understand(situation: Situation) -> Iterator[Move]:
    facts = situation.facts
    source = facts.get("source", {})
    reading = read_goal(
        facts["goal"], market=facts.get("market") or None, table=source.get("table"), target=source.get("target")
    )
    brief = reading.brief
    said = [f"Read as: {brief.title()}.", *(note[0].upper() + note[1:] for note in reading.notes if note)]
    # An exploration predicts nothing, so what it would have predicted is no assumption.
    idle = ("target", "metric", "horizon") if brief.task == "analysis" else ()
    if assumed := [name for name in brief.assumed if name not in idle]:
        said.append(f"Assumed: {', '.join(assumed)}.")
    if brief.unread:
        said.append(f"Not used: {', '.join(brief.unread)}.")
    questions = [
        {
            "field": question.field,
            "question": question.question,
            "context": question.context,
            "options": list(question.options),
            "default": question.default,
        }
        for question in reading.questions
    ]
    arguments = {**brief.model_dump(), "notes": reading.notes, "questions": questions}
    yield Move(" ".join(said), "submit_brief", arguments)


def _plan(situation: Situation) -> Iterator[Move]:
    facts = situation.facts
    steps = plan_steps(_brief(facts), facts.get("market") or {}, facts["work"])
    yield Move("The plan follows from the brief: one step a stage, with its effect.", "submit_plan", {"steps": steps})


def _retrieve(situation: Situation) -> Iterator[Move]:
    facts, brief = situation.facts, _brief(situation.facts)
    if not _is_prices(facts):
        yield Move("Fetch the rows; the holdout is sealed as they come in.", "fetch_rows", {})
        return
    coins = ", ".join(brief.coins)
    if not facts.get("handed_in"):
        yield Move(
            f"Look at what the table holds for {coins}, then fetch the span.",
            "get_data_statistics",
            {"coins": brief.coins},
        )
    arguments = {"coins": brief.coins, "start": brief.start, "end": brief.end}
    yield Move(
        f"Fetch the bars of {coins}."
        + ("" if brief.task == "analysis" else " The last stretch is sealed on the host as they come in."),
        "fetch_price_data",
        {name: value for name, value in arguments.items() if value},
    )


def _analyse(situation: Situation) -> Iterator[Move]:
    brief = _brief(situation.facts)
    wanted = [name for name in brief.indicators if name in INDICATORS] or list(INDICATORS)
    yield Move(
        "Clean the bars (causally, no bar is dropped), add the indicators, and look at returns and volatility.",
        "clean_data",
        {"prices": "prices", "into": "bars"},
    )
    yield Move(
        f"Add {', '.join(wanted)}; warm-up bars stay empty.",
        "calculate_technical_indicators",
        {"prices": "bars", "indicators": wanted, "into": "bars"},
    )
    yield Move(
        "See span, gaps, returns and volatility before any feature is made.", "perform_eda", {"prices": "bars"}
    )


def _engineer(situation: Situation) -> Iterator[Move]:
    facts, brief = situation.facts, _brief(situation.facts)
    if not _is_prices(facts):
        yield Move("Put the target beside the columns; text columns are encoded inside each fold.", "prepare_table",
                   {"frame": "rows"})  # fmt: skip
    else:
        if brief.target == "volatility" and brief.task == "classification":
            yield Move(
                "High means above the median of the development rows; learn it here and store it, so that the"
                " holdout is labelled by the same line.",
                "fit_median_volatility",
                {"prices": "bars"},
            )
        yield Move(
            "Returns over lags, rolling statistics and the indicators in scale-free form; the target is made by label"
            " time, and every bar is kept.",
            "create_features",
            {"prices": "bars", "lags": [1, 3, 12], "windows": [12, 48]},
        )
    leaks = facts.get("leaks") or []
    if leaks:
        yield Move(
            f"Drop what the leak test named: {', '.join(leaks)}.",
            "drop_columns",
            {"features": "features", "columns": leaks},
        )


def _train(situation: Situation) -> Iterator[Move]:
    facts, brief = situation.facts, _brief(situation.facts)
    rules = NAIVE if _is_prices(facts) else ("constant",)
    for number, rule in enumerate(rules):
        words = "Score the naive rules first: they are what a model has to beat." if number == 0 else RULES[rule]
        yield Move(words, "cross_validate_model", {"features": "features", "model": rule, "into": rule})
    for model in candidate_models(brief):
        yield Move(
            f"Score {model_name(model)} on the same folds.",
            "cross_validate_model",
            {"features": "features", "model": model, "into": model},
        )


def _evaluate(situation: Situation) -> Iterator[Move]:
    facts = situation.facts
    models = [c for c in facts["candidates"] if not c["baseline"]]
    lower_is_better = {"mae", "rmse", "brier", "mase"}
    sign = -1 if models[0]["metric"] in lower_is_better else 1
    best = max(models, key=lambda c: (sign * c["score"], c["name"]))
    yield Move("Put all candidates beside the naive rules, with intervals.", "compare_models", {})
    ordered = sorted((c for c in models if c["model"] in TUNABLE), key=lambda c: -sign * c["score"])
    trees = [c for c in ordered if c["model"] in ("xgboost", "gradient_boosting")]
    if facts.get("rounds_left") and ordered:
        model = (trees or ordered)[0]["model"]
        yield Move(
            f"Defaults are rarely the best of {model_name(model)}: search once, in counted trials.",
            "propose_next",
            {"next": "tune", "model": model, "why": "one bounded search is left"},
        )
        return
    yield Move(
        f"See what {model_name(best['name'])} gets right and wrong on the last fold.",
        "evaluate_model",
        {"model": best["model"], "params": best["params"] or None},
    )
    yield Move(
        "And what it lives on: permute one column at a time on the last fold.",
        "calculate_feature_importance",
        {"features": "features", "model": best["model"], "params": best["params"] or None},
    )
    yield Move("Nothing is left to try: choose.", "propose_next", {"next": "select", "why": "no search is left"})


def _tune(situation: Situation) -> Iterator[Move]:
    model = situation.facts["proposal"]["model"]
    yield Move(
        f"Search {model_name(model)}; every trial counts against the claimed score.",
        "tune_hyperparameters",
        {"features": "features", "model": model, "into": f"{model}_tuned"},
    )


def _report(situation: Situation) -> Iterator[Move]:
    yield Move("Say what was asked, done and found, and what it does not show.", "generate_summary", {})
    if situation.facts.get("candidates"):
        yield Move("Put the candidates into one table.", "create_comparison_report", {})
    yield Move("Say what to do next.", "generate_recommendations", {})
    yield Move("Write the files.", "write_report", {})


# The first bound tool that is found names the stage.
_STAGES: tuple[tuple[str, Callable[[Situation], Iterator[Move]]], ...] = (
    ("submit_brief", _understand),
    ("submit_plan", _plan),
    ("fetch_price_data", _retrieve),
    ("perform_eda", _analyse),
    ("create_features", _engineer),
    ("tune_hyperparameters", _tune),
    ("cross_validate_model", _train),
    ("compare_models", _evaluate),
    ("write_report", _report),
)


def _brief(facts: Facts) -> Brief:
    return Brief.model_validate(facts["brief"])


def _is_prices(facts: Facts) -> bool:
    """Whether the rows are bars of coins, rather than any table."""
    return bool(facts["brief"]["coins"]) and facts.get("sealed", {}).get("frame", "prices") == "prices"
