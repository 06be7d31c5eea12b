"""A run that was recorded is run again without its provider: equal, at no cost, on another day, in another home."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys

import pytest
from langchain_core.language_models import BaseChatModel

import omc_agent
from omc_agent import face, thinking
from omc_agent.cli import main
from omc_agent.config import AgentSettings, settings_with
from omc_agent.errors import ModelError, UsageError
from omc_agent.flags import Parser, add_setting_flags, given_settings
from omc_agent.llm.offline import OfflineChatModel
from omc_agent.llm.record import read_record
from tests.conftest import QUICK
from tests.providers import Fault, ProviderServer, as_offline, said

GOAL = "Predict whether ETH rises over the next hour with logistic regression, using the last 20 days"
MODEL = "openai:gpt-5-mini"
VARIABLES = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "OLLAMA_HOST")


@pytest.fixture
def provider(monkeypatch):
    with ProviderServer() as server:
        server.closes = True
        for variable, value in server.environment().items():
            monkeypatch.setenv(variable, value)
        yield server


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The notebook's folder, which is the working one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def plan(**values):
    """Read the goal and plan it: four calls of the model, and no work."""
    model, goal = values.pop("given", None), values.pop("goal", GOAL)
    settings = settings_with(None, approve="never", warm_spare=False, **values)
    return face.start(goal, settings=settings, plan_only=True, model=model).wait()


def cells(result):
    return [(row["stage"], row["kind"], row["code"], row["status"]) for row in result._store.cells(result.id)]


def untimed(candidates):
    return [{k: v for k, v in each.items() if "seconds" not in k} for each in candidates]


REPLAY = """
import json, sys
sys.modules.update(dict.fromkeys(["openai", "langchain_openai", "redis"], None))
import datetime, socket, time
real = time.time
time.time = lambda: real() + 40 * 86_400
def refuse(self, address, *rest):
    assert self.family == socket.AF_UNIX, address
    return connect(self, address, *rest)
connect, socket.socket.connect = socket.socket.connect, refuse
import omc_agent
db, file, home, quick = json.loads(sys.argv[1])
result = omc_agent.run(sys.argv[2], db=db, replay=file, home=home, budget=0.0001, daily_budget=0.0001, **quick)
print(json.dumps({"verdict": result.verdict, "candidates": result.candidates, "cost": result.to_dict()["cost"],
    "cells": [[row["stage"], row["kind"], row["code"], row["status"]] for row in result._store.cells(result.id)],
    "model": result._store.read(result.id)["model"]}))
"""


@pytest.mark.long
def test_a_whole_run_is_replayed_equal_in_another_process_home_and_month(market, folder, provider):
    first = omc_agent.run(GOAL, db=market, model=MODEL, record="run.jsonl", **QUICK)
    asked = len(provider.turns)
    record = read_record(folder / "run.jsonl")
    assert len(record.calls) == first.to_dict()["cost"]["calls"]
    costs = [call.usd for call in record.calls]
    assert min(costs) > 0
    assert sum(costs) == pytest.approx(first.to_dict()["cost"]["usd"])
    held = (folder / "run.jsonl").read_text()
    assert "sk-loopback" not in held
    assert str(folder) not in held
    assert re.findall(r"\b[0-9a-f]{64}\b|_seconds.{1,4}\d", held) == []
    shutil.copy(market.removeprefix("sqlite:///"), folder / "elsewhere.db")
    given = json.dumps(["sqlite:///elsewhere.db", "run.jsonl", str(folder / "another home"), QUICK])
    done = subprocess.run([sys.executable, "-c", REPLAY, given, GOAL], capture_output=True, text=True, cwd=folder,
                          env=_without_keys())  # fmt: skip
    assert done.returncode == 0, done.stderr[-2_000:]
    again = json.loads(done.stdout.splitlines()[-1])
    assert again["verdict"] == json.loads(json.dumps(first.verdict))
    assert again["cells"] == json.loads(json.dumps(cells(first)))
    assert untimed(again["candidates"]) == untimed(first.candidates)
    assert set(again["cost"].values()) == {0}
    assert again["model"] == MODEL
    assert len(provider.turns) == asked


def _without_keys():
    import os

    return {name: value for name, value in os.environ.items() if name not in VARIABLES}


def test_a_replay_says_what_it_is_and_needs_no_model_name(market, folder, provider, monkeypatch):
    plan(db=market, model=MODEL, record="run.jsonl")
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    again = plan(db=market, replay="run.jsonl")
    assert len(provider.turns) == 4
    (started,) = [told.event for told in again._store.story(again.id, again.id) if told.event.kind == "run_started"]
    assert started.model == MODEL
    assert started.model_note.startswith(f"Replayed from run.jsonl: 4 calls of {MODEL}, recorded on ")
    assert " tokens and $0.00" in started.model_note


def test_what_counts_is_the_answer_in_the_end_and_the_replay_waits_for_none_of_the_tries(market, folder, monkeypatch):
    def faulty(turn):
        if turn.model == "gpt-5-mini":
            return Fault(status=401)
        odd = {1: Fault(status=503), 4: said("")}
        return odd.get(turn.number) or as_offline(turn)

    with ProviderServer(faulty) as server:
        server.closes = True
        for variable, value in server.environment().items():
            monkeypatch.setenv(variable, value)
        plan(db=market, model=f"{MODEL},anthropic:claude-test", record="run.jsonl", cache=False)
        record = read_record(folder / "run.jsonl")
    assert len(server.turns) == 7  # two that failed, an empty one, four that count
    assert len(record.calls) == 4
    assert {call.model for call in record.calls} == {"anthropic:claude-test"}
    assert record.model == f"{MODEL},anthropic:claude-test"
    again = plan(db=market, replay="run.jsonl")
    assert again._store.read(again.id)["model"] == f"{MODEL},anthropic:claude-test"
    assert "model_try" not in {each["code"] for each in again.to_dict()["warnings"]}


def test_another_goal_or_other_data_fails_with_the_difference(market, folder, provider):
    plan(db=market, model=MODEL, record="run.jsonl")
    with pytest.raises(ModelError) as failed:
        plan(db=market, replay="run.jsonl", goal=GOAL.replace("20 days", "21 days"))
    assert failed.value.code == "model.replay"
    assert "stage understanding" in failed.value.given
    assert "using the last 20 days»" in failed.value.have
    assert "using the last 21 days»" in failed.value.have
    assert len(provider.turns) == 4


def test_a_second_plan_is_answered_from_the_cache_unless_it_is_off(market, folder, provider):
    first = plan(db=market, model=MODEL)
    again = plan(db=market, model=MODEL, record="run.jsonl")
    assert len(provider.turns) == 4
    assert first.to_dict()["cost"]["usd"] > 0
    assert set(again.to_dict()["cost"].values()) == {0}
    assert read_record(folder / "run.jsonl").cost().endswith("0 tokens and $0.0000 then")
    plan(db=market, model=MODEL, cache=False)
    assert len(provider.turns) == 8


def test_a_redis_that_is_not_there_is_one_warning(market, folder, provider, monkeypatch):
    monkeypatch.setenv(thinking.REDIS, "redis://:swordfish@127.0.0.1:9/0")
    result = plan(db=market, model=MODEL, record="run.jsonl")
    (warned,) = [each for each in result.to_dict()["warnings"] if each["code"] == "cache"]
    assert warned["text"].startswith("The cache of answers (Redis at 127.0.0.1:9) cannot be used: ")
    assert "swordfish" not in json.dumps(result.to_dict())
    assert len(provider.turns) == 4


def test_a_model_that_is_handed_in_is_recorded_and_not_cached(market, folder):
    plan(db=market, given=OfflineChatModel(), model="offline", record="run.jsonl")
    assert len(read_record(folder / "run.jsonl").calls) == 4
    assert plan(db=market, replay="run.jsonl").plan
    assert not (folder / "answers.db").exists()


def test_a_record_that_cannot_be_written_any_more_costs_a_warning_not_the_run(market, folder, provider, monkeypatch):
    from omc_agent.llm.recording import Recording

    def full(self, row):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Recording, "_append", full)
    result = plan(db=market, model=MODEL, record="run.jsonl")
    warned = [each["text"] for each in result.to_dict()["warnings"] if each["code"] == "record"]
    assert warned[0].startswith("The record cannot be written: No space left on device.")
    assert result.plan


# -- a run that goes on ----------------------------------------------------------------------------------------


def stopped(market, record):
    """A run that comes to the end of its money before its work begins, and stays parked."""
    settings = settings_with(None, db=market, model=MODEL, record=record, budget=0.0001, **QUICK)
    handle = face.start(GOAL, settings=settings)
    handle.running.result()
    assert handle.session.status == "parked"
    return handle


def test_a_run_that_goes_on_is_recorded_behind_its_beginning(market, folder, provider, monkeypatch):
    handle = stopped(market, "run.jsonl")
    began = read_record(folder / "run.jsonl").calls
    assert len(began) >= 1
    other = folder / "elsewhere"
    other.mkdir()
    monkeypatch.chdir(other)  # the file is that of the notebook in which the run began
    face.resume(handle.id, settings=handle.settings, given={"budget": 0.002}).running.result()
    now = read_record(folder / "run.jsonl").calls
    assert [call.answer for call in now[: len(began)]] == [call.answer for call in began]
    assert len(now) > len(began)
    assert len({json.dumps([call.request.messages, call.answer]) for call in now}) == len(now)  # nothing twice


@pytest.mark.parametrize("fate", ["gone", "another run's"])
def test_a_run_whose_record_is_lost_is_not_recorded_as_if_it_were_whole(fate, market, folder, provider):
    handle = stopped(market, "run.jsonl")
    (folder / "run.jsonl").unlink()
    if fate != "gone":
        plan(db=market, model=MODEL, record="run.jsonl")
    with pytest.raises(UsageError) as failed:
        face.resume(handle.id, settings=handle.settings)
    assert "was recorded in it" in failed.value.given
    rest = face.resume(handle.id, settings=handle.settings, given={"record": "rest.jsonl", "budget": 0.0006})
    rest.running.result()
    assert read_record(folder / "rest.jsonl").head["run"] == handle.id


# -- what is said of a slip ------------------------------------------------------------------------------------


def slip(**values) -> UsageError | ModelError:
    with pytest.raises((UsageError, ModelError)) as failed:
        omc_agent.run(GOAL, **values)
    assert "\n" not in failed.value.line()
    return failed.value


@pytest.fixture
def recorded(folder):
    """A record that a model which was handed in left: no provider, no server."""
    (folder / "run.jsonl").write_text(
        '{"omc_agent_record": 1, "omc_agent": "0.1.0", "made": "2026-01-01", "model": "openai:gpt-5-mini"}\n'
    )
    return "run.jsonl"


def test_both_flags_at_once(recorded):
    assert slip(record="a.jsonl", replay=recorded).code == "usage.flag"


def test_a_file_that_is_not_there_or_is_a_folder(folder):
    assert slip(replay="nothing.jsonl").given == "--replay nothing.jsonl: there is no such file."
    assert slip(replay=".").given.startswith("--replay .: it cannot be read")
    assert slip(record=".").given.startswith("--record .: it cannot be written")
    assert slip(record="nowhere/run.jsonl").given.startswith("--record nowhere/run.jsonl: the folder ")
    assert slip(record="/proc/run.jsonl").given.startswith("--record /proc/run.jsonl: it cannot be written")


def test_a_file_that_is_no_record_is_not_written_over(folder, provider):
    (folder / "work.ipynb").write_text('{"cells": []}')
    said = slip(record="work.ipynb", model=MODEL)
    assert said.given.endswith("it is there and is no record, so it is not written over.")
    assert (folder / "work.ipynb").read_text() == '{"cells": []}'
    assert slip(replay="work.ipynb").code == "model.replay"


def test_a_run_that_cannot_begin_leaves_the_old_record_as_it_was(recorded, folder, market, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    old = (folder / recorded).read_text()
    for file in (recorded, "new.jsonl"):
        with pytest.raises(ModelError):
            plan(db=market, model=MODEL, record=file)
    assert (folder / recorded).read_text() == old
    assert not (folder / "new.jsonl").exists()


def test_another_model_than_the_records(recorded):
    said = slip(replay=recorded, model="openai:gpt-5")
    assert said.given == "-m openai:gpt-5 is not the model of run.jsonl."
    assert "openai:gpt-5-mini" in said.have
    assert thinking.with_record(settings_with(None, replay=recorded, model="openai/gpt-5-mini")).model == MODEL
    alias = settings_with(None, replay=recorded, model="fast", models={"fast": MODEL})
    assert thinking.with_record(alias).model == MODEL


def test_a_model_of_the_configuration_is_no_model_that_was_named(recorded):
    parser = Parser(add_help=False)
    add_setting_flags(parser)
    given = given_settings(parser.parse_args(["--replay", recorded]))
    configured = settings_with(AgentSettings(), **{"model": "anthropic:claude-test", **given})
    assert thinking.with_record(configured).model == MODEL


def test_a_chat_model_and_a_replay(recorded):
    assert slip(replay=recorded, model=OfflineChatModel()).code == "usage.flag"
    assert isinstance(OfflineChatModel(), BaseChatModel)


def test_the_command_line_says_it_and_exits_with_two(folder, capsys):
    assert main(["plan", GOAL, "--replay", "nothing.jsonl"]) == 2
    assert "there is no such file" in capsys.readouterr().err


def test_the_command_line_records_and_replays(market, folder, provider, capsys):
    assert main(["plan", GOAL, "--db", market, "-m", MODEL, "--record", "run.jsonl", "--json"]) == 0
    assert main(["plan", GOAL, "--db", market, "--replay", "run.jsonl", "--json"]) == 0
    first, again = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert first["plan"] == again["plan"]
    assert len(provider.turns) == 4


def test_the_magic_knows_both_flags():
    from omc_agent.magics import _cell_parser
    from omc_agent.verbs import HELP

    parsed = _cell_parser().parse_args(["--record", "a.jsonl"])
    assert given_settings(parsed) == {"record": "a.jsonl"}
    assert "--record FILE" in HELP
    assert "--replay FILE" in HELP
