"""What is drawn are the ways that the routers take, in the graph that is compiled."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langgraph.graph import END

from omc_agent.graph.drawing import drawn_graph, drawn_ways, ways_on
from omc_agent.graph.edges import AGENTS, BREAKER, MAX_LEAK_ROUNDS, router
from omc_agent.graph.state import STAGES
from omc_agent.panels.graph_view import WHEN

STATES = st.fixed_dictionaries(
    {"brief": st.fixed_dictionaries({"task": st.sampled_from(["classification", "regression", "analysis"])})},
    optional={
        "plan_only": st.booleans(),
        "questions": st.lists(st.fixed_dictionaries({"field": st.just("coins")}), max_size=2),
        "sealed": st.sampled_from([{}, {"frame": "prices"}, {"frame": "rows"}]),
        "leaking": st.lists(st.just("lead"), max_size=2),
        "proposal": st.sampled_from([{}, {"next": "tune", "model": "ridge"}, {"next": "choose"}]),
        "dropped": st.sampled_from([[], ["hyperparameter_tuning"]]),
        "visits": st.dictionaries(st.sampled_from(STAGES), st.integers(0, 4)),
        "allowed": st.fixed_dictionaries({"tuning_rounds": st.integers(0, 3)}),
        "plan": st.lists(st.fixed_dictionaries({"stage": st.sampled_from(STAGES)}), max_size=3),
    },
)


@given(STATES, st.sampled_from([*STAGES, BREAKER]))
def test_a_router_takes_no_way_that_is_not_drawn(state, stage):
    assert router(stage)(state) in ways_on(stage)


@pytest.mark.parametrize("stage", [*STAGES, BREAKER])
def test_each_way_is_an_edge_of_the_picture(stage):
    text = drawn_graph()
    for to in ways_on(stage):
        assert f"\t{stage} --> {to};" in text or f"\t{stage} -.-> {to};" in text
    if stage != BREAKER:
        assert f"\t{stage} -.-> {BREAKER};" in text


def test_the_picture_holds_each_stage_once_and_no_other_edge():
    lines = drawn_graph().splitlines()
    nodes = [line.strip().partition("(")[0] for line in lines if "(" in line and "->" not in line]
    assert sorted(nodes) == sorted([*STAGES, BREAKER, "__start__", END])
    edges = [line for line in lines if "->" in line]
    drawn = sum(len(ways_on(stage)) for stage in (*STAGES, BREAKER))
    assert len(edges) == 1 + drawn + len(STAGES)
    assert {agent.stage for agent in AGENTS} <= set(nodes)


def test_what_is_said_of_a_way_is_said_of_one_that_there_is():
    ways = drawn_ways()
    assert all(to in ways[stage] for stage, to in WHEN)
    assert MAX_LEAK_ROUNDS == 2
    assert "twice" in WHEN["leak_test", "feature_engineering"]
