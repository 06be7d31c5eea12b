"""The waiting room: written before it is asked, answered by whoever comes first, and never a hang."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace

import pytest

from omc_agent.config import GATES, Gates
from omc_agent.deciding import decide
from omc_agent.errors import LeaseLost
from omc_agent.ledger import Ledger
from omc_agent.request import ClarificationQuestion, Decision, Request
from omc_agent.store.database import open_database
from omc_agent.store.leases import Leases, new_owner
from omc_agent.store.records import SessionManager
from omc_agent.waiting import WaitingRoom

KINDS = (*GATES, "clarification")
SOON = 0.05  # seconds that a question waits here


@pytest.fixture
def store(tmp_path):
    made = SessionManager(open_database(f"sqlite:///{tmp_path / 'store.db'}"))
    made.create("Predict BTC", workspaces=tmp_path / "runs", model="offline", settings={}, session_id="run")
    yield made
    made.engine.dispose()


@pytest.fixture
def owner(store):
    mine = new_owner()
    assert Leases(store.engine).take("run", mine)
    return mine


def request_at(gate):
    if gate == "clarification":
        questions = [ClarificationQuestion(field="coins", question="Which?", default="ETH")]
        return Request(gate=gate, stage="clarification", question="Which?", questions=questions)
    code = "x = 1" if gate == "code" else ""
    return Request(gate=gate, stage="planning", question="Well?", code=code, default=None if gate == "code" else "2")


def interrupt(gate="scope", name="q1", held=True):
    """An interrupt as LangGraph hands it on."""
    request = request_at(gate)
    value = {"request": request.model_dump(), "sha256": request.sha256(), "held": held}
    return SimpleNamespace(id=name, value=value)


def room_of(store, owner, heard=None, **gates):
    ledger = Ledger(store, "run", "run", heard.append if heard is not None else None, owner=owner)
    return WaitingRoom(store, ledger, Gates("always", **{"interactive": True, **gates}))


async def in_time(work):
    """What `work` gives; a room that hangs fails the test."""
    return await asyncio.wait_for(work, 20)


async def test_a_question_is_in_the_store_before_anyone_hears_of_it(store, owner):
    there = []

    def listen(event):
        if event.kind == "request_opened":
            there.append(store.request(event.request_id)["status"])

    ledger = Ledger(store, "run", "run", listen, owner=owner)
    room = WaitingRoom(store, ledger, Gates("always", interactive=False))
    assert await in_time(room.answers([interrupt()])) is None
    assert there == ["open"]


async def test_all_that_is_shown_is_in_the_row_and_in_the_event(store, owner):
    heard = []
    room = room_of(store, owner, heard, answer_within=SOON)
    before = time.time()
    await in_time(room.answers([interrupt("code")]))
    row, (told,) = store.request("q1"), [event for event in heard if event.kind == "request_opened"]
    request = request_at("code")
    assert (row["payload"], row["sha256"], row["gate"]) == (request.model_dump(), request.sha256(), "code")
    assert Request.model_validate(told.request) == request
    assert before + SOON <= told.deadline <= time.time() + SOON
    assert store.events("run")[0] == told, "and it is on disk before it waits"


@pytest.mark.parametrize(
    ("interactive", "answer_within"),
    [(True, SOON), (False, 0.0), (False, 60.0)],
    ids=["somebody", "nobody", "nobody, with a countdown"],
)
@pytest.mark.parametrize(("on_timeout", "held", "kind"), [
    ("park", True, None), ("approve", True, "approve"), ("reject", True, "reject"),
    ("park", False, None), ("approve", False, None), ("reject", False, "reject"),
])  # fmt: skip
@pytest.mark.parametrize("gate", ["code", "selection", "clarification"])
async def test_when_nobody_answers_the_chosen_outcome_holds(
    store, owner, gate, on_timeout, held, kind, interactive, answer_within
):
    """A countdown where somebody is there, at once where nobody is; unwalled code is never approved by the clock."""
    heard = []
    room = room_of(store, owner, heard, interactive=interactive, on_timeout=on_timeout, answer_within=answer_within)
    answers = await in_time(room.answers([interrupt(gate, held=held)]))
    opened = heard[0]
    assert opened.on_timeout == ("park" if kind is None else on_timeout)
    assert (opened.deadline is not None) is interactive
    row = store.request("q1")
    if kind is None:
        assert answers is None
        assert row["status"] == "open", "it can still be answered"
        return
    assert answers["q1"]["type"] == kind
    assert answers["q1"]["sha256"] == row["sha256"]
    assert row["decided_by"] == f"{'the clock' if interactive else 'nobody is there'}: --on-timeout {on_timeout}"
    if kind == "approve":
        assert answers["q1"].get("value") == {"code": None, "selection": "2", "clarification": {"coins": "ETH"}}[gate]
    assert [event.kind for event in heard] == ["request_opened", "request_decided"]


async def test_a_question_waits_as_long_as_needed_and_the_run_is_said_to_wait(store, owner):
    room = room_of(store, owner, answer_within=0.0)
    waiting = asyncio.create_task(room.answers([interrupt()]))
    done, _ = await asyncio.wait([waiting], timeout=0.4)
    assert not done
    assert store.read("run")["status"] == "awaiting_user"
    decide(store, "q1", Decision(), "ann")
    assert (await in_time(waiting))["q1"]["type"] == "approve"
    assert store.read("run")["status"] == "running"


@pytest.mark.parametrize("wakes", [True, False], ids=["same process", "another process"])
async def test_an_answer_from_anywhere_is_heard_and_told(store, owner, wakes):
    heard = []
    room = room_of(store, owner, heard)
    waiting = asyncio.create_task(room.answers([interrupt("selection")]))
    while not store.requests("run"):
        await asyncio.sleep(0.01)
    decide(store, "q1", Decision(type="reject", why="no edge"), "ann, widget")
    if wakes:
        room.wake()
    answers = await in_time(waiting)
    assert (answers["q1"]["type"], answers["q1"]["why"]) == ("reject", "no edge")
    told = heard[-1]
    assert (told.kind, told.decision, told.decided_by, told.why) == (
        "request_decided",
        "reject",
        "ann, widget",
        "no edge",
    )


@pytest.mark.parametrize("interactive", [True, False])
async def test_what_was_decided_while_nobody_drove_holds_and_is_not_asked_again(store, owner, interactive):
    """The clock of this process must not outvote the person who answered while the run was parked."""
    first = room_of(store, owner, interactive=False)
    assert await in_time(first.answers([interrupt("code")])) is None
    decide(store, "q1", Decision(type="edit", code="x = 2"), "ann, command line")
    heard = []
    second = room_of(store, owner, heard, interactive=interactive, on_timeout="reject", answer_within=SOON)
    answers = await in_time(second.answers([interrupt("code")]))
    assert answers["q1"]["code"] == "x = 2"
    assert len(store.requests("run", status=None)) == 1
    assert ("code", "planning", request_at("code").sha256()) in second.asked


async def test_of_several_questions_all_are_waited_for(store, owner):
    room = room_of(store, owner)
    waiting = asyncio.create_task(room.answers([interrupt("code", "q1"), interrupt("scope", "q2")]))
    while len(store.requests("run")) < 2:
        await asyncio.sleep(0.01)
    decide(store, "q1", Decision(), "ann")
    done, _ = await asyncio.wait([waiting], timeout=0.3)
    assert not done
    decide(store, "q2", Decision(type="reject"), "ann")
    assert {name: answer["type"] for name, answer in (await in_time(waiting)).items()} == {
        "q1": "approve",
        "q2": "reject",
    }


async def test_a_clock_that_may_not_answer_one_question_answers_none(store, owner):
    room = room_of(store, owner, on_timeout="approve", answer_within=SOON)
    assert await in_time(room.answers([interrupt("scope", "q1"), interrupt("code", "q2", held=False)])) is None
    assert {row["status"] for row in store.requests("run")} == {"open"}


# -- what a policy answers -------------------------------------------------------------------------


async def test_what_a_policy_answers_is_written_down_and_told(store, owner):
    heard = []
    room = room_of(store, owner, heard)
    request = request_at("code")
    held = await room.settle("k", request, Decision(), "policy: --approve never")
    assert held == Decision(sha256=request.sha256())
    (row,) = store.requests("run", status="decided")
    assert (row["gate"], row["decided_by"], row["payload"]) == (
        "code",
        "policy: --approve never",
        request.model_dump(),
    )
    opened, decided = heard
    assert (opened.request_id, decided.request_id) == (row["id"], row["id"])
    assert opened.request == {}, "nothing to answer here"
    assert (decided.decision, decided.decided_by) == ("approved", "policy: --approve never")


async def test_the_same_question_again_gets_the_first_answer_though_the_policy_has_changed(store, owner):
    request = request_at("code")
    await room_of(store, owner).settle("k", request, Decision(type="reject", why="no"), "policy file")
    later = room_of(store, owner)
    held = await later.settle("k", request, Decision(), "policy: --approve never")
    assert (held.type, held.why) == ("reject", "no")
    (row,) = store.requests("run", status="decided")
    assert row["decided_by"] == "policy file"
    other = await later.settle("another key", request, Decision(), "policy: --approve never")
    assert other.type == "approve"


async def test_another_branch_asks_for_itself(store, owner):
    request, room = request_at("code"), room_of(store, owner)
    await room.settle("k", request, Decision(type="reject"), "policy file")
    room.ledger.turn_to("run.2")
    assert (await room.settle("k", request, Decision(), "policy: --approve never")).type == "approve"


@pytest.mark.parametrize("way", ["answers", "settle"])
async def test_who_lost_the_run_asks_nobody(store, owner, way):
    heard = []
    room = room_of(store, owner, heard)
    Leases(store.engine).release("run", owner)
    ask = {
        "answers": lambda: room.answers([interrupt()]),
        "settle": lambda: room.settle("k", request_at("scope"), Decision(), "policy file"),
    }[way]
    with pytest.raises(LeaseLost):
        await in_time(ask())
    assert store.requests("run", status=None) == []
    assert heard == []
