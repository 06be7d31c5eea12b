"""``omc-agent`` as a program: stdout, stderr and exit codes."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from omc_agent import cli
from omc_agent.sandbox import tiers


def call(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "omc_agent.cli", *words], capture_output=True, text=True, timeout=200
    )


def test_run_prints_one_json_object_on_stdout_and_the_story_on_stderr(market):
    done = call("run", "Explore BTC over the last 5 days", "--db", market, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["status"] == "finished"
    assert told["error"] is None
    assert "Exploration of BTC" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (["run", "", "--json"], 2, "goal.empty"),
        (["run", "Predict BTC", "--nosuchflag", "--json"], 2, "usage.flag"),
        (["run", "Predict BTC", "--trials", "many", "--json"], 2, "usage.flag"),
        (["run", "Predict BTC", "--trials", "0", "--json"], 2, "usage.value"),
        (["run", "Predict BTC", "--db", "nosuchname", "--json"], 2, "usage.value"),
        (["run", "Predict BTC", "--json"], 1, "data.no_database"),
        (["run", "Predict BTC", "--model", "google_genai:x", "--json"], 1, "model.no_package"),
    ],
)
def test_json_is_printed_also_when_it_fails(words, code, error, capsys):
    assert cli.main(words) == code
    captured = capsys.readouterr()
    told = json.loads(captured.out)
    assert told["status"] == "failed"
    assert told["error"]["code"] == error
    assert told["error"]["try"]


def test_no_package_gives_the_pip_line(capsys):
    cli.main(["run", "Predict BTC", "--model", "google_genai:x"])
    assert "pip install langchain-google-genai" in capsys.readouterr().err


def test_plan_prints_brief_and_plan_and_runs_nothing(market, capsys):
    assert cli.main(["plan", "Predict whether ETH goes up over the next 30 minutes", "--db", market, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["brief"]["horizon"] == "PT30M"
    assert told["plan"][0]["stage"] == "data_retrieval"


def test_plan_needs_no_database(capsys):
    assert cli.main(["plan", "Predict Bitcoin price", "--json"]) == 0
    brief = json.loads(capsys.readouterr().out)["brief"]
    assert (brief["task"], brief["target"], brief["start"]) == ("regression", "price", None)


def test_list_show_artifacts_delete(market, capsys):
    assert cli.main(["run", "Explore XRP over the last 5 days", "--db", market, "--id", "mine", "--json"]) == 0
    capsys.readouterr()
    assert cli.main(["list"]) == 0
    assert "mine" in capsys.readouterr().out
    assert cli.main(["show", "mine"]) == 0
    assert "Exploration of XRP" in capsys.readouterr().out
    assert cli.main(["artifacts", "mine"]) == 0
    assert "report.html" in capsys.readouterr().out
    assert cli.main(["delete", "mine"]) == 0
    capsys.readouterr()
    assert cli.main(["show", "mine"]) == 1
    assert "run.unknown" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "error", "said"),
    [
        (["say", "nobody", "hello"], 1, "run.unknown", "nobody"),
        (["override", "nobody", "models=ridge"], 1, "run.unknown", "nobody"),
        (["override", "nobody"], 2, "usage.override", "Known: coins"),
        (["override", "nobody", "colour=red"], 2, "usage.override", "Known: coins"),
        (["restart", "nobody", "--from", "lunch"], 2, "usage.value", "Stages: understanding"),
        (["restart", "nobody", "--from", "model_training", "lags=1"], 2, "usage.override", "lags"),
        (["restart", "nobody", "--from", "planning"], 1, "run.unknown", "nobody"),
        (["resume", "nobody", "--budget", "-1"], 2, "usage.value", "budget"),
        (["run", "Predict BTC", "--policy", "no/such/file.yaml"], 2, "usage.policy", "no/such/file.yaml"),
        (["run", "Predict BTC", "--on-timeout", "later"], 2, "usage.flag", "later"),
        (["run", "Predict BTC", "--follow", "nobody"], 1, "run.unknown", "nobody"),
        (["decide", "nobody", "approve"], 1, "run.no_request", "nobody"),
    ],
)
def test_what_a_person_sends_amiss_is_one_line_with_what_there_is(words, code, error, said, capsys):
    assert cli.main(words) == code
    captured = capsys.readouterr()
    assert captured.err.startswith(f"{error}: ")
    assert said in captured.err
    assert len(captured.err.splitlines()) == 1


def test_a_parked_run_is_decided_resumed_changed_and_shown_by_branch(market, capsys):
    asked = [
        "run",
        "Explore XRP over the last 5 days",
        "--db",
        market,
        "--approve",
        "always",
        "--id",
        "mine",
        "--json",
    ]
    assert cli.main(asked) == 3
    captured = capsys.readouterr()
    told = json.loads(captured.out)
    assert (told["status"], told["reason"]) == ("parked", "scope")
    assert [request["gate"] for request in told["requests"]] == ["scope"]
    assert "omc-agent decide" in captured.err
    assert cli.main(["say", "mine", "keep", "it", "short"]) == 0
    assert cli.main(["decide", "mine", "reject", "wrong", "--rest"]) == 0
    assert "rejected: wrong" in capsys.readouterr().out
    assert cli.main(["resume", "mine", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["reason"] == "run.rejected"
    assert cli.main(["restart", "mine", "--from", "planning", "coins=DOGE", "--json"]) == 3
    told = json.loads(capsys.readouterr().out)
    assert told["brief"]["coins"] == ["DOGE"]
    assert cli.main(["decide", "mine", "approve"]) == 0
    assert cli.main(["resume", "mine", "--json"]) == 0
    capsys.readouterr()
    assert cli.main(["show", "mine.1"]) == 0
    first = capsys.readouterr().out
    assert cli.main(["show", "mine"]) == 0
    newest = capsys.readouterr().out
    assert "keep it short" in first
    assert "DOGE" in newest
    assert "DOGE" not in first


def test_demo_import_and_doctor(tmp_path, capsys):
    db = f"sqlite:///{tmp_path / 'small.db'}"
    assert cli.main(["demo", "--db", db, "--days", "3"]) == 0
    assert "SIMULATED" in capsys.readouterr().out
    bars = tmp_path / "BTC_bars.csv"
    bars.write_text("timestamp,open,high,low,close,volume\n2024-01-01 00:00,1,2,1,2,5\n2024-01-01 00:05,2,3,2,3,5\n")
    other = f"sqlite:///{tmp_path / 'other.db'}"
    assert cli.main(["import", str(bars), "--db", other, "--coin", "BTC"]) == 0
    assert "2 written" in capsys.readouterr().out
    assert cli.main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert "isolation" in said
    assert any(title in said for title in tiers.TITLES.values())


def test_an_edit_out_of_a_file_that_is_not_there_is_one_line(capsys):
    assert cli.main(["decide", "r1", "edit", "--file", "no/such/cell.py"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("usage.edit: no/such/cell.py cannot be read")
    assert "Traceback" not in said


def bad_tables(path) -> str:
    """A database of tables that cannot be learned from."""
    numbers = pd.DataFrame({"x": np.arange(60) % 7, "y": ["a", "b", "c"] * 20, "one": "a", "id": range(60)})
    times = pd.date_range("2024-01-01", periods=2_000, freq="5min").astype(str)
    bars = pd.DataFrame({"coin_type": "BTC", "timestamp": times, "last": 100 + np.arange(2_000) % 9})
    with sqlite3.connect(path) as database:
        numbers.to_sql("rows", database, index=False)
        numbers.iloc[:12].to_sql("few", database, index=False)
        numbers[["y"]].to_sql("lone", database, index=False)
        bars.assign(timestamp="soon").to_sql("timeless", database, index=False)
        bars.assign(last="cheap").to_sql("priceless", database, index=False)
        bars.to_sql("bars", database, index=False)
    database.close()
    return f"sqlite:///{path}"


@pytest.mark.parametrize(
    ("goal", "words", "error"),
    [
        ("predict nope", ["--table", "rows", "--target", "nope"], "data.no_target"),
        ("predict one", ["--table", "rows", "--target", "one"], "data.constant"),
        ("predict id with ridge", ["--table", "rows", "--target", "id"], "data.no_target"),
        ("predict y", ["--table", "few", "--target", "y"], "data.too_few_rows"),
        ("predict y", ["--table", "lone", "--target", "y"], "data.constant"),
        ("predict y", ["--table", "rows", "--target", "y", "--time", "x"], "data.no_time"),
        ("Predict whether BTC rises over the next hour", ["--table", "timeless"], "data.no_time"),
        ("Predict whether BTC rises over the next hour", ["--table", "priceless"], "data.constant"),
        ("Predict whether BTC rises over the next 60 days", ["--table", "bars"], "data.too_few_rows"),
    ],
)
def test_bad_input_is_one_sentence_in_three_parts(goal, words, error, tmp_path, capsys):
    assert cli.main(["run", goal, "--db", bad_tables(tmp_path / "bad.db"), *words, "--json"]) == 1
    captured = capsys.readouterr()
    told = json.loads(captured.out)
    assert told["error"]["code"] == error
    assert all(told["error"][part] for part in ("given", "have", "try"))
    assert "Traceback" not in captured.err


def test_graph_shows_where_a_run_is(market, capsys):
    assert cli.main(["graph"]) == 0
    assert "back to Features while columns leak" in capsys.readouterr().out
    assert cli.main(["plan", "Predict Bitcoin price", "--id", "planned"]) == 0
    assert cli.main(["run", "Explore XRP", "--db", market, "--approve", "always", "--id", "waits", "--json"]) == 3
    capsys.readouterr()
    assert cli.main(["graph", "planned"]) == 0
    said = capsys.readouterr().out
    assert "Run planned: finished" in said
    assert "– Training" in said
    assert cli.main(["graph", "waits"]) == 0
    said = capsys.readouterr().out
    assert "Run waits: parked" in said
    assert "● Planning" in said
    assert "○ Data " in said
    assert cli.main(["graph", "waits", "--mermaid"]) == 0
    assert "class planning omc_here" in capsys.readouterr().out
    assert cli.main(["graph", "nobody"]) == 1
    assert capsys.readouterr().err.startswith("run.unknown: ")


def test_the_notebook_gets_the_graph_as_a_picture_and_as_a_card(monkeypatch):
    from IPython.core.interactiveshell import InteractiveShell

    from omc_agent import magics

    pictures = []
    monkeypatch.setattr(magics, "display", lambda bundle, raw: pictures.append(bundle))
    found = magics.AgentMagics(InteractiveShell()).agent("graph")
    (picture,) = pictures
    assert picture["text/vnd.mermaid"].count("leak_test -.-> feature_engineering") == 1
    assert "text/html" not in picture
    assert set(found._repr_mimebundle_()) == {"text/plain", "text/vnd.mermaid", "text/html"}
