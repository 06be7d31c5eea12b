"""Every branch of the routing, and the nodes with a fixed state."""

from __future__ import annotations

from contextlib import asynccontextmanager
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from langgraph.graph import END

from omc_agent.brief import Brief
from omc_agent.config import Gates, Trust
from omc_agent.graph import nodes
from omc_agent.graph.choosing import selection
from omc_agent.graph.edges import BREAKER, router
from omc_agent.graph.gates import default_of
from omc_agent.graph.leak_test import leak_test
from omc_agent.graph.state import STAGES

PRICES = {"sealed": {"frame": "prices"}, "brief": {"task": "classification"}}
TABLE = {"sealed": {"frame": "rows"}, "brief": {"task": "regression"}}
LOOK = {"sealed": {"frame": "prices"}, "brief": {"task": "analysis"}}
TUNE = {"proposal": {"next": "tune", "model": "xgboost"}}


@pytest.mark.parametrize(
    ("after", "state", "following"),
    [
        ("understanding", {}, "clarification"),
        ("clarification", {}, "planning"),
        ("clarification", PRICES, "data_analysis"),
        ("clarification", TABLE, "feature_engineering"),
        ("planning", {}, "data_retrieval"),
        ("planning", {"plan_only": True}, END),
        ("data_retrieval", PRICES, "data_analysis"),
        ("data_retrieval", {**PRICES, "questions": [{}]}, "clarification"),
        ("data_retrieval", TABLE, "feature_engineering"),
        ("data_retrieval", {**TABLE, "brief": {"task": "analysis"}}, "reporting"),
        ("data_analysis", PRICES, "feature_engineering"),
        ("data_analysis", LOOK, "reporting"),
        ("feature_engineering", PRICES, "leak_test"),
        ("leak_test", {"leaking": []}, "model_training"),
        ("leak_test", {"leaking": ["x"], "visits": {"leak_test": 1}}, "feature_engineering"),
        ("leak_test", {"leaking": ["x"], "visits": {"leak_test": 2}}, "feature_engineering"),
        ("leak_test", {"leaking": ["x"], "visits": {"leak_test": 3}}, "model_training"),
        ("model_training", {}, "model_evaluation"),
        ("model_evaluation", TUNE, "hyperparameter_tuning"),
        ("model_evaluation", {**TUNE, "visits": {"hyperparameter_tuning": 1}}, "selection"),
        ("model_evaluation", {**TUNE, "allowed": {"tuning_rounds": 0}}, "selection"),
        ("model_evaluation", {**TUNE, "dropped": ["hyperparameter_tuning"]}, "selection"),
        ("model_evaluation", {"proposal": {"next": "select"}}, "selection"),
        ("hyperparameter_tuning", {}, "model_evaluation"),
        ("selection", {}, "scoring"),
        ("scoring", {}, "reporting"),
        ("reporting", {}, END),
        (BREAKER, {"dropped": ["hyperparameter_tuning"]}, "selection"),
        (BREAKER, {}, END),
    ],
)
def test_who_comes_next(after, state, following):
    assert router(after)(state) == following


@pytest.mark.parametrize("after", [*STAGES, BREAKER])
def test_goto_then_error_then_trouble_come_before_the_order(after):
    everything = {"goto": "scoring", "error": {"code": "x"}, "trouble": {"stage": after}}
    assert router(after)(everything) == "scoring"
    assert router(after)({**everything, "goto": None}) == END
    assert router(after)({"trouble": {"stage": after}}) == BREAKER


class Heard:
    """A context that keeps what it is told, and answers by default."""

    def __init__(self, approve: str = "never", **more) -> None:
        self.events, self.asked = [], []
        self.gates, self.trust = Gates(approve), Trust(leak_cuts=4)
        self.__dict__.update(more)

    async def emit(self, event, key) -> None:
        self.events.append(event)

    async def ask(self, request, key):
        self.asked.append(request)
        return default_of(request)

    def pending(self):
        return {}

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]


def runtime(context):
    return SimpleNamespace(context=context)


async def test_clarification_takes_the_stated_default_and_writes_it_down():
    context = Heard()
    question = {
        "field": "coins",
        "question": "Which coin?",
        "options": ["BTC", "ETH"],
        "default": "ETH",
        "context": "",
    }
    state = {"brief": Brief().model_dump(), "questions": [question]}
    update = await nodes.clarification(state, runtime(context))
    assert update["brief"]["coins"] == ["ETH"]
    assert [request.gate for request in context.asked] == ["clarification"]
    assert update["visits"] == {"clarification": 1}


async def test_clarification_without_questions_is_skipped():
    context = Heard()
    update = await nodes.clarification({"brief": {}, "questions": []}, runtime(context))
    assert "brief" not in update
    assert [event.status for event in context.events] == ["skipped"]


def candidate(name, model, score, baseline=False):
    return {"name": name, "model": model, "params": {}, "metric": "roc_auc", "score": score, "low": score - 0.02,
            "high": score + 0.02, "baseline": baseline, "oof": f"{name}_oof", "folds": [], "trials": 1,
            "fit_seconds": 0.1}  # fmt: skip


async def test_selection_takes_the_simplest_within_noise_and_says_why():
    found = [candidate("xgb", "xgboost", 0.56), candidate("logit", "logistic_regression", 0.555),
             candidate("last", "last", 0.9, baseline=True)]  # fmt: skip
    context = Heard("risky")
    state = {"candidates": {c["name"]: c for c in found}, "brief": {"metric": "roc_auc"}}
    update = await selection(state, runtime(context))
    assert update["choice"]["name"] == "logit"
    assert "simpler" in update["choice"]["why"]
    assert [option.value for option in context.asked[0].options] == ["logit", "xgb"]
    assert "choice_made" in context.kinds()


async def test_the_breaker_drops_an_optional_stage_and_ends_at_others():
    context = Heard()
    dropped = await nodes.circuit_breaker(
        {"trouble": {"stage": "hyperparameter_tuning", "missing": "a search"}}, runtime(context)
    )
    assert dropped["dropped"] == ["hyperparameter_tuning"]
    told = {"error": {"code": "data.constant", "given": "g", "have": "h", "try": "t"}}
    ended = await nodes.circuit_breaker(
        {"trouble": {"stage": "data_retrieval", "missing": "rows", "error": told}}, runtime(context)
    )
    assert ended["error"]["code"] == "data.constant"
    ended = await nodes.circuit_breaker({"trouble": {"stage": "planning", "missing": "a plan"}}, runtime(context))
    assert ended["error"]["code"] == "run.failed"
    assert "a plan" in ended["error"]["given"]


def bars(n=400):
    rng = np.random.default_rng(0)
    times = pd.date_range("2024-01-01", periods=n, freq="5min", tz="UTC")
    return pd.DataFrame({"coin": "BTC", "timestamp": times, "close": 100 + rng.normal(size=n).cumsum()})


def make_features(prices, leaky, noisy=False):
    smooth = prices["close"].rolling(7, center=leaky).mean()
    if noisy:
        smooth = smooth + np.random.default_rng().normal(size=len(smooth))
    return prices[["coin", "timestamp"]].assign(smooth=smooth, change=prices["close"].diff(), target=0.0)


@pytest.mark.parametrize(
    ("leaky", "noisy", "named", "code"),
    [(True, False, ["smooth"], "leak"), (False, False, [], ""), (False, True, ["smooth"], "not_reproducible")],
)
async def test_the_leak_test_names_what_changes_with_the_future(leaky, noisy, named, code):
    prices = bars()
    frames = {"p": prices, "f": make_features(prices, leaky)}

    class Bench:
        async def replay(self, inputs, outputs, *, kinds):
            assert tuple(kinds) == ("transform",)
            return {"features": make_features(inputs["prices"], leaky, noisy)}

    @asynccontextmanager
    async def fresh_box():
        yield Bench()

    async def load_frame(sha):
        return frames[sha]

    context = Heard(fresh_box=fresh_box, load_frame=load_frame)
    state = {**PRICES, "frames": {"prices": {"sha": "p"}, "features": {"sha": "f"}},
             "brief": {"horizon": "PT1H"}}  # fmt: skip
    update = await leak_test(state, runtime(context))
    assert update["leaking"] == named
    warned = [event for event in context.events if event.kind == "warned"]
    assert [event.column for event in warned] == named
    assert all(event.code == code for event in warned)
