"""Events on their way out: shown at once, written in order and once, on disk after a flush."""

from __future__ import annotations

import asyncio

import pytest

from omc_agent.events import Reason, StageStarted
from omc_agent.ledger import FLUSH_SECONDS, Ledger
from omc_agent.store.database import open_database
from omc_agent.store.records import SessionManager


@pytest.fixture
def store(tmp_path):
    made = SessionManager(open_database(f"sqlite:///{tmp_path / 'store.db'}"))
    made.create("goal", workspaces=tmp_path, model="offline", settings={}, session_id="r")
    yield made
    made.engine.dispose()


def said(store):
    return [event.text for event in store.events("r") if event.kind == "reason"]


async def test_an_event_is_shown_at_once_and_written_with_the_flush(store):
    shown = []
    ledger = Ledger(store, "r", "r", shown.append)
    event = Reason(stage="planning", text="one")
    await ledger.emit(event, "k")
    assert shown == [event]
    assert store.events("r") == []
    await ledger.flush()
    assert store.events("r") == [event]


async def test_the_same_key_is_shown_and_written_once(store):
    shown = []
    ledger = Ledger(store, "r", "r", shown.append)
    for text in ("one", "again"):
        await ledger.emit(Reason(text=text), "k")
    await ledger.flush()
    assert [event.text for event in shown] == ["one"]
    assert said(store) == ["one"]


async def test_a_resumed_run_shows_again_what_it_repeats_and_writes_it_once(store):
    for _ in range(2):
        ledger = Ledger(store, "r", "r")
        await ledger.emit(Reason(text="one"), "k")
        await ledger.flush()
    assert said(store) == ["one"]


async def test_order_is_kept_over_many_flushes_at_once(store):
    ledger = Ledger(store, "r", "r")
    for number in range(60):
        await ledger.emit(Reason(text=str(number)), f"k{number}")
        if number % 7 == 0:
            await asyncio.gather(ledger.flush(), ledger.flush())
    await ledger.flush()
    assert said(store) == [str(number) for number in range(60)]


async def test_it_writes_by_itself_after_a_moment(store):
    ledger = Ledger(store, "r", "r")
    await ledger.emit(Reason(text="one"), "k")
    for _ in range(50):
        await asyncio.sleep(FLUSH_SECONDS / 2)
        if said(store):
            break
    assert said(store) == ["one"]


async def test_it_knows_the_stage_of_the_newest_event_that_has_one(store):
    ledger = Ledger(store, "r", "r")
    assert ledger.stage == ""
    await ledger.emit(StageStarted(stage="planning", title="Plan"), "a")
    await ledger.emit(Reason(text="of no stage"), "b")
    assert ledger.stage == "planning"
    await ledger.flush()


async def test_branches_share_a_run_and_keep_their_own_keys(store):
    for branch in ("r", "r.2"):
        ledger = Ledger(store, "r", branch)
        await ledger.emit(Reason(text=branch), "k")
        await ledger.flush()
    assert said(store) == ["r", "r.2"]
    assert [event.text for event in store.events("r", branch="r.2")] == ["r.2"]
