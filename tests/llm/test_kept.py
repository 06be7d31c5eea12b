"""A call as plain JSON: what means nothing is left out, and what is read back is an answer and nothing else."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool

from omc_agent.llm.kept import KEPT, is_whole, packed, plain_messages, plain_tools, unpacked

BROKEN = {"name": "look", "args": "{", "id": "a", "error": "", "type": "invalid_tool_call"}
FIELDS = ["content", "tool_calls", "additional_kwargs", "response_metadata", "lc", "type", "id", "kwargs"]
PLAIN = st.recursive(
    st.none() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(FIELDS), inner),
    max_leaves=8,
)


def conversation(*ids: str, at: str = "0x7f3a91c05d80") -> list:
    calls = [{"name": "look", "args": {"n": n}, "id": each} for n, each in enumerate(ids)]
    told = [ToolMessage(f"<Figure at {at}> {n}", tool_call_id=each) for n, each in enumerate(ids)]
    return [SystemMessage("Prompt."), HumanMessage("Go."), AIMessage("Look.", tool_calls=calls), *told]


def test_ids_usage_and_addresses_are_left_out():
    one = conversation("call_1", "call_2")
    other = conversation("toolu_x", "toolu_y", at="0x55d0aa12")
    other[2].usage_metadata = {"input_tokens": 9, "output_tokens": 2, "total_tokens": 11}
    other[2].response_metadata = {"id": "chatcmpl-8", KEPT: True}
    assert plain_messages(one) == plain_messages(other)


def test_which_call_a_result_belongs_to_is_kept():
    one = conversation("a", "b")
    other = [*one[:3], ToolMessage(one[3].text, tool_call_id="b"), ToolMessage(one[4].text, tool_call_id="a")]
    assert plain_messages(one) != plain_messages(other)


def test_a_failed_result_is_another_than_one_that_says_the_same():
    failed = ToolMessage("no", tool_call_id="a", status="error")
    assert plain_messages([failed]) != plain_messages([ToolMessage("no", tool_call_id="a")])


def test_blocks_of_text_are_text_and_what_only_a_provider_reads_is_silent():
    blocks = [
        {"type": "thinking", "thinking": "hm", "signature": "x"},
        {"type": "text", "text": "Look."},
        {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}},
    ]
    assert plain_messages([AIMessage(blocks)]) == plain_messages([AIMessage("Look.")])


def test_a_tool_is_known_by_what_a_model_reads_of_it():
    def made(words: str):
        def look(n: int) -> str:
            return ""

        look.__doc__ = words
        return tool(look)

    assert plain_tools([made("Look.")]) == plain_tools([made("Look.")])
    assert plain_tools([made("Look.")]) != plain_tools([made("Look twice.")])
    assert set(plain_tools([made("Look.")])) == {"look"}


@pytest.mark.parametrize(
    "message",
    [
        AIMessage(""),
        AIMessage("  \n"),
        AIMessage("Cut in the", response_metadata={"finish_reason": "length"}),
        AIMessage("Cut in the", response_metadata={"stop_reason": "max_tokens"}),
        AIMessage("Cut in the", response_metadata={"finish_reason": "MAX_TOKENS"}),
        AIMessage("I cannot.", response_metadata={"stop_reason": "refusal"}),
        AIMessage("", additional_kwargs={"refusal": "I cannot."}),
        AIMessage("No.", response_metadata={"finish_reason": "content_filter"}),
        AIMessage(
            "",
            invalid_tool_calls=[{"name": "look", "args": "{", "id": "a", "error": "", "type": "invalid_tool_call"}],
        ),
    ],
)
def test_what_is_cut_empty_broken_or_refused_is_not_whole(message):
    assert not is_whole(message)


@pytest.mark.parametrize("reason", ["stop", "tool_calls", "end_turn", "tool_use", "STOP"])
def test_an_answer_that_came_to_its_own_end_is_whole(reason):
    assert is_whole(AIMessage("Done.", response_metadata={"finish_reason": reason}))


def test_a_kept_answer_has_all_that_its_provider_wants_to_see_again_and_costs_nothing():
    blocks = [{"type": "thinking", "thinking": "hm", "signature": "x"}, {"type": "text", "text": "Look."}]
    calls = [{"name": "look", "args": {"n": 1}, "id": "toolu_1", "type": "tool_call"}]
    usage = {"input_tokens": 9, "output_tokens": 2, "total_tokens": 11}
    told = {"model_provider": "anthropic", "usage": {"input_tokens": 9}}
    message = AIMessage(blocks, tool_calls=calls, usage_metadata=usage, response_metadata=told)
    again = unpacked(packed(message))
    assert (again.content, again.tool_calls) == (message.content, message.tool_calls)
    assert again.response_metadata == {"model_provider": "anthropic", KEPT: True}
    assert sum(again.usage_metadata.values()) == 0


def test_what_json_cannot_hold_is_not_kept():
    assert packed(AIMessage("x", additional_kwargs={"signature": b"\x00"})) is None


@given(PLAIN)
def test_whatever_a_file_holds_is_an_answer_or_nothing(value):
    found = unpacked(json.dumps(value))
    assert found is None or type(found) is AIMessage


def test_a_serialized_object_in_a_file_is_not_made():
    client = {"lc": 1, "type": "constructor", "id": ["langchain", "chat_models", "openai", "ChatOpenAI"],
              "kwargs": {"base_url": "http://127.0.0.1:9"}}  # fmt: skip
    fields = {"content": [client], "tool_calls": [], "additional_kwargs": {"x": client}, "response_metadata": {}}
    found = unpacked(json.dumps(fields))
    assert found.additional_kwargs == {"x": client}
    assert unpacked(json.dumps(client)) is None
    assert unpacked("[" * 100_000) is None
