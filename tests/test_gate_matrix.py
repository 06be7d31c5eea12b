"""Six gates, three modes, and everything that may become of a question: who decided, what came back, no hang.

What is expected, where a person is asked (P), where the policy answers and writes it down (p), and where nothing is
asked because the mode has no question there (-):

    gate        always  risky               never
    scope       P       -                   -
    features    P       -                   -
    models      P       -                   -
    code        P       P                   p approve
    budget      P       P                   P
    selection   P       P (within noise)    -

Where a person is asked:

    what happens            outcome
    ann approves            approve, by ann
    ann rejects             reject, by ann
    ann edits               edit with her plan, values or code, by ann; at the budget an amount, which is an approval
    nobody in time          --on-timeout park: the run parks; approve, reject: that, by the clock
                            (budget: no clock spends money, so approve parks too)
    nobody there            features, models, selection: the default, by default, whatever --on-timeout says
                            scope, code, budget: as --on-timeout says, at once
"""

from __future__ import annotations

import asyncio
import contextlib
from types import SimpleNamespace
from typing import Any, TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command

from omc_agent.agents.gating import request_for
from omc_agent.brief import Brief
from omc_agent.config import GATES, Gates, Trust
from omc_agent.deciding import decide
from omc_agent.errors import RunStopped
from omc_agent.graph.choosing import selection
from omc_agent.graph.gates import make_ask
from omc_agent.ledger import Ledger
from omc_agent.purse import Purse
from omc_agent.request import Decision
from omc_agent.store.database import open_database
from omc_agent.store.leases import Leases, new_owner
from omc_agent.store.records import SessionManager
from omc_agent.waiting import WaitingRoom

PERSON, POLICY, UNASKED, PARKED = "person", "policy", "unasked", "parked"
WHO = {
    "always": dict.fromkeys(GATES, PERSON),
    "risky": {**dict.fromkeys(GATES, UNASKED), "code": PERSON, "budget": PERSON, "selection": PERSON},
    "never": {**dict.fromkeys(GATES, UNASKED), "code": POLICY, "budget": PERSON},
}
STEP = {"stage": "data_retrieval", "title": "Data", "detail": "Read."}
DEFAULT = {"scope": "approve", "features": "approve", "models": "approve", "code": None, "budget": "2",
           "selection": "ridge"}  # fmt: skip
EDITS = {
    "scope": Decision(type="edit", plan=[STEP]),
    "features": Decision(type="edit", value={"lags": [1, 2]}),
    "models": Decision(type="edit", value={"models": ["lasso"]}),
    "code": Decision(type="edit", code="x = 2"),
    "budget": Decision(value=5.0),
    "selection": Decision(type="edit", value={"models": ["lasso"]}),
}
SAFE = ("features", "models", "selection")

# what ann does (None: nobody answers), whether somebody is there, --on-timeout
SITUATIONS = {
    "approve": ("approve", True, "park"),
    "reject": ("reject", True, "park"),
    "edit": ("edit", True, "park"),
    "timeout, park": (None, True, "park"),
    "timeout, approve": (None, True, "approve"),
    "timeout, reject": (None, True, "reject"),
    "nobody, park": (None, False, "park"),
    "nobody, approve": (None, False, "approve"),
    "nobody, reject": (None, False, "reject"),
}


def expected(gate: str, mode: str, situation: str) -> tuple[str, Decision | None]:
    """Who decides, and the decision (without its hash)."""
    act, there, on_timeout = SITUATIONS[situation]
    default = Decision(value=DEFAULT[gate])
    if WHO[mode][gate] == UNASKED:
        return UNASKED, None
    if WHO[mode][gate] == POLICY:
        return "policy: --approve never", default
    if act is not None:
        approved = (
            Decision(value=2.0) if gate == "budget" else Decision(value="ridge" if gate == "selection" else None)
        )
        return "ann", {"approve": approved, "reject": Decision(type="reject", why="no"), "edit": EDITS[gate]}[act]
    if not there and gate in SAFE:
        return "default", default
    if gate == "budget" and on_timeout == "approve":  # no clock spends money
        return PARKED, None
    if on_timeout == "park":
        return PARKED, None
    by = f"{'the clock' if there else 'nobody is there'}: --on-timeout {on_timeout}"
    return by, default if on_timeout == "approve" else Decision(type="reject", why="nobody answered in time")


def candidate(name, baseline=False):
    return {"name": name, "model": name, "params": {}, "metric": "mae", "score": 0.6, "low": 0.5, "high": 0.7,
            "baseline": baseline, "oof": name, "folds": [0.6], "trials": 1, "fit_seconds": 0.1}  # fmt: skip


STATE = {
    "brief": Brief(coins=["BTC"], task="regression", metric="mae").model_dump(),
    "plan": [STEP],
    "candidates": {name: candidate(name) for name in ("ridge", "lasso")},
}
CALLS = {
    "scope": ("planning", {"name": "submit_plan", "args": {"steps": [STEP]}, "id": "1"}),
    "features": ("feature_engineering", {"name": "create_features", "args": {}, "id": "1"}),
    "models": ("model_training", {"name": "cross_validate_model", "args": {}, "id": "1"}),
    "code": ("data_analysis", {"name": "run_python", "args": {"code": "x = 1"}, "id": "1"}),
}


async def come_to(gate: str, context: Any) -> None:
    """What a run does that comes to this gate, by the code that asks there."""
    if gate == "selection":
        await selection(STATE, SimpleNamespace(context=context))
    elif gate == "budget":
        spent = {"tokens_in": 0, "tokens_out": 0, "usd": 1.0, "calls": 1}
        with contextlib.suppress(RunStopped):  # the answer was no
            await Purse(1.0, 0, spent).afford(context.ask, "run", "planning", "key")
    else:
        stage, call = CALLS[gate]
        request = request_for(stage, call, STATE, context, host=gate == "scope")
        if request is not None:
            await context.ask(request, "key")


class _State(TypedDict, total=False):
    decision: Any


async def drive(store: SessionManager, gate: str, gates: Gates, act: str | None) -> tuple[str, Decision | None]:
    """Drive a graph whose one node comes to the gate, as a session does; ann answers as soon as she is asked."""
    owner = new_owner()
    assert Leases(store.engine).take("run", owner)

    def hear(event: Any) -> None:
        if event.kind == "request_opened" and act is not None:
            given = {"approve": Decision(), "reject": Decision(type="reject", why="no"), "edit": EDITS[gate]}[act]
            asyncio.get_running_loop().run_in_executor(None, decide, store, event.request_id, given, "ann")

    room = WaitingRoom(store, Ledger(store, "run", "run", hear, owner=owner), gates)
    real = make_ask(gates, room.settle, asked=room.asked)
    answered: list[Decision] = []

    async def ask(request: Any, key: str) -> Decision:
        answered.append(await real(request, key))
        return answered[-1]

    async def emit(event: Any, key: str) -> None:
        pass

    context = SimpleNamespace(gates=gates, ask=ask, emit=emit, pending=dict, trust=Trust())

    async def node(state: _State) -> dict[str, Any]:
        await come_to(gate, context)
        return {"decision": answered[-1].model_dump() if answered else None}

    builder = StateGraph(_State)
    builder.add_node("node", node)
    builder.add_edge(START, "node")
    builder.add_edge("node", END)
    graph = builder.compile(checkpointer=InMemorySaver())
    thread: Any = {"configurable": {"thread_id": "run"}}
    work: Any = {}
    while True:
        await graph.ainvoke(work, thread)
        snapshot = await graph.aget_state(thread)
        if not snapshot.interrupts:
            break
        answers = await room.answers(snapshot.interrupts)
        if answers is None:
            (row,) = store.requests("run")
            assert row["gate"] == gate, "its question stays open"
            return PARKED, None
        work = Command(resume=answers)
    rows = store.requests("run", status=None)
    told = snapshot.values["decision"]
    if not rows:
        assert told is None
        return UNASKED, None
    (row,) = rows
    decision = Decision.model_validate(told)
    assert decision == Decision.model_validate(row["decision"]), "what came back is what was written down"
    assert decision.sha256 == row["sha256"]
    return row["decided_by"], decision.model_copy(update={"sha256": ""})


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("mode", WHO)
@pytest.mark.parametrize("gate", GATES)
async def test_who_decides_and_what_comes_back(gate, mode, situation, tmp_path):
    act, there, on_timeout = SITUATIONS[situation]
    within = 0.05 if act is None else 0.0
    gates = Gates(mode, interactive=there, on_timeout=on_timeout, answer_within=within)
    store = SessionManager(open_database(f"sqlite:///{tmp_path / 'store.db'}"))
    try:
        store.create("Predict BTC", workspaces=tmp_path, model="offline", settings={}, session_id="run")
        found = await asyncio.wait_for(drive(store, gate, gates, act), 20)
    finally:
        store.engine.dispose()
    assert found == expected(gate, mode, situation)
