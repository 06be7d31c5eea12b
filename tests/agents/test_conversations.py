"""A conversation with each agent over the wire: the model plans freely, errs, is told, mends it, and finishes.

Real client packages talk to the provider on loopback; the wires alternate. Cells are written down and answered by a
world without a sandbox, so what is looked at is what the model is sent and what the stage leaves.
"""

from __future__ import annotations

import json
import re
import socket

import numpy as np
import pandas as pd
import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from test_agent_nodes import BY_STAGE, CANDIDATES, STATE, scored
from worlds import World

from omc_agent.agents.context import Outcome
from omc_agent.agents.middleware import NOT_RUN
from omc_agent.config import ChatSettings, Source
from omc_agent.llm.chat import open_chat_models
from omc_agent.llm.moves import NAIVE
from tests.providers import ProviderServer, Reply, said
from tests.providers.loopback import NotLoopback, refuse_the_rest

WIRES = {"openai": "openai:gpt-5-mini", "anthropic": "anthropic:claude-loopback", "ollama": "ollama:qwen3:8b"}
pytestmark = pytest.mark.asyncio(loop_scope="module")  # clients keep connections that belong to a loop
HEAD_CODE = "print(features.head())"


@pytest.fixture(autouse=True)
def tried(monkeypatch):
    return refuse_the_rest(monkeypatch)


async def test_nothing_beyond_loopback_can_be_reached(tried):
    with pytest.raises(NotLoopback):
        socket.create_connection(("192.0.2.1", 80), timeout=1)
    with pytest.raises(NotLoopback):
        socket.getaddrinfo("api.openai.com", 443)
    assert tried == ["192.0.2.1", "api.openai.com"]


class Talk:
    """A conversation that was had: the requests as the server read them, what the stage left, and its world."""

    def __init__(self, turns, left, world):
        self.turns, self.left, self.world = turns, left, world

    def told(self, turn):
        """What the tools answered since the request before, as request number `turn` sent it."""
        before = sum(isinstance(m, ToolMessage) for m in self.turns[turn - 1].messages)
        return [unfenced(m.text) for m in self.turns[turn].messages if isinstance(m, ToolMessage)][before:]


def unfenced(text):
    """What a tool said, without the marks that say that it is data."""
    found = re.match(r"\A<(?:untrusted[^>]*|person)>\n(.*)\n</\w+>\Z", text, re.DOTALL)
    inner = found.group(1) if found else text
    return json.loads(inner) if inner.startswith('"') else inner


async def talk(monkeypatch, wire, stage, state, *replies, **world):
    """Have a conversation of these replies with the agent of `stage`."""
    made = World(**world)

    async def read_cell(n):
        return ("prices = fetch_price_data(['BTC'])", Outcome(n=1, status="ok", text="80 rows")) if n == 1 else None

    made.context.read_cell = read_cell
    script = [*replies, Reply("The stage is done.")]
    with ProviderServer(lambda turn: script[min(turn.number, len(script) - 1)]) as server:
        server.closes = True
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        (opened,) = open_chat_models(ChatSettings(model=WIRES[wire], timeout=20.0))
        left = await BY_STAGE[stage]().build(opened.model).ainvoke(state, context=made.context)
        turns = list(server.turns)
    assert len(turns) == len(script), [turn.messages[-1].text[:200] for turn in turns]
    assert {turn.wire for turn in turns} == {wire}
    own = [tool.name for tool in BY_STAGE[stage]().bound()]
    for number, turn in enumerate(turns):
        assert turn.names == own
        assert isinstance(turn.messages[0], SystemMessage)
        assert isinstance(turn.messages[1], HumanMessage)
        assert turn.answers == number
        check_pairs(turn.messages)
    usages = [usage for _, usage in made.spent]
    assert [usage["output_tokens"] for usage in usages] == [20] * len(turns)
    assert all(usage["input_tokens"] > 100 for usage in usages)
    return Talk(turns, left, made)


def check_pairs(messages):
    """Each call has its answers right behind it: providers refuse anything else."""
    owed = 0
    for message in messages:
        if isinstance(message, ToolMessage):
            owed -= 1
        else:
            assert owed == 0
            owed = len(message.tool_calls) if isinstance(message, AIMessage) else 0
    assert owed == 0


def at_once(text, *calls):
    return said(text, *calls)


async def test_understanding_mends_a_brief_that_does_not_hold_together(monkeypatch):
    good = {"task": "classification", "coins": ["btc"], "target": "direction", "assumed": ["metric"]}
    had = await talk(
        monkeypatch, "openai", "understanding", {"goal": "Will bitcoin rise?"},
        said("It is a price.", ("submit_brief", {"task": "regression", "target": "direction"})),
        said("Then a model of that name.", ("submit_brief", {**good, "models": ["prophet"]})),
        at_once("Now it holds together.", ("submit_brief", good), ("submit_brief", {**good, "coins": ["ETH"]})),
    )  # fmt: skip
    assert "Submit it with task classification" in had.told(1)[0]
    assert "logistic_regression" in had.told(2)[0]
    assert had.told(3) == ["The brief is noted.", NOT_RUN]
    assert (had.left["brief"]["coins"], had.left["brief"]["assumed"]) == (["BTC"], ["metric"])
    assert had.left["trouble"] is None
    assert had.world.kinds().count("brief_read") == 1


async def test_planning_mends_a_plan_with_a_stage_that_there_is_not(monkeypatch):
    def step(stage):
        return {"stage": stage, "title": "T", "detail": "What is done."}

    whole = [step(name) for name in ("data_retrieval", "feature_engineering", "model_training", "reporting")]
    had = await talk(
        monkeypatch, "anthropic", "planning", {**STATE, "frames": {}},
        said("Deep first.", ("submit_plan", {"steps": [step("deep_learning")]})),
        said("Without the details.", ("submit_plan", {"steps": [{"stage": "reporting"}]})),
        at_once("As the house has it.", ("submit_plan", {"steps": whole}), ("submit_plan", {"steps": whole[:1]})),
    )  # fmt: skip
    assert "A plan with deep_learning does not fit." in had.told(1)[0]
    assert "detail" in had.told(2)[0]
    assert had.told(3) == ["The plan is noted.", NOT_RUN]
    assert [made["stage"] for made in had.left["plan"]] == [made["stage"] for made in whole]


async def test_data_retrieval_looks_first_at_two_things_at_once_and_mends_a_span(monkeypatch):
    times = pd.date_range("2024-06-03", periods=3000, freq="5min", tz="UTC")
    close = 100 + np.random.default_rng(0).normal(size=3000).cumsum() / 10
    source = Source(frames={"mine": pd.DataFrame({"coin": "BTC", "timestamp": times, "close": close})})
    had = await talk(
        monkeypatch, "ollama", "data_retrieval", {"goal": "g", "brief": STATE["brief"]},
        at_once("What is there?", ("read_cell", {"n": 1}), ("get_available_coins", {})),
        said("Fetch a span.", ("fetch_price_data", {"coins": ["BTC"], "start": "2031-01-01", "end": "2031-02-01"})),
        said("No coin.", ("fetch_price_data", {"start": "2024-06-03"})),
        said("Now all of it.", ("fetch_price_data", {"coins": ["BTC"]})),
        source=source,
    )  # fmt: skip
    assert json.loads(had.told(1)[0])["output"] == "80 rows"
    assert json.loads(had.told(1)[1])["values"]["coins"] == ["BTC"]
    assert '"code": "data.' in had.told(2)[0]
    assert "coins" in had.told(3)[0]
    assert had.left["sealed"]["rows"] == 600
    sent = "\n".join(message.text for message in had.turns[-1].messages)
    assert "2024-06-13T07:55" not in sent.split('"sealed"')[0]  # no bar of the sealed stretch before it is described


async def test_data_analysis_is_told_of_a_tool_of_another_stage_and_writes_a_cell(monkeypatch):
    clean = ("clean_data", {"prices": "prices", "into": "bars"})
    had = await talk(
        monkeypatch, "openai", "data_analysis", {**STATE, "frames": {"prices": STATE["frames"]["prices"]}},
        said("See the rows again.", ("read_cell", {"n": 1})),
        said("Features at once.", ("create_features", {"prices": "prices"})),
        at_once("Clean, and look.", clean, ("perform_eda", {"prices": "bars"})),
        said("No tool has this.", ("run_python", {"code": "print(bars['close'].max())"})),
        said("Now look.", ("perform_eda", {"prices": "bars"})),
    )  # fmt: skip
    assert "create_features" in had.told(2)[0]
    assert "clean_data" in had.told(2)[0]
    assert json.loads(had.told(3)[0])["frames"]["bars"]["rows"] == 3
    assert had.told(3)[1] == NOT_RUN
    assert [cell.code.splitlines()[0] for cell in had.world.cells] == [
        "bars = clean_data(prices)",
        "print(bars['close'].max())",
        "summary = perform_eda(bars)",
    ]
    assert had.world.cells[1].kind == "look"
    assert had.left["trouble"] is None


async def test_feature_engineering_mends_its_cell_and_adds_a_column_of_its_own(monkeypatch):
    def outcome(code, into):
        if "ret_99" in code:
            error = {"type": "KeyError", "message": "'ret_99'", "line": 1}
            return Outcome(n=2, status="error", error=error)
        ref = {"sha": "s", "rows": 80, "columns": ["coin", "timestamp", "ret_1", "target"]}
        return Outcome(n=3, status="ok", frames=dict.fromkeys(into, ref))

    code = "features = features.assign(own=features['{}'] ** 2)"
    had = await talk(
        monkeypatch, "anthropic", "feature_engineering", {**STATE, "leaking": ["ret_12"], "visits": {}},
        said("What was there?", ("read_cell", {"n": 1})),
        said("Text for a list.", ("create_features", {"prices": "bars", "lags": "one"})),
        said("A list.", ("create_features", {"prices": "bars", "lags": [1, 3]})),
        said("One of my own.", ("run_python", {"code": code.format("ret_99"), "kind": "transform",
                                               "into": ["features"]})),
        at_once("By its name.",
                ("run_python", {"code": code.format("ret_1"), "kind": "transform", "into": ["features"]}),
                ("drop_columns", {"features": "features", "columns": ["ret_12"]})),
        said("Drop what leaked.", ("drop_columns", {"features": "features", "columns": ["ret_12"]})),
        outcome=outcome,
    )  # fmt: skip
    assert "lags" in had.told(2)[0]
    assert "'ret_99'" in had.told(4)[0]
    assert had.told(5)[1] == NOT_RUN
    assert [cell.kind for cell in had.world.cells] == ["transform"] * 4
    assert had.world.cells[-1].code == "features = drop_columns(features, columns=['ret_12'])"
    assert had.left["frames"]["features"]["stage"] == "feature_engineering"
    assert had.left["trouble"] is None


def scoring(code, into):
    if "model='lasso'" in code:
        return Outcome(
            n=1, status="error", error={"type": "UsageError", "message": "lasso is a regressor", "line": 1}
        )
    frames = {name: {"sha": name, "rows": 4, "columns": ["prediction"]} for name in into[1:]}
    values = {into[0]: scored(into[0], baseline=into[0] in NAIVE)} if into else {}
    return Outcome(n=1, status="ok", frames=frames, values=values)


def score(model, **more):
    return ("cross_validate_model", {"features": "features", "model": model, "into": model, **more})


async def test_training_goes_on_after_a_candidate_that_fails_and_the_host_scores_what_was_left_out(monkeypatch):
    had = await talk(
        monkeypatch, "ollama", "model_training", STATE,
        said("What made the features?", ("read_cell", {"n": 1})),
        at_once("Two at once.", score("constant"), score("last")),
        said("A regressor.", score("lasso")),
        said("See how the rows lie.", ("run_python", {"code": HEAD_CODE})),
        said("Parameters as text.", score("xgboost", params="deep")),
        said("Then plain.", score("xgboost")),
        outcome=scoring,
    )  # fmt: skip
    assert had.told(2)[1] == NOT_RUN
    assert "lasso is a regressor" in had.told(3)[0]
    assert "params" in had.told(5)[0]
    assert json.loads(had.told(6)[0])["values"]["xgboost"]["score"] == 0.55
    assert list(had.left["candidates"]) == ["constant", "xgboost", "logistic_regression", "random_forest"]
    assert had.left["failed"]["lasso"]["why"] == "lasso is a regressor."
    assert had.left["trouble"] is None


async def test_evaluation_mends_a_proposal_that_cannot_be_searched(monkeypatch):
    had = await talk(
        monkeypatch, "openai", "model_evaluation", {**STATE, "candidates": CANDIDATES},
        said("Where is it from?", ("read_cell", {"n": 1})),
        at_once("Compare and decide.", ("compare_models", {}), ("propose_next", {"next": "select"})),
        said("Tune the line.", ("propose_next", {"next": "tune", "model": "linear"})),
        said("My own look.", ("run_python", {"code": HEAD_CODE})),
        said("And in no words of yours.", ("propose_next", {"next": "stop"})),
        said("Then select.", ("propose_next", {"next": "select", "why": "Nothing is ahead."})),
    )  # fmt: skip
    assert had.told(2)[1] == NOT_RUN
    assert "There are spaces to search for xgboost" in had.told(3)[0]
    assert "'tune' or 'select'" in had.told(5)[0]
    assert had.told(6)[0].startswith("The proposal is noted.")
    assert had.left["proposal"]["next"] == "select"
    assert had.left["proposal"]["rule"]["next"] == "tune"
    facts = json.loads(had.turns[0].messages[1].text.split("```json\n")[1].split("\n```")[0])
    assert facts["rounds_left"] == 1


async def test_tuning_searches_once_with_the_trials_of_the_run_whatever_is_asked_for(monkeypatch):
    search = {"features": "features", "model": "xgboost", "into": "xgboost_tuned"}
    had = await talk(
        monkeypatch, "anthropic", "hyperparameter_tuning", {**STATE, "proposal": {"model": "xgboost"}},
        said("See the features.", ("read_cell", {"n": 1})),
        said("Search nothing.", ("tune_hyperparameters", {"model": "xgboost"})),
        at_once("Search widely, twice.", ("tune_hyperparameters", {**search, "trials": 500}),
                ("tune_hyperparameters", search)),
        outcome=scoring,
    )  # fmt: skip
    assert "features" in had.told(2)[0]
    assert had.told(3)[1] == NOT_RUN
    (cell,) = had.world.cells
    assert f"trials={had.world.context.work.trials}" in cell.code
    assert "500" not in cell.code
    assert "xgboost_tuned" in had.left["candidates"]


async def test_reporting_makes_its_texts_one_by_one_and_cannot_write_code(monkeypatch):
    def told(code, into):
        return Outcome(n=1, status="ok", values={name: f"text of {name}" for name in into})

    state = {**STATE, "candidates": CANDIDATES, "verdict": {"call": "no_edge"}}
    had = await talk(
        monkeypatch, "ollama", "reporting", state,
        said("What was found?", ("read_cell", {"n": 1})),
        said("I write it myself.", ("run_python", {"code": "print('An edge!')"})),
        at_once("Then with the tools.", ("generate_summary", {}), ("generate_recommendations", {})),
        said("Advice.", ("generate_recommendations", {})),
        said("The files.", ("write_report", {"why": "All is said."})),
        outcome=told,
    )  # fmt: skip
    assert "run_python" in had.told(2)[0]
    assert "generate_summary" in had.told(2)[0]
    assert had.told(3)[1] == NOT_RUN
    assert had.told(5) == ["Written: report.html."]
    assert had.left["texts"]["advice"] == "text of advice"
    assert all("An edge!" not in cell.code for cell in had.world.cells)
    assert had.world.reported[0]["verdict"] == {"call": "no_edge"}
