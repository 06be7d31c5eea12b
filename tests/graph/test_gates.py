"""Who answers: a person, the policy of the run, or the stated default; and that the answer is kept."""

from __future__ import annotations

from typing import Any, TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command

from omc_agent.config import GATES, Gates
from omc_agent.graph.gates import SAFE, default_of, make_ask, opened, unanswered
from omc_agent.request import ClarificationQuestion, Decision, Request

KINDS = (*GATES, "clarification")


def request_at(gate: str, **more: Any) -> Request:
    if gate == "clarification":
        more = {"questions": [ClarificationQuestion(field="coins", question="Which?", default="ETH")], **more}
    return Request(gate=gate, stage="selection", question="Which one?", **{"default": "b", **more})


def default_value(gate: str) -> Any:
    return {"coins": "ETH"} if gate == "clarification" else "b"


class Book:
    """Keeps what a policy answered; the same key again gets the answer that it got."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[Request, Decision, str]] = {}

    async def settle(self, key, request, decision, by):
        return self.kept.setdefault(key, (request, decision, by))[1]


class _State(TypedDict, total=False):
    decision: Any


async def asked_in_a_graph(ask, request):
    """The open interrupts of a graph whose one node asks, and a function that answers the first."""

    async def node(state):
        return {"decision": (await ask(request, "selection:1")).model_dump()}

    graph = StateGraph(_State)
    graph.add_node("node", node)
    graph.add_edge(START, "node")
    graph.add_edge("node", END)
    compiled = graph.compile(checkpointer=InMemorySaver())
    thread = {"configurable": {"thread_id": "t"}}
    await compiled.ainvoke({}, thread)
    waiting = (await compiled.aget_state(thread)).interrupts

    async def resume(decision):
        done = await compiled.ainvoke(Command(resume={waiting[0].id: decision}), thread)
        return Decision.model_validate(done["decision"])

    return waiting, resume


@pytest.mark.parametrize(
    ("approve", "gate", "by"),
    [
        *(("never", gate, "policy: --approve never") for gate in KINDS if gate != "budget"),
        *((approve, gate, "default") for approve in ("risky", "always") for gate in sorted(SAFE)),
    ],
)
async def test_a_policy_takes_the_stated_default_and_says_who_decided(approve, gate, by):
    book, request = Book(), request_at(gate)
    decision = await make_ask(Gates(approve), book.settle)(request, "selection:1")
    assert (decision.type, decision.value) == ("approve", default_value(gate))
    assert book.kept == {"selection:1": (request, decision, by)}


async def test_a_gate_without_a_stated_default_is_approved_under_never():
    decision = await make_ask(Gates("never"), Book().settle)(request_at("code", default=None, code="x = 1"), "k")
    assert (decision.type, decision.value) == ("approve", None)


async def test_what_was_settled_before_holds_though_the_policy_says_otherwise_now():
    book, request = Book(), request_at("scope")
    yes = make_ask(Gates("never"), book.settle)
    no = make_ask(Gates("never", answers={"scope": "reject"}), book.settle)
    assert (await yes(request, "a")).type == "approve"
    assert (await no(request, "a")).type == "approve"
    assert (await no(request, "b")).type == "reject"


async def _not_walled() -> bool:
    return False


@pytest.mark.parametrize(
    "gates",
    [*(Gates(approve) for approve in ("never", "risky", "always")), Gates("never", answers={"code": "approve"})],
    ids=["never", "risky", "always", "policy file"],
)
async def test_code_of_a_model_asks_where_there_is_no_wall_whatever_the_policy(gates):
    book = Book()
    (waiting,), _ = await asked_in_a_graph(
        make_ask(gates, book.settle, walled=_not_walled), request_at("code", code="x = 1")
    )
    request, sha256, held = opened(waiting.value)
    assert (request.gate, request.code, held) == ("code", "x = 1", False)
    assert sha256 == request.sha256()
    assert book.kept == {}


async def test_a_policy_file_may_reject_code_that_no_wall_holds():
    ask = make_ask(Gates("never", answers={"code": "reject"}), Book().settle, walled=_not_walled)
    assert (await ask(request_at("code", code="x = 1"), "k")).type == "reject"


async def test_unsafe_local_lets_it_run_unasked_and_other_gates_never_needed_a_wall():
    unsafe = make_ask(Gates("never", unsafe_local=True), Book().settle, walled=_not_walled)
    assert (await unsafe(request_at("code"), "k")).type == "approve"
    ask = make_ask(Gates("never"), Book().settle, walled=_not_walled)
    assert (await ask(request_at("selection"), "k")).type == "approve"


async def test_what_a_person_was_asked_is_asked_again_though_the_policy_has_changed():
    """Otherwise a resumed run would approve by policy what the person has just rejected."""
    request = request_at("code", code="x = 1")
    asked = {("code", request.stage, request.sha256())}
    (waiting,), resume = await asked_in_a_graph(make_ask(Gates("never"), Book().settle, asked=asked), request)
    assert opened(waiting.value)[0].gate == "code"
    assert (await resume({"type": "reject", "why": "no"})).type == "reject"


@pytest.mark.parametrize("approve", ["never", "risky", "always"])
@pytest.mark.parametrize("gate", GATES)
async def test_what_has_no_safe_default_waits_for_a_person_and_resumes_by_its_id(approve, gate):
    """With somebody there every gate waits, save under never; the budget waits under never too."""
    book = Book()
    ask = make_ask(Gates(approve, interactive=True), book.settle)
    waiting, resume = await asked_in_a_graph(ask, request_at(gate))
    assert bool(waiting) is (approve != "never" or gate == "budget")
    assert bool(book.kept) is not bool(waiting), "its row is written by whoever drives the run"
    if waiting:
        decision = await resume({"type": "reject", "why": "no"})
        assert (decision.type, decision.why) == ("reject", "no")


@pytest.mark.parametrize(
    ("on_timeout", "held", "kind"),
    [("park", True, None), ("park", False, None), ("approve", True, "approve"), ("approve", False, None),
     ("reject", True, "reject"), ("reject", False, "reject")],
)  # fmt: skip
@pytest.mark.parametrize("gate", KINDS)
def test_when_nobody_answers_the_chosen_outcome_holds_but_no_clock_runs_unwalled_code(gate, on_timeout, held, kind):
    decision = unanswered(request_at(gate), on_timeout, held=held)
    if gate == "budget" and kind == "approve":
        kind = None  # nor does a clock spend money
    assert (decision.type if decision else None) == kind
    if kind == "approve":
        assert decision == default_of(request_at(gate))
    if kind == "reject":
        assert decision.why == "nobody answered in time"
