"""What can happen in a run: values that do not change, JSON both ways, one plain line each."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, get_type_hints

import pytest

from omc_agent.events import KINDS, CellFinished, Event, Reason, StageStarted, event_from_dict

SAMPLES = {
    "str": "text",
    "int": 3,
    "float": 0.5,
    "bool": True,
    "dict": {"name": "m", "score": 0.5, "low": 0.4, "high": 0.6},
    "list": [],
}


def sample(cls: type[Event]) -> Event:
    """An event of that class with all fields filled by their type."""
    hints = get_type_hints(cls)
    values: dict[str, Any] = {}
    for field in dataclasses.fields(cls):
        text = str(hints[field.name]).removeprefix("<class '")
        kind = next(name for name in SAMPLES if text.startswith(name))
        values[field.name] = SAMPLES[kind]
    return cls(**values)


@pytest.mark.parametrize("kind", KINDS)
def test_an_event_comes_back_from_json_as_it_was(kind):
    event = sample(KINDS[kind])
    again = event_from_dict(kind, json.loads(json.dumps(event.to_dict())))
    assert again == event
    assert type(again) is KINDS[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_an_event_has_a_line_a_role_and_a_stage(kind):
    event = sample(KINDS[kind])
    assert isinstance(event.line(), str)
    assert event.role in ("agent", "tool", "host", "person")
    assert event.stage == "text"


def test_kinds_are_the_snake_case_names_of_the_classes():
    assert KINDS["stage_started"] is StageStarted
    assert {
        "run_started", "brief_read", "plan_made", "stage_started", "stage_finished", "reason", "act", "observe",
        "cell_started", "cell_finished", "progressed", "warned", "holdout_sealed", "leak_tested", "candidate_scored",
        "request_opened", "request_decided", "choice_made", "verdict_called", "artifact_saved", "said",
        "run_finished",
    } <= set(KINDS)  # fmt: skip


def test_events_do_not_change():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Reason(text="a").text = "b"


def test_fields_that_this_version_does_not_know_are_left_out():
    assert event_from_dict("reason", {"text": "a", "at": 1.0, "mood": "new"}) == Reason(text="a", at=1.0)


def test_two_cells_do_not_share_their_lists():
    one, two = CellFinished(n=1, code=""), CellFinished(n=2, code="")
    assert one.outputs is not two.outputs
    assert one.frames is not two.frames
