"""A record is written whole line by whole line, read back the same, and answers a replay by what is asked."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage

from omc_agent.errors import ModelError
from omc_agent.llm.kept import KEPT
from omc_agent.llm.record import Request, is_record, read_record
from omc_agent.llm.recording import Recording
from omc_agent.llm.replaying import Replaying

HEAD = {"model": "openai:gpt-5-mini", "run": "r1", "goal": "Look."}
PROMPT = {"role": "system", "text": "You are one stage."}
TOOLS = {"look": "aaaaaaaa"}
USAGE = {"input_tokens": 1_000, "output_tokens": 100, "total_tokens": 1_100}


def human(text: str) -> dict:
    return {"role": "human", "text": text}


def message(text="", *names, **more):
    calls = [{"name": name, "args": {"n": 1}, "id": f"call_{name}", "type": "tool_call"} for name in names]
    return AIMessage(text, tool_calls=calls, usage_metadata=dict(USAGE), **more)


def recorded(path, *pairs, head=HEAD, **more):
    """Record pairs of (messages, answer) in one stage."""
    writing = Recording(path, head, **more)
    for messages, answer in pairs:
        writing.keep(writing.request("planning", [PROMPT, *messages], TOOLS), answer, "openai:gpt-5-mini")
    return writing


def asked(replaying, *messages, stage="planning", tools=TOOLS):
    answer, _ = replaying.find(replaying.request(stage, [PROMPT, *messages], tools))
    return answer


def test_what_was_recorded_is_answered_at_no_cost_and_says_who_gave_it(tmp_path):
    recorded(tmp_path / "run.jsonl", ([human("a")], message("Look.", "look")), ([human("b")], message("Done.")))
    replaying = Replaying(read_record(tmp_path / "run.jsonl"))
    answer, name = replaying.find(replaying.request("planning", [PROMPT, human("a")], TOOLS))
    assert (answer.text, answer.tool_calls[0]["name"], answer.tool_calls[0]["args"]) == ("Look.", "look", {"n": 1})
    assert sum(answer.usage_metadata.values()) == 0
    assert answer.response_metadata[KEPT]
    assert name == "openai:gpt-5-mini"
    assert asked(replaying, human("b")).text == "Done."


def test_equal_requests_are_answered_in_their_order_and_the_last_for_ever(tmp_path):
    recorded(tmp_path / "run.jsonl", *[([human("a")], message(text)) for text in ("one", "two", "three")])
    replaying = Replaying(read_record(tmp_path / "run.jsonl"))
    assert [asked(replaying, human("a")).text for _ in range(5)] == ["one", "two", "three", "three", "three"]


def test_a_step_is_a_short_line_and_what_was_said_before_is_not_said_again(tmp_path):
    steps = [human("a" * 500), {"role": "ai", "text": "x"}, human("b"), {"role": "ai", "text": "y"}]
    recorded(tmp_path / "run.jsonl", *[(steps[: n + 1], message(str(n))) for n in range(4)])
    rows = [json.loads(line) for line in (tmp_path / "run.jsonl").read_text().splitlines()]
    assert [row["same"] for row in rows[1:]] == [0, 2, 3, 4]
    assert ["tools" in row for row in rows[1:]] == [True, False, False, False]
    assert len(json.dumps(rows[4])) < 250
    read = read_record(tmp_path / "run.jsonl")
    assert [call.request.messages for call in read.calls] == [[PROMPT, *steps[: n + 1]] for n in range(4)]


def test_recorded_again_without_a_change_it_is_the_same_file(tmp_path):
    for name, digit in (("one", "4"), ("two", "9")):
        text = json.dumps({"score": float(f"0.56524248982640{digit}"), "rows": 123_456_789})
        recorded(tmp_path / name, ([human(f"{text} at 23:55:00.123456")], message("Look.", "look")))
    assert (tmp_path / "one").read_text() == (tmp_path / "two").read_text()
    assert "0.565242" in (tmp_path / "one").read_text()
    assert "123456789" in (tmp_path / "one").read_text()
    assert "23:55:00.123456" in (tmp_path / "one").read_text()


PLAIN = st.fixed_dictionaries({"role": st.sampled_from(["human", "ai", "tool"]), "text": st.text(max_size=30)})


@given(st.lists(st.tuples(st.lists(PLAIN, max_size=4), st.text(max_size=20)), min_size=1, max_size=6))
def test_any_conversation_comes_back_as_it_was(tmp_path_factory, conversations):
    path = tmp_path_factory.mktemp("any") / "run.jsonl"
    recorded(path, *[(messages, message(text)) for messages, text in conversations])
    read = read_record(path)
    replaying = Replaying(read)
    assert len(read.calls) == len(conversations)
    answers: dict[str, list[str]] = {}
    for messages, text in conversations:
        answers.setdefault(json.dumps(messages), []).append(text.encode("utf-8", "replace").decode())
    for messages, _ in conversations:
        assert asked(replaying, *messages).text == answers[json.dumps(messages)].pop(0)


def test_an_opening_is_repeated_for_the_same_choice_only(tmp_path):
    frozen = {"choice": {"name": "ridge"}, "brief": {"target": "level"}, "seed": 0, "rule": {"delta": 0.1}}
    writing = recorded(tmp_path / "run.jsonl", ([human("a")], message("x")))
    writing.opened("r1.1", frozen, 3)
    writing.keep(writing.request("reporting", [PROMPT, human("b")], TOOLS), message("y"), "openai:gpt-5-mini")
    record = read_record(tmp_path / "run.jsonl")
    assert len(record.calls) == 2
    again = Replaying(record).opening({**frozen, "rule": {"delta": 0.1000000001}})
    assert (again.run, again.branch, again.count) == ("r1", "r1.1", 3)
    assert Replaying(record).opening({**frozen, "choice": {"name": "lasso"}}) is None


def test_what_it_cost_then_is_said(tmp_path):
    recorded(tmp_path / "run.jsonl", ([human("a")], message("x")), ([human("b")], message("y")))
    said = read_record(tmp_path / "run.jsonl").cost()
    today = time.strftime("%Y-%m-%d", time.gmtime())
    assert said == f"2 calls of openai:gpt-5-mini, recorded on {today}: 2,200 tokens and $0.0009 then"


def test_an_answer_out_of_the_cache_cost_nothing_and_an_unknown_price_is_said(tmp_path):
    free = message("x", response_metadata={KEPT: True})
    recorded(tmp_path / "free", ([human("a")], free))
    assert read_record(tmp_path / "free").calls[0].usd == 0
    writing = Recording(tmp_path / "odd", HEAD)
    writing.keep(writing.request("planning", [PROMPT], TOOLS), message("x"), "openai:nobody-knows-it")
    assert read_record(tmp_path / "odd").cost().endswith("1,100 tokens and no known price then")


def test_a_refusal_is_refused_again(tmp_path):
    recorded(tmp_path / "run.jsonl", ([human("a")], message("", additional_kwargs={"refusal": "I cannot."})))
    assert asked(Replaying(read_record(tmp_path / "run.jsonl")), human("a")).additional_kwargs == {
        "refusal": "I cannot."
    }


def test_secrets_reach_no_line(tmp_path):
    recorded(tmp_path / "run.jsonl", ([human('my key "sk-1\\x" is')], message("Never say sk-1\\x.")),
             secrets=["sk-1\\x", ""])  # fmt: skip
    assert "sk-1" not in (tmp_path / "run.jsonl").read_text()
    assert "***" in (tmp_path / "run.jsonl").read_text()


# -- killed, gone on with, written over -------------------------------------------------------------------------


def test_a_record_of_another_run_is_written_over_by_the_first_answer_not_before(tmp_path):
    path = tmp_path / "run.jsonl"
    recorded(path, ([human("a")], message("old")))
    old = path.read_text()
    writing = Recording(path, {**HEAD, "run": "r2"})
    assert path.read_text() == old
    writing.keep(writing.request("planning", [PROMPT], TOOLS), message("new"), "openai:gpt-5-mini")
    assert [call.answer["text"] for call in read_record(path).calls] == ["new"]


def test_the_same_run_goes_on_behind_what_it_recorded(tmp_path):
    path = tmp_path / "run.jsonl"
    recorded(path, ([human("a")], message("one")))
    again = recorded(path, ([human("a"), human("b")], message("two")))
    assert [call.answer["text"] for call in read_record(path).calls] == ["one", "two"]
    assert json.loads(path.read_text().splitlines()[-1])["call"] == 2
    assert again.find(again.request("planning", [PROMPT, human("a"), human("b")], TOOLS)) is None


def test_an_answer_that_was_paid_but_not_used_when_the_process_died_is_not_paid_again(tmp_path):
    path = tmp_path / "run.jsonl"
    recorded(path, ([human("a")], message("one")), ([human("b")], message("two", "look")))
    again = Recording(path, HEAD)
    answer, _ = again.find(again.request("planning", [PROMPT, human("b")], TOOLS))
    assert answer.text == "two"
    assert again.find(again.request("planning", [PROMPT, human("b")], TOOLS)) is None
    other = Recording(path, HEAD)
    assert other.find(other.request("planning", [PROMPT, human("c")], TOOLS)) is None


def test_a_line_without_its_end_is_no_call_and_goes_when_the_run_goes_on(tmp_path):
    path = tmp_path / "run.jsonl"
    recorded(path, ([human("a")], message("one")), ([human("b")], message("two")))
    text = path.read_bytes()
    path.write_bytes(text[:-20])
    assert [call.answer["text"] for call in read_record(path).calls] == ["one"]
    recorded(path, ([human("b")], message("three")))
    assert [call.answer["text"] for call in read_record(path).calls] == ["one", "three"]


WRITER = """
import sys, itertools
from pathlib import Path
from langchain_core.messages import AIMessage
from omc_agent.llm.recording import Recording
writing = Recording(Path(sys.argv[1]), {"model": "openai:gpt-5-mini", "run": "r1", "goal": ""})
for n in itertools.count():
    request = writing.request("planning", [{"role": "human", "text": str(n) * 2_000}], {})
    writing.keep(request, AIMessage(str(n)), "openai:gpt-5-mini")
"""


def test_a_process_that_is_killed_leaves_whole_lines(tmp_path):
    path = tmp_path / "run.jsonl"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)])
    until = time.monotonic() + 60
    while time.monotonic() < until and not (path.exists() and path.stat().st_size > 50_000):
        time.sleep(0.002)
    writer.kill()
    writer.wait()
    assert path.read_bytes().endswith(b"\n")
    read = read_record(path)
    assert [call.answer["text"] for call in read.calls] == [str(n) for n in range(len(read.calls))]
    assert len(read.calls) > 10


# -- what cannot be read ----------------------------------------------------------------------------------------

BROKEN = [
    "no JSON",
    "[1]",
    "{}",
    '{"same": 0, "messages": 3, "stage": "x", "model": "m", "tools": {}, "answer": {}, "usage": {}, "usd": 0}',
    '{"same": 9, "messages": [], "stage": "x", "model": "m", "tools": {}, "answer": {"text": ""}, "usage": {},'
    ' "usd": 0}',
    '{"same": 0, "messages": [{"role": "ai"}], "stage": "x", "model": "m", "tools": {}, "answer": {"text": ""},'
    ' "usage": {}, "usd": 0}',
    '{"same": 0, "messages": [], "stage": "x", "model": "m", "tools": {}, "answer": {"text": "", "calls": [1]},'
    ' "usage": {}, "usd": 0}',
    "[" * 100_000,
]


@pytest.mark.parametrize("line", BROKEN, ids=range(len(BROKEN)))
def test_a_broken_line_is_named(line, tmp_path):
    path = tmp_path / "run.jsonl"
    recorded(path, ([human("a")], message("one")), ([human("b")], message("two")))
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[1], line, lines[2], ""]))
    with pytest.raises(ModelError) as failed:
        read_record(path)
    assert failed.value.code == "model.replay"
    assert failed.value.given == "Line 3 of run.jsonl is broken."


@pytest.mark.parametrize("text", ["", "\n", "no JSON\n", '{"cells": []}\n', "[1]\n", "\x00\xff\n"])
def test_what_is_no_record_is_said(text, tmp_path):
    path = tmp_path / "run.ipynb"
    path.write_text(text)
    assert not is_record(path)
    with pytest.raises(ModelError, match=r"run\.ipynb is no record of a run"):
        read_record(path)


def test_a_format_of_another_version_is_said(tmp_path):
    path = tmp_path / "run.jsonl"
    recorded(path, ([human("a")], message("one")))
    path.write_text(path.read_text().replace('"omc_agent_record": 1', '"omc_agent_record": 2'))
    with pytest.raises(ModelError, match=r"run\.jsonl has format 2\. This version of omc_agent, [\d.]+, reads 1"):
        read_record(path)


# -- unknown requests -------------------------------------------------------------------------------------------

COINS = {"ETH": {"rows": 28_800}, "BTC": {"rows": 28_800}}
FACTS = {"stage": "planning", "market": {"coins": COINS, "table": "bars"}}


def opening(facts: dict) -> dict:
    return human(f"Plan it.\n\nWhat is known stands below.\n```json\n{json.dumps(facts)}\n```")


def unknown(tmp_path, *messages, **more) -> ModelError:
    look = {"role": "ai", "text": "Look.", "calls": [{"name": "look", "args": {"n": 1}}]}
    result = {"role": "tool", "text": '{"cell": 1, "values": {"gaps": 0}}', "of": 1}
    path = tmp_path / "run.jsonl"
    recorded(path, ([opening(FACTS)], message("Look.", "look")),
             ([opening(FACTS), look, result], message("Done.")))  # fmt: skip
    given = messages or [opening(FACTS), look, result]
    with pytest.raises(ModelError) as failed:
        asked(Replaying(read_record(path)), *given, **more)
    assert failed.value.code == "model.replay"
    assert "\n" not in failed.value.line()
    return failed.value


def test_a_changed_fact_is_named_with_its_path(tmp_path):
    facts = json.loads(json.dumps(FACTS))
    facts["market"]["coins"]["ETH"]["rows"] = 28_799
    said = unknown(tmp_path, opening(facts))
    assert said.given == (
        "A request of the stage planning is not in run.jsonl. Against its call 1, message 2 of 2 (what is known) is"
        " another."
    )
    assert said.have == "Recorded: «market.coins.ETH.rows: 28800». Now: «market.coins.ETH.rows: 28799»."
    assert "--record" in said.try_


def test_another_result_of_a_tool_is_named_by_the_tool(tmp_path):
    look = {"role": "ai", "text": "Look.", "calls": [{"name": "look", "args": {"n": 1}}]}
    result = {"role": "tool", "text": '{"cell": 1, "values": {"gaps": 3}}', "of": 1}
    said = unknown(tmp_path, opening(FACTS), look, result)
    assert "Against its call 2, message 4 of 4 (what look answered) is another." in said.given
    assert said.have == "Recorded: «values.gaps: 0». Now: «values.gaps: 3»."


def test_a_changed_prompt_tool_end_and_stage_are_named(tmp_path):
    said = unknown(tmp_path, tools={"look": "bbbbbbbb", "touch": "cccccccc"})
    assert "the set of its tools is another" in said.given
    assert said.have == "touch: new; look: described otherwise."
    said = unknown(tmp_path, opening(FACTS), human("Only momentum."))
    assert "message 3 of 3 (what is said to it)" in said.given
    assert said.have == "Recorded: «Look.», «look.n: 1». Now: «Only momentum.»."
    said = unknown(tmp_path, human("x"), stage="reporting")
    assert said.given == "run.jsonl holds no call of the stage reporting; it has planning."


def test_a_record_of_another_version_says_so(tmp_path):
    path = tmp_path / "run.jsonl"
    recorded(path, ([human("a")], message("one")))
    path.write_text(path.read_text().replace('"omc_agent": "', '"omc_agent": "0.0.'))
    with pytest.raises(ModelError, match=r"It was recorded with omc_agent 0\.0\."):
        asked(Replaying(read_record(path)), human("b"))


@given(st.lists(PLAIN, min_size=1, max_size=4), st.lists(PLAIN, min_size=1, max_size=4))
def test_any_difference_can_be_said(old, new):
    from omc_agent.llm.difference import difference

    where, lines = difference(Request("planning", old, {}), Request("planning", new, {"look": "a"}))
    assert where
    assert lines
