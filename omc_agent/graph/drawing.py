"""The graph of stages as it can be drawn: LangGraph's own drawing of the compiled graph, less the ways nobody takes.

Every stage may be followed by every other one, because a person may send a run back to any of them. What is drawn are
the ways that the routers take by themselves, found by asking them.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

from langchain_core.runnables.graph import Edge
from langgraph.graph import END

from omc_agent.graph.edges import BREAKER, build_graph, router
from omc_agent.graph.state import STAGES
from omc_agent.llm.offline import OfflineChatModel

# What routers look at, each with the values that make a difference.
_LOOKED_AT: dict[str, tuple[Any, ...]] = {
    "plan_only": (False, True),
    "questions": ([], [{"field": "coins"}]),
    "sealed": ({}, {"frame": "prices"}, {"frame": "rows"}),
    "brief": ({"task": "classification"}, {"task": "analysis"}),
    "leaking": ([], ["lead"]),
    "proposal": ({}, {"next": "tune", "model": "ridge"}),
    "dropped": ([], ["hyperparameter_tuning"]),
}


@functools.cache
def ways_on(stage: str) -> tuple[str, ...]:
    """Where a run may go from `stage` when nothing fails and nobody sends it elsewhere, in the order of the stages.

    Examples
    --------
    >>> ways_on("leak_test")
    ('feature_engineering', 'model_training')
    >>> ways_on("reporting")
    ('__end__',)
    """
    found = {router(stage)(state) for state in _states()}
    return tuple(sorted(found, key=lambda name: STAGES.index(name) if name in STAGES else len(STAGES)))


@functools.cache
def drawn_graph() -> str:
    """The graph as Mermaid text: the way of a run, and dotted lines where it may turn off or go back."""
    whole = build_graph(OfflineChatModel()).get_graph()
    edges = []
    for edge in whole.edges:
        if edge.source not in (*STAGES, BREAKER):
            edges.append(edge)
        elif edge.target in (ways := ways_on(edge.source)):
            edges.append(Edge(edge.source, edge.target, conditional=len(ways) > 1 or edge.source == BREAKER))
        elif edge.target == BREAKER and edge.source in STAGES:
            edges.append(Edge(edge.source, edge.target, conditional=True))
    whole.edges[:] = edges
    whole.nodes.update({name: node._replace(metadata=None) for name, node in whole.nodes.items()})
    return str(whole.draw_mermaid())


def drawn_ways() -> dict[str, tuple[str, ...]]:
    """Each stage, and the circuit breaker, with where it may go on to; the end is an empty name."""
    return {each: tuple("" if to == END else to for to in ways_on(each)) for each in (*STAGES, BREAKER)}


def _states() -> Iterator[Mapping[str, Any]]:
    for values in product(*_LOOKED_AT.values()):
        yield dict(zip(_LOOKED_AT, values, strict=True))
