"""What a person answered or changed, put into the brief so that its fields still fit each other."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from omc_agent.brief import CLASSIFIERS, NUMBER_METRICS, REGRESSORS, Brief
from omc_agent.errors import UsageError
from omc_agent.overrides import KEYS, checked

TASK_OF = {
    "direction": "classification",
    "threshold": "classification",
    "return": "regression",
    "price": "regression",
}
TARGET_OF = {"classification": "direction", "regression": "return"}
DEFAULT_METRIC = {"classification": "roc_auc", "regression": "mae"}
DEFAULT_THRESHOLD = 0.01


def answered(brief: Mapping[str, Any], answers: Mapping[str, Any]) -> dict[str, Any]:
    """The brief with some fields answered; answers for anything else are left out.

    A target brings its task and a task its target; a metric and models that no longer fit are replaced by the
    defaults; what was answered is no longer assumed.

    Parameters
    ----------
    brief : mapping
        Fields of `Brief`.
    answers : mapping
        Field to text, as it was typed (lists joined by commas), or to a typed value.

    Raises
    ------
    UsageError
        ``usage.override`` or ``usage.value`` for an answer that the field cannot take.

    Examples
    --------
    >>> made = answered(Brief(coins=["BTC"], assumed=["target"]).model_dump(), {"target": "return"})
    >>> made["target"], made["task"], made["metric"], made["assumed"]
    ('return', 'regression', 'mae', [])
    """
    known = {name: value for name, value in answers.items() if name in KEYS and KEYS[name].home == "brief"}
    given = checked(known)
    for name in ("start", "end"):
        if name in given:
            given[name] = _time(name, given[name])
    made = {**brief, **given}
    _fit_target(made, given)
    _fit_choices(made)
    made["assumed"] = [name for name in made.get("assumed", []) if name not in given]
    try:
        return Brief.model_validate(made).model_dump()
    except ValidationError as error:
        told = error.errors()[0]
        where = ".".join(map(str, told["loc"]))
        raise UsageError(
            "usage.value",
            given=f"{where} cannot be {told.get('input')!r}.",
            have=f"{told['msg']}.",
            try_="Choose one of the options, or answer in the form that the question names.",
        ) from None


def _fit_target(made: dict[str, Any], given: Mapping[str, Any]) -> None:
    """Target, task and threshold are said by each other."""
    if "threshold" in given and "target" not in given:
        made["target"] = "threshold"
    if made["task"] == "analysis":
        return
    needed = TASK_OF.get(made["target"])
    if needed and made["task"] != needed:
        if "task" in given and "target" not in given and "threshold" not in given:
            made["target"] = TARGET_OF[made["task"]]
        else:
            made["task"] = needed
    if made["target"] != "threshold":
        made["threshold"] = None
    elif not made["threshold"]:
        made["threshold"] = DEFAULT_THRESHOLD


def _fit_choices(made: dict[str, Any]) -> None:
    """Metric and models are those of the task."""
    if made["task"] == "analysis":
        return
    if (made["metric"] in NUMBER_METRICS) != (made["task"] == "regression"):
        made["metric"] = DEFAULT_METRIC[made["task"]]
    fitting = CLASSIFIERS if made["task"] == "classification" else REGRESSORS
    made["models"] = [name for name in made["models"] if name in fitting]


def _time(name: str, text: str) -> str:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            "usage.value",
            given=f"{name} cannot be {text!r}.",
            have="It is a date or a time in ISO 8601, UTC.",
            try_="Write it as 2024-06-01 or 2024-06-01T12:00.",
        ) from None
    return (at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)).isoformat()
