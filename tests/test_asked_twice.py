"""A step whose second try is not paid for asks a second question: the first answer is not taken for it."""

from __future__ import annotations

import asyncio
from typing import TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command

from omc_agent.config import Gates
from omc_agent.deciding import decide
from omc_agent.graph.gates import make_ask
from omc_agent.ledger import Ledger
from omc_agent.purse import Purse, grants
from omc_agent.request import Decision
from omc_agent.store.database import open_database
from omc_agent.store.records import SessionManager
from omc_agent.waiting import WaitingRoom

THREAD = {"configurable": {"thread_id": "r"}}


class State(TypedDict, total=False):
    done: bool


@pytest.fixture
def store(tmp_path):
    made = SessionManager(open_database(f"sqlite:///{tmp_path / 'store.db'}"))
    made.create("g", workspaces=tmp_path / "runs", model="m", settings={}, session_id="r")
    yield made
    made.engine.dispose()


def graph_of(purse, ask, saver):
    """One step of two tries; each costs a dollar, each time that the step is entered."""

    async def step(state: State) -> State:
        for _ in range(2):
            await purse.afford(ask, "r", "planning", "task")
            purse.spent["usd"] += 1.0
        return {"done": True}

    graph = StateGraph(State)
    graph.add_node("step", step)
    graph.add_edge(START, "step")
    graph.add_edge("step", END)
    return graph.compile(checkpointer=saver)


@pytest.mark.parametrize("again", [False, True], ids=["one process", "a process each time"])
async def test_each_question_of_a_step_has_its_own_answer(store, again):
    spent, saver = {"tokens_in": 0, "tokens_out": 0, "usd": 0.0, "calls": 0}, InMemorySaver()
    room = WaitingRoom(store, Ledger(store, "r", "r"), Gates("never", interactive=True))

    async def settle(key, request, decision, by):
        raise AssertionError("no policy answers the budget")

    def fresh():
        purse = Purse(1.0, 0, spent, grants(store.requests("r", status="decided")))
        return graph_of(purse, make_ask(Gates("never", interactive=True), settle, asked=room.asked), saver)

    graph, first, answers = fresh(), {}, iter([1.5, 3.5, 9.0])
    for _ in range(6):
        await graph.ainvoke(first, THREAD, durability="sync")
        state = await graph.aget_state(THREAD)
        if not state.interrupts:
            break
        waiting = asyncio.create_task(room.answers(state.interrupts))
        while not store.requests("r"):
            await asyncio.sleep(0.01)
        (row,) = store.requests("r")
        decide(store, row["id"], Decision(value=next(answers)), "ann")
        room.wake()
        first = Command(resume=await waiting)
        graph = fresh() if again else graph
    assert state.values == {"done": True}
    rows = store.requests("r", status="decided")
    assert len({row["id"] for row in rows}) == len(rows) >= 2
    assert sorted(row["decision"]["value"] for row in rows) == [1.5, 3.5, 9.0][: len(rows)]
    assert Purse(1.0, 0, spent, grants(rows)).limits["usd"] == max(row["decision"]["value"] for row in rows)
