"""Whether a brief and a plan, as a chat model submits them, hold together; what does not is said, to be mended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from omc_agent.agents.answers import DEFAULT_METRIC, TASK_OF
from omc_agent.brief import CLASSIFIERS, NUMBER_METRICS, REGRESSORS
from omc_agent.errors import UsageError

# Of the walk of a goal: those that a plan lists.
PLANNED = (
    "data_retrieval", "data_analysis", "feature_engineering", "leak_test", "model_training", "model_evaluation",
    "hyperparameter_tuning", "selection", "scoring", "reporting",
)  # fmt: skip


def fitted(given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a brief, with the metric of its task where none was named.

    Parameters
    ----------
    given : mapping
        Fields of `Brief`; what is not there is taken by default.

    Raises
    ------
    UsageError
        ``usage.value`` for fields that do not fit each other, or a time that is none.

    Examples
    --------
    >>> fitted({"task": "regression", "target": "return"})["metric"]
    'mae'
    """
    task = given.get("task", "classification")
    usual = DEFAULT_METRIC.get(task, "roc_auc")
    made = {"metric": usual, **{name: value for name, value in given.items() if value is not None}}
    if task == "analysis":
        return made
    needed = TASK_OF.get(str(made.get("target", "direction")))
    if needed is not None and needed != task:
        raise _refused(f"Target {made.get('target', 'direction')} with task {task}", f"It is a {needed}.",
                       f"Submit it with task {needed}, or name another target.")  # fmt: skip
    if (made["metric"] in NUMBER_METRICS) != (task == "regression"):
        raise _refused(f"Metric {made['metric']} with task {task}", f"The usual one is {DEFAULT_METRIC[task]}.",
                       "Name a metric of the task, or leave it out.")  # fmt: skip
    if made.get("target") == "threshold" and not made.get("threshold"):
        raise _refused("Target threshold without a threshold", "It is a signed fraction: 0.01 is one per cent up.",
                       "Give threshold, or name another target.")  # fmt: skip
    fitting = CLASSIFIERS if task == "classification" else REGRESSORS
    if odd := [name for name in made.get("models") or [] if name not in fitting]:
        raise _refused(f"{', '.join(odd)} for a {task}", f"There are {', '.join(fitting)}.", "Name one of these.")
    for name in ("start", "end"):
        _check_time(name, made.get(name))
    return made


def known_stages(stages: Sequence[str]) -> None:
    """Raise ``usage.value`` for a plan with a stage that is none, or one twice."""
    if odd := [name for name in stages if name not in PLANNED]:
        raise _refused(f"A plan with {', '.join(odd)}", f"Stages: {', '.join(PLANNED)}.", "Name only these.")
    if twice := sorted({name for name in stages if stages.count(name) > 1}):
        raise _refused(f"A plan with {', '.join(twice)} twice", "Each stage has one step.", "Join the steps.")


def _check_time(name: str, value: Any) -> None:
    if value is None:
        return
    try:
        datetime.fromisoformat(str(value))
    except ValueError:
        told = "It is no time in ISO 8601, UTC."
        raise _refused(f"{name}={value}", told, "Write 2024-06-01T00:00:00+00:00.") from None


def _refused(given: str, have: str, try_: str) -> UsageError:
    return UsageError("usage.value", given=f"{given} does not fit.", have=have, try_=try_)
