"""A tool of another package: found by its entry point, refused with a sentence, and run behind the wall."""

from __future__ import annotations

import importlib
import os
import shutil
import site
import sys
import tomllib
from importlib.metadata import EntryPoint, distributions
from pathlib import Path

import pandas as pd
import pytest
from scripted import ScriptedChatModel, call, in_turn
from test_agent_nodes import BY_STAGE, STATE
from worlds import World

from omc_agent.agents.offered import GROUP, find_offered
from omc_agent.config import PRELUDE, AgentSettings
from omc_agent.doctor import _offered
from omc_agent.graph.edges import offered_tools
from omc_agent.sandbox.box import Sandbox

PACKAGE = Path(__file__).parent.parent / "offered_package"
STAGES = {"feature_engineering": ["create_features", "drop_columns"]}


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """bar-range as an installer leaves it: metadata in a folder of the test, its module where packages are."""
    told = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]
    info = tmp_path / "bar_range-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {told['name']}\nVersion: {told['version']}\n")
    points = "\n".join(f"{name} = {value}" for name, value in told["entry-points"][GROUP].items())
    (info / "entry_points.txt").write_text(f"[{GROUP}]\n{points}\n")
    packages = Path(site.getsitepackages()[0])
    if not os.access(packages, os.W_OK):
        pytest.skip(f"{packages} cannot be written; run the tests in a virtual environment of your own (make setup)")
    monkeypatch.syspath_prepend(tmp_path)
    module = packages / "bar_range.py"
    shutil.copy(PACKAGE / "bar_range.py", module)
    importlib.invalidate_caches()
    yield module
    module.unlink(missing_ok=True)
    sys.modules.pop("bar_range", None)


def point(name, value):
    return EntryPoint(name=name, value=value, group=GROUP)


def test_an_installed_package_is_found_and_described_by_its_docstring(installed):
    assert "bar-range" in {each.name for each in distributions(path=[str(p) for p in sys.path])}
    found = offered_tools()
    (offered,) = [each for each in found.tools if each.name == "add_bar_range"]
    assert (offered.package, offered.stage) == ("bar-range", "feature_engineering")
    assert offered.tool.description.startswith("The features frame with the mean range")
    assert list(offered.tool.args) == ["features", "window", "into"]
    assert found.of("feature_engineering") == [offered.tool]
    assert found.of("reporting") == []
    assert ("tool", "add_bar_range of bar-range, in feature_engineering") in _offered(AgentSettings())


@pytest.mark.parametrize("off", ["add_bar_range", "bar-range", "*"])
def test_it_can_be_switched_off_by_its_name_or_its_package_and_is_then_not_imported(installed, off):
    found = offered_tools([off])
    assert "add_bar_range" not in {each.name for each in found.tools}
    assert "bar_range" not in sys.modules
    assert found.refused == []


async def test_it_runs_in_a_walled_child_as_a_cell_that_anyone_can_read(installed):
    world = World()
    agent = BY_STAGE["feature_engineering"]()
    asked = call("add_bar_range", features="features", window=2)
    model = ScriptedChatModel(script=in_turn(("Wider.", [asked])))
    graph = agent.build(model, (), offered_tools().of("feature_engineering"))
    await graph.ainvoke(STATE, context=world.context)
    (cell,) = world.cells
    assert cell.code == "from bar_range import add_bar_range\nfeatures = add_bar_range(features, window=2)"
    assert (cell.kind, cell.into) == ("transform", ["features"])
    async with Sandbox(prelude=PRELUDE) as box:
        await box.put("features", pd.DataFrame({"coin": "BTC", "range": [1.0, 3.0, 5.0]}))
        result = await box.run(cell.code)
        assert result.ok, result.error or result.reason
        assert (await box.get("features"))["bar_range"].tolist()[1:] == [2.0, 4.0]


def refused(tmp_path, monkeypatch, code, name="mine", **more):
    """Why a module with `code` is not offered."""
    (tmp_path / "a_stranger.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    sys.modules.pop("a_stranger", None)
    found = find_offered(STAGES, points=[point(name, more.get("value", f"a_stranger:{name}"))])
    assert found.tools == []
    (why,) = found.refused
    return why


HEAD = "from omc_agent.tools.offering import offer\n"
GOOD = f'{HEAD}@offer("feature_engineering")\ndef mine(features):\n    """Nothing new."""\n    return features\n'


@pytest.mark.parametrize(
    ("code", "name", "says"),
    [
        ("raise RuntimeError('boom')", "mine", "it does not import (RuntimeError: boom)"),
        ("import not_there_at_all", "mine", "it does not import (ModuleNotFoundError"),
        ("def mine(features):\n    'Nothing.'", "mine", "is no function marked with"),
        (GOOD, "create_features", "its name is that of another tool"),
        (GOOD, "train_classification_model", "its name is that of another tool"),
        (GOOD.replace("feature_engineering", "scoring"), "mine", "there is no stage scoring that works with cells"),
        (GOOD.replace('    """Nothing new."""\n', ""), "mine", "it has no docstring"),
        (GOOD, "mine", "lies outside site-packages"),
    ],
)
def test_what_cannot_be_offered_is_refused_with_a_sentence_and_stops_nothing(tmp_path, monkeypatch, code, name, says):
    why = refused(tmp_path, monkeypatch, code, name)
    assert why.startswith(f"The tool {name} of the package a_stranger is not offered: ")
    assert says in why


def test_a_function_under_another_name_than_its_tool_is_refused(tmp_path, monkeypatch):
    assert "is called mine" in refused(tmp_path, monkeypatch, GOOD, "other", value="a_stranger:mine")


def test_of_two_packages_with_one_name_the_second_is_refused(installed):
    same = point("add_bar_range", "bar_range:add_bar_range")
    found = find_offered(STAGES, points=[same, same])
    assert len(found.tools) == 1
    assert "another tool" in found.refused[0]
