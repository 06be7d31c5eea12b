"""The rule that decides whether to tune once more or to accept what is there, with its reason in words.

It is code, so that no search is made because a model felt like it: the offline model follows it, and what another
model proposes is shown beside it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from omc_agent.candidate import sign_of
from omc_agent.naming import metric_name, model_name

Candidate = Mapping[str, Any]

# Algorithms that have a space worth searching; plain least squares has none.
SEARCHED = ("xgboost", "gradient_boosting", "logistic_regression", "random_forest", "ridge", "lasso")
BOOSTED = ("xgboost", "gradient_boosting")
# Below this many scored rows the best of several settings is the luckiest one.
LEAST_ROWS = 200

_Z95 = 1.959964


@dataclass(frozen=True)
class NextStep:
    """What comes next: ``tune`` (then `model` says what) or ``select``, and why."""

    next: str
    model: str | None
    why: str

    def to_dict(self) -> dict[str, Any]:
        """All fields, ready for JSON."""
        return asdict(self)


def next_step(candidates: Sequence[Candidate], rounds_left: int, wanted: Sequence[str] = ()) -> NextStep:
    """Tune or accept.

    Parameters
    ----------
    candidates : sequence of dict
        As the state holds them: ``name, model, metric, score, low, high, rows, trials, baseline``.
    rounds_left : int
        Searches that the run may still make.
    wanted : sequence of str
        Algorithms for which a person gave ranges: these are searched whatever the scores say.

    Returns
    -------
    NextStep

    Notes
    -----
    In this order. Accept when no round is left, when nothing can be searched, when too few rows were scored to tell
    two settings apart, or when even the upper end of the best candidate's interval is below the best naive rule:
    settings do not close such a gap. Else tune the best boosted tree where it is within one standard error of the
    best candidate or ahead of it, for its settings matter most; else the best other candidate that can be searched.

    Examples
    --------
    >>> line = {"name": "line", "model": "ridge", "metric": "mae_skill", "score": 0.02, "low": 0.0, "high": 0.04}
    >>> tree = line | {"name": "tree", "model": "xgboost", "score": 0.015}
    >>> next_step([line, tree], rounds_left=1).model
    'xgboost'
    >>> next_step([line, tree], rounds_left=0)
    NextStep(next='select', model=None, why='No search is left.')
    """
    models = [each for each in candidates if not each.get("baseline") and not each.get("yardstick")]
    tuned = {each["model"] for each in models if int(each.get("trials") or 1) > 1}
    open_ = [each for each in models if each["model"] in SEARCHED and each["model"] not in tuned]
    if rounds_left <= 0:
        return _accept("No search is left.")
    if not open_:
        return _accept("Nothing is left that a search could change.")
    asked = [each for each in open_ if each["model"] in wanted]
    if asked:
        model = max(asked, key=_worth)["model"]
        return NextStep("tune", model, f"A person gave ranges for {model_name(model)}: search these.")
    rows = max(int(each.get("rows") or 0) for each in models)
    if 0 < rows < LEAST_ROWS:
        return _accept(f"{rows} scored rows cannot tell two settings apart: a search would find luck.")
    best = max(models, key=_worth)
    rule = max((each for each in candidates if each.get("baseline")), key=_worth, default=None)
    if rule is not None and _upper(best) < _worth(rule):
        return _accept(
            f"Even the upper end of {_named(best)} is not level with the naive rule {_named(rule)}: settings do not"
            " close such a gap, other features might."
        )
    return _search(best, open_)


def _search(best: Candidate, open_: Sequence[Candidate]) -> NextStep:
    trees = [each for each in open_ if each["model"] in BOOSTED]
    tree = max(trees, key=_worth, default=None)
    if tree is not None and _worth(best) - _worth(tree) <= _noise(best) + 1e-12:
        name = _first(model_name(tree["model"]))
        place = "is the best so far" if tree is best else "is within noise of the best"
        return NextStep(
            "tune",
            tree["model"],
            f"{name} {place}, and defaults are rarely its best: one bounded search could matter.",
        )
    other = max((each for each in open_ if each["model"] not in BOOSTED), key=_worth, default=None)
    if other is None:
        return _accept("The trees are behind the best by more than noise: their settings are not what is missing.")
    behind = "The trees are behind by more than noise" if trees else "No boosted tree was scored"
    name = model_name(other["model"])
    return NextStep("tune", other["model"], f"{behind}: search the settings of {name} instead, which is cheap.")


def _first(name: str) -> str:
    """A name as a sentence begins with it."""
    return name[0].upper() + name[1:]


def _accept(why: str) -> NextStep:
    return NextStep("select", None, why)


def _worth(each: Candidate) -> float:
    """The score, higher is better; a candidate without one is last."""
    score = each.get("score")
    return -math.inf if score is None or math.isnan(score) else sign_of(each.get("metric")) * float(score)


def _noise(each: Candidate) -> float:
    """One standard error, read from the interval; without one everything is within noise."""
    low, high = each.get("low"), each.get("high")
    return math.inf if low is None or high is None else (float(high) - float(low)) / (2 * _Z95)


def _upper(each: Candidate) -> float:
    """The better end of the interval, higher is better; without one nothing is ruled out."""
    end = each.get("high") if sign_of(each.get("metric")) > 0 else each.get("low")
    return math.inf if end is None else sign_of(each.get("metric")) * float(end)


def _named(each: Candidate) -> str:
    return f"{model_name(each['name'])} ({metric_name(each.get('metric'))} {each['score']:.4g})"
