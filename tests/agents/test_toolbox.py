"""A tool call is one readable line of Python; its answer to the model is short."""

from __future__ import annotations

import ast
import json

import pytest
from langchain_core.utils.function_calling import convert_to_openai_tool

from omc_agent import tools
from omc_agent.agents.toolbox import REPLY_CAP, WIDTH, CellTool, Code, render_call, shorten
from omc_agent.graph.edges import AGENTS


def make(prices, lags, windows=None, note=""):
    """Only a signature."""


LONG = {
    "prices": "bars",
    "lags": list(range(100, 130)),
    "windows": [12, 48, 288],
    "note": "a text with, a comma and (brackets)",
}


def test_a_short_call_is_one_line_with_the_frame_first():
    assert render_call(make, {"lags": [1, 3], "prices": "bars"}, ["prices"], ["features"]) == (
        "features = make(bars, lags=[1, 3])"
    )


def test_several_results_and_none():
    assert render_call(make, {"prices": "bars"}, ["prices"], ["a", "b"]) == "a, b = make(bars)"
    assert render_call(make, {"prices": "bars"}, ["prices"], []) == "make(bars)"


def test_arguments_stand_in_the_order_of_the_signature_and_values_are_literals():
    code = render_call(make, {"note": "it's", "lags": [1], "prices": "b"}, ["prices"], [])
    assert code == 'make(b, lags=[1], note="it\'s")'


def test_an_expression_is_rendered_as_it_stands():
    code = render_call(make, {"prices": "b", "note": Code("load_state('m')")}, ["prices"], [])
    assert code == "make(b, note=load_state('m'))"


def test_a_long_call_is_wrapped_and_means_the_same():
    code = render_call(make, LONG, ["prices"], ["features"])
    lines = code.splitlines()
    assert len(lines) > 1
    assert all(line.startswith(" " * len("features = make(")) for line in lines[1:])
    assert all(len(line) <= WIDTH for line in lines if "[1" not in line)
    assign = ast.parse(code).body[0]
    given = {keyword.arg: ast.literal_eval(keyword.value) for keyword in assign.value.keywords}
    assert given == {name: LONG[name] for name in ("lags", "windows", "note")}
    assert assign.value.args[0].id == "bars"


@pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: agent.stage)
def test_every_tool_has_words_and_a_plain_schema(agent):
    for tool in agent().tools():
        schema = convert_to_openai_tool(tool)["function"]
        assert len(schema["description"]) > 15, tool.name
        assert json.loads(json.dumps(schema)) == schema
        properties = schema["parameters"]["properties"]
        assert properties, f"{tool.name} has no argument; LangChain calls such a tool without its runtime"
        assert not {"runtime", "state", "config"} & set(properties)


def test_the_schema_is_made_of_signature_and_docstring():
    tool = CellTool("create_features", "transform", ("features",), hidden=("target", "horizon", "threshold")).build()
    schema = convert_to_openai_tool(tool)["function"]
    properties = schema["parameters"]["properties"]
    assert schema["description"] == " ".join((tools.create_features.__doc__ or "").split("\n\n")[0].split())
    assert {"prices", "lags", "windows", "into"} <= set(properties)
    assert not {"target", "horizon", "threshold"} & set(properties)
    assert schema["parameters"]["required"] == ["prices"]
    assert properties["prices"]["type"] == "string"
    assert properties["prices"]["description"].startswith("name of the frame")
    lags = next(kind for kind in properties["lags"].get("anyOf", [properties["lags"]]) if kind["type"] != "null")
    assert lags == {"type": "array", "items": {"type": "integer"}}
    assert len(properties["lags"]["description"]) > 10
    assert "features" in properties["into"]["description"]


@pytest.mark.parametrize("name", ["cross_validate_model", "tune_hyperparameters", "train_classification_model"])
def test_what_the_run_fixes_is_not_offered_to_the_model(name):
    built = [tool for agent in AGENTS for tool in agent().tools() if tool.name == name]
    for tool in built:
        properties = convert_to_openai_tool(tool)["function"]["parameters"]["properties"]
        assert not {"seed", "n_splits", "metric", "trials"} & set(properties)
        assert "model" in properties
    assert built


ABOUT = {
    "a long output": {"cell": 3, "status": "ok", "frames": {}, "values": {}, "output": "x" * 9_000},
    "an output that JSON makes longer": {"cell": 3, "status": "ok", "values": {}, "output": '"\\\n\x01' * 4_000},
    "large values": {"cell": 3, "status": "ok", "values": {"score": {"auc": 0.5, "all": list(range(5000))}}},
    "a long text as value": {"cell": 3, "status": "ok", "values": {"t": "x" * 9_000}},
    "many wide frames": {
        "cell": 3,
        "status": "ok",
        "frames": {f"f{n}": {"rows": 9, "columns": [f"column_{c}" for c in range(40)]} for n in range(9)},
        "values": {},
        "output": "x",
    },
    "a long error": {
        "cell": 3,
        "status": "error",
        "error": {"type": "ValueError", "message": "why " * 4_000, "line": 2},
        "reason": "",
    },
}  # fmt: skip


@pytest.mark.parametrize("what", ABOUT)
def test_an_answer_stays_under_its_cap_and_is_json(what):
    text = shorten(ABOUT[what])
    assert len(text) <= REPLY_CAP
    told = json.loads(text)
    assert (told["cell"], told["status"]) == (3, ABOUT[what]["status"])


def test_what_loses_length_keeps_what_matters():
    assert json.loads(shorten(ABOUT["a long output"]))["output"].startswith("xxxx")
    assert json.loads(shorten(ABOUT["large values"]))["values"]["score"] == {"auc": 0.5}
    error = json.loads(shorten(ABOUT["a long error"]))["error"]
    assert error["type"] == "ValueError"
    assert error["message"].startswith("why why")
    assert error["line"] == 2


def test_a_short_answer_is_told_whole():
    about = {"cell": 1, "status": "ok", "frames": {}, "values": {"n": 1}, "output": "done"}
    assert json.loads(shorten(about)) == about
