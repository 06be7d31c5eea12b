"""The facts that a run's cards are painted from."""

from __future__ import annotations

from omc_agent.events import PlanMade
from omc_agent.panels.story import Story


def test_what_the_span_can_show_is_a_fact_of_the_plan():
    story = Story()
    story.handle(PlanMade(stage="planning", steps=[], note="These 90 days hold 432 hours of holdout.", at=1.0))
    assert story.span_note == "These 90 days hold 432 hours of holdout."
