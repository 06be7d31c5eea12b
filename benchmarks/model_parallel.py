"""Host tools of one answer, side by side and one after the other: `measure()` gives the ratio of the two.

The calls go through what a run has: `Recorder.host_cell` with a store, and the tools of `tools/data.py` on a
simulated market. ``python benchmarks/model_parallel.py`` prints it.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from omc_agent.config import Limits
from omc_agent.demo import write_demo
from omc_agent.recorder import Recorder
from omc_agent.store.database import open_database
from omc_agent.store.records import SessionManager
from omc_agent.tools import data

ROUNDS, DAYS = 5, 60
SERVER_SECONDS = 0.2  # what a database over a network takes to answer
TABLE = "price_data_5min"
Call = Callable[[], dict[str, Any]]


def measure(rounds: int = ROUNDS, days: int = DAYS) -> dict[str, float]:
    """Median seconds of three reads, one after the other and at once, and how many times quicker the latter is.

    Returns
    -------
    dict
        ``local_apart``, ``local_at_once``, ``local_ratio``: SQLite on this machine, where reading is work of the
        processor. ``remote_apart``, ``remote_at_once``, ``remote_ratio``: the same, each after a wait of 0.2 s as for
        a server.
    """
    with tempfile.TemporaryDirectory(prefix="omc-bench-") as folder:
        db = f"sqlite:///{folder}/market.db"
        write_demo(db, days=days)
        found = asyncio.run(_both(Path(folder), _reads(db), rounds, "local"))
        found |= asyncio.run(
            _both(Path(folder), [_after(SERVER_SECONDS, one) for one in _reads(db)], rounds, "remote")
        )
    return found


def _reads(db: str) -> list[Call]:
    sql = f"SELECT coin_type, avg(last) AS mean, count(*) AS bars FROM {TABLE} GROUP BY coin_type"
    return [
        lambda: {"coins": data.get_available_coins(db)},
        lambda: {"statistics": data.get_data_statistics(db, ["ETH", "LTC"])},
        lambda: {"answer": data.query_before(sql, db, TABLE, "2024-08-20")},
    ]


def _after(seconds: float, call: Call) -> Call:
    def later() -> dict[str, Any]:
        time.sleep(seconds)
        return call()

    return later


async def _both(folder: Path, calls: list[Call], rounds: int, name: str) -> dict[str, float]:
    store = SessionManager(open_database(f"sqlite:///{folder / 'store.db'}"))
    row = store.create("bench", workspaces=folder / "runs", model="none", settings={})
    place = Path(row["workspace"])
    (place / "frames").mkdir(exist_ok=True)
    recorder = Recorder(store, row["id"], row["id"], place, Limits(), None, _emit, _flush)
    entered = {"stage": "data_retrieval", "visit": 1, "frames": {}}
    apart, at_once = [], []
    for turn in range(rounds):

        def cell(number: int, way: str, turn: int = turn) -> Any:
            key = f"{way}:{turn}:{number}"
            return recorder.host_cell("read()", calls[number], key=key, into=[], entered=entered)

        began = time.perf_counter()
        for number in range(len(calls)):
            await cell(number, "apart")
        apart.append(time.perf_counter() - began)
        began = time.perf_counter()
        await asyncio.gather(*[cell(number, "once") for number in range(len(calls))])
        at_once.append(time.perf_counter() - began)
    store.engine.dispose()
    one, other = statistics.median(apart), statistics.median(at_once)
    return {f"{name}_apart": one, f"{name}_at_once": other, f"{name}_ratio": one / other}


async def _emit(event: Any, key: str) -> None:
    """Nobody listens."""


async def _flush() -> None:
    """Nothing waits to be written."""


def main() -> None:
    """Print what was measured."""
    found = measure()
    for name in ("local", "remote"):
        apart, at_once, ratio = (found[f"{name}_{what}"] for what in ("apart", "at_once", "ratio"))
        print(f"{name}: three reads apart {apart:.2f} s, at once {at_once:.2f} s, {ratio:.2f} times quicker")


if __name__ == "__main__":
    main()
