"""Who is asked, what is taken when nobody is, and that both are written down."""

from __future__ import annotations

from typing import Any, TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command

from omc_agent.config import Gates
from omc_agent.graph.gates import SAFE, make_ask

QUESTION = {
    "stage": "selection",
    "question": "Which one?",
    "payload": {"options": ["a", "b"], "default": "b"},
    "sha256": "f" * 64,
    "key": "selection:1",
}


class Book:
    """Writes down what is told and asked."""

    def __init__(self):
        self.order, self.events, self.rows = [], [], []

    async def emit(self, event, key):
        self.order.append(key)
        self.events.append(event)

    async def write(self, request_id, **values):
        self.order.append("written")
        self.rows.append(values)
        return f"run-{request_id}"


@pytest.mark.parametrize(
    ("approve", "gate", "by"),
    [
        *(("never", gate, "policy: --approve never") for gate in ("code", "scope", "budget", "selection")),
        *(("risky", gate, "default") for gate in sorted(SAFE)),
    ],
)
async def test_a_policy_takes_the_stated_default_and_says_who_decided(approve, gate, by):
    book = Book()
    decision = await make_ask(Gates(approve), book.emit, book.write)(gate=gate, **QUESTION)
    assert decision == {"type": "approve", "value": "b"}
    (row,) = book.rows
    assert row == {
        "gate": gate,
        "stage": "selection",
        "payload": QUESTION["payload"],
        "sha256": QUESTION["sha256"],
        "decision": decision,
        "decided_by": by,
    }
    opened, decided = book.events
    assert (opened.gate, opened.question, opened.options, opened.default) == (gate, "Which one?", ["a", "b"], "b")
    assert (decided.decision, decided.decided_by) == ("b", by)
    assert opened.request_id == decided.request_id
    assert opened.request_id.startswith("run-")
    assert book.order == ["written", "selection:1:opened", "selection:1:decided"]


async def test_a_gate_without_a_stated_default_is_approved_under_never():
    book = Book()
    asked = {**QUESTION, "payload": {"code": "x = 1"}}
    decision = await make_ask(Gates("never"), book.emit, book.write)(gate="code", **asked)
    assert decision == {"type": "approve", "value": None}
    assert book.events[1].decision == "approve"


async def test_the_same_key_is_the_same_request_and_another_is_another():
    book = Book()
    ask = make_ask(Gates("never"), book.emit, book.write)
    for key in ("a", "a", "b"):
        await ask(gate="code", **{**QUESTION, "key": key})
    first, again, other = (event.request_id for event in book.events[::2])
    assert first == again != other


async def _not_walled() -> bool:
    return False


@pytest.mark.parametrize("approve", ["never", "risky", "always"])
async def test_code_of_a_model_asks_where_there_is_no_wall_whatever_the_policy(approve):
    book = Book()
    ask = make_ask(Gates(approve), book.emit, book.write, walled=_not_walled)
    waiting, _ = await asked_in_a_graph(ask, "code")
    assert waiting.value["gate"] == "code"
    assert book.rows == []


async def test_unsafe_local_lets_it_run_unasked_and_other_gates_never_needed_a_wall():
    book = Book()
    unsafe = make_ask(Gates("never", unsafe_local=True), book.emit, book.write, walled=_not_walled)
    assert (await unsafe(gate="code", **QUESTION))["type"] == "approve"
    ask = make_ask(Gates("never"), book.emit, book.write, walled=_not_walled)
    assert (await ask(gate="selection", **QUESTION))["type"] == "approve"


async def test_what_a_person_was_asked_is_asked_again_though_the_policy_has_changed():
    """Otherwise a resumed run would approve by policy what the person has just rejected."""
    book = Book()
    asked = {("code", QUESTION["stage"], QUESTION["sha256"])}
    ask = make_ask(Gates("never"), book.emit, book.write, asked=asked)
    waiting, resume = await asked_in_a_graph(ask, "code")
    assert waiting.value["gate"] == "code"
    assert (await resume({"type": "reject", "why": "no"}))["decision"]["type"] == "reject"


async def asked_in_a_graph(ask, gate):
    """The open interrupt of a graph whose one node asks, and a function that answers it."""

    async def node(state):
        return {"decision": await ask(gate=gate, **QUESTION)}

    graph = StateGraph(_State)
    graph.add_node("node", node)
    graph.add_edge(START, "node")
    graph.add_edge("node", END)
    compiled = graph.compile(checkpointer=InMemorySaver())
    thread = {"configurable": {"thread_id": "t"}}
    await compiled.ainvoke({}, thread)
    (waiting,) = (await compiled.aget_state(thread)).interrupts

    async def resume(decision):
        return await compiled.ainvoke(Command(resume={waiting.id: decision}), thread)

    return waiting, resume


class _State(TypedDict, total=False):
    decision: dict[str, Any]


@pytest.mark.parametrize("approve", ["risky", "always"])
@pytest.mark.parametrize("gate", ["code", "scope", "budget"])
async def test_what_has_no_safe_default_waits_for_a_person_and_resumes_by_its_id(approve, gate):
    book = Book()
    ask = make_ask(Gates(approve), book.emit, book.write)

    waiting, resume = await asked_in_a_graph(ask, gate)
    assert waiting.value == {
        "gate": gate,
        "stage": "selection",
        "question": "Which one?",
        "payload": QUESTION["payload"],
        "sha256": QUESTION["sha256"],
    }
    assert book.rows == [], "its row is written by whoever drives the run"
    done = await resume({"type": "reject", "why": "no"})
    assert done["decision"] == {"type": "reject", "why": "no"}
