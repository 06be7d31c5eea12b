"""One stage over the wire in a process of its own, which may be killed around a call. Run by `test_calls_killed.py`.

``call_driver.py FOLDER MOMENT``: FOLDER holds store and checkpoints; MOMENT is ``answered`` (killed with the answer
in hand, before its usage is written), ``counted`` (right after it is written) or empty. Prints ``done`` at the end.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "agents"))

from test_middleware import FRAMES, Worker
from worlds import World

from omc_agent.config import ChatSettings
from omc_agent.llm.chat import open_chat_models
from omc_agent.purse import Purse
from omc_agent.spending import Spending
from omc_agent.store.checkpoints import open_checkpoints
from omc_agent.store.database import open_database
from omc_agent.store.records import SessionManager

MODEL = "openai:gpt-5"


def die_around_the_second(store: SessionManager, moment: str) -> None:
    """The second call of this process that is answered is its last moment."""
    write, seen = store.end_call, []

    def end_call(key: str, **values: object) -> None:
        seen.append(key)
        if len(seen) == 2 and moment == "answered":
            os.kill(os.getpid(), signal.SIGKILL)
        write(key, **values)
        if len(seen) == 2 and moment == "counted":
            os.kill(os.getpid(), signal.SIGKILL)

    store.end_call = end_call  # type: ignore[method-assign]


async def main(folder: Path, moment: str) -> None:
    store = SessionManager(open_database(f"sqlite:///{folder / 'store.db'}"))
    if not store.list():
        store.create("g", workspaces=folder / "runs", model=MODEL, settings={}, session_id="r")
    die_around_the_second(store, moment)
    world = World()
    purse = Purse(0.0, 0, store.cost_of("r"))
    spending = Spending(store, "r", "r", None, purse, emit=world.emit, ask=world.context.ask, model=MODEL)
    context = replace(world.context, begin_call=spending.begin_call, spend=spending.spend,
                      drop_call=spending.drop_call, name_of=lambda model: MODEL)  # fmt: skip
    (opened,) = open_chat_models(ChatSettings(model=MODEL))
    async with open_checkpoints(folder / "checkpoints.db") as saver:
        graph = Worker().build(opened.model)
        graph.checkpointer = saver
        thread = {"configurable": {"thread_id": "t"}}
        there = (await graph.aget_state(thread)).values
        await graph.ainvoke(None if there else {"goal": "g", "frames": FRAMES}, thread, context=context)
    print("done", flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
