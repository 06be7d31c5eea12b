"""Nodes beyond the common way: what a question may answer, what a breaker may do, and where a leak is found."""

from __future__ import annotations

from contextlib import asynccontextmanager
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from omc_agent.brief import Brief
from omc_agent.config import Gates, Trust
from omc_agent.graph import nodes
from omc_agent.graph.gates import default_of
from omc_agent.graph.leak_test import find_leaks, find_mixing, leak_test
from omc_agent.graph.visit import progress, visiting
from omc_agent.request import Decision
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

    async def ask(self, request, key):
        self.asked.append((request, key))
        return self.decision or default_of(request)

    def of(self, kind):
        return [event for event in self.events if event.kind == kind]


def runtime(context):
    return SimpleNamespace(context=context)


BRIEF = Brief(coins=["X"], assumed=["coins", "horizon"]).model_dump()


def ask_about(*fields):
    return [{"field": field, "question": f"Which {field}?", "default": f"the {field}"} for field in fields]


async def clarified(answers, *, brief=BRIEF, questions=None, **state):
    """What clarification leaves when these answers are given."""
    context = Heard(decision=Decision(value=answers) if isinstance(answers, dict) else answers)
    first = {"brief": brief, "questions": questions or ask_about(*(answers or {})), **state}
    return await nodes.clarification(first, runtime(context)), context


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("coins", "btc, eth", ["BTC", "ETH"]),
        ("coins", ["BTC"], ["BTC"]),
        ("horizon", "PT2H", "PT2H"),
        ("no_such_field", "x", None),
    ],
)
async def test_an_answer_fills_its_field_and_no_other(field, value, expected):
    answers = {field: value} if isinstance(value, str) else {field: ",".join(value)}
    update, _ = await clarified(answers)
    assert update["brief"].get(field) == expected
    rest = {name: kept for name, kept in update["brief"].items() if name not in (field, "assumed")}
    assert rest == {name: kept for name, kept in BRIEF.items() if name not in (field, "assumed")}
    assert update["brief"]["assumed"] == [name for name in BRIEF["assumed"] if name != field]


async def test_questions_are_asked_at_once_and_at_most_three():
    questions = ask_about("coins", "horizon", "target", "threshold")
    _, context = await clarified(Decision(), questions=questions, visits={"clarification": 1})
    ((request, key),) = context.asked
    assert (request.gate, request.stage, key) == ("clarification", "clarification", "clarification:2")
    assert [question.field for question in request.questions] == ["coins", "horizon", "target"]
    assert request.question == "A few questions before the plan"


async def test_a_single_question_is_not_said_twice():
    _, context = await clarified(Decision(), questions=ask_about("coins"))
    assert context.asked[0][0].question == "One question before it goes on"


async def test_another_task_is_judged_by_a_metric_of_its_own():
    update, _ = await clarified({"task": "regression"})
    assert (update["brief"]["task"], update["brief"]["metric"]) == ("regression", "mae")


async def test_rejected_questions_end_the_run_and_say_why():
    update, context = await clarified(Decision(type="reject", why="wrong table"), questions=ask_about("coins"))
    assert update["error"]["code"] == "run.rejected"
    assert "wrong table" in update["error"]["given"]
    assert context.of("stage_finished")[0].status == "back"


@pytest.mark.parametrize(("answer", "goto"), [("the horizon", None), ("PT4H", "data_retrieval")])
async def test_after_retrieval_an_answer_that_changes_the_brief_fetches_again(answer, goto):
    brief = {**BRIEF, "assumed": []}
    update, _ = await clarified({"horizon": answer}, brief=brief, sealed={"frame": "prices"})
    assert update["goto"] == goto
    assert update["questions"] == []


TROUBLE = {"stage": "hyperparameter_tuning", "missing": "a search"}


@pytest.mark.parametrize(
    ("stage", "decision", "left"),
    [
        ("hyperparameter_tuning", None, {"dropped": ["hyperparameter_tuning"], "goto": None}),
        ("hyperparameter_tuning", Decision(value={"guidance": "try again"}), {"goto": "hyperparameter_tuning"}),
        ("hyperparameter_tuning", Decision(value={"guidance": "fewer trees"}), {"goto": "hyperparameter_tuning"}),
        ("hyperparameter_tuning", Decision(value={"guidance": "stop"}), {"error": "run.failed"}),
        ("hyperparameter_tuning", Decision(type="reject"), {"error": "run.failed"}),
        ("planning", None, {"error": "run.failed"}),
        ("planning", Decision(value={"guidance": "try again"}), {"goto": "planning"}),
    ],
)
async def test_the_breaker_tries_again_goes_on_without_or_stops_as_the_person_says(stage, decision, left):
    context = Heard(decision=decision)
    update = await nodes.circuit_breaker({"trouble": {**TROUBLE, "stage": stage}}, runtime(context))
    told = {name: value["code"] if name == "error" else value for name, value in update.items() if name in left}
    assert told == left
    assert update["trouble"] is None
    ((request, _),) = context.asked
    assert (request.gate, request.stage, request.questions[0].field) == ("clarification", stage, "guidance")
    assert [event.text for event in context.of("said")] == (["fewer trees"] if "fewer" in str(decision) else [])


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


@pytest.mark.parametrize(
    ("made", "named"),
    [
        (lambda rows: rows["x"] ** 2, []),
        (lambda rows: (rows["x"] - rows["x"].mean()) / rows["x"].std(), ["made"]),
        (lambda rows: rows["x"] / rows["x"].max(), ["made"]),
    ],
)
async def test_rows_without_time_are_made_again_on_each_half(made, named):
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"x": rng.normal(size=60), "sold": rng.integers(0, 2, 60)})

    def features(frame):
        return frame[["x"]].assign(made=made(frame), target=frame["sold"].astype(float))

    class Halves:
        async def replay(self, inputs, outputs, *, kinds):
            return {"features": features(inputs["rows"])}

    @asynccontextmanager
    async def fresh_box():
        yield Halves()

    async def load_frame(sha):
        return {"r": rows, "f": features(rows)}[sha]

    context = Heard(fresh_box=fresh_box, load_frame=load_frame)
    state = {
        "brief": {"target": "sold", "horizon": "PT1H"},
        "sealed": {"frame": "rows"},
        "frames": {"rows": {"sha": "r"}, "features": {"sha": "f"}},
    }
    update = await leak_test(state, runtime(context))
    assert update["leaking"] == named
    assert [warned.code for warned in context.of("warned")] == ["fitted_on_all_rows"] * len(named)
    assert context.of("stage_finished")[0].status == ("back" if named else "ok")


def _two_coins(kind):
    """Features of bars by coin: by themselves, ranked among coins, rolled over the border, or mixed in time."""

    def make(prices):
        close = prices["close"]
        column = {
            "alone": lambda: close.groupby(prices["coin"]).transform(lambda one: one.rolling(5).mean()),
            "rank": lambda: close.groupby(prices["timestamp"]).rank(),
            "border": lambda: close.rolling(5).mean(),
            "in time": lambda: prices.sort_values("timestamp", kind="stable")["close"].rolling(5).mean(),
        }[kind]()
        return prices[["coin", "timestamp"]].assign(planted=column)

    return make


@pytest.mark.parametrize(
    ("kind", "codes"),
    [("alone", []), ("rank", ["uses_other_coins"]), ("border", ["coins_mixed"]), ("in time", ["coins_mixed"])],
)
async def test_coins_that_run_into_each_other_are_a_fault_and_a_rank_among_them_is_a_note(kind, codes):
    prices = pd.concat([_bars(), _bars().assign(coin="ETH", close=lambda b: 200 - b["close"])], ignore_index=True)
    make = _two_coins(kind)

    class Coins:
        async def replay(self, inputs, outputs, *, kinds):
            return {"features": make(inputs["prices"])}

    found = await find_mixing(Coins(), "prices", prices, make(prices))
    assert [finding.code for finding in found] == codes
    assert await find_mixing(Coins(), "prices", prices[:500], make(prices[:500])) == []


async def test_findings_count_each_cut_truncated_and_scrambled():
    bars = _bars()
    cuts = leakage.cut_points(bars, k=4, seed=0)
    (found,) = await find_leaks(Bench(), "prices", bars, _features(bars), cuts, "PT1H")
    assert (found.column, found.of, found.code) == ("centred", 2 * len(cuts), "leak")
    assert found.cuts == found.of, "a centred mean shows at every cut, both ways"


async def test_what_the_data_cannot_give_is_told_and_not_asked_about():
    context = Heard()
    error = {"code": "data.unknown_coin", "given": "FOO.", "have": "BTC.", "try": "Name one."}
    trouble = {"stage": "data_retrieval", "missing": "the rows", "error": {"status": "error", "error": error}}
    update = await nodes.circuit_breaker({"trouble": trouble}, runtime(context))
    assert update["error"] == error
    assert context.asked == []
