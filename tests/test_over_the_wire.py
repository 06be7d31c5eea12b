"""A whole run by each wire format, streamed: what it finds, what it costs, and that it reaches only loopback."""

from __future__ import annotations

import pytest

import omc_agent
from omc_agent.demo import write_demo
from omc_agent.events import RunStarted
from tests.providers import ProviderServer, as_offline
from tests.providers.loopback import refuse_the_rest
from tests.providers.wires import usage_of

GOAL = "Predict whether ETH rises over the next hour with logistic regression, using the last 12 days"
QUICK = {"trials": 1, "folds": 2, "leak_cuts": 4, "warm_spare": False, "tuning_rounds": 0, "approve": "never"}
MODELS = {"openai": "openai:gpt-5-mini", "anthropic": "anthropic:claude-loopback", "ollama": "ollama:qwen3:8b"}


@pytest.fixture(scope="module")
def days(tmp_path_factory):
    """A market of the shortest span that a whole run needs."""
    url = f"sqlite:///{tmp_path_factory.mktemp('days') / 'market.db'}"
    write_demo(url, days=20)
    return url


@pytest.fixture(scope="module")
def offline(days, tmp_path_factory):
    """The same goal as the embedded model drives it."""
    return omc_agent.run(GOAL, db=days, home=str(tmp_path_factory.mktemp("offline")), **QUICK)


class Talked:
    """A run over a wire, with the requests as the server read them and what each reply cost there."""

    def __init__(self, result, turns, replies, tried):
        self.result, self.turns, self.replies, self.tried = result, turns, replies, tried


@pytest.fixture(
    scope="module",
    params=["openai", *(pytest.param(wire, marks=pytest.mark.long) for wire in ("anthropic", "ollama"))],
)
def talked(request, days, tmp_path_factory):
    """One run by a wire; the offline rules answer behind it, so the plan is known and the way is not."""
    replies = []

    def script(turn):
        replies.append(as_offline(turn))
        return replies[-1]

    home = str(tmp_path_factory.mktemp(request.param))
    with pytest.MonkeyPatch.context() as patch, ProviderServer(script) as server:
        tried, server.closes = refuse_the_rest(patch), True
        for name, value in server.environment().items():
            patch.setenv(name, value)
        result = omc_agent.run(GOAL, db=days, model=MODELS[request.param], home=home, **QUICK)
        turns = list(server.turns)
    assert {turn.wire for turn in turns} == {request.param}
    return Talked(result, turns, replies, tried)


def scores(result):
    return {each["name"]: (each["model"], each["params"], each["score"], each["low"]) for each in result.candidates}


def test_the_verdict_and_all_candidates_are_those_of_the_offline_run(talked, offline):
    assert talked.result.status == offline.status == "finished"
    assert talked.result.brief == offline.brief
    assert scores(talked.result) == scores(offline)
    assert talked.result.verdict == offline.verdict
    assert talked.result.choice["name"] == offline.choice["name"]
    code = [cell["code"] for cell in offline.cells]
    assert [cell["code"] for cell in talked.result.cells] == code


def test_each_token_that_the_server_counted_is_counted_and_none_besides(talked):
    counted = [usage_of(turn, reply) for turn, reply in zip(talked.turns, talked.replies, strict=True)]
    assert talked.result.cost["calls"] == len(talked.turns)
    assert talked.result.cost["tokens_in"] == sum(tokens for tokens, _ in counted)
    assert talked.result.cost["tokens_out"] == sum(tokens for _, tokens in counted)


def test_nothing_beyond_loopback_was_tried(talked):
    assert talked.tried == []


def test_the_answers_were_streamed_and_what_was_said_is_what_is_told(talked):
    assert all(turn.streamed for turn in talked.turns)
    story = talked.result._store.events(talked.result.id)
    (started,) = [event for event in story if isinstance(event, RunStarted)]
    assert started.model in MODELS.values()
    told = [event.text for event in story if event.kind == "reason"]
    for reply in talked.replies:
        assert reply.text.strip() in told


def test_each_call_of_a_stage_sends_its_tools_and_one_opening(talked):
    sizes = [sum(len(message.text) for message in turn.messages) for turn in talked.turns]
    assert max(sizes) < 40_000  # letters; docs/agents.md says why it stays so
    assert all(turn.names for turn in talked.turns)
