"""What a person says while the agent works, read by the readers of goals into changes of the next moves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from omc_agent.brief import Brief
from omc_agent.errors import GoalError
from omc_agent.llm.choices import adds, read_indicators, read_metrics, read_models, settle_models
from omc_agent.llm.draft import Draft
from omc_agent.llm.feature_groups import Group, columns_outside, columns_within, group_hits
from omc_agent.llm.planning import candidate_models
from omc_agent.llm.wishes import are_wanted
from omc_agent.llm.words import Words, phrases
from omc_agent.naming import model_name
from omc_agent.overrides import INDICATORS

Changes = dict[str, Any]
QUOTED = 80
_FASTER = phrases({"faster|quicker|quick|speed up|speed it up|hurry|fewer model|less model|simpler": True})
_SEARCH = phrases({"tuning|hyperparameter tuning|hyperparameter search|search|tune|hyperparameter": True})
LINEAR = {"classification": ["logistic_regression"], "regression": ["ridge", "linear"]}


@dataclass(frozen=True)
class Heard:
    """One text as it was read.

    Attributes
    ----------
    text : str
        What was said, shortened.
    changes : dict
        models, avoid_models, indicators, lags, windows, drop; `search` is False where no search is wanted.
    words : dict
        How each change is told.
    refused : list of str
        What cannot be done, with why.
    """

    text: str
    changes: Changes = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)

    @property
    def lead(self) -> str:
        """How the answer begins, by which it is known that it was given."""
        if self.words:
            return f"Heard: {self.text}:"
        return f"Heard: {self.text}." if self.refused else f"Heard, but I have no rule for: {self.text}."

    def answer(self, notes: list[str]) -> str:
        """The answer in words."""
        told = [*self.refused, *notes]
        what = [f"{'; '.join(self.words.values())}."] if self.words else []
        return " ".join([self.lead, *what, *(note[0].upper() + note[1:] for note in told)])


def read_said(text: str, brief: Brief, decided: Mapping[str, Any]) -> Heard:
    """One text read into changes.

    Parameters
    ----------
    text : str
        What the person said.
    brief : Brief
        As it stands after what was said before.
    decided : mapping
        The run's overrides: what these hold is not changed by words.

    Examples
    --------
    >>> read_said("only momentum", Brief(), {}).answer([])
    'Heard: only momentum: indicators rsi, macd; lags only.'
    >>> read_said("make me rich", Brief(), {}).answer([])
    'Heard, but I have no rule for: make me rich.'
    """
    shown = " ".join(text.split())
    shown = shown if len(shown) <= QUOTED else shown[: QUOTED - 1] + "…"
    try:
        draft = Draft(Words(text), {}, False, base=brief)
    except (GoalError, ValueError):
        return Heard(shown)
    changes: Changes = {}
    words = {**_groups(draft, brief, decided, changes), **_models(draft, brief, changes)}
    words |= {**_indicators(draft, brief, changes), **_search(draft, changes)}
    refused = list(draft.notes)
    if metrics := read_metrics(draft):
        refused.append(f"the metric of a run is fixed; an override metric={metrics[0]} starts it anew from training.")
    for name in sorted(set(changes) & set(decided)):
        if name != "drop" and changes[name] != decided[name]:
            del changes[name]
            words.pop(name, None)
            refused.append(f"{name.replace('_', ' ')} stay as you decided by an override.")
    return Heard(shown, changes, words, refused)


def _groups(draft: Draft, brief: Brief, decided: Mapping[str, Any], changes: Changes) -> dict[str, str]:
    """Read "only momentum", which leaves its columns alone, and "without volatility", which takes them away."""
    found = group_hits(draft.words)
    if not found:
        return {}
    wanted = are_wanted(draft.words, [(hit.start, hit.stop) for hit in found])
    for hit in found:
        draft.words.take(hit.start, hit.stop)
    ins = [hit.value for hit, is_in in zip(found, wanted, strict=True) if is_in]
    outs = [hit.value for hit, is_in in zip(found, wanted, strict=True) if not is_in]
    if ins:
        return _only(ins, decided, changes)
    return _without(outs, brief, decided, changes)


def _only(groups: list[Group], decided: Mapping[str, Any], changes: Changes) -> dict[str, str]:
    changes["indicators"] = list(dict.fromkeys(name for group in groups for name in group.indicators))
    words = {"indicators": f"indicators {', '.join(changes['indicators'])}"}
    if not any(group.windowed for group in groups):
        changes["windows"] = []
        words["windows"] = "lags only"
    if not any(group.lagged for group in groups):
        changes["lags"] = []
        words["lags"] = "windows only"
    changes["drop"] = columns_outside(groups, {**decided, **changes})
    return words


def _without(groups: list[Group], brief: Brief, decided: Mapping[str, Any], changes: Changes) -> dict[str, str]:
    out = {name for group in groups for name in group.indicators}
    before = brief.indicators or list(INDICATORS)
    words = {"drop": f"without the columns of {' and '.join(group.name for group in groups)}"}
    changes["drop"] = columns_within(groups, decided)
    if rest := [name for name in before if name not in out]:
        changes["indicators"] = rest
        words["indicators"] = f"indicators {', '.join(rest)}"
    return words


def _models(draft: Draft, brief: Brief, changes: Changes) -> dict[str, str]:
    task = brief.task if brief.task != "analysis" else "classification"
    fast = draft.words.hits(_FASTER)
    for hit in fast:
        draft.words.take(hit.start, hit.stop)
    said = read_models(draft)
    asked, avoided = settle_models(draft, task, said)
    if fast and not asked:
        changes["models"] = [name for name in LINEAR[task] if name not in avoided][:1]
        return {"models": f"only a linear model: {', '.join(map(model_name, changes['models']))}"}
    words = {}
    if asked:
        before = candidate_models(brief) if adds(draft.words) else []
        changes["models"] = list(dict.fromkeys([*before, *asked]))
        changes["avoid_models"] = [name for name in brief.avoid_models if name not in asked]
        words["models"] = f"models {', '.join(map(model_name, changes['models']))}"
    if avoided:
        changes["avoid_models"] = list(dict.fromkeys([*changes.get("avoid_models", brief.avoid_models), *avoided]))
        changes["models"] = [name for name in changes.get("models", brief.models) if name not in avoided]
        words["avoid_models"] = f"without {', '.join(map(model_name, avoided))}"
    return words


def _indicators(draft: Draft, brief: Brief, changes: Changes) -> dict[str, str]:
    if "indicators" in changes:
        return {}
    now = read_indicators(draft)
    draft.notes[:] = [note for note in draft.notes if not note.startswith("Without ")]
    if now == brief.indicators or not now:
        return {}
    changes["indicators"] = now
    return {"indicators": f"indicators {', '.join(now)}"}


def _search(draft: Draft, changes: Changes) -> dict[str, str]:
    hits = draft.words.hits(_SEARCH)
    if not hits or True in are_wanted(draft.words, [(hit.start, hit.stop) for hit in hits]):
        return {}
    changes["search"] = False
    return {"search": "no search"}
