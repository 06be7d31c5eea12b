"""The holdout is opened once, after the choice is frozen; labels are the host's; a failed replay is no verdict."""

from __future__ import annotations

from contextlib import asynccontextmanager
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from omc_agent import tools
from omc_agent.brief import Brief
from omc_agent.config import Trust
from omc_agent.errors import SandboxError
from omc_agent.graph.scoring import scoring
from omc_agent.tools.splits import seal

BRIEF = Brief(task="classification", coins=["BTC"], models=["logistic_regression"]).model_dump()
TRUST = Trust(folds=2, leak_cuts=4)


def make_features(prices: pd.DataFrame) -> pd.DataFrame:
    """What the recorded transform cells do."""
    return tools.create_features(
        tools.clean_data(prices), lags=[1, 6], windows=[24], target="direction", horizon="PT1H"
    )


@pytest.fixture(scope="module")
def case():
    """Frames and state of a run that has chosen logistic regression."""
    rng = np.random.default_rng(3)
    times = pd.date_range("2024-01-01", periods=3000, freq="5min", tz="UTC")
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.001, 3000)))
    bars = pd.DataFrame({"coin": "BTC", "timestamp": times, "close": close, "volume": rng.uniform(1, 2, 3000)})
    for name in ("open", "high", "low"):
        bars[name] = bars["close"]
    development, sealed = seal(bars, fraction=0.2, horizon="PT1H", seed=0)
    features = make_features(development)
    candidate, oof = tools.cross_validate_model(features, model="logistic_regression", n_splits=2, seed=0)
    candidate = {**candidate, "name": "logit", "oof": "logit_oof", "trials": 1, "baseline": False}
    frames = {"prices": development, "features": features, "logit_oof": oof}
    state = {
        "brief": BRIEF,
        "sealed": {"frame": "prices", "rows": len(sealed)},
        "frames": {name: {"sha": name, "rows": 1, "columns": []} for name in frames},
        "candidates": {"logit": candidate},
        "choice": {key: candidate[key] for key in ("name", "model", "params", "score", "oof", "metric")},
    }
    return SimpleNamespace(state=state, frames=frames, sealed=sealed)


class World:
    """A run context whose bench replays a Python function in this very process."""

    def __init__(self, case, folder, replayed=make_features):
        self.case, self.folder, self.replayed = case, folder, replayed
        self.order, self.events, self.frozen, self.saved = [], [], [], {}
        self.namespace = {"__name__": "bench"}
        exec("from omc_agent.tools import *", self.namespace)
        self.trust, self.fresh_boxes = TRUST, 0

    async def emit(self, event, key):
        self.events.append(event)

    async def load_frame(self, sha):
        return self.case.frames[sha].copy()

    @asynccontextmanager
    async def fresh_box(self):
        self.fresh_boxes += 1
        yield self

    async def open_sealed(self, frozen):
        self.order.append("opened")
        self.frozen.append(frozen)
        return self.case.sealed.copy(), 1

    async def save_artifact(self, name, data):
        self.saved[name] = data

    async def replay(self, inputs, outputs, *, kinds):
        self.order.append(f"replay {'+'.join(kinds)} of {len(inputs['prices'])}")
        self.namespace["features"] = self.replayed(inputs["prices"])
        return {"features": self.namespace["features"]}

    async def run(self, code, *, key, kind):
        self.order.append(key)
        exec(code, self.namespace)

    async def get(self, name):
        return self.namespace[name]

    async def take_file(self, name):
        return self.folder / name

    @property
    def told(self):
        return {event.kind: event for event in self.events}


async def score(case, tmp_path, monkeypatch, **how):
    monkeypatch.chdir(tmp_path)
    world = World(case, tmp_path, **how)
    update = await scoring(case.state, SimpleNamespace(context=world))
    return world, update


async def test_the_sealed_rows_are_opened_once_after_the_frozen_choice_was_trained(case, tmp_path, monkeypatch):
    world, update = await score(case, tmp_path, monkeypatch)
    development, joined = len(case.frames["prices"]), len(case.frames["prices"]) + len(case.sealed)
    assert world.order[:5] == [
        f"replay transform+fit of {development}",
        "scoring:1:train",
        "opened",
        f"replay transform of {joined}",
        "scoring:1:predict",
    ]
    assert world.order.count("opened") == 1
    assert world.fresh_boxes == 1
    verdict = update["verdict"]
    assert verdict["call"] in ("edge", "no_edge", "inconclusive")
    assert verdict["opened"] == 1
    assert verdict["trials"] == 1
    assert verdict["claimed"] == case.state["choice"]["score"]
    assert update["visits"] == {"scoring": 1}
    assert update["texts"]["verdict"]["headline"] == world.told["verdict_called"].headline
    assert world.saved["model.skops"] == (tmp_path / "model.skops").read_bytes()
    assert world.told["leak_tested"].where == "holdout"
    assert world.told["leak_tested"].findings == []
    assert world.events[-1].kind == "stage_finished"


async def test_what_is_frozen_names_choice_features_rule_and_has_a_fingerprint(case, tmp_path, monkeypatch):
    world, update = await score(case, tmp_path, monkeypatch)
    (frozen,) = world.frozen
    assert frozen["choice"] == {key: case.state["choice"][key] for key in ("name", "model", "params")}
    assert frozen["features"] == "features"
    assert frozen["brief"] == BRIEF
    rule, verdict = frozen["rule"], update["verdict"]
    for name in ("metric", "reference", "alpha", "delta"):
        assert rule[name] == verdict[name], name
    assert rule["shrinks"] == 3
    assert "5 horizons" in rule["blocks"]
    assert len(frozen["sha256"]) == 64


async def test_labels_are_the_hosts_and_a_child_cannot_write_them(case, tmp_path, monkeypatch):
    _honest, update = await score(case, tmp_path, monkeypatch)

    def flattering(prices):
        features = make_features(prices)
        after = features["timestamp"] >= case.sealed["timestamp"].min()
        features.loc[after, "target"] = 1.0
        return features

    _lying, other = await score(case, tmp_path, monkeypatch, replayed=flattering)
    assert other["verdict"]["score"] == update["verdict"]["score"]
    assert other["verdict"]["reference_score"] == update["verdict"]["reference_score"]


async def test_features_that_do_not_come_back_open_nothing_and_call_nothing(case, tmp_path, monkeypatch):
    world, update = await score(
        case, tmp_path, monkeypatch, replayed=lambda prices: make_features(prices).drop(columns="target")
    )
    assert "opened" not in world.order
    assert update["verdict"]["call"] is None
    assert update["verdict"]["reason"] == "replay"
    assert update["verdict"]["opened"] == 0
    assert world.told["warned"].code == "replay"
    assert world.saved == {}


async def test_a_statistic_of_the_whole_frame_is_found_when_the_sealed_rows_join(case, tmp_path, monkeypatch):
    plain = make_features(case.frames["prices"])
    column = next(name for name in plain.columns if name not in ("coin", "timestamp", "target", "label_end"))

    def whole(prices):
        features = make_features(prices)
        features[column] = features[column] + (len(prices) - len(plain)) / 1e6
        return features

    world, update = await score(case, tmp_path, monkeypatch, replayed=whole)
    assert world.order.count("opened") == 1
    assert update["verdict"]["call"] is None
    assert update["verdict"]["opened"] == 1, "rows that were opened stay counted"
    assert column in world.told["warned"].text


async def test_a_leak_that_lives_in_the_holdout_only_is_called_a_leak(case, tmp_path, monkeypatch):
    cut = case.sealed["timestamp"].min()
    plain = make_features(case.frames["prices"])
    column = next(name for name in plain.columns if name not in ("coin", "timestamp", "target", "label_end"))

    def sly(prices):
        features = make_features(prices)
        ahead = prices["close"].shift(-6) / prices["close"] - 1
        return features.assign(**{column: features[column].where(features["timestamp"] < cut, ahead)})

    world, update = await score(case, tmp_path, monkeypatch, replayed=sly)
    assert update["verdict"]["call"] is None
    assert update["verdict"]["reason"] == "leak"
    assert [finding["column"] for finding in world.told["leak_tested"].findings] == [column]


async def test_a_scoring_cell_that_fails_is_a_replay_failure(case, tmp_path, monkeypatch):
    async def fails(self, code, *, key, kind):
        raise SandboxError("sandbox.replay", given="Scoring did not run: out of memory", have="", try_="")

    monkeypatch.setattr(World, "run", fails)
    world, update = await score(case, tmp_path, monkeypatch)
    assert update["verdict"]["call"] is None
    assert "out of memory" in world.told["warned"].text
    assert "opened" not in world.order
