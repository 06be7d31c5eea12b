"""A run over the wire that comes to its limit twice in each stage, goes on with more each time, and ends alike."""

from __future__ import annotations

from dataclasses import replace

import pytest

from omc_agent import face
from omc_agent.config import settings_with
from omc_agent.errors import ApprovalNeeded
from omc_agent.graph.edges import AGENTS
from omc_agent.panels.results import show_text
from omc_agent.result import RunResult
from tests.conftest import QUICK
from tests.providers import ProviderServer, as_offline
from tests.providers.wires import usage_of

pytestmark = pytest.mark.long  # test_purse.py and test_spending.py hold single calls and stages
SETTINGS = {**QUICK, "approve": "never", "model": "openai:gpt-5"}
MOST = 60


def script(turn):
    """The first call of a stage and its last one are dear: the limit is met before a later call, and a first one."""
    reply = as_offline(turn)
    dear = not turn.answers or not reply.calls
    return replace(reply, tokens_in=1_000 if dear else 1, tokens_out=100 if dear else 0)


@pytest.fixture(scope="module")
def runs(market, finished, tmp_path_factory):
    """An unbroken run, and one that comes to its limits again and again: at each stop, and at the end."""
    with ProviderServer(script) as server, pytest.MonkeyPatch.context() as patch:
        for name, value in {**server.environment(), "OMC_AGENT_HOME": str(tmp_path_factory.mktemp("budget"))}.items():
            patch.setenv(name, value)
        stops = list(drive(market, finished._row["goal"]))
        yield {"whole": finished, "end": stops.pop(), "stops": stops, "turns": server.turns}


def drive(market, goal):
    """Both limits are a little above what is used: the next dear call is the last that is paid for."""
    first = settings_with(None, db=market, max_tokens=1, budget=0.001, **SETTINGS)
    handle = face.start(goal, settings=first, session_id="broken")
    for _ in range(MOST):
        try:
            yield handle.wait()
            return
        except ApprovalNeeded as error:
            result = RunResult(handle.store, "broken", handle.settings)
            yield result, error, show_text(told.event for told in handle.store.story("broken"))
        used = result.cost["tokens_in"] + result.cost["tokens_out"]
        more = {"max_tokens": int(used) + 100, "budget": result.cost["usd"] + 0.0001}
        handle = face.resume("broken", settings=settings_with(None), given=more)
    raise AssertionError("it was never through")


def test_each_stage_was_held_before_its_first_call_and_before_a_later_one(runs):
    waited = [request["stage"] for request in runs["end"]._store.requests("broken", status=None)]
    counts = {agent.stage: waited.count(agent.stage) for agent in AGENTS}
    assert counts.pop("understanding") == 1, "nothing is used before its first call"
    assert min(counts.values()) >= 2, counts


def test_each_stop_is_parked_at_the_budget_with_the_command_that_goes_on(runs):
    for result, error, _ in runs["stops"]:
        assert (result.status, result.reason, error.exit_code) == ("parked", "budget", 3)
        assert "omc-agent resume broken --budget N --max-tokens N" in error.try_


def test_it_ends_as_the_unbroken_run_and_nothing_is_done_twice(runs):
    whole, end = runs["whole"], runs["end"]
    assert end.status == "finished"
    assert [(c["stage"], c["code"], c["status"]) for c in end.cells] == [
        (c["stage"], c["code"], c["status"]) for c in whole.cells
    ]
    assert end.metrics.drop(columns="fit_seconds").equals(whole.metrics.drop(columns="fit_seconds"))
    assert end.verdict == whole.verdict


def test_the_sum_is_what_the_server_counted(runs):
    served = [usage_of(turn, script(turn)) for turn in runs["turns"]]
    cost = runs["end"].cost
    assert (cost["tokens_in"], cost["tokens_out"]) == tuple(map(sum, zip(*served, strict=True)))
    assert cost["calls"] == len(served)
    assert cost["guessed"] == cost["unpriced"] == 0
    assert sum(row["calls"] for row in cost["by_stage"].values()) == cost["calls"]
    assert runs["end"].to_dict()["cost"] == {k: cost[k] for k in ("tokens_in", "tokens_out", "usd", "calls")}


def test_a_run_that_is_parked_within_a_stage_shows_what_was_scored_so_far(runs):
    seen = {}
    for result, _, shown in runs["stops"]:
        assert len(result.candidates) == len(result.metrics)
        seen.setdefault(result._row["stage"], []).append((len(result.candidates), shown))
    training = [count for count, _ in seen["model_training"]]
    assert training == sorted(training)
    assert max(training) > 0, "what was scored before the stage came to its end is there"
    assert seen["model_evaluation"][0][0] >= max(training)
    assert "ogistic regression" in seen["model_evaluation"][0][1]


def test_both_warnings_came_and_each_once_a_limit(runs):
    codes = [warning["code"] for warning in runs["end"].warnings]
    assert codes.count("budget") == len({w["text"] for w in runs["end"].warnings if w["code"] == "budget"})
