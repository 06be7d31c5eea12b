"""An exported notebook runs without the agent and comes out as the run did."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import nbclient
import nbformat
import numpy as np
import pandas as pd
import pytest

import omc_agent
from omc_agent import face
from omc_agent.branching import Turn
from omc_agent.config import settings_with
from omc_agent.notebook import as_function
from tests.conftest import QUICK

VOLATILITY = (
    "Predict whether volatility of ETH over the next hour is above its median with logistic regression,"
    " using the last 40 days"
)


def executed(run, folder, db=""):
    """The notebook after a fresh kernel ran it, and what it printed."""
    path = run.export(folder / "run.ipynb")
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert "%agent" not in path.read_text()
    env = {**os.environ, "OMC_AGENT_DB": db}
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}}).execute(env=env)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return notebook, "".join(out.get("text", "") for cell in cells for out in cell.outputs)


def comes_out(run, printed):
    assert "now," not in printed, printed
    assert "checks are as recorded" in printed
    for name in ("features", run.choice["oof"]):
        assert f"{name}: same" in printed
    for what in ("sealed rows", f"score of {run.choice['name']}", "verdict: call", "verdict: score", "verdict: low"):
        assert f"{what}: same" in printed


def test_a_run_on_bars(finished, market, tmp_path):
    notebook, printed = executed(finished, tmp_path, market)
    comes_out(finished, printed)
    text = "\n".join(cell.source for cell in notebook.cells)
    assert str(finished.workspace) not in text
    assert market not in text
    assert "further look" in text


@pytest.mark.long
def test_a_run_with_a_fit_cell(market, tmp_path):
    run = omc_agent.run(VOLATILITY, db=market, **QUICK)
    assert any(cell["kind"] == "fit" for cell in run.cells)
    comes_out(run, executed(run, tmp_path, market)[1])


def test_a_run_on_a_frame_that_was_handed_in(tmp_path):
    rng = np.random.default_rng(0)
    size = rng.normal(size=400)
    frame = pd.DataFrame({"size": size, "kind": rng.choice(["a", "b"], 400), "sold": (size > 0).astype(int)})
    run = omc_agent.run("Predict sold with logistic regression", data=frame, target="sold", **QUICK)
    comes_out(run, executed(run, tmp_path)[1])
    assert (tmp_path / "run-rows.feather").exists()


@pytest.mark.long
def test_a_run_that_a_person_changed_says_who_and_what(market, tmp_path):
    settings = settings_with(None, db=market, approve="never", **QUICK)
    goal = "Predict whether ETH rises over the next hour with logistic regression, using the last 30 days"
    first = face.start(goal, settings=settings).wait()
    turn = Turn("feature_engineering", {"horizon": "PT2H"}, "ann")
    run = face.change(first.id, turn, settings=settings, override=True).wait()
    notebook, printed = executed(run, tmp_path, market)
    comes_out(run, printed)
    assert "by ann" in notebook.cells[0].source
    assert "horizon" in notebook.cells[0].source
    assert run.verify().same


def test_a_run_that_only_looks(market, tmp_path):
    run = omc_agent.run("Explore ETH over the last 10 days", db=market, **QUICK)
    printed = executed(run, tmp_path, market)[1]
    assert "development rows: same" in printed
    assert "checks are as recorded" in printed


def test_the_script_runs_and_changed_rows_are_found(finished, market, tmp_path):
    path = finished.export(tmp_path / "run.py")
    env = {**os.environ, "OMC_AGENT_DB": market}
    done = subprocess.run([sys.executable, str(path)], env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    comes_out(finished, done.stdout)
    path.write_text(path.read_text().replace("lags=[1, 3, 12]", "lags=[1, 3, 11]"))
    done = subprocess.run([sys.executable, str(path)], env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1
    assert "It does not come out as recorded: features" in done.stderr


@pytest.mark.parametrize("name", ["run.ipynb", "run.py", "run.json"])
def test_the_same_run_gives_the_same_bytes(finished, tmp_path, name):
    once = finished.export(tmp_path / name).read_bytes()
    assert finished.export(tmp_path / name).read_bytes() == once


def test_the_record_holds_what_is_needed(finished, tmp_path):
    record = json.loads(finished.export(tmp_path / "run.json").read_text())
    recipe = record["recipe"]
    assert recipe["seed"] == 0
    assert recipe["versions"]["pandas"] == pd.__version__
    assert recipe["data"]["rows"] == 11520
    assert len(record["cells"]) == len(recipe["cells"])


def test_code_that_no_function_may_hold_is_executed_as_it_stands():
    names: dict[str, object] = {}
    for codes in (["features = rows + 1"], ["from math import *", "features = rows + floor(1.5)"],
                  ["text = '''a\nb'''\nfeatures = rows + len(text) - 2"]):  # fmt: skip
        exec(as_function("rows", codes), names)
        assert names["make_features"](1) == 2  # type: ignore[operator]
