"""A prompt keeps what it promises: what it names exists, its examples run, and it is short."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.utils.function_calling import convert_to_openai_tool
from scripted import ScriptedChatModel, in_turn
from test_agent_nodes import CANDIDATES, END, START, STATE, scoring, told, walk
from worlds import World

from omc_agent.agents import bounded
from omc_agent.agents.base import HOUSE_RULES, RULES_OF_CODE
from omc_agent.agents.brief_checks import PLANNED
from omc_agent.agents.gating import FREE_CODE
from omc_agent.agents.outline import NAMES
from omc_agent.brief import CLASSIFIERS, PRICE_TARGETS, REGRESSORS, Brief
from omc_agent.config import Source
from omc_agent.events import KINDS
from omc_agent.graph.edges import AGENTS
from omc_agent.graph.state import STAGES
from omc_agent.llm.keys import VARIABLES
from omc_agent.llm.moves import NAIVE
from omc_agent.llm.names import PROVIDERS
from omc_agent.overrides import TASKS
from omc_agent.sandbox import inside

BY_STAGE = {agent.stage: agent() for agent in AGENTS}
TOOLS = {tool.name for agent in BY_STAGE.values() for tool in agent.bound()}
SHARED = {FREE_CODE, "query"}  # what more than one stage may do
EXAMPLE = re.compile(r"^Example: (\w+) (\{.*?\})(?=\nExample:|\s*\Z)", re.DOTALL | re.MULTILINE)
# Tokens, four letters each, of system prompt and tools together; docs/agents.md shows the figures.
MOST_TOKENS = 2_400
OTHER_NAMES = {"true", "np", "pd", "plt", "sns", "name", "n"}


def table_state():
    """A state after a table in time was fetched, as the agent itself leaves it."""
    times = pd.date_range("2024-01-01", periods=300, freq="1D")
    sold = np.arange(300) % 7 + np.random.default_rng(0).normal(size=300)
    frame = pd.DataFrame({"day": times, "price": np.arange(300) % 5 + 1.0, "sold": sold})
    return frame, Brief(task="regression", target="sold", metric="mae", table="shop").model_dump()


async def facts_of(stage):
    """The facts that the stage opens with, of a run on prices and of one on a table, joined."""
    agent, world = BY_STAGE[stage], World(source=Source(frames={}))
    more = {"candidates": CANDIDATES, "proposal": {"next": "tune", "model": "xgboost"}, "visits": {},
            "verdict": {"call": "no_edge"}, "leaking": ["ret_1"], "overrides": {"drop": ["ret_1"]}}  # fmt: skip
    world.context.base = {"id": "r0", "brief": {}}
    found = await agent.facts({**STATE, **more}, world.context)
    frame, brief = table_state()
    handed = World(source=Source(frames={"shop": frame}))
    left, _ = await walk("data_retrieval", {"goal": "g", "brief": brief}, source=Source(frames={"shop": frame}))
    again = await agent.facts({**STATE, **more, "brief": brief, "sealed": left["sealed"]}, handed.context)
    return [{"stage": stage, "visit": 1, "overrides": more["overrides"], **each} for each in (found, again)]


def dotted(value, path):
    for part in path.split("."):
        if not isinstance(value, dict) or part not in value:
            return False
        value = value[part]
    return True


def fields_of(agent):
    """Names of the arguments of its tools, and the values that they can take."""
    schemas = [convert_to_openai_tool(tool)["function"]["parameters"] for tool in agent.bound()]
    text = json.dumps(schemas)
    values = {str(v) for found in re.findall(r'"enum": (\[.*?\])', text) for v in json.loads(found)}
    return set(re.findall(r'"(\w+)": \{', text)) | values


def words_of(agent):
    """The prompt and the task without their examples, which are looked at by themselves."""
    return EXAMPLE.sub("", f"{agent.task}\n{agent.prompt}")


@pytest.mark.parametrize("stage", BY_STAGE)
def test_each_tool_that_is_named_is_bound_and_each_own_tool_is_named(stage):
    agent = BY_STAGE[stage]
    bound = {tool.name for tool in agent.bound()}
    text = f"{agent.task} {agent.instructions()}"
    named = {word for word in re.findall(r"\w+", text) if word in TOOLS}
    assert named <= bound
    optional = {"train_classification_model", "train_regression_model"}  # their descriptions say enough
    assert {tool.name for tool in agent.tools()} - optional <= named


@pytest.mark.parametrize("stage", BY_STAGE)
async def test_each_name_in_a_prompt_exists(stage):
    agent, facts = BY_STAGE[stage], await facts_of(stage)
    known = {tool.name for tool in agent.bound()} | fields_of(agent) | set(STAGES) | set(Brief.model_fields)
    known |= {*CLASSIFIERS, *REGRESSORS, *NAIVE, *PRICE_TARGETS, *TASKS} | OTHER_NAMES
    known |= {"prices", "bars", "rows", "features", "_tuned", "target", "gain"}
    known |= {name for name in dir(inside) if name in ("save_state", "load_state")}
    known |= {key for each in facts for key in each}
    text = words_of(agent)
    for name in re.findall(r"`([^`]+)`", text):
        assert name in known or any(dotted(each, name) for each in facts), name
    for name in re.findall(r"\b[a-z]+(?:_[a-z0-9]+)+\b", text):
        in_facts = any(name in json.dumps(each) for each in facts)
        assert name in known or in_facts, name


@pytest.mark.parametrize(
    ("stage", "path"),
    [
        ("understanding", "market.newest"),
        ("understanding", "market.coins"),
        ("planning", "work.rounds"),
        ("planning", "work.trials"),
        ("data_retrieval", "handed_in"),
        ("feature_engineering", "leaks"),
        ("feature_engineering", "overrides.drop"),
        ("model_training", "sealed.lags"),
        ("model_training", "sealed.frame"),
        ("model_evaluation", "rounds_left"),
        ("hyperparameter_tuning", "proposal.model"),
        ("reporting", "candidates"),
    ],
)
async def test_a_fact_that_a_prompt_names_is_in_the_facts(stage, path):
    assert path in BY_STAGE[stage].prompt
    assert any(dotted(each, path) for each in await facts_of(stage))


@pytest.mark.parametrize("stage", BY_STAGE)
def test_the_stage_is_named_and_when_it_is_done(stage):
    prompt = BY_STAGE[stage].prompt
    assert f"Stage: {stage}." in prompt
    assert re.search(r"stage\s+is\s+done", prompt)


@pytest.mark.parametrize("stage", BY_STAGE)
def test_each_bound_tool_and_each_of_its_arguments_is_explained(stage):
    for tool in BY_STAGE[stage].bound():
        function = convert_to_openai_tool(tool)["function"]
        assert len(function["description"]) > 10, tool.name
        for name, schema in function["parameters"]["properties"].items():
            said = schema.get("description") or schema.get("enum") or schema.get("items", {}).get("description")
            said = said or name in ("why", "steps")
            assert said, f"{tool.name} {name}"


def test_each_agent_has_tools_of_its_own_and_shares_only_those_of_the_house():
    seen: dict[str, str] = {}
    for stage, agent in BY_STAGE.items():
        for tool in agent.tools():
            assert tool.name in SHARED or seen.setdefault(tool.name, stage) == stage, tool.name


@pytest.mark.parametrize("stage", BY_STAGE)
def test_prompt_and_tools_are_short(stage):
    agent = BY_STAGE[stage]
    schemas = json.dumps([convert_to_openai_tool(tool) for tool in agent.bound()])
    assert (len(agent.instructions()) + len(schemas)) / 4 <= MOST_TOKENS


def test_rules_of_code_are_told_to_those_who_may_write_some_and_to_nobody_else():
    for agent in BY_STAGE.values():
        writes = FREE_CODE in {tool.name for tool in agent.tools()}
        assert (RULES_OF_CODE in agent.instructions()) == writes
        assert agent.instructions().startswith(HOUSE_RULES)


def test_the_plan_lists_the_stages_that_a_plan_may_have():
    assert {stage for stage in STAGES if stage not in ("understanding", "clarification", "planning")} == set(PLANNED)
    assert "leak_tested" in KINDS  # what the prompt of features says comes next is told as an event


# -- examples -------------------------------------------------------------------------------------


def examples():
    for stage, agent in BY_STAGE.items():
        found = EXAMPLE.findall(agent.prompt)
        assert found, f"{stage} shows no call"
        assert agent.prompt.count("Example:") == len(found)
        for name, arguments in found:
            yield pytest.param(stage, name, json.loads(arguments), id=f"{stage}-{name}")


BARS = pd.DataFrame(
    {"coin": "BTC", "timestamp": pd.date_range(START, END, freq="1h", inclusive="left"), "close": 100.0}
)


@pytest.mark.parametrize(("stage", "name", "arguments"), [*examples()])
async def test_each_example_is_a_call_that_its_tool_takes_and_runs(stage, name, arguments):
    model = ScriptedChatModel(script=in_turn(("As in the example.", [{"name": name, "args": arguments}])))
    outcome = scoring if stage in ("model_training", "hyperparameter_tuning") else None
    outcome = told if stage == "reporting" else outcome
    state = {**STATE, "candidates": CANDIDATES, "proposal": {"model": "xgboost"}, "verdict": {"call": "no_edge"}}
    state |= {"sealed": {}} if stage == "data_retrieval" else {}
    source = Source(frames={"mine": BARS.assign(close=100 + np.arange(len(BARS)) % 9)})
    left, _ = await walk(stage, state, model=model, outcome=outcome, source=source)
    call, answer = left["messages"][1], left["messages"][2]
    assert isinstance(call, AIMessage)
    assert isinstance(answer, ToolMessage)
    assert answer.status != "error", answer.text
    properties = {tool.name: convert_to_openai_tool(tool) for tool in BY_STAGE[stage].bound()}[name]["function"]
    assert set(arguments) <= set(properties["parameters"]["properties"])


def test_the_free_code_of_the_example_is_causal_python_that_runs():
    (code,) = [
        json.loads(arguments)["code"]
        for agent in BY_STAGE.values()
        for name, arguments in EXAMPLE.findall(agent.prompt)
        if name == FREE_CODE
    ]
    there = {"features": pd.DataFrame({"std_12": [1.0, 4.0], "std_48": [2.0, 2.0]})}
    exec(code, there)
    assert there["features"]["calm"].tolist() == [0.5, 2.0]


# -- what a model submits -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"task": "regression", "target": "direction"}, "Submit it with task classification"),
        ({"task": "classification", "metric": "mae"}, "Metric mae with task classification"),
        ({"target": "threshold"}, "signed fraction"),
        ({"task": "regression", "target": "return", "models": ["logistic_regression"]}, "ridge"),
        ({"start": "last week"}, "ISO 8601"),
    ],
)
async def test_a_brief_that_does_not_hold_together_is_told_and_can_be_mended(given, names):
    mended = {"coins": ["BTC"], "task": "regression", "target": "return"}
    calls = [("Read.", [{"name": "submit_brief", "args": each}]) for each in ({"coins": ["BTC"], **given}, mended)]
    left, _ = await walk("understanding", {"goal": "g"}, model=ScriptedChatModel(script=in_turn(*calls)))
    first, second = [m for m in left["messages"] if isinstance(m, ToolMessage)]
    assert first.status == "error"
    assert names in first.text
    assert second.status != "error"
    assert (left["brief"]["task"], left["brief"]["metric"]) == ("regression", "mae")


async def test_a_plan_with_a_stage_that_is_none_is_told_which_there_are():
    step = {"stage": "deep_learning", "title": "t", "detail": "d"}
    model = ScriptedChatModel(script=in_turn(("Plan.", [{"name": "submit_plan", "args": {"steps": [step]}}])))
    left, _ = await walk("planning", STATE, model=model)
    (answer,) = [m for m in left["messages"] if isinstance(m, ToolMessage)]
    assert answer.status == "error"
    assert "hyperparameter_tuning" in answer.text
    assert left["trouble"]["missing"] == "a plan"


# -- docs/agents.md -------------------------------------------------------------------------------

PAGE = (Path(__file__).parents[2] / "docs" / "agents.md").read_text()


def test_the_page_shows_how_long_prompts_and_tools_are():
    rows = re.findall(r"^\| `(\w+)` \| ([\d,]+) \| ([\d,]+) \|$", PAGE, re.MULTILINE)
    assert [row[0] for row in rows] == list(BY_STAGE)
    for stage, *figures in rows:
        agent = BY_STAGE[stage]
        prompt, schemas = (int(figure.replace(",", "")) for figure in figures)
        sent = json.dumps([convert_to_openai_tool(tool) for tool in agent.bound()])
        assert prompt == pytest.approx(len(agent.instructions()) / 4, rel=0.15)
        assert schemas == pytest.approx(len(sent) / 4, rel=0.15)
    assert f"{MOST_TOKENS:,} tokens" in PAGE
    assert f"{bounded.HISTORY:,} tokens of steps" in PAGE
    assert f"more than {NAMES} entries" in PAGE


def test_the_package_of_the_page_is_the_one_that_the_tests_install():
    folder = Path(__file__).parents[1] / "offered_package"
    assert (folder / "bar_range.py").read_text() in PAGE
    (points,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert points in (folder / "pyproject.toml").read_text()


async def test_the_agent_of_the_page_is_one():
    (code,) = [block for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "NoveltyAgent" in block]
    made: dict = {}
    exec(code, made)
    agent, world = made["NoveltyAgent"](), World()
    ((name, arguments),) = EXAMPLE.findall(agent.prompt)
    calls = [{"name": name, "args": json.loads(arguments)}]
    left = await agent.build(ScriptedChatModel(script=in_turn(("Look.", calls)))).ainvoke(
        STATE, context=world.context
    )
    assert left["trouble"] is None
    assert world.cells[0].code == "quantiles = show_distributions(bars)"


def test_a_provider_is_a_row_in_the_two_tables_that_the_page_names():
    assert "`PROVIDERS` in `omc_agent/llm/names.py`" in PAGE
    assert "`VARIABLES` in `omc_agent/llm/keys.py`" in PAGE
    assert set(VARIABLES) <= set(PROVIDERS)
