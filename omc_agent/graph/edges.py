"""Who comes next, and the one place of wiring.

Every router first obeys `goto` (a restart's target), then `error`, then `trouble` (the circuit breaker), then the
order of the stages.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from omc_agent.agents.base import BaseAgent
from omc_agent.agents.context import RunContext
from omc_agent.agents.data_analyst import DataAnalystAgent, FeatureAgent
from omc_agent.agents.data_retrieval import DataRetrievalAgent
from omc_agent.agents.model_evaluator import ModelEvaluatorAgent
from omc_agent.agents.model_trainer import ModelTrainingAgent, TuningAgent
from omc_agent.agents.offered import Found, find_offered
from omc_agent.agents.planner import PlanningAgent, UnderstandingAgent
from omc_agent.agents.reporter import ReportingAgent
from omc_agent.graph import nodes
from omc_agent.graph.choosing import selection
from omc_agent.graph.leak_test import leak_test
from omc_agent.graph.scoring import scoring
from omc_agent.graph.state import STAGES, AgentState

AGENTS: tuple[type[BaseAgent], ...] = (
    UnderstandingAgent,
    PlanningAgent,
    DataRetrievalAgent,
    DataAnalystAgent,
    FeatureAgent,
    ModelTrainingAgent,
    ModelEvaluatorAgent,
    TuningAgent,
    ReportingAgent,
)
BREAKER = "circuit_breaker"
MAX_LEAK_ROUNDS = 2
# Stages that a tool of another package may be offered to: its cells are replayed, or only look.
WITH_CELLS = ("data_analysis", "feature_engineering", "model_training", "model_evaluation")

Router = Callable[[Mapping[str, Any]], str]
Graph = CompiledStateGraph[Any, Any, Any, Any]


def router(after: str) -> Router:
    """The router that follows stage `after`."""
    decide = _DECISIONS.get(after, _next_in_order(after))

    def route(state: Mapping[str, Any]) -> str:
        if state.get("goto"):
            return str(state["goto"])
        if state.get("error"):
            return END
        if state.get("trouble"):
            return BREAKER
        return decide(state)

    return route


def _next_in_order(stage: str) -> Router:
    position = STAGES.index(stage) if stage in STAGES else -1
    following = STAGES[position + 1] if 0 <= position < len(STAGES) - 1 else END
    return lambda state: following


def _after_planning(state: Mapping[str, Any]) -> str:
    return END if state.get("plan_only") else "data_retrieval"


def _after_clarification(state: Mapping[str, Any]) -> str:
    """To the plan; or back to where poor data made it ask."""
    return _after_retrieval({**state, "questions": []}) if state.get("sealed") else "planning"


def _after_retrieval(state: Mapping[str, Any]) -> str:
    """Poor data may ask once. A table that is not prices has nothing to clean by bars: straight to its features."""
    if state.get("questions"):
        return "clarification"
    is_table = state.get("sealed", {}).get("frame") == "rows"
    if is_table:
        return "reporting" if state["brief"]["task"] == "analysis" else "feature_engineering"
    return "data_analysis"


def _after_analysis(state: Mapping[str, Any]) -> str:
    return "reporting" if state["brief"]["task"] == "analysis" else "feature_engineering"


def _after_leak_test(state: Mapping[str, Any]) -> str:
    """Back while columns leak and rounds are left; then on, and the sealed replay has the last word."""
    found = state.get("leaking")
    rounds = int(state.get("visits", {}).get("leak_test", 0))
    return "feature_engineering" if found and rounds <= MAX_LEAK_ROUNDS else "model_training"


def _after_evaluation(state: Mapping[str, Any]) -> str:
    proposal = state.get("proposal", {})
    used = int(state.get("visits", {}).get("hyperparameter_tuning", 0))
    allowed = int(state.get("allowed", {}).get("tuning_rounds", 1))
    planned = [step["stage"] for step in state.get("plan") or []]
    dropped = "hyperparameter_tuning" in (state.get("dropped") or [])
    dropped = dropped or (
        bool(planned) and "hyperparameter_tuning" not in planned
    )  # a person took it out of the plan
    wants = proposal.get("next") == "tune" and proposal.get("model")
    return "hyperparameter_tuning" if wants and used < allowed and not dropped else "selection"


def _after_breaker(state: Mapping[str, Any]) -> str:
    """The breaker leaves an error, has dropped an optional stage, or sends back (`goto`)."""
    dropped = state.get("dropped") or []
    return "selection" if dropped else END


_DECISIONS: dict[str, Router] = {
    "clarification": _after_clarification,
    "planning": _after_planning,
    "data_retrieval": _after_retrieval,
    "data_analysis": _after_analysis,
    "leak_test": _after_leak_test,
    "model_evaluation": _after_evaluation,
    "hyperparameter_tuning": lambda state: "model_evaluation",
    "reporting": lambda state: END,
    BREAKER: _after_breaker,
}


def offered_tools(off: Collection[str] = ()) -> Found:
    """What other packages offer to the stages that work with cells; `off` names what is not to be loaded."""
    stages = {agent.stage: [tool.name for tool in agent().bound()] for agent in AGENTS}
    own = {name for names in stages.values() for name in names}
    return find_offered(dict.fromkeys(WITH_CELLS, own), off)


def build_graph(
    model: BaseChatModel,
    saver: BaseCheckpointSaver[Any] | None = None,
    stand_ins: Sequence[BaseChatModel] = (),
    offered: Found | None = None,
) -> Graph:
    """All stages wired, agents as subgraph nodes, on one checkpointer; `offered` are tools of other packages."""
    graph: StateGraph[Any, Any, Any, Any] = StateGraph(AgentState, context_schema=RunContext)
    for agent in AGENTS:
        tools = offered.of(agent.stage) if offered else ()
        graph.add_node(agent.stage, agent().build(model, stand_ins, tools), metadata={"omc_stage": agent.stage})
    rules = {"leak_test": leak_test, "selection": selection, "scoring": scoring}
    for stage, node in {"clarification": nodes.clarification, **rules}.items():
        graph.add_node(stage, node, metadata={"omc_stage": stage})
    graph.add_node(BREAKER, nodes.circuit_breaker)
    graph.add_edge(START, "understanding")
    targets = [*STAGES, BREAKER, END]
    for stage in (*STAGES, BREAKER):
        graph.add_conditional_edges(stage, router(stage), targets)
    return graph.compile(checkpointer=saver)
