"""Turn words of a person into a `Turn`: ``restart ID --from STAGE KEY=VALUE`` and ``override ID KEY=VALUE``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from omc_agent.branching import Turn
from omc_agent.errors import UsageError
from omc_agent.overrides import KEYS, ORDER, earliest_stage, parse_overrides
from omc_agent.stages import STAGES


def turn_from(stage: str | None, words: Sequence[str], by: str) -> Turn:
    """The turn; without a stage from the earliest that the changes touch.

    Raises
    ------
    UsageError
        ``usage.value`` for an unknown stage, ``usage.override`` for what that stage does not know, or when nothing is
        changed.
    """
    return turn_of(stage, parse_overrides(words), by)


def turn_of(stage: str | None, changes: Mapping[str, Any], by: str) -> Turn:
    """The same for changes that were read already, as `overrides.checked` gives them."""
    changes = dict(changes)
    if stage is None:
        if not changes:
            raise UsageError("usage.override", given="Nothing was named to change.",
                             have=f"Known: {', '.join(KEYS)}, and MODEL.PARAMETER.",
                             try_="For example models=random_forest.")  # fmt: skip
        return Turn(earliest_stage(changes), changes, by)
    if stage not in STAGES:
        raise UsageError("usage.value", given=f"There is no stage {stage!r}.", have=f"Stages: {', '.join(STAGES)}.",
                         try_="Name one of them.")  # fmt: skip
    late = [name for name, value in changes.items() if _is_too_late(name, stage, value)]
    if late:
        fit = [name for name in KEYS if not _is_too_late(name, stage)]
        raise UsageError("usage.override", given=f"From {stage} on, {', '.join(late)} changes nothing any more.",
                         have=f"What that stage and later ones know: {', '.join(fit) or 'nothing'}.",
                         try_=f"Restart from {earliest_stage({name: changes[name] for name in late})}.")  # fmt: skip
    return Turn(stage, changes, by)


def _is_too_late(name: str, stage: str, value: object = None) -> bool:
    touched = earliest_stage({name: value})
    if touched == "data_analysis":  # indicators are made there, and chosen again among the features
        touched = "feature_engineering"
    order = [each for each in STAGES if each in ORDER or each == stage]
    return order.index(touched) < order.index(stage)
