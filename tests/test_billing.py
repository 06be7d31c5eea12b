"""``cost`` from both doors: the verb of the magic and the command line say what the store holds."""

from __future__ import annotations

import json

import pytest

from omc_agent import face
from omc_agent.cli import main
from omc_agent.config import AgentSettings
from omc_agent.errors import RunError
from omc_agent.result import RunResult, list_rows
from omc_agent.verbs import Verbs


@pytest.fixture
def store():
    shared = face.orchestrator_for(AgentSettings(warm_spare=False))
    shared.store.create("rises it?", workspaces=shared.home / "runs", model="m", settings={}, session_id="r1")
    for n, stage in enumerate(("planning", "reporting")):
        shared.store.begin_call("r1", "r1", key=f"k{n}", stage=stage, model="openai:gpt-5", tokens_in=9, usd=0.5)
        shared.store.end_call(f"k{n}", status="answered", tokens_in=1_000, tokens_out=100, usd=0.25)
    return shared.store


@pytest.mark.usefixtures("store")
def test_the_command_line_prints_the_sums(capsys):
    assert main(["cost", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["total"]["usd"], told["total"]["calls"]) == (0.5, 2)
    assert [row["goal"] for row in told["runs"]] == ["rises it?"]
    assert main(["cost", "r1", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [row["stage"] for row in told["stages"]] == ["planning", "reporting"]
    assert len(told["calls"]) == 2
    assert main(["cost", "r1"]) == 0
    assert "Run r1: 2 calls, 2.0K in / 200 out · $0.50" in capsys.readouterr().out


@pytest.mark.usefixtures("store")
def test_a_run_that_is_not_there_is_said(capsys):
    assert main(["cost", "r2"]) == 1
    assert "No run 'r2'" in capsys.readouterr().err


@pytest.mark.usefixtures("store")
def test_the_verb_of_the_magic_shows_the_same_in_both_forms():
    verbs = Verbs(AgentSettings(warm_spare=False), lambda text: None)
    for words in ([], ["r1"]):
        shown = verbs.cost(words)
        assert "$0.50" in repr(shown)
        assert "$0.50" in shown._repr_html_()
    with pytest.raises(RunError):
        verbs.cost(["r2"])


def test_results_and_the_list_read_the_same_sums(store):
    result = RunResult(store, "r1", AgentSettings())
    assert result.cost["usd"] == 0.5
    assert result.cost["by_stage"]["planning"]["usd"] == 0.25
    assert result.to_dict()["cost"] == {"tokens_in": 2_000, "tokens_out": 200, "usd": 0.5, "calls": 2}
    assert [row["usd"] for row in list_rows(store)] == [0.5]
