"""The moves of each stage, as the offline model makes them: one function a stage, each gives its moves in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from omc_agent.accepting import next_step
from omc_agent.brief import Brief
from omc_agent.candidate import sign_of
from omc_agent.llm.feature_groups import LAGS, WINDOWS
from omc_agent.llm.followup import as_before
from omc_agent.llm.grammar import read_goal
from omc_agent.llm.model_choice import Choice, choose_models
from omc_agent.llm.planning import plan_steps
from omc_agent.llm.situation import SCORE, Facts, Move, Situation
from omc_agent.naming import model_name
from omc_agent.overrides import INDICATORS, params_for

NAIVE = ("constant", "last", "reversal", "seasonal")
RULES = {
    "last": "Next the rule that repeats the last value.",
    "reversal": "Next the rule that reverses the last move.",
    "seasonal": "Next the rule that repeats the value of one day, or one season, before.",
}


def _understand(situation: Situation) -> Iterator[Move]:
    facts = situation.facts
    source = facts.get("source", {})
    base = facts.get("base") or {}
    reading = read_goal(
        facts["goal"],
        market=facts.get("market") or None,
        table=source.get("table"),
        target=source.get("target"),
        base=Brief.model_validate(base["brief"]) if base else None,
    )
    brief = reading.brief
    notes = [as_before(brief, reading.kept, str(base["id"]))] if reading.kept else []
    notes += reading.notes
    said = [f"Read as: {brief.title()}.", *(note[0].upper() + note[1:] for note in notes if note)]
    # An exploration predicts nothing, so what it would have predicted is no assumption.
    idle = ("target", "metric", "horizon") if brief.task == "analysis" else ()
    if assumed := [name for name in brief.assumed if name not in idle]:
        said.append(f"Assumed: {', '.join(assumed)}.")
    if brief.unread:
        said.append(f"Not used: {', '.join(brief.unread)}.")
    questions = [question.model_dump() for question in reading.questions]
    arguments = {**brief.model_dump(), "notes": notes, "questions": questions}
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
    if brief.task == "analysis":
        yield Move("See how the returns are distributed.", "show_distributions", {"prices": "bars"})
        yield Move("See what moves together.", "show_correlations", {"prices": "bars"})


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
            {"prices": "bars", **_lengths(facts), **_indicators(brief)},
        )
    leaks, unwanted = list(facts.get("leaks") or []), _overrides(facts).get("drop") or []
    if leaks or unwanted:
        parts = [f"what the leak test named: {', '.join(leaks)}"] if leaks else []
        parts += [f"what you left out: {', '.join(unwanted)}"] if unwanted else []
        yield Move(
            f"Drop {', and '.join(parts)}.",
            "drop_columns",
            {"features": "features", "columns": list(dict.fromkeys([*leaks, *unwanted]))},
        )


def _lengths(facts: Facts) -> dict[str, list[int]]:
    decided = _overrides(facts)
    return {"lags": decided.get("lags", list(LAGS)), "windows": decided.get("windows", list(WINDOWS))}


def _indicators(brief: Brief) -> dict[str, list[str]]:
    """Exactly those of the brief; nothing where it leaves them open, so that what the frame holds is used."""
    wanted = [name for name in brief.indicators if name in INDICATORS]
    return {"indicators": wanted} if wanted else {}


def _train(situation: Situation) -> Iterator[Move]:
    facts, brief = situation.facts, _brief(situation.facts)
    one_series = bool(facts.get("sealed", {}).get("lags"))
    rules = NAIVE if _is_prices(facts) or one_series else ("constant",)
    for number, rule in enumerate(rules):
        words = "Score the naive rules first: they are what a model has to beat." if number == 0 else RULES[rule]
        yield Move(words, SCORE, {"features": "features", "model": rule, "into": rule})
    for choice in _choices(facts, brief):
        fixed, _ = params_for(_overrides(facts), choice.model)
        params = {**choice.params, **fixed}
        yield Move(
            f"Score {model_name(choice.model)} on the same folds{_as_decided(fixed)}: {choice.why}.",
            SCORE,
            {
                "features": "features",
                "model": choice.model,
                **({"params": params} if params else {}),
                "into": choice.model,
            },
        )


def _choices(facts: Facts, brief: Brief) -> list[Choice]:
    size = (facts.get("frames") or {}).get("features") or {}
    columns = size.get("columns")
    return choose_models(
        brief,
        size.get("rows"),
        None if columns is None else len(columns),
        int(facts.get("text_columns") or 0),
        exactly="models" in _overrides(facts),
    )


def _as_decided(fixed: dict[str, Any]) -> str:
    return f", with {', '.join(f'{name}={value}' for name, value in fixed.items())} as you decided" if fixed else ""


def _evaluate(situation: Situation) -> Iterator[Move]:
    facts = situation.facts
    models = [c for c in facts["candidates"] if not c["baseline"]]
    sign = sign_of(models[0]["metric"])
    named = [c for c in models if not c.get("yardstick")] or models
    best = max(named, key=lambda c: (sign * c["score"], c["name"]))
    failed = [f"{model_name(name)} could not be scored ({why})" for name, why in (facts.get("failed") or {}).items()]
    yield Move(
        " ".join(["Put all candidates beside the naive rules, with intervals.", *(f"{each}." for each in failed)]),
        "compare_models",
        {},
    )
    ranged = [c["model"] for c in models if params_for(_overrides(facts), c["model"])[1]]
    step = next_step(facts["candidates"], int(facts.get("rounds_left") or 0), ranged)
    if step.next == "tune":
        yield Move(step.why, "propose_next", step.to_dict())
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
    yield Move(f"{step.why} So choose.", "propose_next", {"next": "select", "why": step.why})


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


# In the order of the house; the first bound tool that is found names the stage.
STAGES: tuple[tuple[str, str, Callable[[Situation], Iterator[Move]]], ...] = (
    ("submit_brief", "understanding", _understand),
    ("submit_plan", "planning", _plan),
    ("fetch_price_data", "data_retrieval", _retrieve),
    ("perform_eda", "data_analysis", _analyse),
    ("create_features", "feature_engineering", _engineer),
    (SCORE, "model_training", _train),
    ("compare_models", "model_evaluation", _evaluate),
    ("tune_hyperparameters", "hyperparameter_tuning", _tune),
    ("write_report", "reporting", _report),
)


def _brief(facts: Facts) -> Brief:
    return Brief.model_validate(facts["brief"])


def _is_prices(facts: Facts) -> bool:
    """Whether the rows are bars of coins, rather than any table."""
    return bool(facts["brief"]["coins"]) and facts.get("sealed", {}).get("frame", "prices") == "prices"


def _overrides(facts: Facts) -> dict[str, Any]:
    return facts.get("overrides") or {}
