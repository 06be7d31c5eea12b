"""The account of a run: each call once, on disk before and after; warnings, the day, several processes."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omc_agent import spending
from omc_agent.billing import bill_of, cost_of_run
from omc_agent.config import settings_with
from omc_agent.errors import LeaseLost, ModelError, RunStopped, UsageError
from omc_agent.purse import Purse
from omc_agent.request import Decision
from omc_agent.spending import Spending, check_limits, pay, today
from omc_agent.store.calls import ZERO
from omc_agent.store.database import open_database
from omc_agent.store.leases import Leases
from omc_agent.store.records import SessionManager

GPT = "openai:gpt-5"
USAGE = {"input_tokens": 8_000, "output_tokens": 1_000}
USD = (8_000 * 1.25 + 1_000 * 10) / 1e6  # $0.02


def open_store(folder):
    return SessionManager(open_database(f"sqlite:///{folder / 'store.db'}"))


@pytest.fixture
def store(tmp_path):
    made = open_store(tmp_path)
    yield made
    made.engine.dispose()


def new_run(store, tmp_path, run_id="r"):
    return store.create("a goal", workspaces=tmp_path / "runs", model=GPT, settings={}, session_id=run_id)


def account(store, run_id="r", *, model=GPT, budget=0.0, max_tokens=0, daily=0.0, answer=None, owner=None):
    """A run's account in a process of its own, with what it told and asked."""
    events, asked = {}, []

    async def emit(event, key):
        events.setdefault(key, event)

    async def ask(request, key):
        asked.append(request)
        return answer or Decision(type="reject")

    purse = Purse(budget, max_tokens, store.cost_of(run_id), daily=daily)
    made = Spending(store, run_id, run_id, owner, purse, emit=emit, ask=ask, model=model)
    return SimpleNamespace(spending=made, purse=purse, events=events, asked=asked)


async def call(account, usage=USAGE, *, name=GPT, stage="planning", tokens=7_000):
    made = await account.spending.begin_call(stage, name, tokens, "task")
    await account.spending.spend(stage, name, usage, made)


def codes(account):
    return [event.code for event in account.events.values()]


async def test_a_call_is_counted_once_with_what_the_provider_told(store, tmp_path):
    new_run(store, tmp_path)
    mine = account(store)
    await call(mine, {**USAGE, "input_token_details": {"cache_read": 500}, "output_token_details": {"reasoning": 9}})
    (row,) = store.calls("r")
    assert (row["status"], row["stage"], row["model"], row["branch"]) == ("answered", "planning", GPT, "r")
    assert [row[name] for name in ("tokens_in", "tokens_out", "cached", "reasoning")] == [8_000, 1_000, 500, 9]
    assert row["usd"] == pytest.approx(USD - 500 * 1.125 / 1e6)
    assert row["seconds"] >= 0
    assert mine.purse.spent["calls"] == store.cost_of("r")["calls"] == 1


async def test_a_call_is_on_disk_before_it_is_sent(store, tmp_path):
    """So a process that dies while it waits loses none: the next one finds it, as an estimate."""
    new_run(store, tmp_path)
    await account(store).spending.begin_call("planning", GPT, 7_000, "task")
    cost = account(store).purse.spent
    assert (cost["calls"], cost["tokens_in"], cost["guessed"]) == (1, 7_000, 1)
    assert cost["usd"] == pytest.approx(7_000 * 1.25 / 1e6)


@pytest.mark.parametrize(
    ("usage", "status", "counted"),
    [
        ({"guessed_output_tokens": 40}, "guessed", (1, 7_000, 40)),
        ({}, "guessed", (1, 7_000, 0)),
        ({**USAGE, "total_cost": 0}, "remembered", (0, 0, 0)),
    ],
    ids=["no usage", "nothing at all", "from a cache"],
)
async def test_an_answer_without_usage_is_an_estimate_and_one_from_a_cache_costs_nothing(
    store, tmp_path, usage, status, counted
):
    new_run(store, tmp_path)
    mine = account(store)
    await call(mine, usage)
    assert store.calls("r")[0]["status"] == status
    assert tuple(mine.purse.spent[name] for name in ("calls", "tokens_in", "tokens_out")) == counted


async def test_a_call_that_was_refused_with_a_status_stays_in_the_list_and_costs_nothing(store, tmp_path):
    new_run(store, tmp_path)
    mine = account(store)
    await mine.spending.drop_call(await mine.spending.begin_call("planning", GPT, 7_000, "task"))
    assert [(c["status"], c["usd"], c["tokens_in"]) for c in bill_of(store, "r")["calls"]] == [("refused", 0.0, 0)]
    assert mine.purse.spent == ZERO


async def test_free_models_cost_nothing_and_are_not_held_back_by_dollars(store, tmp_path):
    new_run(store, tmp_path)
    await call(account(store))
    mine = account(store, budget=0.01, daily=0.01)
    await call(mine, name="ollama:qwen3")
    await call(mine, {"input_tokens": 0, "output_tokens": 0}, name="offline")
    assert mine.asked == []
    assert [(row["model"], row["free"]) for row in bill_of(store, "r")["models"]] == [
        (GPT, False), ("ollama:qwen3", True), ("offline", True)
    ]  # fmt: skip
    with pytest.raises(RunStopped):
        await call(mine)


async def test_80_percent_of_each_limit_is_said_once_and_the_next_call_after_it_is_asked_for(store, tmp_path):
    new_run(store, tmp_path)
    mine = account(store, budget=0.1, max_tokens=45_000, daily=0.1, answer=Decision(value=1.0))
    for _ in range(3):
        await call(mine)
    assert codes(mine) == []
    await call(mine)
    assert sorted(codes(mine)) == ["budget", "budget", "daily_budget"]
    await call(mine)
    assert len(mine.events) == 3
    assert mine.asked == []
    await call(mine)
    (asked,) = mine.asked
    assert set(asked.limits) == {"usd", "tokens", "day"}
    assert mine.purse.limits == {"usd": 1.0, "tokens": 90_000, "day": 0.2}


@pytest.mark.parametrize(("model", "held"), [(GPT, True), ("ollama:qwen3", False)])
async def test_a_step_asks_before_it_begins_unless_its_model_is_free(store, tmp_path, model, held):
    new_run(store, tmp_path)
    await call(account(store))
    mine = account(store, model=model, budget=0.01, max_tokens=9_000 if held else 0)
    with pytest.raises(RunStopped) if held else contextlib.nullcontext():
        await mine.spending.afford("planning", "task")
    assert [list(request.limits) for request in mine.asked] == [["usd", "tokens"]] * held, "one question for both"


async def test_after_no_a_stand_in_is_not_asked_either(store, tmp_path):
    new_run(store, tmp_path)
    mine = account(store, budget=0.02)
    await call(mine)
    for name in (GPT, "ollama:qwen3"):
        with pytest.raises(RunStopped):
            await call(mine, name=name)
    assert len(mine.asked) == 1
    assert len(store.calls("r")) == 1


async def test_a_model_without_a_price_says_so_once_and_tokens_limit_it(store, tmp_path):
    new_run(store, tmp_path)
    mine = account(store, budget=1.0, max_tokens=10_000)
    await call(mine, name="openai:mystery")
    await call(mine, name="openai:mystery")
    assert codes(mine).count("no_price") == 1
    assert cost_of_run(store, "r")["unpriced"] == 2
    assert bill_of(store, "r")["total"]["usd"] is None
    with pytest.raises(RunStopped):
        await call(mine, name="openai:mystery")


@pytest.mark.parametrize(
    ("values", "refused"),
    [
        ({"budget": 1.0, "model": "openai:mystery"}, True),
        ({"budget": 1.0, "model": f"{GPT},openai:mystery"}, True),
        ({"budget": 1.0, "model": "fast", "models": {"fast": "openai:mystery"}}, True),
        ({"budget": 1.0, "max_tokens": 9, "model": "openai:mystery"}, False),
        ({"model": "openai:mystery"}, False),
        ({"budget": 1.0, "model": f"{GPT},ollama:qwen3,offline"}, False),
    ],
)
def test_a_budget_that_would_limit_nothing_is_refused_before_the_run(values, refused):
    if not refused:
        check_limits(settings_with(None, **values))
        return
    with pytest.raises(UsageError) as error:
        check_limits(settings_with(None, **values))
    assert "openai:mystery" in error.value.given
    assert "--max-tokens" in error.value.try_


def test_a_budget_for_a_model_that_was_handed_in_needs_its_price():
    with pytest.raises(UsageError):
        check_limits(settings_with(None, budget=1.0, model="Mine"), object())
    with pytest.raises(ModelError):
        check_limits(settings_with(None, budget=1.0, model="Mine"))


async def test_the_day_is_that_of_the_call_and_its_sum_is_shared_by_processes(store, tmp_path, monkeypatch):
    new_run(store, tmp_path, "one"), new_run(store, tmp_path, "two")
    other = open_store(tmp_path)  # another process has an engine of its own
    one, two = account(store, "one", daily=0.05), account(other, "two", daily=0.05)
    await asyncio.gather(call(one), call(two))
    await call(one)
    with pytest.raises(RunStopped) as stopped:
        await call(two)
    assert stopped.value.code == "run.daily"
    assert store.spent_on(today()) == pytest.approx(3 * USD)
    monkeypatch.setattr(spending, "today", lambda: f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%d}")
    tomorrow = account(other, "two", daily=0.05)
    await call(tomorrow)  # written with the day it really is
    assert tomorrow.asked == []
    other.engine.dispose()


async def test_an_engine_that_lost_its_run_sends_nothing_and_what_it_sent_before_is_still_counted(store, tmp_path):
    new_run(store, tmp_path)
    leases = Leases(store.engine)
    assert leases.take("r", "me")
    mine = account(store, owner="me")
    sent = await mine.spending.begin_call("planning", GPT, 7_000, "task")
    leases.release("r", "me")
    assert leases.take("r", "other")
    await mine.spending.spend("planning", GPT, USAGE, sent)
    with pytest.raises(LeaseLost):
        await call(mine)
    assert [row["status"] for row in store.calls("r")] == ["answered"]


async def test_a_run_that_is_deleted_was_paid_all_the_same(store, tmp_path):
    new_run(store, tmp_path)
    await call(account(store))
    store.delete("r")
    assert store.spent_on(today()) == pytest.approx(USD)
    new_run(store, tmp_path)
    assert store.cost_of("r") == ZERO, "a new run of that name begins with nothing"
    assert [row["run"] for row in bill_of(store)["runs"]] == [""]


def waiting(store, purse):
    request = purse._request("planning", purse.reached())
    store.open_request("r", "r", "q", gate="budget", stage="planning", payload=request.model_dump(),
                       sha256=request.sha256())  # fmt: skip


async def parked(store, tmp_path, **limits):
    row = new_run(store, tmp_path)
    mine = account(store, **limits)
    await call(mine)
    mine.spending._read()
    waiting(store, mine.purse)
    return row


def decided(store):
    return store.find_request("q")["decision"]


async def test_more_that_is_given_answers_the_question_and_stays_with_the_run(store, tmp_path):
    row = await parked(store, tmp_path, budget=0.01)
    row = pay(store, row, {"budget": 0.5}, 0.0)
    assert decided(store)["value"] == {"usd": 0.5}
    assert store.read("r")["settings"]["budget"] == row["settings"]["budget"] == 0.5


async def test_too_little_is_refused_and_the_question_stays_open(store, tmp_path):
    row = await parked(store, tmp_path, budget=0.01)
    with pytest.raises(UsageError) as error:
        pay(store, row, {"budget": 0.02}, 0.0)
    assert "$0.02 of $0.02" in error.value.given
    assert store.find_request("q")["status"] == "open"
    assert store.read("r")["settings"] == {}


async def test_the_other_limit_is_no_answer(store, tmp_path):
    row = await parked(store, tmp_path, budget=0.01)
    pay(store, row, {"max_tokens": 10**6}, 0.0)
    assert store.find_request("q")["status"] == "open"


@pytest.mark.parametrize(("daily", "goes_on"), [(0.01, False), (0.5, True)])
async def test_a_raised_limit_of_the_day_answers_the_question_of_the_day(store, tmp_path, daily, goes_on):
    row = await parked(store, tmp_path, daily=0.01)
    pay(store, row, {}, daily)
    assert bool(decided(store)) is goes_on


async def test_a_new_day_answers_the_question_of_the_day(store, tmp_path, monkeypatch):
    row = await parked(store, tmp_path, daily=0.01)
    monkeypatch.setattr(spending, "today", lambda: "2199-01-01")
    pay(store, row, {}, 0.01)
    assert decided(store)["value"] == {"day": 0.01}
    assert "a new day" in store.find_request("q")["decided_by"]


# -- whatever happens, the sum is what the server counted ---------------------------------------------------------

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["answered", "silent", "refused", "broken", "killed before", "killed after", "resumed"]),
        st.integers(0, 50_000),
        st.integers(0, 5_000),
    ),
    max_size=15,
)


@settings(max_examples=15, deadline=None)
@given(steps=STEPS)
def test_the_sum_is_what_the_server_counted_whatever_happens(tmp_path_factory, steps):
    folder = tmp_path_factory.mktemp("calls")
    told, billed, unknown = asyncio.run(_live(folder, steps))
    store = open_store(folder)
    cost, rows = store.cost_of("r"), store.calls("r")
    known = [row for row in rows if row["status"] == "answered"]
    assert [(row["tokens_in"], row["tokens_out"]) for row in known] == told
    assert (cost["calls"], cost["guessed"]) == (billed, unknown)
    for by in ("stage", "model", "day", "run"):
        sums = store.costs((by,), run_id="r")
        assert sum(row["usd"] for row in sums) == pytest.approx(cost["usd"])
        assert sum(row["tokens_in"] for row in sums) == cost["tokens_in"]
    store.engine.dispose()


async def _live(folder, steps):
    """Calls of a run through processes that end anywhere; returns what the server told and how often it was asked."""
    store = open_store(folder)
    store.create("g", workspaces=folder / "runs", model=GPT, settings={}, session_id="r")
    mine, told, billed, unknown = account(store), [], 0, 0
    for n, (kind, read, wrote) in enumerate(steps):
        if kind == "resumed":
            store.engine.dispose()
            store = open_store(folder)
            mine = account(store)
            continue
        stage, name = ("planning", "model_training")[n % 2], (GPT, "anthropic:claude-sonnet-4-5")[n % 2]
        sent = await mine.spending.begin_call(stage, name, read, "task")
        billed += kind != "refused"
        unknown += kind in ("silent", "broken", "killed before")
        if kind in ("answered", "killed after"):
            told.append((read, wrote))
            await mine.spending.spend(stage, name, {"input_tokens": read, "output_tokens": wrote}, sent)
        elif kind == "silent":
            await mine.spending.spend(stage, name, {"guessed_output_tokens": wrote}, sent)
        elif kind == "refused":
            await mine.spending.drop_call(sent)
        if kind.startswith("killed"):
            mine = account(store)
    store.engine.dispose()
    return told, billed, unknown
