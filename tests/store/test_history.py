"""The ledger as rows to go on from, and a run as a conversation."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from omc_agent.events import (
    Act,
    Branched,
    BriefRead,
    ChoiceMade,
    Reason,
    RequestDecided,
    RequestOpened,
    RunFinished,
    RunStarted,
    Said,
    StageStarted,
    VerdictCalled,
)

TALK = [
    RunStarted(run_id="r", goal="Predict BTC", model="offline", at=1_700_000_000.0),
    BriefRead(title="BTC, next hour", brief={}),
    StageStarted(stage="planning", title="Planning"),
    Reason(stage="planning", text="Hourly bars will do."),
    Act(tool="fetch_price_data", args={"coins": ["BTC"]}),
    RequestOpened(stage="planning", request_id="q", gate="scope", question="Is this the plan?",
                  options=["yes", "no"]),
    RequestDecided(stage="planning", request_id="q", gate="scope", decision="reject", decided_by="ann, notebook",
                   why="no RSI"),
    RequestDecided(request_id="p", gate="code", decision="approve", decided_by="policy: --approve never"),
    Said(text="only momentum"),
    Reason(text=""),
    ChoiceMade(name="ridge", why="the simplest"),
    VerdictCalled(verdict={}, headline="No edge found", sentence="It is within noise."),
    RunFinished(status="finished"),
]  # fmt: skip
SAID = [
    ("user", "Predict BTC"),
    ("assistant", "BTC, next hour"),
    ("assistant", "Hourly bars will do."),
    ("assistant", "Is this the plan? (yes, no)"),
    ("user", "reject: no RSI"),
    ("assistant", "code: approve by policy: --approve never."),
    ("user", "only momentum"),
    ("assistant", "ridge: the simplest"),
    ("assistant", "No edge found. It is within noise."),
    ("assistant", "The run is finished."),
]


@pytest.fixture
def told(store, new):
    new(session_id="r")
    store.append("r", "r", [(f"k{n}", event) for n, event in enumerate(TALK)])


def pairs(history):
    return [(each["role"], each["content"]) for each in history]


def test_a_run_is_a_conversation(store, told):
    history = store.history("r")
    assert pairs(history) == SAID
    assert history[0]["at"] == datetime.fromtimestamp(1_700_000_000, UTC)
    assert [each["seq"] for each in history] == sorted(each["seq"] for each in history)
    assert history[3] | {"at": None} == {
        "role": "assistant", "content": "Is this the plan? (yes, no)", "kind": "request_opened", "stage": "planning",
        "seq": 6, "at": None,
    }  # fmt: skip


def test_a_branch_goes_on_from_what_led_to_it_and_says_the_goal_once(store, told):
    store.append("r", "r.2", [
        ("branched", Branched(stage="planning", new_branch="r.2", parent="r", overrides={"coins": ["ETH"]},
                              decided_by="ann")),
        ("started", RunStarted(run_id="r", goal="Predict BTC", model="offline", branch="r.2")),
        ("r", Reason(text="Now ETH.")),
    ])  # fmt: skip
    assert pairs(store.history("r", "r.2"))[-2:] == [
        ("user", "r.2 from planning on: coins=['ETH'], by ann"),
        ("assistant", "Now ETH."),
    ]
    assert pairs(store.history("r", "r")) == SAID


def test_a_failure_is_said_in_its_three_parts(store, new):
    new(session_id="r")
    error = {"code": "data.empty_span", "given": "The span was empty.", "have": "There are bars.", "try": "Another."}
    store.append("r", "r", [("f", RunFinished(status="failed", reason="data.empty_span", error=error))])
    assert pairs(store.history("r")) == [("assistant", "The span was empty. There are bars. Another.")]


def test_a_run_that_is_not_there_has_no_history(store):
    assert store.history("nobody") == []
    assert store.told("nobody") == []


def test_the_ledger_is_read_on_from_any_number(store, told):
    rows = store.told("r")
    assert [row["seq"] for row in rows] == list(range(1, len(TALK) + 1))
    assert [row["kind"] for row in rows] == [event.kind for event in TALK]
    first = rows[0]
    assert (first["role"], first["branch"], first["content"]) == ("agent", "r", "run r: Predict BTC (offline)")
    assert first["at"] == datetime.fromtimestamp(1_700_000_000, UTC)
    assert first["fields"]["goal"] == "Predict BTC"
    assert [row["seq"] for row in store.told("r", after_seq=5, limit=3)] == [6, 7, 8]
    assert store.told("r", after_seq=len(TALK)) == []
    assert store.told("r", limit=0) == []
    assert store.told("r", branch="r.2") == []
