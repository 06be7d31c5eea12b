"""A run whose tracking server is gone ends as ever, says so once, and is sent later by its verb."""

from __future__ import annotations

import json
import sqlite3

import numpy as np
import pandas as pd
import pytest

import omc_agent
from omc_agent import face
from omc_agent.cli import main
from omc_agent.config import AgentSettings
from omc_agent.errors import RunError
from omc_agent.result import RunResult
from omc_agent.verbs import Verbs
from tests.conftest import QUICK
from tests.tracking.mlflow_server import free_port


@pytest.fixture(scope="module")
def explored(tmp_path_factory):
    """A small analysis that ended while nobody listened at its tracking URI."""
    home = tmp_path_factory.mktemp("tracked")
    times = pd.date_range("2024-01-01", periods=1500, freq="5min", tz="UTC")
    prices = 100 + np.random.default_rng(5).normal(0, 0.1, 1500).cumsum()
    bars = pd.DataFrame({"coin": "BTC", "timestamp": times, "close": prices})
    uri = f"http://me:Sup3rS3cretWord@127.0.0.1:{free_port()}"
    return omc_agent.run("Explore BTC", data=bars, home=str(home), mlflow_uri=uri, **QUICK), home


def test_the_run_ends_as_ever_with_one_warning(explored):
    result, _ = explored
    assert result.status == "finished"
    (told,) = [each for each in result.warnings if each["code"] == "not_tracked"]
    assert f"omc-agent mlflow {result.id}" in told["text"]
    assert result.tracked == {}


def test_its_password_is_nowhere_in_the_store(explored):
    _, home = explored
    assert b"Sup3rS3cretWord" not in b"".join(path.read_bytes() for path in home.glob("*.db*"))


def test_the_verb_sends_it_later_and_says_where(explored, capsys, monkeypatch, tmp_path):
    result, home = explored
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMC_AGENT_HOME", str(home))
    assert main(["mlflow", result.id, "--uri", "sqlite:///tracked.db", "--experiment", "later", "--json"]) == 0
    sent = json.loads(capsys.readouterr().out)
    assert (sent["experiment"], sent["written"]) == ("later", 1)
    with sqlite3.connect(tmp_path / "tracked.db") as file:
        found = dict(file.execute("SELECT key, value FROM tags WHERE run_uuid = ?", (sent["run_id"],)))
    file.close()
    assert found["omc_agent.session"] == result.id
    assert found["omc_agent.task"] == "analysis"
    assert list(tmp_path.glob(f"mlruns/{sent['run_id']}/artifacts/report.html"))
    assert result_of(home, result.id).tracked["run_id"] == sent["run_id"]


def result_of(home, run_id):
    settings = AgentSettings(home=str(home))
    return RunResult(face.orchestrator_for(settings).store, run_id, settings)


def test_the_verb_without_an_address_says_how_to_set_one(explored, capsys, monkeypatch):
    result, home = explored
    monkeypatch.setenv("OMC_AGENT_HOME", str(home))
    assert main(["mlflow", result.id]) == 1
    assert "OMC_AGENT_MLFLOW_URI" in capsys.readouterr().err
    with pytest.raises(RunError) as told:  # in a notebook
        Verbs(AgentSettings(home=str(home)), print).call(["mlflow", result.id])
    assert told.value.code == "run.tracking"
