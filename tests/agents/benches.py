"""A world whose cells run: a recorder with a store and a sandbox, without a graph around."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace

from worlds import World

from omc_agent.config import Limits, Work
from omc_agent.recorder import Recorder
from omc_agent.sandbox import exchange
from omc_agent.store.database import open_database
from omc_agent.store.records import SessionManager


@asynccontextmanager
async def bench(folder, *, frames=None, source=None, work=None, seconds=60.0):
    """A World with a real recorder; `frames` are kept in it and given as references of a state."""
    store = SessionManager(open_database(f"sqlite:///{folder / 'store.db'}", synchronous="NORMAL"))
    there = store.list()  # a second bench of one folder goes on with the first one's run
    row = there[0] if there else store.create("g", workspaces=folder / "runs", model="scripted", settings={})
    run_id, place = row["id"], folder / "runs" / row["id"]
    world = World(work=work or Work(failures=99, max_steps=99), source=source)

    async def flush():
        pass

    recorder = Recorder(store, run_id, run_id, place, Limits(wall=seconds), None, world.emit, flush)
    recorder.frames.mkdir(parents=True, exist_ok=True)
    world.recorder, world.refs = recorder, {}
    for name, frame in (frames or {}).items():
        world.refs[name] = {**recorder._describe(exchange.keep_frame(frame, recorder.frames)), "cell": 0}
    world.context = replace(
        world.context,
        run_cell=recorder.run_cell,
        host_cell=recorder.host_cell,
        load_frame=recorder.load_frame,
    )
    try:
        yield world
    finally:
        await recorder.close()
        store.engine.dispose()
