"""``make bench-stores``: what a round of an agent costs in each store of checkpoints, an event in each ledger, and
how the store grows with the rounds.

A round is one answer of the model and one cell: two checkpoints with their writes, as a run has them (durability
`sync`). The agent is the real one; its model is a function and its cells are answered at once, so what is left is
LangGraph and the store.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from machine import median, write_result

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "agents")]

REPEATS, ROUNDS, EVENTS = 5, 40, 40
GROWTH = (10, 20, 40, 80)
CODE = "for column in features.columns:\n    print(column, features[column].describe())\n" * 4


@dataclass
class Store:
    """One kind of store: a URL of checkpoints, one of a ledger where it can be one, its server, and how big it is."""

    name: str
    url: str
    synchronous: str = "FULL"
    ledger: str = ""
    server: psutil.Process | None = None
    size: Callable[[], int] = lambda: 0
    kept: list[float] = field(default_factory=list)


@dataclass
class Spent:
    """Milliseconds of one stage: in the saver, of this process's processor in all, and of the server's."""

    saver: float = 0.0
    cpu: float = 0.0
    server: float = 0.0


def figures(draw: random.Random) -> str:
    """What a cell printed: other figures each time, so that no store can pack them away."""
    return "\n".join(" ".join(f"{draw.gauss(0, 1):.4f}" for _ in range(5)) for _ in range(45))


def graph_of(rounds: int) -> Any:
    """The agent as a node of an outer graph, as in a run."""
    from langgraph.graph import END, START, StateGraph
    from scripted import ScriptedChatModel, Seen

    from omc_agent.agents.context import RunContext
    from omc_agent.agents.data_analyst import FeatureAgent
    from omc_agent.graph.state import AgentState

    numbers = itertools.count()  # not of what it sees: older rounds are not sent any more

    def script(seen: Seen) -> Any:
        n = next(numbers)
        if n >= rounds:
            return "The stage is done.", []
        return f"Part {n}.", [{"name": "run_python", "args": {"code": f"# part {n}\n{CODE}"}}]

    outer = StateGraph(AgentState, context_schema=RunContext)
    outer.add_node("feature_engineering", FeatureAgent().build(ScriptedChatModel(script=script)))
    outer.add_edge(START, "feature_engineering")
    outer.add_edge("feature_engineering", END)
    return outer


def world() -> Any:
    """A context whose cells print what fits a result."""
    from worlds import World

    from omc_agent.agents.context import Outcome
    from omc_agent.config import Work

    draw = random.Random(0)

    def printed(code: str, into: Any) -> Any:
        return Outcome(n=1, status="ok", text=figures(draw))

    return World(work=Work(max_steps=10_000), outcome=printed).context


def opening() -> dict[str, Any]:
    """The state that the stage begins with."""
    from test_agent_nodes import STATE

    return dict(STATE)


@contextmanager
def timing_saver(saver: Any, spent: Spent) -> Iterator[None]:
    """Add up what `aput` and `aput_writes` take."""
    put, write = saver.aput, saver.aput_writes

    def timed(act: Callable[..., Any]) -> Callable[..., Any]:
        async def timed_act(*args: Any, **values: Any) -> Any:
            start = time.perf_counter()
            try:
                return await act(*args, **values)
            finally:
                spent.saver += 1000 * (time.perf_counter() - start)

        return timed_act

    saver.aput, saver.aput_writes = timed(put), timed(write)
    try:
        yield
    finally:
        saver.aput, saver.aput_writes = put, write


@asynccontextmanager
async def opened(store: Store | None) -> AsyncIterator[Any]:
    """A saver of that store; LangGraph's own in memory for none."""
    if store is None:
        from langgraph.checkpoint.memory import InMemorySaver

        yield InMemorySaver()
        return
    from omc_agent.store.checkpoints import open_checkpoints

    async with open_checkpoints(store.url, synchronous=store.synchronous) as saver:
        yield saver


async def stage(store: Store | None, name: str, rounds: int) -> Spent:
    """One stage of so many rounds."""
    spent = Spent()
    thread: Any = {"configurable": {"thread_id": name}, "recursion_limit": 10_000}
    async with opened(store) as saver:
        graph = graph_of(rounds).compile(checkpointer=saver)
        with timing_saver(saver, spent):
            ours, theirs = time.process_time(), _cpu(store)
            await graph.ainvoke(opening(), thread, context=world(), durability="sync")
            spent.cpu = 1000 * (time.process_time() - ours)
            spent.server = 1000 * (_cpu(store) - theirs)
    return spent


def _cpu(store: Store | None) -> float:
    """Seconds that the server and its children have used."""
    if store is None or store.server is None:
        return 0.0
    used = store.server.cpu_times()
    total = used.user + used.system + used.children_user + used.children_system
    for child in store.server.children():
        used = child.cpu_times()
        total += used.user + used.system
    return float(total)


async def costs(stores: list[Store]) -> list[str]:
    """A line a store; the stores take turns, so that what else the machine does meets all."""
    bare = [(await stage(None, f"memory{n}", ROUNDS)).cpu for n in range(REPEATS)]
    found: dict[str, list[Spent]] = {store.name: [] for store in stores}
    for n in range(REPEATS):
        for store in stores:
            found[store.name].append(await stage(store, f"cost{n}", ROUNDS))
    lines = []
    for store in stores:
        spent = found[store.name]
        wall, cpu, server = ([getattr(each, what) / ROUNDS for each in spent] for what in ("saver", "cpu", "server"))
        events = event_costs(store) if store.ledger else []
        ledger = f"{median(events):.1f}" if events else "-"
        lines.append(
            f"| {store.name} | {median(wall):.1f} ({min(wall):.1f} to {max(wall):.1f}) |"
            f" {median(cpu) - median(bare) / ROUNDS:.1f} | {median(server):.1f} | {ledger} |"
        )
    return lines


def event_costs(store: Store) -> list[float]:
    """Milliseconds of one event that is written to the ledger by itself."""
    from omc_agent.events import Said
    from omc_agent.store.database import open_database
    from omc_agent.store.records import SessionManager

    manager = SessionManager(open_database(store.ledger, synchronous=store.synchronous))
    with tempfile.TemporaryDirectory() as folder:
        manager.create("bench", workspaces=Path(folder), model="offline", settings={}, session_id="bench")
        took, text = [], figures(random.Random(0))
        for n in range(EVENTS):
            start = time.perf_counter()
            manager.append("bench", "bench", [(f"k{n}", Said(text=text))])
            took.append(1000 * (time.perf_counter() - start))
    manager.engine.dispose()
    return took


async def growth(store: Store) -> str:
    """Bytes at the end of stages of 10, 20, 40 and 80 rounds, and when the branch is finished."""
    from omc_agent.store.checkpoints import delete_checkpoints, prune_checkpoints

    cells = []
    for rounds in GROWTH:
        empty = store.size()
        await stage(store, f"grow{rounds}", rounds)
        there = store.size() - empty
        async with opened(store) as saver:
            await prune_checkpoints(saver, f"grow{rounds}")
        cells.append(f"{there / 1024:,.0f} ({there / 1024 / rounds:.1f}) | {(store.size() - empty) / 1024:,.0f}")
        delete_checkpoints(store.url, f"grow{rounds}")
    return f"| {store.name} | {' | '.join(cells)} |"


# -- the stores -----------------------------------------------------------------------------------------------------


def sqlite_store(folder: Path, synchronous: str) -> Store:
    """Files of their own."""
    file = folder / f"{synchronous}.db"
    ledger = f"sqlite:///{folder / f'ledger-{synchronous}.db'}"
    return Store(f"SQLite {synchronous}", f"sqlite:///{file}", synchronous, ledger, size=lambda: _pages(file))


def _pages(file: Path) -> int:
    """Bytes of the pages in use: freed ones are written to again before the file grows."""
    import sqlite3

    if not file.exists():
        return 0
    with sqlite3.connect(file) as db:
        pages, free, size = (db.execute(f"PRAGMA {name}").fetchone()[0]
                             for name in ("page_count", "freelist_count", "page_size"))  # fmt: skip
    db.close()
    return int((pages - free) * size)


def postgres_store(stack: ExitStack) -> Store:
    """A server that syncs as it does by default."""
    import tests.servers.postgres as servers

    servers._FAST = ("-c", "max_connections=60")  # what tests do without: each commit is on disk
    server = stack.enter_context(servers.Postgres())
    url, ledger = server.new_database(), server.new_database()
    assert server._process is not None

    def size() -> int:
        import psycopg

        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as db:
            found = 0
            for table in ("checkpoints", "checkpoint_blobs", "checkpoint_writes"):
                if db.execute("SELECT to_regclass(%s)", (table,)).fetchone() != (None,):
                    db.execute(f"VACUUM FULL {table}")
                    found += db.execute("SELECT pg_total_relation_size(%s)", (table,)).fetchone()[0]  # type: ignore[index]
            return found

    return Store("PostgreSQL", url, "FULL", ledger, psutil.Process(server._process.pid), size)


def redis_store(stack: ExitStack, fsync: str) -> Store:
    """A server that writes each command to its file."""
    import redis

    from tests.servers.redis_stack import RedisServer

    server = stack.enter_context(RedisServer())
    client = stack.enter_context(redis.Redis.from_url(server.url))
    client.config_set("appendfsync", fsync)
    assert server._process is not None

    def size() -> int:
        return sum(client.memory_usage(key) or 0 for key in client.scan_iter(count=1000))

    return Store(f"Redis, appendfsync {fsync}", server.url, "FULL", "", psutil.Process(server._process.pid), size)


async def main() -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="omc-bench-")))
        stores = [sqlite_store(folder, "FULL"), sqlite_store(folder, "NORMAL"), postgres_store(stack),
                  redis_store(stack, "always"), redis_store(stack, "everysec")]  # fmt: skip
        await stage(stores[0], "warm", 5)
        cost = await costs(stores)
        grown = [await growth(store) for store in (stores[0], stores[2], stores[3])]
    printed = f"{len(figures(random.Random(0))):,} characters"
    write_result("bench-stores", [
        f"A round: one answer and one cell that prints {printed}; {ROUNDS} rounds a stage, medians of"
        f" {REPEATS} stages that take turns. `CPU` is ours beyond that with checkpoints in memory.",
        "",
        "| checkpoints in | ms a round in the saver (least to most) | CPU ms a round | CPU ms of the server | ms an event of the ledger |",  # noqa: E501
        "|---|---|---|---|---|",
        *cost,
        "",
        "Growth: kB in use (a round) when a stage of so many rounds is at its end | when the branch is finished.",
        "",
        "| | " + " | ".join(f"{n} rounds | then" for n in GROWTH) + " |",
        "|---|" + "---|---|" * len(GROWTH),
        *grown,
    ])  # fmt: skip


if __name__ == "__main__":
    asyncio.run(main())
