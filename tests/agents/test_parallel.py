"""Several calls in one answer: reads of the host side by side, cells one at a time, one record whoever was quick."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
import time

import pandas as pd
import pytest
from benches import bench
from langchain_core.messages import AIMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from scripted import ScriptedChatModel, call, in_turn

from omc_agent.agents.data_analyst import DataAnalystAgent
from omc_agent.agents.data_retrieval import DataRetrievalAgent
from omc_agent.config import Source, Work
from omc_agent.tools import data
from omc_agent.turns import Turns

TABLE = "price_data_5min"
BRIEF = {"task": "classification", "coins": ["BTC"], "target": "direction", "horizon": "PT1H", "indicators": [],
         "table": TABLE, "start": None, "end": None}  # fmt: skip
SEALED = {"frame": "prices", "start": "2024-01-02T00:00:00+00:00", "rows": 1, "time": "timestamp"}


@pytest.fixture(scope="module")
def db(tmp_path_factory):
    path = tmp_path_factory.mktemp("db") / "m.db"
    times = pd.date_range("2024-01-01", periods=600, freq="5min")
    raw = sqlite3.connect(path)
    with raw:
        raw.execute(f"CREATE TABLE {TABLE} (coin_type TEXT, timestamp TEXT, last REAL)")
        raw.executemany(f"INSERT INTO {TABLE} VALUES ('BTC', ?, ?)", [(str(t), 1.0 + n) for n, t in enumerate(times)])
    raw.close()
    return f"sqlite:///{path}"


def sql(n):
    return call("query", sql=f"SELECT {n} AS n")


def cell(code):
    return call("run_python", code=code, kind="look")


async def answered(folder, db, calls, *, agent=DataAnalystAgent):
    """One answer with these calls; messages by call, the rows of the store, the events."""
    prices = pd.DataFrame({"coin": ["BTC"], "timestamp": pd.to_datetime(["2024-01-01"], utc=True), "close": [1.0]})
    async with bench(folder, frames={"prices": prices, "bars": prices}, source=Source(db=db)) as world:
        model = ScriptedChatModel(script=in_turn(("All at once.", calls)))
        state = {"goal": "g", "brief": BRIEF, "frames": world.refs, "sealed": SEALED}
        made = await agent().build(model).ainvoke(state, context=world.context)
        rows = world.recorder.store.cells(world.recorder.run_id)
    return [m for m in made["messages"] if isinstance(m, ToolMessage)], rows, world.events


@pytest.fixture
def slow(monkeypatch):
    """Queries that wait until another one runs beside them, or half a minute; when each began and ended."""
    spans, together = {}, threading.Barrier(2, timeout=30)
    real = data.query_before

    def query_before(sql, *args, **more):
        began = time.monotonic()
        together.wait()
        n = int(sql.split()[1])
        time.sleep(0.05 * (3 - n))  # the first is the last to be done
        spans[n] = (began, time.monotonic())
        return real(sql, *args, **more)

    monkeypatch.setattr(data, "query_before", query_before)
    return spans


async def test_two_queries_of_one_answer_run_at_the_same_time(tmp_path, db, slow):
    """One after the other, the first would wait for the second for ever."""
    ticks = []

    async def tick():
        while True:
            ticks.append(time.monotonic())
            await asyncio.sleep(0.01)

    ticking = asyncio.create_task(tick())
    messages, rows, _ = await answered(tmp_path, db, [sql(1), sql(2)])
    ticking.cancel()
    assert [json.loads(m.text)["output"] for m in messages] == ["n\n1", "n\n2"]
    (began_1, ended_1), (began_2, ended_2) = slow[1], slow[2]
    assert max(began_1, began_2) < min(ended_1, ended_2)
    assert any(began_2 < at < ended_1 for at in ticks)  # the loop went on meanwhile
    assert [(row["n"], row["code"]) for row in rows] == [(n, f"answer = query('SELECT {n} AS n')") for n in (1, 2)]


async def test_the_order_of_messages_cells_and_events_is_that_of_the_calls(tmp_path, db, monkeypatch):
    """Whichever query is quick: five tries with other waits give one record."""
    real, seen = data.query_before, set()
    for turn in range(5):
        waits = {n: 0.03 * ((n * 7 + turn * 3) % 4) for n in range(4)}

        def query_before(sql, *args, waits=waits, **more):
            time.sleep(waits[int(sql.split()[1])])
            return real(sql, *args, **more)

        monkeypatch.setattr(data, "query_before", query_before)
        folder = tmp_path / str(turn)
        folder.mkdir()
        messages, rows, events = await answered(folder, db, [sql(n) for n in range(4)])
        told = [(e.kind, getattr(e, "n", None)) for e in events if e.kind in ("cell_finished", "observe")]
        seen.add(json.dumps([[m.text for m in messages], [(r["n"], r["code"]) for r in rows], told]))
    assert len(seen) == 1
    ((messages, rows, told),) = [json.loads(one) for one in seen]
    assert [json.loads(m)["cell"] for m in messages] == [1, 2, 3, 4]
    assert [code for _, code in rows] == [f"answer = query('SELECT {n} AS n')" for n in range(4)]
    assert [n for kind, n in told if kind == "cell_finished"] == [1, 2, 3, 4]


@pytest.mark.parametrize("order", ["hhcc", "chch", "cchh", "hcch"])
async def test_two_reads_and_two_cells_of_one_answer(tmp_path, db, order):
    """Reads are all done; of cells the first, wherever it stands."""
    reads, cells = iter([sql(1), sql(2)]), iter([cell("print('one')"), cell("print('two')")])
    messages, rows, _ = await answered(tmp_path, db, [next(reads if each == "h" else cells) for each in order])
    said = {"h": [], "c": []}
    for each, message in zip(order, messages, strict=True):
        said[each].append(message.text)
    assert [json.loads(text)["output"] for text in said["h"]] == ["n\n1", "n\n2"]
    assert json.loads(said["c"][0])["output"] == "one"
    assert said["c"][1].startswith("not run: one cell at a time")
    assert [row["n"] for row in rows] == [1, 2, 3]
    ran = order.replace("c", "C", 1).replace("c", "")
    assert [row["where"] for row in rows] == ["host" if each == "h" else "sandbox" for each in ran]


async def test_a_call_that_was_not_run_is_no_failure(tmp_path, db):
    """Models like to send many cells at once; three of them would end the stage."""
    async with bench(tmp_path, source=Source(db=db), work=Work(failures=3)) as world:
        many, last = [cell(f"print({n})") for n in range(5)], [cell("print('last')")]
        agent = DataAnalystAgent().build(ScriptedChatModel(script=in_turn(("Many.", many), ("One.", last))))
        made = await agent.ainvoke({"goal": "g", "brief": BRIEF, "frames": {}}, context=world.context)
    assert json.loads([m for m in made["messages"] if isinstance(m, ToolMessage)][-1].text)["output"] == "last"


async def test_a_cell_finds_what_a_query_before_it_left(tmp_path, db):
    keep = call("query", sql=f"SELECT timestamp, last FROM {TABLE}", into="raw")
    messages, _, _ = await answered(tmp_path, db, [keep, cell("print(len(raw), raw['last'].max())")])
    assert json.loads(messages[1].text)["output"] == "288 288.0"


async def test_the_reads_of_retrieval_run_beside_each_other_too(tmp_path, db):
    calls = [call("get_available_coins"), call("get_data_statistics", coins=["BTC"]), sql(1)]
    messages, rows, _ = await answered(tmp_path, db, calls, agent=DataRetrievalAgent)
    assert [json.loads(m.text)["status"] for m in messages] == ["ok", "ok", "ok"]
    names = [row["code"].split("(")[0].split(" = ")[-1] for row in rows]
    assert names == ["get_available_coins", "get_data_statistics", "query"]


async def test_what_was_recorded_before_a_kill_is_not_read_again(tmp_path, db, monkeypatch):
    """The process dies in the second of three reads: the record after the resume is that of an undisturbed run."""
    real, ran, dies = data.query_before, [], [True]

    def query_before(sql, *args, **more):
        n = int(sql.split()[1])
        ran.append(n)
        if n == 2 and dies[0]:
            time.sleep(0.3)  # the first one is recorded meanwhile
            raise RuntimeError("the process is killed")
        if n == 3 and dies[0]:
            time.sleep(1.0)
        return real(sql, *args, **more)

    monkeypatch.setattr(data, "query_before", query_before)
    saver, thread = InMemorySaver(), {"configurable": {"thread_id": "t"}}

    async def run(state):
        async with bench(tmp_path, frames={}, source=Source(db=db)) as world:
            agent = DataAnalystAgent().build(ScriptedChatModel(script=in_turn(("Three.", [sql(1), sql(2), sql(3)]))))
            agent.checkpointer = saver
            try:
                made = await agent.ainvoke(state, thread, context=world.context)
            except RuntimeError:
                made = None
            return made, world.recorder.store.cells(world.recorder.run_id)

    first, before = await asyncio.create_task(run({"goal": "g", "brief": BRIEF, "frames": {}, "sealed": SEALED}))
    assert first is None
    assert [row["n"] for row in before] == [1]
    dies[0] = False
    made, after = await run(None)
    assert [(row["n"], row["code"]) for row in after] == [
        (n, f"answer = query('SELECT {n} AS n')") for n in (1, 2, 3)
    ]
    assert ran.count(1) == 1
    answers = [json.loads(m.text)["output"] for m in made["messages"] if isinstance(m, ToolMessage)]
    assert answers == ["n\n1", "n\n2", "n\n3"]
    assert len([m for m in made["messages"] if isinstance(m, AIMessage) and m.tool_calls]) == 1


async def test_tickets_are_given_back_however_a_call_ends():
    turns, order = Turns(), []

    async def one(name, seconds, fails=False):
        async with turns.enter() as ticket:
            await asyncio.sleep(seconds)
            if fails:
                raise ValueError(name)
            await ticket.mine()
            order.append(name)

    calls = [one("a", 0.06), one("b", 0.0, fails=True), one("c", 0.03), one("d", 0.0)]
    await asyncio.gather(*calls, return_exceptions=True)
    assert order == ["a", "c", "d"]
    assert turns.newest() == 0
