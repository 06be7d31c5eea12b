"""A good run comes out as it was; each thing that was changed is found and named."""

from __future__ import annotations

import copy
import json
import shutil
import sqlite3
from pathlib import Path

import pandas as pd

import omc_agent
from omc_agent import cli, verifying
from omc_agent.comparing import difference
from omc_agent.engine import the_engine
from omc_agent.verifying import Verifier
from tests.conftest import QUICK


def verified(run, tmp_path, change=lambda row, cells: None, files=lambda workspace: None):
    """Verify a copy of the run, after something was changed in it."""
    row, cells = copy.deepcopy(run._row), copy.deepcopy(run._store.cells(run.id, branch=run._row["branch"]))
    workspace = shutil.copytree(run.workspace, tmp_path / "copy")
    row["workspace"] = str(workspace)
    change(row, cells)
    files(Path(workspace))
    return the_engine().submit(Verifier(row, cells, run._artifacts(), run._settings).verify()).result()


def said(found, name):
    return " ".join(check.said for check in found.checks if check.name == name and check.result == "differs")


def test_a_good_run_comes_out_as_it_was_and_no_opening_is_counted(finished):
    opened = sqlite3.connect(Path(finished._settings.home) / "store.db")
    count = opened.execute("select count(*) from agent_openings").fetchone()
    found = finished.verify()
    assert found.same, found
    assert [check.name for check in found.checks] == ["record", "packages", "files", "data", "replay", "verdict"]
    assert {check.result for check in found.checks} == {"same"}
    assert opened.execute("select count(*) from agent_openings").fetchone() == count
    assert found.to_dict()["same"] is True
    assert found.lines()[-1].endswith("it comes out as it was")


def test_changed_code_and_another_seed_are_named(finished, tmp_path):
    def change(row, cells):
        row["settings"]["seed"] = 7
        for cell in cells:
            cell["code"] = cell["code"].replace("lags=[1, 3, 12]", "lags=[1, 3, 13]")

    found = verified(finished, tmp_path, change)
    assert not found.same
    assert "(feature_engineering) is not the code that ran" in said(found, "record")
    assert "the seed was 0 and is recorded as 7 now" in said(found, "record")
    assert "makes another frame features: columns" in said(found, "frames")
    assert "logistic_regression (the choice)" in said(found, "scores")


def test_a_tampered_frame_is_named_with_what_comes_of_it(finished, tmp_path):
    things = finished._row["summary"]["things"]

    def tamper(workspace):
        path = workspace / "frames" / f"{things['frames']['prices']['sha']}.arrow"
        frame = pd.read_feather(path)
        frame.loc[5000, "close"] *= 1.5
        frame.to_feather(path, compression="uncompressed")

    found = verified(finished, tmp_path, files=tamper)
    assert "the file of prices" in said(found, "files")
    assert "are not the 11,520 that were fetched" in said(found, "data")
    assert "makes another frame bars: close differs in 1 of 9,216 rows" in said(found, "frames")


def test_rows_that_changed_in_the_database_are_named(finished, market, tmp_path):
    other = shutil.copy(market.removeprefix("sqlite:///"), tmp_path / "other.db")
    with sqlite3.connect(other) as db:
        db.execute("update price_data_5min set last = last * 1.01 where coin_type = 'ETH' and"
                   " timestamp like '2024-08-20%'")  # fmt: skip
    found = verified(finished, tmp_path, lambda row, cells: row["settings"].update(db=f"sqlite:///{other}"))
    assert "close differs in 288 of 11,520 rows, first in ETH 2024-08-20 00:00:00+00:00" in said(found, "data")


def test_a_database_that_is_gone_and_other_packages_decide_nothing(finished, tmp_path, monkeypatch):
    now = verifying.versions()
    monkeypatch.setattr(verifying, "versions", lambda: {**now, "pandas": "9.9"})
    found = verified(finished, tmp_path, lambda row, cells: row["settings"].update(db="sqlite:////no/such/file.db"))
    notes = {check.name: check.said for check in found.checks if check.result == "note"}
    assert found.same
    assert "9.9 now" in notes["packages"]
    assert "not fetched again" in notes["data"]


def test_a_run_that_only_looks_is_verified_too(market):
    run = omc_agent.run("Explore ETH over the last 10 days", db=market, **QUICK)
    found = run.verify()
    assert found.same, found
    assert "verdict" not in [check.name for check in found.checks]


def test_a_difference_is_told_with_figures():
    one = pd.DataFrame({"size": [1.0, 2.0]})
    assert difference(one, one.head(1)) == "2 rows then, 1 now"
    assert difference(one, one.rename(columns={"size": "width"})) == "columns size then, width now"
    assert difference(one, one.assign(size=[1.0, None])).endswith("first in row 1: 2.0 then, nan now")
    assert difference(one, one.copy()) == ""


def test_the_command_line_says_it_with_its_exit_code(finished, monkeypatch, capsys):
    monkeypatch.setenv("OMC_AGENT_HOME", finished._settings.home)
    assert cli.main(["verify", finished.id, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["same"] is True
    monkeypatch.setattr(verifying, "code_hash", lambda row: "another")
    assert cli.main(["verify", finished.id]) == 1
    assert "differs" in capsys.readouterr().out
