"""What was said in a run, applied to the situation of a stage: the next moves change, those that were made stay."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from omc_agent.brief import Brief
from omc_agent.llm.hearing import Changes, read_said
from omc_agent.llm.situation import SCORE, Facts, Situation
from omc_agent.naming import model_name

_HEADS = {"sma": "close_sma", "ema": "close_ema", "rsi": "rsi_", "macd": "macd", "bollinger": "bb_"}
_WINDOWED = ("mean_", "std_", "z_", "range_ratio_", "volume_ratio_")
_MADE_OF = ("indicators", "lags", "windows", "drop")
_AFTER_FEATURES = ("model_training", "model_evaluation", "hyperparameter_tuning", "reporting")


def listen(situation: Situation, stage: str) -> tuple[Situation, list[str]]:
    """The situation with what was said in its facts, and the answers that are still owed.

    Parameters
    ----------
    situation : Situation
        With the texts, and what the model said before in this stage.
    stage : str
        Where the run is.
    """
    facts, decided, owed = situation.facts, situation.facts.get("overrides") or {}, list[str]()
    for number, text in enumerate(situation.said):
        heard = read_said(text, Brief.model_validate(facts.get("brief") or {}), decided)
        facts = _changed(facts, heard.changes)
        given = any(heard.lead in words for words in situation.answers)
        if number >= situation.heard and not given:
            owed.append(heard.answer(_too_late(heard.changes, replace(situation, facts=facts), stage)))
    if situation.said and stage == "feature_engineering":
        facts = _with_drop(facts, _unwanted(_columns_made(situation), facts))
    return replace(situation, facts=facts), owed


def _changed(facts: Facts, changes: Changes) -> Facts:
    """The facts as they would be had the brief and the overrides said so."""
    if "brief" not in facts:
        return facts
    brief = {name: changes[name] for name in ("models", "avoid_models", "indicators") if name in changes}
    lengths = {name: changes[name] for name in ("lags", "windows", "models") if name in changes}
    overrides = {**(facts.get("overrides") or {}), **lengths}
    made = {**facts, "brief": {**facts["brief"], **brief}, "overrides": overrides}
    if changes.get("search") is False:
        made |= {"rounds_left": 0, "work": {**facts.get("work", {}), "rounds": 0}}
    return _with_drop(made, changes.get("drop", []))


def _with_drop(facts: Facts, columns: list[str]) -> Facts:
    if not columns:
        return facts
    overrides = facts.get("overrides") or {}
    drop = list(dict.fromkeys([*overrides.get("drop", []), *columns]))
    return {**facts, "overrides": {**overrides, "drop": drop}}


def _columns_made(situation: Situation) -> list[str]:
    """Columns of the features that this stage has made already."""
    for result in reversed(situation.results):
        if result["ok"] and result["tool"] == "create_features":
            return list(result.get("frames", {}).get("features", {}).get("columns", []))
    return []


def _unwanted(columns: list[str], facts: Facts) -> list[str]:
    """Feature columns that are there, and would not be made now."""
    wanted, overrides = facts["brief"]["indicators"], facts.get("overrides") or {}
    heads = tuple(head for name, head in _HEADS.items() if wanted and name not in wanted)
    heads += ("ret_",) if overrides.get("lags") == [] else ()
    heads += _WINDOWED if overrides.get("windows") == [] else ()
    return [name for name in columns if name in overrides.get("drop", []) or (heads and name.startswith(heads))]


def _too_late(changes: Changes, situation: Situation, stage: str) -> list[str]:
    """What cannot be changed any more in this run, each with the way to change it."""
    facts, notes = situation.facts, list[str]()
    if stage in _AFTER_FEATURES and set(changes) & set(_MADE_OF):
        columns = facts.get("frames", {}).get("features", {}).get("columns", [])
        if _unwanted(columns, facts):
            notes.append(_restart("the features are made", "feature_engineering", changes, _MADE_OF))
    scored = _scored(situation)
    if "models" in changes and stage == "model_evaluation" and set(changes["models"]) - set(scored):
        notes.append(_restart("training is over", "model_training", changes, ("models",)))
    left = [name for name in changes.get("avoid_models", []) if name in scored]
    if left:
        ends = "is scored already and stays" if len(left) == 1 else "are scored already and stay"
        notes.append(f"{', '.join(map(model_name, left))} {ends}.")
    return notes


def _scored(situation: Situation) -> list[str]:
    candidates = [c for c in situation.facts.get("candidates", []) if isinstance(c, dict)]
    made = [str(r["args"].get("model")) for r in situation.results if r["ok"] and r["tool"] == SCORE]
    return [*(str(c["model"]) for c in candidates), *made]


def _restart(why: str, stage: str, changes: Changes, names: tuple[str, ...]) -> str:
    words = [f"{name}={_typed(changes[name])}" for name in names if name in changes]
    return f"{why}: %agent restart ID --from {stage} {' '.join(words)} makes them anew."


def _typed(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
