"""Checkpoints behave alike in SQLite, PostgreSQL and Redis: what stays, what goes, who may go on."""

from __future__ import annotations

import asyncio
import math
import sys
from pathlib import Path

import pytest

from omc_agent.branching import Turn, plant, seed_of
from omc_agent.store.checkpoints import delete_checkpoints, open_checkpoints, prune_checkpoints
from tests.store.small_graph import build, go, thread

DRIVER = Path(__file__).parent / "small_graph.py"
ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["sqlite", "postgresql", "redis"])
def url(request, tmp_path):
    """An empty store of checkpoints."""
    if request.param == "postgresql":
        return request.getfixturevalue("postgres").new_database()
    if request.param == "redis":
        import redis

        server = request.getfixturevalue("redis_stack")
        with redis.Redis.from_url(server.url) as client:
            client.flushall()
        return server.url
    return f"sqlite:///{tmp_path / 'checkpoints.db'}"


async def kept(saver, name):
    """How many checkpoints a thread has, of its agents and of the outer graph."""
    if hasattr(saver, "_redis"):
        found = [key.decode().split(":")[3] async for key in saver._redis.scan_iter(f"omc_agent:checkpoint:{name}:*")]
        return {"inner": sum(ns != "__empty__" for ns in found), "outer": found.count("__empty__")}
    query = "SELECT checkpoint_ns FROM checkpoints WHERE thread_id = "
    if hasattr(saver, "pipe"):
        async with saver._cursor() as cursor:
            await cursor.execute(query + "%s", (name,))
            found = [row["checkpoint_ns"] for row in await cursor.fetchall()]
    else:
        async with saver.conn.execute(query + "?", (name,)) as cursor:
            found = [row[0] for row in await cursor.fetchall()]
    return {"inner": sum(ns != "" for ns in found), "outer": found.count("")}


async def drive(url, log, name, *more):
    """The exit code of a process that starts the thread or goes on with it, up to its question."""
    process = await asyncio.create_subprocess_exec(sys.executable, DRIVER, url, log, name, *more, cwd=ROOT)
    return await asyncio.wait_for(process.wait(), 120)


async def test_pruning_drops_the_inner_checkpoints_of_that_branch_only(url):
    async with open_checkpoints(url) as saver:
        for name in ("a", "b"):
            await go(saver, name, gate=False)
        before, other = await kept(saver, "a"), await kept(saver, "b")
        assert before["inner"] > 0
        await prune_checkpoints(saver, "a")
        assert await kept(saver, "a") == {"inner": 0, "outer": before["outer"]}
        assert await kept(saver, "b") == other
        graph = build(saver)
        values = (await graph.aget_state(thread("a"))).values["things"]
        assert (values["said"], values["messages"], values["data_analysis"]) == ("yes", 6, 2**62 + 1)
        assert len([each async for each in graph.aget_state_history(thread("a"))]) == before["outer"]


async def test_of_a_stage_that_works_only_what_a_resume_needs_is_kept(url):
    async with open_checkpoints(url) as saver:
        await go(saver, "a", rounds=3)
        few = await kept(saver, "a")
        await go(saver, "b", rounds=30)
        assert await kept(saver, "b") == few
        assert few["inner"] == 2
    async with open_checkpoints(url) as saver:
        done = await go(saver, "b", rounds=30, answer="yes")
    assert done["things"]["messages"] == 60
    assert math.isnan(done["things"]["understanding"])


async def test_processes_hand_a_thread_on_and_nothing_is_done_or_asked_twice(url, tmp_path):
    """One is killed within an agent, while another makes the same empty store; one more goes on, and we answer."""
    log = tmp_path / "log"
    killed, other = await asyncio.gather(
        drive(url, log, "r", "--die", "3", "--rounds", "4"), drive(url, tmp_path / "other", "x", "--rounds", "1")
    )
    assert (killed, other) == (-9, 0)
    assert await drive(url, log, "r", "--rounds", "4") == 0

    def write(line):
        with log.open("a") as file:
            file.write(line + "\n")

    async with open_checkpoints(url) as saver:
        done = await go(saver, "r", rounds=4, answer="by all means", log=write)
    assert done["things"]["said"] == "by all means"
    # Only the round in which it was killed is done again. A node that asked is entered again with its answer: so
    # LangGraph works.
    assert log.read_text().split("\n") == [
        "understanding", "clarification", "round 1", "round 2", "round 3", "round 3", "round 4", "asked", "asked",
        "answered", "data_analysis", "",
    ]  # fmt: skip


async def test_what_led_to_a_checkpoint_is_written_before_it(url):
    told = []

    async def before():
        told.append(sum((await kept(saver, "a")).values()))

    async with open_checkpoints(url, before=before) as saver:
        await go(saver, "a", rounds=2)
        last = sum((await kept(saver, "a")).values())
    assert told[0] == 0
    assert max(told) <= last + 1
    assert len(told) > last


async def test_a_branch_begins_with_what_was_there_before_its_stage(url):
    async with open_checkpoints(url) as saver:
        await go(saver, "r", gate=False)
        graph = build(saver, gate=False)
        seed = await seed_of(graph, ["r"], Turn("data_analysis"))
        assert set(seed.values["things"]) == {"understanding", "clarification", "said", "messages"}
        await plant(graph, "r.2", seed)
        assert (await graph.aget_state(thread("r.2"))).next == ("data_analysis",)
        await graph.ainvoke(None, thread("r.2"), durability="sync")
        assert (await graph.aget_state(thread("r.2"))).values["things"]["data_analysis"] == 2**62 + 1
        history = [each async for each in graph.aget_state_history(thread("r"))]
        assert [each.next for each in history[:2]] == [(), ("data_analysis",)]
        newest_first = [each.config["configurable"]["checkpoint_id"] for each in history]
        assert newest_first == sorted(newest_first, reverse=True)
        earlier = [each async for each in graph.aget_state_history(thread("r"), before=history[1].config, limit=2)]
        assert [each.config for each in earlier] == [each.config for each in history[2:4]]


async def test_a_run_is_deleted_with_its_branches_and_nothing_else(url):
    assert delete_checkpoints(url, "r") == 0
    async with open_checkpoints(url) as saver:
        names = ["r", "r.2", "r.b", "r2", "rr.2", "R"]
        for name in names:
            await go(saver, name, rounds=1)
        assert delete_checkpoints(url, "r") == 2
        left = {name for name in names if sum((await kept(saver, name)).values())}
        assert left == {"r.b", "r2", "rr.2", "R"}
        for name in left:
            assert (await go(saver, name, rounds=1, answer="yes"))["things"]["said"] == "yes"
    assert delete_checkpoints(url, "r") == 0
    deleted = {name: delete_checkpoints(url, name) for name in ("%", "*", "_", "r.b", "r2", "rr")}
    assert deleted == {"%": 0, "*": 0, "_": 0, "r.b": 1, "r2": 1, "rr": 1}


@pytest.mark.parametrize(("synchronous", "number"), [("FULL", 2), ("NORMAL", 1)])
async def test_durability_is_a_pragma(tmp_path, synchronous, number):
    async with open_checkpoints(tmp_path / "c.db", synchronous=synchronous) as saver:
        async with saver.conn.execute("PRAGMA synchronous") as row:
            assert (await row.fetchone())[0] == number
        async with saver.conn.execute("PRAGMA journal_mode") as row:
            assert (await row.fetchone())[0] == "wal"
