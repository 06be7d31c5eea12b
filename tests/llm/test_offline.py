"""The embedded model behind the interface of a chat model: deterministic, and nothing but messages and tools."""

from __future__ import annotations

import json

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from omc_agent.agents.data_analyst import DataAnalystAgent
from omc_agent.brief import Brief
from omc_agent.config import ChatSettings
from omc_agent.llm.chat import open_chat_models
from omc_agent.llm.offline import OfflineChatModel

FACTS = {"stage": "data_analysis", "visit": 1, "brief": Brief(coins=["BTC"]).model_dump()}
OPENING = [
    SystemMessage('Rules. ```json\n{"brief": "not this block"}\n```'),
    HumanMessage(f"Do it.\n```json\n{json.dumps(FACTS)}\n```"),
]


@pytest.fixture
def bound():
    return OfflineChatModel().bind_tools(list(DataAnalystAgent().tools()))


def reply(answer, text, **more):
    return ToolMessage(text, tool_call_id=answer.tool_calls[0]["id"], **more)


def test_the_tools_name_the_stage_and_the_answer_is_words_with_one_call(bound):
    answer = bound.invoke(OPENING)
    assert answer.text
    (made,) = answer.tool_calls
    assert (made["name"], made["args"]) == ("clean_data", {"prices": "prices", "into": "bars"})
    assert answer.usage_metadata["total_tokens"] == 0


def test_the_same_messages_give_the_same_answer_in_another_model_too(bound):
    other = OfflineChatModel().bind_tools(list(DataAnalystAgent().tools()))
    first, second = bound.invoke(OPENING), other.invoke(OPENING)
    assert (first.text, first.tool_calls) == (second.text, second.tool_calls)


async def test_it_answers_asynchronously_as_well(bound):
    assert (await bound.ainvoke(OPENING)).tool_calls == bound.invoke(OPENING).tool_calls


def test_results_move_it_on_until_it_has_nothing_to_call(bound):
    messages, tools = list(OPENING), []
    for _ in range(9):
        answer = bound.invoke(messages)
        if not answer.tool_calls:
            break
        tools.append(answer.tool_calls[0]["name"])
        messages += [answer, reply(answer, json.dumps({"status": "ok"}))]
    assert tools == ["clean_data", "calculate_technical_indicators", "perform_eda"]


def test_call_ids_differ_from_turn_to_turn(bound):
    first = bound.invoke(OPENING)
    second = bound.invoke([*OPENING, first, reply(first, "{}")])
    assert first.tool_calls[0]["id"] != second.tool_calls[0]["id"]


@pytest.mark.parametrize("text", ['{"status": "ok"}', "plain words", '["a", "list"]', ""])
def test_any_text_is_a_result(bound, text):
    first = bound.invoke(OPENING)
    second = bound.invoke([*OPENING, first, reply(first, text)])
    assert second.tool_calls[0]["name"] == "calculate_technical_indicators"


def test_an_error_answer_ends_the_stage(bound):
    first = bound.invoke(OPENING)
    after = bound.invoke([*OPENING, first, reply(first, '{"status": "error"}', status="error")])
    assert after.tool_calls == []
    assert "failed" in after.text


def test_words_of_a_person_in_between_are_no_facts(bound):
    said = HumanMessage("only momentum features please")
    first = bound.invoke([*OPENING, said])
    assert first.tool_calls[0]["name"] == "clean_data"


def test_without_tools_it_says_that_it_has_no_rule():
    answer = OfflineChatModel().invoke([HumanMessage("hello")])
    assert isinstance(answer, AIMessage)
    assert "no rule" in answer.text


def test_it_says_of_itself_what_it_is_not():
    model = open_chat_models(ChatSettings())[0].model
    assert isinstance(model, OfflineChatModel)
    assert "not a language model" in model.note
