"""Checkpoints: durable by pragma, and those of finished stages are dropped."""

from __future__ import annotations

from typing import Annotated, TypedDict

import pytest
from langgraph.graph import END, START, StateGraph

from omc_agent.agents.context import merge
from omc_agent.store.checkpoints import open_checkpoints, prune_checkpoints


class Things(TypedDict):
    things: Annotated[dict[str, int], merge]


def _graph(saver):
    inner = StateGraph(Things)
    inner.add_node("work", lambda state: {"things": {"inner": 1}})
    inner.add_edge(START, "work")
    outer = StateGraph(Things)
    outer.add_node("stage", inner.compile())
    outer.add_node("last", lambda state: {"things": {"last": 2}})
    outer.add_edge(START, "stage")
    outer.add_edge("stage", "last")
    outer.add_edge("last", END)
    return outer.compile(checkpointer=saver)


async def _counts(saver, thread):
    query = "SELECT checkpoint_ns != '', count(*) FROM checkpoints WHERE thread_id = ? GROUP BY 1"
    async with saver.conn.execute(query, (thread,)) as rows:
        return {("inner" if inner else "outer"): count async for inner, count in rows}


async def test_pruning_drops_the_inner_checkpoints_of_that_branch_only(tmp_path):
    async with open_checkpoints(tmp_path / "c.db") as saver:
        graph = _graph(saver)
        for thread in ("a", "b"):
            config = {"configurable": {"thread_id": thread}}
            await graph.ainvoke({"things": {}}, config, durability="sync")
        before, other = await _counts(saver, "a"), await _counts(saver, "b")
        assert before["inner"] > 0
        await prune_checkpoints(saver, "a")
        assert await _counts(saver, "a") == {"outer": before["outer"]}
        assert await _counts(saver, "b") == other
        kept = await graph.aget_state({"configurable": {"thread_id": "a"}})
        assert kept.values == {"things": {"inner": 1, "last": 2}}
        assert len([s async for s in graph.aget_state_history({"configurable": {"thread_id": "a"}})]) >= 3


@pytest.mark.parametrize(("synchronous", "number"), [("FULL", 2), ("NORMAL", 1)])
async def test_durability_is_a_pragma(tmp_path, synchronous, number):
    async with open_checkpoints(tmp_path / "c.db", synchronous=synchronous) as saver:
        async with saver.conn.execute("PRAGMA synchronous") as row:
            assert (await row.fetchone())[0] == number
        async with saver.conn.execute("PRAGMA journal_mode") as row:
            assert (await row.fetchone())[0] == "wal"
