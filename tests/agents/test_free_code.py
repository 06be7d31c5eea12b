"""Code that a model writes: what is not run, what is not kept, and what the model is told so that it can go on."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from benches import bench
from scripted import ScriptedChatModel, call, in_turn
from worlds import World

from omc_agent.agents.context import Outcome
from omc_agent.agents.data_analyst import FeatureAgent
from omc_agent.agents.free_frames import check_left
from omc_agent.agents.free_hints import explain
from omc_agent.agents.free_rules import objection
from omc_agent.config import Work

REF = {"sha": "b", "rows": 6, "columns": ["coin", "timestamp", "close", "rsi_14"], "cell": 2}
BRIEF = {"task": "classification", "target": "direction", "horizon": "PT5M", "coins": ["BTC"], "indicators": []}
HERE = {"stage": "feature_engineering", "visit": 1}
LOOKED = "def spread(x):\n    return x\nmiddle = 5\nbars = bars"
STATE = {
    "frames": {"prices": {**REF, "cell": 1}, "bars": REF, "rates": {**REF, "by": "query", "cell": 3},
               "made": {**REF, "kind": "look"}},
    "sealed": {"frame": "prices"},
    "entered": {**HERE, "values": {"scored": []}},
    "cells": {
        "4": {**HERE, "status": "ok", "kind": "look", "code": LOOKED},
        "5": {**HERE, "status": "ok", "kind": "fit", "code": "top = bars['close'].max()\nsave_state('top', top)"},
        "6": {**HERE, "status": "ok", "kind": "transform", "code": "import math\nwide = bars['close'] * 2"},
        "7": {**HERE, "status": "error", "kind": "look", "code": "lost = 1"},
        "8": {**HERE, "visit": 0, "status": "ok", "kind": "look", "code": "old = 1"},
    },
}  # fmt: skip


# -- what is not run ------------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "kind", "into", "words"), [
    ("x = 1", "model", [], "The kind was 'model'"),
    ("x = 1", "Transform", [], "transform: causal"),
    ("  \n", "look", [], "The code was empty"),
    ("x = 1", "look", ["a b"], "no plain name"),
    ("x = 1", "look", ["_x"], "no plain name"),
    ("prices = prices.dropna()", "transform", ["prices"], "the rows as they were read"),
    ("features = bars", "look", ["features"], "A look cell was to leave features"),
    ("save_state('a', 1); bars = bars", "fit", ["bars"], "A fit cell was to leave bars"),
    ("m = prices['close'].mean()", "fit", [], "keeps nothing"),
    ("features = prices.join(rates)", "transform", ["features"], "rates comes from a query"),
    ("features = spread(prices)", "transform", ["features"], "spread comes from cell 4, a look cell"),
    ("x = [middle for _ in range(3)]", "transform", [], "middle comes from cell 4"),
    ("features = made", "transform", ["features"], "made comes from a look cell"),
    ("x = prices['close'] / top", "transform", [], "top comes from cell 5, a fit cell"),
    ("x = middle\nmiddle = 3", "transform", [], "middle comes from cell 4"),
])  # fmt: skip
def test_what_would_fail_in_a_replay_is_told_before_it_runs(code, kind, into, words):
    why = objection(code, kind, into, STATE)
    assert why is not None
    assert words in f"{why.given} {why.have}"
    assert why.try_.startswith("Try")


@pytest.mark.parametrize(("code", "kind", "into"), [
    ("print(prices.head())", "look", []),
    ("summary = rates.describe()", "look", ["summary"]),
    ("x = middle + top", "look", []),
    ("middle = 3\nx = middle", "transform", []),
    ("def spread(x):\n    top = x.max()\n    return top\ny = spread(prices)", "transform", []),
    ("y = prices.assign(a=lambda middle: middle['close'])", "transform", []),
    ("x = math.log(2) + wide", "transform", []),
    ("x = old + lost", "transform", []),  # not there in this stage: the cell itself says so
    ("for middle in range(3):\n    y = middle", "transform", []),
    ("save_state('top', float(prices['close'].max()))", "fit", []),
    ("x = prices['close'] / load_state('top')", "transform", []),
    ("x = (", "transform", []),
    ("x = bars['close'] / 2", "transform", []),  # whatever cell 4 did to it, it is as it was recorded
])  # fmt: skip
def test_honest_cells_are_run(code, kind, into):
    assert objection(code, kind, into, STATE) is None


@pytest.mark.parametrize("kind", ["transform", "fit"])
def test_after_the_leak_test_code_only_looks(kind):
    late = {**STATE, "entered": {"stage": "model_training", "visit": 1}}
    code = "save_state('a', 1)"
    assert "before the leak test" in objection(code, kind, [], late).have
    assert objection(code, "look", [], late) is None


# -- what is not kept -----------------------------------------------------------------------------

TIMES = pd.date_range("2024-01-01", periods=6, freq="5min", tz="UTC")
PRICES = pd.DataFrame({"coin": "BTC", "timestamp": TIMES, "close": [1.0, 2.0, 4.0, 3.0, 5.0, 6.0]})
FEATURES = PRICES[["coin", "timestamp"]].assign(
    label_end=TIMES, move=[np.nan, 1.0, 0.5, 0.1, 0.2, 0.3], naive_last=1.0, target=[1.0, 1.0, 0.0, 1.0, 1.0, np.nan]
)


async def left(made, name="features", old=True):
    stored = {"p": PRICES, "f": FEATURES, "new": made}
    state = {"sealed": {"frame": "prices"}, "frames": {"prices": {"sha": "p", "rows": 6, "columns": []}}}
    if old:
        state["frames"] |= {"features": {"sha": "f"}, "bars": {"sha": "p"}}
    if not isinstance(made, pd.DataFrame):
        return await check_left({}, {name: made}, state, None)

    async def load(sha):
        return stored[sha]

    return await check_left({name: {"sha": "new", "rows": len(made)}}, {}, state, load)


@pytest.mark.parametrize(("made", "name", "words"), [
    (FEATURES.iloc[1:], "features", "features has 5 rows, prices has 6"),
    (pd.concat([FEATURES, FEATURES]), "features", "12 rows"),
    (FEATURES.set_index("timestamp", drop=False), "features", "another index"),
    (FEATURES.iloc[::-1], "features", "another index"),
    (FEATURES.drop(columns="target"), "features", "lost target"),
    (FEATURES.drop(columns=["label_end", "naive_last"]), "features", "lost label_end, naive_last"),
    (FEATURES[["move"]], "features", "lost coin, timestamp"),
    (FEATURES.assign(target=1.0), "features", "other values in target"),
    (FEATURES.assign(move=[np.inf, 1, 2, 3, 4, 5]), "features", "infinite in move"),
    (FEATURES.assign(kind="a"), "features", "kind of features hold text"),
    ({"move": 1}, "features", "no frame any more"),
    (None, "bars", "no frame any more"),
    (PRICES.drop(columns="close"), "bars", "lost close"),
    (PRICES.assign(close=PRICES["close"].shift(-1)), "bars", "other values in close"),
])  # fmt: skip
async def test_a_cell_that_breaks_the_frame_is_told_in_one_sentence(made, name, words):
    assert words in await left(made, name)


async def test_columns_may_come_and_go():
    assert await left(FEATURES.assign(more=1.5)) is None
    assert await left(FEATURES.drop(columns="move").assign(other=2.0)) is None
    assert await left(PRICES.assign(spread=0.5), "bars") is None
    assert "no column target" in await left(PRICES, old=False)
    assert await left(FEATURES, old=False) is None
    assert await left(FEATURES.iloc[1:], "helper") is None


# -- what a model is told ---------------------------------------------------------------------------

OK_CODE = "a = 1\nb = bars['rsi14']\nc = 2"


def told(kind, message, *, line=2, code=OK_CODE, status="error", reason="", cell_kind="look"):
    error = {"type": kind, "message": message, "line": line} if kind else None
    return explain(Outcome(3, status, error=error, reason=reason), code, cell_kind, STATE)


def test_an_error_has_its_line_the_frames_there_are_and_the_nearest_column():
    said = told("KeyError", "'rsi14'")
    assert (said["type"], said["line"], said["text"]) == ("KeyError", 2, "b = bars['rsi14']")
    assert said["frames"]["bars"] == "6 rows: coin, timestamp, close, rsi_14"
    assert said["hint"] == "There is no column rsi14. The nearest that there is: rsi_14."


@pytest.mark.parametrize(("kind", "message", "words"), [
    ("NameError", "name 'bar' is not defined", "The nearest that there is: bars"),
    ("NameError", "name 'create_feature' is not defined", "create_features"),
    ("NameError", "name 'query' is not defined", "call it as a tool"),
    ("NameError", "name 'zzz' is not defined", "There are prices, bars, rates"),
    ("AttributeError", "'DataFrame' object has no attribute 'clos'", "close"),
    ("KeyError", "no state named 'top'; a fit cell writes it", "kind fit"),
    ("ModuleNotFoundError", "No module named 'talib'", "sklearn"),
    ("OperationalError", "unable to open database file", "no database in a cell"),
    ("URLError", "<urlopen error [Errno -2] Name or service not known>", "no network in a cell"),
    ("FileNotFoundError", "[Errno 2] No such file or directory: 'my.csv'", "no files of the person"),
    ("SyntaxError", "invalid syntax", "whole cell again"),
    ("ZeroDivisionError", "division by zero", "Mend the line"),
    ("NotKept", "features has 5 rows", "Write the cell again"),
])  # fmt: skip
def test_common_errors_have_a_hint(kind, message, words):
    assert words in told(kind, message)["hint"]


@pytest.mark.parametrize(("status", "words"), [
    ("memory", "fewer columns"), ("timeout", "loops over rows"), ("output", "Print a head"), ("killed", "processes"),
])  # fmt: skip
def test_a_limit_is_named_with_what_to_do(status, words):
    said = told(None, "", status=status, reason=f"{status} limit: 1 of 1")
    assert words in said["hint"]
    assert status in said["message"]


def test_what_is_told_fits_into_a_message_however_wide_the_frames_are():
    wide = {f"frame_{n}": {"rows": 9, "columns": [f"a_rather_long_column_{i}" for i in range(400)]} for n in range(9)}
    error = {"type": "KeyError", "message": "'" + "x" * 5_000 + "'", "line": 1}
    said = explain(Outcome(3, "error", error=error), "x" * 5_000, "transform", {"frames": wide})
    assert len(json.dumps(said)) < 1_700
    assert said["kept"] == "Nothing of this cell is kept."


# -- in a sandbox ------------------------------------------------------------------------------------

MAKE = call("create_features", prices="prices", lags=[1], windows=[3])
GOOD = "features['up'] = (features['ret_1'] > 0).astype(float)"


def write(code, kind="transform", into=("features",)):
    return call("run_python", code=code, kind=kind, into=list(into))


async def talk(folder, *calls, work=None):
    """A feature stage with these calls, one a turn, in a real sandbox; the state, the answers, the world."""
    times = pd.date_range("2024-01-01", periods=300, freq="5min", tz="UTC")
    close = 100 + np.cumsum(np.random.default_rng(0).normal(size=300))
    prices = pd.DataFrame({"coin": "BTC", "timestamp": times, "close": close})
    async with bench(folder, frames={"prices": prices, "bars": prices}, work=work) as world:
        model = ScriptedChatModel(script=in_turn(*[("On.", [each]) for each in calls]))
        state = {"goal": "g", "brief": BRIEF, "frames": world.refs, "sealed": {"frame": "prices"}, "cells": {}}
        made = await FeatureAgent().build(model).ainvoke(state, context=world.context)
        world.columns = world.recorder.recorded_cells()
        answers = [json.loads(m.text) for m in made["messages"] if m.type == "tool"]
        frame = (
            await world.recorder.load_frame(made["frames"]["features"]["sha"])
            if "features" in made["frames"]
            else None
        )
    return made, answers, frame, world


async def test_a_model_mends_its_cell_by_what_it_is_told(tmp_path):
    made, answers, frame, world = await talk(
        tmp_path,
        MAKE,
        write("features['up'] = (featurs['ret_1'] > 0)"),
        write("features['half'] = 1.0\nfeatures['up'] = features['ret1']"),
        write("features = features.dropna()"),
        write("features = features['ret_1'].tolist()"),
        write("features['target'] = 1.0"),
        write("import talib"),
        write("import requests"),
        write(GOOD),
    )  # fmt: skip
    name, column, rows, values, target, module, network, good = answers[1:]
    assert (name["error"]["type"], name["error"]["line"]) == ("NameError", 1)
    assert "features" in name["error"]["hint"]
    assert (column["error"]["line"], column["error"]["text"]) == (2, "features['up'] = features['ret1']")
    assert "ret_1" in column["error"]["hint"]
    assert "keeps every row" in rows["error"]["message"]
    assert "no frame any more" in values["error"]["message"]
    assert "target" in target["error"]["message"]
    assert "sklearn" in module["error"]["hint"]
    assert "no network" in network["error"]["hint"]
    assert good["status"] == "ok"
    assert "up" in frame
    assert "half" not in frame  # half of a failed cell is in no namespace, as it is in no replay
    assert len(frame) == 300
    assert not frame["target"].dropna().eq(1.0).all()
    assert [cell.code for cell in world.columns if "run_python" not in cell.code][-1] == GOOD
    assert len(world.columns) == 2
    assert all(len(m.text) <= 2_000 for m in made["messages"] if m.type == "tool")


async def test_three_failures_end_the_stage_and_keep_what_was_made(tmp_path):
    bad = [write(f"features['x'] = nothing_{n}") for n in range(5)]
    made, answers, frame, _ = await talk(tmp_path, MAKE, *bad, work=Work())
    assert [answer["status"] for answer in answers] == ["ok", "error", "error", "error"]
    assert made["trouble"] is None  # the features of the tool are there
    assert len(frame) == 300


async def test_three_failures_with_nothing_to_show_are_trouble_with_the_last_error(tmp_path):
    bad = [write(f"features['x'] = nothing_{n}") for n in range(5)]
    made, answers, _, _ = await talk(tmp_path, *bad, work=Work())
    assert len(answers) == 3
    assert made["trouble"]["missing"] == "the frame `features`"
    assert made["trouble"]["error"]["error"]["type"] == "NameError"


async def test_two_errors_and_a_success_start_the_count_again(tmp_path):
    wrong = [write(f"features['x'] = nothing_{n}") for n in range(4)]
    calls = [MAKE, *wrong[:2], write(GOOD), *wrong[2:], write("features['z'] = 1.0")]
    _, answers, frame, _ = await talk(tmp_path, *calls, work=Work())
    assert [answer["status"] for answer in answers] == ["ok", "error", "error", "ok", "error", "error", "ok"]
    assert {"up", "z"} <= set(frame)


async def test_what_a_cell_learns_is_read_by_a_transform_cell_and_leaves_no_frame(tmp_path):
    _, answers, frame, world = await talk(
        tmp_path, MAKE,
        write("save_state('middle', float(bars['close'].median()))", "fit", ()),
        write("features['far'] = bars['close'] / load_state('middle') - 1"),
    )  # fmt: skip
    assert [answer["status"] for answer in answers] == ["ok", "ok", "ok"]
    assert "far" in frame
    assert [(cell.kind, bool(cell.state)) for cell in world.columns] == [
        ("transform", False),
        ("fit", True),
        ("transform", False),
    ]


async def test_a_look_that_changes_a_frame_in_place_changes_nothing(tmp_path):
    """Else models would be fitted on what no replay has."""
    _, answers, frame, _ = await talk(
        tmp_path, MAKE,
        write("features['sneaked'] = 1.0\nbars = bars.iloc[::-1]\nprint(len(features))", "look", ()),
        write("features['up'] = (bars['close'].diff() > 0).astype(float)"),
    )  # fmt: skip
    assert [answer["status"] for answer in answers] == ["ok", "ok", "ok"]
    assert "sneaked" not in frame
    assert "up" in frame


async def test_a_call_that_is_refused_asks_nobody_and_makes_no_cell():
    world = World("risky")
    model = ScriptedChatModel(script=in_turn(("On.", [write("features = 1", "look")])))
    state = {"goal": "g", "brief": BRIEF, "frames": {"prices": REF}, "sealed": {"frame": "prices"}}
    made = await FeatureAgent().build(model).ainvoke(state, context=world.context)
    assert (world.cells, world.settled) == ([], [])
    assert "Try kind transform" in next(m.text for m in made["messages"] if m.type == "tool")
