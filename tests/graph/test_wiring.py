"""The wired graph: every stage is a node, and a restart begins at the stage it names, from wherever it stands."""

from __future__ import annotations

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from omc_agent.graph.edges import BREAKER, build_graph
from omc_agent.graph.state import OPTIONAL, STAGES, first_state
from omc_agent.llm.offline import OfflineChatModel


@pytest.fixture(scope="module")
def graph():
    return build_graph(OfflineChatModel(), InMemorySaver())


def test_every_stage_and_the_breaker_are_nodes_and_nothing_else(graph):
    assert set(graph.nodes) - {"__start__"} == {*STAGES, BREAKER}
    assert set(STAGES) >= OPTIONAL


@pytest.mark.parametrize("stage", STAGES)
async def test_a_restart_goes_to_the_stage_it_names(graph, stage):
    previous = STAGES[max(STAGES.index(stage) - 1, 0)]
    # The states in which the order alone would go somewhere else.
    things = {
        "brief": {"task": "analysis"},
        "proposal": {"next": "select"},
        "leaking": ["x"],
        "sealed": {"frame": "rows"},
    }
    for as_node in {previous, "reporting", "model_evaluation"}:
        thread = {"configurable": {"thread_id": f"{stage}-{as_node}"}}
        await graph.aupdate_state(thread, {**first_state("g", **things), "goto": stage}, as_node=as_node)
        assert (await graph.aget_state(thread)).next == (stage,)


async def test_a_goto_is_used_up_by_the_stage_that_it_names(graph):
    thread = {"configurable": {"thread_id": "used"}}
    await graph.aupdate_state(thread, {"goal": "g", "goto": "scoring", "trouble": None}, as_node="selection")
    await graph.aupdate_state(thread, {"goto": None, "visits": {"scoring": 1}}, as_node="scoring")
    assert (await graph.aget_state(thread)).next == ("reporting",)


async def test_shared_things_are_merged_by_key_and_never_double(graph):
    thread = {"configurable": {"thread_id": "merge"}}
    await graph.aupdate_state(thread, {"goal": "g", "candidates": {"a": {"score": 1}}}, as_node="model_training")
    await graph.aupdate_state(thread, {"candidates": {"a": {"score": 2}, "b": {}}}, as_node="model_training")
    values = (await graph.aget_state(thread)).values
    assert values["candidates"] == {"a": {"score": 2}, "b": {}}
    assert "messages" not in values


def test_a_run_starts_with_its_goal_and_what_it_was_given():
    assert first_state("g", plan_only=True, allowed={"tuning_rounds": 2}) == {
        "goal": "g",
        "plan_only": True,
        "allowed": {"tuning_rounds": 2},
    }
