"""A small graph with an agent in it, and a process that drives it on a store of checkpoints.

``small_graph.py URL LOG THREAD [--die N] [--rounds N]``: starts the thread, or goes on with it, up to its question;
each node writes a line to LOG as it works; ``--die N`` ends the process in the N-th round of the agent.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
from pathlib import Path
from typing import Annotated, Any, TypedDict

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import Command, interrupt

from omc_agent.agents.context import merge
from omc_agent.store.checkpoints import open_checkpoints


class Things(TypedDict, total=False):
    things: Annotated[dict[str, Any], merge]
    goto: str


class Talk(Things, total=False):
    messages: Annotated[list[AnyMessage], add_messages]


def build(saver: Any, *, log: Any = lambda line: None, rounds: int = 3, words: int = 20, gate: bool = True) -> Any:
    """understanding, clarification, planning (an agent of `rounds` rounds, then a question), data_analysis."""

    async def think(state: Talk) -> Talk:
        n = len(state.get("messages", [])) // 2 + 1
        log(f"round {n}")
        call = {
            "name": "look",
            "args": {"lc": 1, "type": "constructor", "id": ["os", "system"], "n": n},
            "id": f"c{n}",
        }
        return {"messages": [HumanMessage("word " * words, id=f"h{n}"), AIMessage("", tool_calls=[call], id=f"a{n}")]}

    async def ask(state: Talk) -> Talk:
        log("asked")
        said = interrupt({"question": "Go on?"}) if gate else "yes"
        log("answered")
        return {"things": {"said": said, "messages": len(state["messages"])}}

    agent = StateGraph(Talk, output_schema=Things)
    agent.add_node("think", think)
    agent.add_node("ask", ask)
    agent.add_edge(START, "think")
    agent.add_conditional_edges("think", lambda s: "think" if len(s["messages"]) < 2 * rounds else "ask")
    agent.add_edge("ask", END)

    def node(name: str) -> Any:
        async def work(state: Things) -> Things:
            log(name)
            return {"things": {name: float("nan") if name == "understanding" else 2**62 + 1 if name else None}}

        return work

    outer = StateGraph(Things)
    for name in ("understanding", "clarification", "data_analysis"):
        outer.add_node(name, node(name))
    outer.add_node("planning", agent.compile())
    outer.add_edge(START, "understanding")
    outer.add_edge("understanding", "clarification")
    outer.add_conditional_edges(
        "clarification", lambda s: s.get("goto") or "planning", ["understanding", "planning", "data_analysis"]
    )
    outer.add_edge("planning", "data_analysis")
    outer.add_edge("data_analysis", END)
    return outer.compile(checkpointer=saver)


def thread(name: str) -> Any:
    return {"configurable": {"thread_id": name}, "recursion_limit": 500}


async def go(saver: Any, name: str, *, answer: str = "", **options: Any) -> dict[str, Any]:
    """Start the thread, or go on with it; the values at its end or at its question."""
    graph = build(saver, **options)
    there = await graph.aget_state(thread(name))
    first: Any = {"things": {}}
    if there.interrupts:
        first = Command(resume={there.interrupts[0].id: answer}) if answer else None
    elif there.values:
        first = None
    if not there.interrupts or answer:
        await graph.ainvoke(first, thread(name), durability="sync")
    return dict((await graph.aget_state(thread(name))).values)


async def main() -> None:
    parser = argparse.ArgumentParser()
    for word in ("url", "log", "thread"):
        parser.add_argument(word)
    parser.add_argument("--die", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()

    def log(line: str) -> None:
        with Path(given.log).open("a") as file:
            file.write(line + "\n")
        if given.die and line == f"round {given.die}":
            os.kill(os.getpid(), signal.SIGKILL)

    async with open_checkpoints(given.url) as saver:
        await go(saver, given.thread, log=log, rounds=given.rounds)


if __name__ == "__main__":
    asyncio.run(main())
