"""A run that another process drives, as its spectator sees it."""

from __future__ import annotations

import asyncio

from omc_agent.events import RunFinished, RunStarted
from omc_agent.follower import Follower
from omc_agent.store.database import open_database
from omc_agent.store.leases import Leases, new_owner
from omc_agent.store.records import SessionManager


async def test_the_clock_of_a_spectator_moves_while_nothing_happens(own_home):
    store = SessionManager(open_database(f"sqlite:///{own_home / 'store.db'}"))
    row = store.create("Explore BTC", workspaces=own_home, model="offline", settings={}, session_id="run")
    owner, leases = new_owner(), Leases(store.engine)
    assert leases.take("run", owner)
    store.append("run", "run", [("started", RunStarted(run_id="run", goal="g", model="offline"))], owner=owner)
    ticks, told, past = [], [], []
    follower = Follower(store, row, listener=told.append, on_past=past.extend, on_tick=ticks.append)
    work = asyncio.create_task(follower.run())
    async with asyncio.timeout(20):
        while len(ticks) < 2:
            await asyncio.sleep(0.05)
        assert ([event.kind for event in past], told) == (["run_started"], [])
        store.append("run", "run", [("end", RunFinished(status="finished"))], owner=owner)
        leases.release("run", owner)
        await work
    assert [event.kind for event in told] == ["run_finished"]
    assert (follower.status, ticks[0]) == ("finished", 0.0)
    store.engine.dispose()
