"""A model that is not ours drives a run to its verdict; and ours sees nothing that a provider would not see."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest
from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage, convert_to_messages
from langchain_core.messages.utils import convert_to_openai_messages
from scripted import CapturingChatModel, ScriptedChatModel, Seen, call

import omc_agent
from omc_agent.graph.state import STAGES
from omc_agent.llm.offline import OfflineChatModel

QUICK = {"trials": 1, "folds": 2, "leak_cuts": 4, "warm_spare": False}
OWN_CELL = "spread = (bars['high'] - bars['low']) / bars['close']\nprint(f'{spread.median():.6f}')"


def _brief(seen: Seen) -> dict:
    end = datetime.fromisoformat(seen.facts["market"]["newest"])
    return call(
        "submit_brief",
        task="classification",
        coins=["btc"],
        start=(end - timedelta(days=20)).isoformat(),
        end=end.isoformat(),
        models=["logistic_regression"],
        notes=["read by a scripted model"],
    )


def _steps(*stages: str) -> list[dict]:
    return [{"stage": stage, "title": stage.split("_")[-1], "detail": "As it is done."} for stage in stages]


def _score(model: str) -> dict:
    return call("cross_validate_model", features="features", model=model, into=model)


def _calls(seen: Seen) -> list[dict]:
    """All calls of a stage in order; one is made a turn."""
    facts = seen.facts
    brief = facts.get("brief", {})
    return {
        "understanding": lambda: [_brief(seen)],
        "planning": lambda: [call("submit_plan", steps=_steps(*STAGES[3:]))],
        "data_retrieval": lambda: [
            call("fetch_price_data", coins=brief["coins"], start=brief["start"], end=brief["end"])
        ],
        "data_analysis": lambda: [
            call("clean_data", prices="prices", into="bars"),
            call("run_python", code=OWN_CELL, kind="look"),
        ],
        "feature_engineering": lambda: [call("create_features", prices="bars", lags=[1, 6], windows=[24])],
        "model_training": lambda: [_score("constant"), _score("logistic_regression")],
        "model_evaluation": lambda: [call("compare_models"), call("propose_next", next="select", why="one model")],
        "reporting": lambda: [call("generate_summary"), call("write_report")],
    }[facts["stage"]]()


def _drive(seen: Seen) -> tuple[str, list[dict]]:
    calls = _calls(seen)
    if seen.turn < len(calls):
        return f"Step {seen.turn + 1}: {calls[seen.turn]['name']}.", [calls[seen.turn]]
    return "The stage has what it needs.", []


@pytest.fixture(scope="module")
def scripted_run(market, tmp_path_factory):
    return omc_agent.run(
        "Will bitcoin be higher in an hour?",
        db=market,
        model=ScriptedChatModel(script=_drive),
        approve="never",
        unsafe_local=True,  # its own cell runs where there is no wall too: that is not what is tested here
        home=str(tmp_path_factory.mktemp("scripted")),
        **QUICK,
    )


def test_a_model_that_is_not_ours_drives_a_run_to_its_verdict(scripted_run):
    assert scripted_run.status == "finished"
    assert scripted_run.brief["coins"] == ["BTC"]
    assert scripted_run.verdict["call"] in ("edge", "no_edge", "inconclusive")
    assert scripted_run.verdict["opened"] == 1
    assert [c["name"] for c in scripted_run.candidates] == ["constant", "logistic_regression", "random_forest"]
    # It left small trees out, which say whether complexity pays: the host scored them beside it.
    trees = scripted_run.candidates[-1]
    assert (trees["simple"], trees["yardstick"], trees["params"]) == (
        True,
        True,
        {"n_estimators": 25, "max_depth": 4},
    )
    assert scripted_run.choice["name"] == "logistic_regression"
    assert {"report.html", "model.skops"} <= {artifact["name"] for artifact in scripted_run.artifacts}


def test_the_cell_it_wrote_itself_ran_and_is_recorded_as_it_stands(scripted_run):
    (cell,) = [cell for cell in scripted_run.cells if cell["code"] == OWN_CELL]
    assert (cell["stage"], cell["kind"], cell["status"], cell["where"]) == ("data_analysis", "look", "ok", "sandbox")
    decided = scripted_run._store.requests(scripted_run.id, status="decided")
    assert [(row["gate"], row["decided_by"]) for row in decided] == [("code", "policy: --approve never")]
    assert decided[0]["payload"]["code"] == OWN_CELL


def test_the_request_that_was_told_is_the_request_that_was_written(scripted_run):
    told = [e for e in scripted_run._store.events(scripted_run.id) if e.kind in ("request_opened", "request_decided")]
    (row,) = scripted_run._store.requests(scripted_run.id, status=None)
    assert [event.request_id for event in told] == [row["id"], row["id"]]


def test_its_tokens_are_counted(scripted_run):
    assert scripted_run.cost["calls"] > 10
    assert scripted_run.cost["tokens_in"] == 7 * scripted_run.cost["calls"]
    assert scripted_run.cost["tokens_out"] == 3 * scripted_run.cost["calls"]


@pytest.fixture(scope="module")
def heard(market, tmp_path_factory):
    model = CapturingChatModel(inner=OfflineChatModel())
    result = omc_agent.run(
        "Predict whether ETH rises over the next hour with logistic regression, using the last 20 days",
        db=market,
        model=model,
        approve="never",
        home=str(tmp_path_factory.mktemp("heard")),
        **QUICK,
    )
    assert result.status == "finished"
    return model.heard


AGENT_STAGES = [s for s in STAGES if s not in ("clarification", "leak_test", "selection", "scoring")]


def _facts(messages) -> dict:
    return Seen([], messages).facts


def test_every_stage_of_an_agent_opens_with_rules_and_one_block_of_facts(heard):
    opened = {}
    for call_ in heard:
        first, second = call_.messages[:2]
        assert isinstance(first, SystemMessage)
        assert "Rules of the house" in first.text
        assert isinstance(second, HumanMessage)
        assert second.text.count("```json") == 1
        opened.setdefault(_facts(call_.messages)["stage"], second.text)
    assert list(opened) == AGENT_STAGES
    for stage, text in opened.items():
        facts = json.loads(text.split("```json\n")[1].split("\n```")[0])
        assert {"stage", "visit", "goal"} <= set(facts)
        if stage != "understanding":
            assert facts["brief"]["coins"] == ["ETH"]


def test_the_tools_of_every_call_are_complete_for_a_provider(heard):
    for call_ in heard:
        assert call_.tools, _facts(call_.messages)["stage"]
        for tool in call_.tools:
            function = tool["function"]
            assert function["description"]
            assert function["parameters"]["type"] == "object"
            assert function["parameters"]["properties"]
        for made in call_.answer.tool_calls:
            assert made["name"] in {tool["function"]["name"] for tool in call_.tools}


def test_messages_are_plain_text_and_tool_results_are_small(heard):
    for call_ in heard:
        for message in call_.messages:
            assert isinstance(message.content, str)
            assert message.additional_kwargs == {}
            if isinstance(message, ToolMessage):
                assert message.artifact is None
                assert len(message.content) <= 2_000


def test_nothing_of_the_hosts_paths_or_of_the_sealed_rows_is_said_to_a_model(heard, market):
    path = market.removeprefix("sqlite:///")
    for call_ in heard:
        said = "\n".join(message.text for message in call_.messages)
        assert path not in said
        assert "omc-box" not in said


def test_a_fresh_offline_model_gives_the_same_answer_from_what_goes_over_the_wire(heard):
    """Messages in OpenAI's plain form and the tools as JSON: no more reaches a provider, and no more is needed."""
    stages = set()
    for call_ in heard:
        wire = json.loads(json.dumps(convert_to_openai_messages(call_.messages)))
        tools = json.loads(json.dumps(call_.tools))
        answer = OfflineChatModel().bind(tools=tools).invoke(convert_to_messages(wire))
        assert answer.text == call_.answer.text
        assert answer.tool_calls == call_.answer.tool_calls
        stages.add(_facts(call_.messages)["stage"])
    assert stages == set(AGENT_STAGES)
