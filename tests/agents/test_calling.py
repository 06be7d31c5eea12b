"""One call of a chat model over the real clients: faults, other tries, stand-ins, answers that cannot be used."""

from __future__ import annotations

import time
from email.utils import formatdate

import httpx
import pytest
from langchain_core.messages import AIMessage
from wired import WIRES, clients, hurry, worked
from worlds import World

from omc_agent.agents import calling
from omc_agent.agents.failures import BrokenAnswer, failed, is_passing, wait_asked
from omc_agent.agents.usable import spoken
from omc_agent.errors import ModelError
from tests.providers import Fault, ProviderServer, Reply, in_turn, said

LAGS = said("I make lags.", ("make_lags", {"lags": [1, 2]}), tokens_in=100, tokens_out=10)
DONE = said("It is done.", tokens_in=50, tokens_out=5)
CODE = "x = 1\n" * 40

each_wire = pytest.mark.parametrize("wire", WIRES)
both_ways = pytest.mark.parametrize("whole", [False, True], ids=["stream", "whole"])


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    hurry(monkeypatch)


async def run(monkeypatch, wire, *answers, whole=False, timeout=20.0):
    with (
        ProviderServer(in_turn(*answers)) as server,
        clients(server, monkeypatch, f"{wire}:m", whole=whole) as models,
    ):
        return await worked(models, timeout=timeout), server


# -- a fault, and the next try ---------------------------------------------------------------------------------------

FAULTS = {
    "timeout": (Fault("hang"), "no answer within 0.8 s"),
    "429": (Fault(status=429), "429"),
    "500": (Fault(status=500), "500"),
    "overloaded": (Fault(status=529), "529"),
    "cut": (Fault("cut"), ""),
    "cut in a call": (Fault("cut", reply=said("I look.", ("run_python", {"code": CODE}))), ""),
    "garbage": (Fault("garbage"), ""),
}


@each_wire
@both_ways
@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_is_told_and_tried_again(monkeypatch, wire, whole, name):
    fault, words = FAULTS[name]
    timeout = 0.8 if name == "timeout" else 20.0
    done, server = await run(monkeypatch, wire, fault, LAGS, DONE, whole=whole, timeout=timeout)
    (told,) = done.tries
    assert told.startswith(f"{wire}:m did not answer (try 1): ")
    assert words in told
    assert told.endswith("The next try is in about 0.001 s.")
    assert done.agent.made == [[1, 2]]
    assert done.world.cells == []
    assert done.texts == ["I make lags.", "It is done."]
    assert len(server.turns) == 3  # the client adds no tries of its own


@each_wire
@pytest.mark.parametrize(
    "reply", [said("This sentence has no end at all"), said("I look.", ("run_python", {"code": CODE}))]
)
async def test_a_stream_that_ends_politely_in_its_middle_is_no_answer(monkeypatch, wire, reply):
    done, _ = await run(monkeypatch, wire, Fault("short", reply=reply), LAGS, DONE)
    assert "broke off in its middle" in done.tries[0]
    assert done.world.cells == []
    assert done.texts == ["I make lags.", "It is done."]


@each_wire
async def test_retry_after_is_waited_for(monkeypatch, wire):
    began = time.monotonic()
    done, _ = await run(monkeypatch, wire, Fault(status=429, retry_after=0.4), LAGS, DONE)
    assert time.monotonic() - began >= 0.4
    assert done.tries[0].endswith("The next try is in about 0.4 s.")


@each_wire
async def test_a_retry_after_of_hours_does_not_hang_the_run(monkeypatch, wire):
    with pytest.raises(ModelError) as caught:
        await run(monkeypatch, wire, Fault(status=429, retry_after=7200))
    assert caught.value.given.startswith(f"{wire}:m asks to be left alone for 2 hours")
    assert "second model" in caught.value.try_


@each_wire
@pytest.mark.parametrize(("status", "hint"), [(401, "key"), (404, "m"), (400, "another model")])
async def test_what_no_try_can_mend_is_tried_once(monkeypatch, wire, status, hint):
    with ProviderServer(in_turn(Fault(status=status))) as server, clients(server, monkeypatch, f"{wire}:m") as models:
        with pytest.raises(ModelError) as caught:
            await worked(models)
        assert len(server.turns) == 1
    assert caught.value.code == ("model.not_there" if status == 404 else "model.failed")
    assert hint in caught.value.try_


async def test_a_model_that_always_errs_ends_in_one_sentence(monkeypatch):
    with ProviderServer(in_turn(Fault(status=500))) as server, clients(server, monkeypatch, "openai:m") as models:
        world = World()
        with pytest.raises(ModelError) as caught:
            await worked(models, world=world)
        assert len(server.turns) == 1 + calling.RETRIES
    assert [event.text.split(": ")[0] for event in world.events if event.kind == "warned"] == [
        f"openai:m did not answer (try {n})" for n in (1, 2, 3, 4)
    ]
    assert world.events[-1].text.endswith("That was the last try.")
    assert "\n" not in caught.value.line()


# -- answers that cannot be used -------------------------------------------------------------------------------------


@each_wire
@both_ways
async def test_an_empty_answer_is_asked_again_and_paid_for(monkeypatch, wire, whole):
    done, server = await run(monkeypatch, wire, said("", tokens_in=30, tokens_out=1), LAGS, DONE, whole=whole)
    assert done.agent.made == [[1, 2]]
    assert [usage["input_tokens"] for _, usage in done.world.spent[:2]] == [30, 100]
    assert "empty" in server.turns[1].messages[-1].text


@pytest.mark.parametrize("bad", ["lags=1", "[1, 2]", ""])
async def test_arguments_that_are_no_json_are_told_so_or_found_lacking(monkeypatch, bad):
    done, server = await run(monkeypatch, "openai", said("I make lags.", ("make_lags", bad)), LAGS, DONE)
    assert done.agent.made == [[1, 2]]
    told = server.turns[1].messages[-1].text
    assert "no valid JSON" in told or "lags is missing" in told


async def test_arguments_with_a_bracket_missing_are_repaired(monkeypatch):
    done, server = await run(monkeypatch, "openai", said("I make lags.", ("make_lags", '{"lags": [1, 2')), DONE)
    assert done.agent.made == [[1, 2]]
    assert len(server.turns) == 2


async def test_a_broken_call_beside_a_good_one_leaves_no_call_unanswered(monkeypatch):
    two = said("", ("make_lags", {"lags": [1]}), ("make_lags", "lags=2"))
    done, server = await run(monkeypatch, "openai", two, LAGS, DONE)
    assert done.agent.made == [[1], [1, 2]]
    (answer, reply) = server.turns[1].messages[-2:]
    assert [call["id"] for call in answer.tool_calls] == [reply.tool_call_id]


async def test_calls_that_stay_broken_end_the_stage_and_run_nothing(monkeypatch):
    done, server = await run(monkeypatch, "openai", said("I try.", ("make_lags", "lags=1")))
    assert len(server.turns) == 3
    assert done.agent.made == []
    assert done.answers[-1].invalid_tool_calls == []


@each_wire
async def test_an_unknown_tool_is_answered_with_those_there_are(monkeypatch, wire):
    done, _ = await run(monkeypatch, wire, said("", ("train_rocket", {"fast": True})), LAGS, DONE)
    assert done.replies[0].status == "error"
    assert "There is no tool train_rocket. Yours are: make_lags, run_python." in done.replies[0].text
    assert done.agent.made == [[1, 2]]


@each_wire
@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"lags": "many"}, 'lags=\\"many\\": input should be a valid list (bars back, at least one).'),
        ({"lags": [1, "x"]}, 'lags.1=\\"x\\": input should be a valid integer'),
        ({"window": 2}, "lags is missing (bars back, at least one)."),
    ],
)
async def test_arguments_that_do_not_fit_are_answered_in_short(monkeypatch, wire, given, words):
    done, _ = await run(monkeypatch, wire, said("", ("make_lags", given)), LAGS, DONE)
    assert words in done.replies[0].text
    assert len(done.replies[0].text) < 250
    assert done.agent.made == [[1, 2]]


async def test_a_person_is_not_asked_about_a_call_that_cannot_run(monkeypatch):
    world = World("always")
    with (
        ProviderServer(in_turn(said("", ("run_python", {"kind": "look"})), DONE)) as server,
        clients(server, monkeypatch, "openai:m") as models,
    ):
        done = await worked(models, world=world)
    assert "code is missing" in done.replies[0].text
    assert world.settled == []


# -- cut off at the limit of tokens ----------------------------------------------------------------------------------


@each_wire
@both_ways
async def test_a_text_that_was_cut_off_is_continued_and_told_as_one(monkeypatch, wire, whole):
    cut = said("I make la", stop="length", tokens_in=10, tokens_out=3)
    rest = said("gs of two bars.", ("make_lags", {"lags": [1, 2]}), tokens_in=20, tokens_out=4)
    done, server = await run(monkeypatch, wire, cut, rest, DONE, whole=whole)
    assert done.texts == ["I make lags of two bars.", "It is done."]
    assert [usage["total_tokens"] for _, usage in done.world.spent[:2]] == [13, 24]
    assert [message.text for message in server.turns[1].messages if isinstance(message, AIMessage)] == ["I make la"]


@each_wire
async def test_a_call_that_was_cut_off_does_not_run(monkeypatch, wire):
    cut = said("I look.", ("run_python", '{"code": "x = 1\\nremove_everything('), stop="length")
    done, server = await run(monkeypatch, wire, cut, LAGS, DONE)
    assert done.world.cells == []
    assert done.agent.made == [[1, 2]]
    assert done.texts == ["I make lags.", "It is done."]
    assert "run_python was cut off" in server.turns[1].messages[-1].text


async def test_of_several_calls_only_the_one_that_was_cut_is_left_out(monkeypatch):
    cut = said("", ("make_lags", {"lags": [7]}), ("run_python", '{"code": "x ='), stop="length")
    done, _ = await run(monkeypatch, "anthropic", cut, DONE)
    assert done.agent.made == [[7]]
    assert done.world.cells == []


# -- refusals and thoughts -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wire", ["openai", "anthropic"])
@both_ways
@pytest.mark.parametrize(("stop", "words"), [("refusal", "I cannot help with that."), ("filter", "")])
async def test_a_refusal_is_shown_as_one(monkeypatch, wire, whole, stop, words):
    with pytest.raises(ModelError) as caught:
        await run(monkeypatch, wire, said("I cannot help with that.", stop=stop), whole=whole)
    assert caught.value.code == "model.refused"
    assert caught.value.given.startswith(f"{wire}:m refused: ")
    assert words in caught.value.given


async def test_the_refusal_of_a_stand_in_bears_its_name(monkeypatch):
    def script(turn):
        return Fault(status=401) if turn.model == "first" else said("Never.", stop="refusal")

    with (
        ProviderServer(script) as server,
        clients(server, monkeypatch, "openai:first,anthropic:second") as models,
        pytest.raises(ModelError) as caught,
    ):
        await worked(models)
    assert caught.value.given.startswith("anthropic:second refused: Never.")


@both_ways
async def test_what_a_model_thinks_is_no_narration(monkeypatch, whole):
    thought = Reply("I make lags.", [("make_lags", {"lags": [1]})], thinking="Perhaps the person is in a hurry.")
    done, _ = await run(monkeypatch, "anthropic", thought, DONE, whole=whole)
    assert done.texts == ["I make lags.", "It is done."]
    assert "hurry" not in "".join(event.line() for event in done.world.events)


@pytest.mark.parametrize(
    ("text", "words"),
    [("<think>a\nb</think>\nGo.", "Go."), ("<think>half", ""), ("Use <think> tags.", "Use <think> tags.")],
)
def test_thoughts_within_the_text_are_left_out(text, words):
    assert spoken(text) == words


# -- stand-ins -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", WIRES)
@pytest.mark.parametrize("second", WIRES)
async def test_a_stand_in_takes_over_in_the_middle_of_a_conversation(monkeypatch, first, second):
    """The conversation holds what the first one thought, signed and called, in the layout of its wire."""
    begun = Reply("I make lags.", [("make_lags", {"lags": [1]})], thinking="Hm.")

    def script(turn):
        if turn.model == "one":
            return Fault(status=503) if turn.answers else begun
        return LAGS if turn.answers == 1 else DONE

    with ProviderServer(script) as server, clients(server, monkeypatch, f"{first}:one,{second}:two") as models:
        done = await worked(models)
    assert done.agent.made == [[1], [1, 2]]
    assert done.warned("model_stands_in") == [f"{second}:two stands in for {first}:one for the next 5 minutes."]
    assert [message.response_metadata[calling.ASKED] for message in done.answers] == [
        f"{first}:one", f"{second}:two", f"{second}:two",
    ]  # fmt: skip


async def test_a_dead_model_is_not_asked_again_at_each_call(monkeypatch):
    def script(turn):
        return Fault(status=500) if turn.model == "dead" else DONE if turn.answers > 3 else LAGS

    with ProviderServer(script) as server, clients(server, monkeypatch, "openai:dead,ollama:alive") as models:
        done = await worked(models)
    assert len(done.answers) == 5
    assert [turn.model for turn in server.turns].count("dead") == 1 + calling.RETRIES


async def test_a_dead_model_is_asked_again_when_its_rest_is_over_or_nobody_else_answers(monkeypatch):
    def script(turn):
        dead = turn.model == "one" if turn.number < 5 else turn.model == "two"
        return Fault(status=500) if dead else DONE if turn.answers > 2 else LAGS

    with ProviderServer(script) as server, clients(server, monkeypatch, "openai:one,ollama:two") as models:
        done = await worked(models)
    assert done.agent.made == [[1, 2]] * 3
    models_asked = [turn.model for turn in server.turns]
    assert models_asked[4] == "two"
    assert models_asked[-1] == "one"


async def test_a_request_that_is_too_large_for_one_does_not_send_it_to_rest(monkeypatch):
    def script(turn):
        return Fault(status=413) if turn.model == "small" else LAGS if not turn.answers else DONE

    with ProviderServer(script) as server, clients(server, monkeypatch, "openai:small,openai:large") as models:
        done = await worked(models)
    assert done.warned("model_stands_in")[0] == "openai:large stands in for openai:small for this call."
    assert [turn.model for turn in server.turns] == ["small", "large"] * 2


async def test_a_model_that_wants_to_be_left_alone_for_hours_is_and_the_next_one_goes_on(monkeypatch):
    def script(turn):
        return Fault(status=429, retry_after=7200) if turn.model == "busy" else DONE

    with ProviderServer(script) as server, clients(server, monkeypatch, "ollama:busy,openai:free") as models:
        done = await worked(models)
    assert "It asks to be left alone for 2 hours." in done.tries[0]
    assert done.warned("model_stands_in") == ["openai:free stands in for ollama:busy for the next 2 hours."]


async def test_when_all_fail_the_error_names_the_last(monkeypatch):
    with (
        ProviderServer(in_turn(Fault(status=401))) as server,
        clients(server, monkeypatch, "openai:a,ollama:b") as models,
    ):
        with pytest.raises(ModelError) as caught:
            await worked(models)
        assert [turn.model for turn in server.turns] == ["a", "b"]
    assert caught.value.given.startswith("ollama:b: ")


# -- reading a failure -----------------------------------------------------------------------------------------------


def refused(**headers):
    request = httpx.Request("POST", "http://127.0.0.1/")
    response = httpx.Response(429, headers=headers, request=request)
    return httpx.HTTPStatusError("429", request=request, response=response)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [({"retry-after": "7"}, 7), ({"retry-after-ms": "250"}, 0.25), ({}, 0), ({"retry-after": "soon"}, 0)],
)
def test_a_wait_that_is_asked_for_is_read(headers, seconds):
    assert wait_asked(refused(**headers)) == seconds


def test_a_wait_may_be_a_date():
    headers = {"retry-after": formatdate(time.time() + 30, usegmt=True)}
    assert 25 < wait_asked(refused(**headers)) <= 30


@pytest.mark.parametrize(
    ("error", "passing"),
    [(BrokenAnswer(), True), (ConnectionError(), True), (failed("m", KeyError("x")), False),
     (refused(**{"retry-after": "5"}), True), (refused(**{"retry-after": "3600"}), False), (KeyError("x"), False)],
)  # fmt: skip
def test_what_is_worth_another_try(error, passing):
    assert is_passing(error) is passing


def test_a_context_that_is_too_small_is_said_so():
    error = failed("openai:m", ValueError("This model's maximum context length is 8192 tokens"))
    assert "larger than the model's context" in error.have
    assert "larger context" in error.try_
