"""The stages of a run in their order, with their titles and states."""

from __future__ import annotations

from dataclasses import dataclass

from omc_agent.stages import STAGES

__all__ = ["DONE", "ENDS", "MARKS", "STAGES", "StageRecord", "is_redone", "stage_title"]

_TITLES = {
    "data_retrieval": "Data",
    "data_analysis": "Analysis",
    "feature_engineering": "Features",
    "model_training": "Training",
    "model_evaluation": "Evaluation",
    "hyperparameter_tuning": "Tuning",
    "reporting": "Report",
}

DONE = frozenset({"ok", "skipped"})
MARKS = {"ok": "✓", "now": "●", "waiting": "○", "failed": "✕", "skipped": "–", "back": "↺"}
ENDS = {"failed": "failed", "skipped": "skipped", "back": "sent back"}


@dataclass
class StageRecord:
    """One stage: `status` is waiting, now, ok, failed, skipped or back; `seconds` adds up all visits."""

    stage: str
    title: str
    status: str = "waiting"
    visit: int = 0
    seconds: float = 0.0
    cells: int = 0
    since: float = 0.0


def stage_title(stage: str) -> str:
    """A stage's name as a title, where no event gave one.

    Examples
    --------
    >>> stage_title("data_retrieval"), stage_title("leak_test")
    ('Data', 'Leak test')
    """
    return _TITLES.get(stage) or stage.replace("_", " ").capitalize()


def is_redone(stage: str, start: str) -> bool:
    """Whether `stage` is done again when the work is done again from `start` on.

    A stage that this version does not know is done again only where it is the start itself.

    Examples
    --------
    >>> is_redone("scoring", "selection"), is_redone("planning", "selection")
    (True, False)
    """
    if stage not in STAGES or start not in STAGES:
        return stage == start
    return STAGES.index(stage) >= STAGES.index(start)
