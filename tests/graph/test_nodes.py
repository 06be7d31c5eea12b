"""Nodes beyond the common way: who may choose, what a question may answer, and where a leak is found."""

from __future__ import annotations

from contextlib import asynccontextmanager
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from omc_agent.config import Gates, Trust
from omc_agent.graph import nodes
from omc_agent.graph.leak_test import find_leaks, leak_test
from omc_agent.graph.visit import progress, visiting
from omc_agent.tools import leakage


class Heard:
    """A run context that writes down what it is told and asked, and answers what it was given."""

    def __init__(self, approve="risky", decision=None, **more):
        self.events, self.keys, self.asked, self.decision = [], [], [], decision
        self.gates, self.trust = Gates(approve), Trust(leak_cuts=4)
        self.__dict__.update(more)

    async def emit(self, event, key):
        self.events.append(event)
        self.keys.append(key)

    async def ask(self, **question):
        self.asked.append(question)
        return self.decision or {"type": "approve", "value": question["payload"].get("default")}

    def of(self, kind):
        return [event for event in self.events if event.kind == kind]


def runtime(context):
    return SimpleNamespace(context=context)


def _candidate(name, score, baseline=False):
    return {"name": name, "model": name, "params": {"n": 1}, "metric": "roc_auc", "score": score, "low": score - 0.01,
            "high": score + 0.01, "baseline": baseline, "oof": f"{name}_oof", "folds": [], "trials": 1}  # fmt: skip


def _state(apart):
    low = 0.5 if apart else 0.6
    made = [
        _candidate("logistic_regression", low),
        _candidate("xgboost", 0.6),
        _candidate("last", 0.5, baseline=True),
    ]
    return {"candidates": {each["name"]: each for each in made}, "visits": {"selection": 1}}


@pytest.mark.parametrize(
    ("approve", "apart", "asked"),
    [("never", False, 0), ("risky", False, 1), ("risky", True, 0), ("always", False, 1), ("always", True, 1)],
)
async def test_a_person_chooses_under_always_and_within_noise_under_risky(approve, apart, asked):
    context = Heard(approve)
    await nodes.selection(_state(apart), runtime(context))
    assert len(context.asked) == asked


async def test_the_choice_of_a_person_goes_before_the_recommendation_and_is_told_beside_it():
    context = Heard("always", {"type": "approve", "value": "xgboost"})
    update = await nodes.selection(_state(apart=False), runtime(context))
    assert update["choice"]["name"] == "xgboost"
    assert update["choice"]["recommended"] == "logistic_regression"
    assert update["choice"]["oof"] == "xgboost_oof"
    (made,) = context.of("choice_made")
    assert (made.name, made.recommended) == ("xgboost", "logistic_regression")
    assert update["visits"] == {"selection": 2}


@pytest.mark.parametrize("value", ["last", "nobody", None, ""])
async def test_a_baseline_or_an_unknown_name_cannot_be_chosen(value):
    context = Heard("always", {"type": "approve", "value": value})
    update = await nodes.selection(_state(apart=True), runtime(context))
    assert update["choice"]["name"] == "xgboost"


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("coins", "btc, eth", ["btc", "eth"]),
        ("coins", ["BTC"], ["BTC"]),
        ("horizon", "PT2H", "PT2H"),
        ("no_such_field", "x", None),
    ],
)
async def test_an_answer_fills_its_field_and_no_other(field, value, expected):
    context = Heard(decision={"type": "approve", "value": value})
    brief = {"coins": ["X"], "horizon": "PT1H"}
    state = {"brief": brief, "questions": [{"field": field, "question": "Which?", "default": "d"}]}
    update = await nodes.clarification(state, runtime(context))
    assert update["brief"].get(field) == expected
    assert {k: v for k, v in update["brief"].items() if k != field} == {k: v for k, v in brief.items() if k != field}
    assert brief == {"coins": ["X"], "horizon": "PT1H"}


async def test_each_question_has_a_key_of_its_own_visit():
    context = Heard()
    questions = [{"field": "horizon", "question": f"{n}?", "default": "PT1H"} for n in range(3)]
    await nodes.clarification(
        {"brief": {"horizon": ""}, "questions": questions, "visits": {"clarification": 1}}, runtime(context)
    )
    assert [asked["key"] for asked in context.asked] == [f"clarification:2:{n}" for n in range(3)]


async def test_a_visit_is_told_once_a_key_from_start_to_finish():
    context = Heard()
    async with visiting("selection", "Choice", {"visits": {"selection": 2}}, context) as visit:
        await visit.reason("why")
        visit.status = "back"
    started, _, _, finished = context.events
    assert (started.kind, started.visit) == ("stage_started", 3)
    assert (finished.kind, finished.status, finished.visit) == ("stage_finished", "back", 3)
    assert len(set(context.keys)) == 4
    assert all(key.startswith("selection:3:") for key in context.keys)


def test_progress_counts_planned_stages():
    plan = [{"stage": "data_retrieval"}, {"stage": "leak_test"}]
    told = progress("leak_test", {"plan": plan})
    assert (told.done, told.total, told.text) == (1, 2, "leak test")
    assert (progress("selection", {}).done, progress("selection", {}).total) == (0, 0)


# -- leak test ---------------------------------------------------------------------------------


def _bars():
    rng = np.random.default_rng(0)
    times = pd.date_range("2024-01-01", periods=500, freq="5min", tz="UTC")
    return pd.DataFrame({"coin": "BTC", "timestamp": times, "close": 100 + rng.normal(size=500).cumsum()})


def _features(prices):
    centred = prices["close"].rolling(5, center=True).mean()
    return prices[["coin", "timestamp"]].assign(centred=centred, past=prices["close"].shift(1))


class Bench:
    async def replay(self, inputs, outputs, *, kinds):
        return {name: _features(inputs["prices"]) for name in outputs}


@asynccontextmanager
async def _fresh_box():
    yield Bench()


async def test_a_leak_is_named_with_the_cell_and_line_that_made_it_and_sends_back():
    frames = {"p": _bars(), "f": _features(_bars())}

    async def load_frame(sha):
        return frames[sha]

    context = Heard(fresh_box=_fresh_box, load_frame=load_frame)
    state = {
        "brief": {"horizon": "PT1H"},
        "sealed": {"frame": "prices"},
        "frames": {"prices": {"sha": "p"}, "features": {"sha": "f", "cell": 3}},
        "cells": {"4": {"code": "x = 1\nfeatures['centred'] = x"}, "3": {"code": "features['centred'] = 0"}},
    }
    update = await leak_test(state, runtime(context))
    assert update["leaking"] == ["centred"]
    assert update["leaks"]["centred"]["text"].startswith("centred changed at")
    (warned,) = context.of("warned")
    assert (warned.column, warned.cell, warned.line_no, warned.code) == ("centred", 4, 2, "leak")
    (tested,) = context.of("leak_tested")
    assert (tested.where, tested.columns, tested.findings[0]["column"]) == ("development", 4, "centred")
    assert context.of("stage_finished")[0].status == "back"


async def test_rows_without_time_are_passed_over_and_it_says_why():
    async def load_frame(sha):
        return pd.DataFrame({"x": [1.0]})

    context = Heard(load_frame=load_frame)
    state = {"brief": {}, "sealed": {"frame": "rows"}, "frames": {"rows": {"sha": "r"}, "features": {"sha": "f"}}}
    update = await leak_test(state, runtime(context))
    assert update["leaking"] == []
    assert context.of("stage_finished")[0].status == "skipped"
    assert "without time" in context.of("reason")[0].text


async def test_findings_count_each_cut_truncated_and_scrambled():
    bars = _bars()
    cuts = leakage.cut_points(bars, k=4, seed=0)
    (found,) = await find_leaks(Bench(), "prices", bars, _features(bars), cuts, "PT1H")
    assert (found.column, found.of, found.code) == ("centred", 2 * len(cuts), "leak")
    assert found.cuts == found.of, "a centred mean shows at every cut, both ways"
