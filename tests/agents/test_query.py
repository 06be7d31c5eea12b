"""The tool `query`: bound where data is looked at, clipped at the seal, described in little room, kept on request."""

from __future__ import annotations

import json
import sqlite3

import pandas as pd
import pytest
from scripted import ScriptedChatModel, call, in_turn
from worlds import World

from omc_agent.agents.data_analyst import DataAnalystAgent
from omc_agent.agents.data_retrieval import DataRetrievalAgent
from omc_agent.config import Source
from omc_agent.graph.edges import AGENTS
from omc_agent.tools.data import query_before

TABLE = "price_data_5min"
CUT = "2024-01-03T00:00:00+00:00"
BRIEF = {"task": "classification", "coins": ["BTC"], "target": "direction", "horizon": "PT1H", "table": TABLE,
         "indicators": []}  # fmt: skip
SEALED = {"frame": "prices", "start": CUT, "rows": 144, "time": "timestamp"}
REF = {"sha": "x", "rows": 576, "columns": ["coin", "timestamp", "close"]}


@pytest.fixture(scope="module")
def db(tmp_path_factory):
    path = tmp_path_factory.mktemp("db") / "m.db"
    times = pd.date_range("2024-01-01", periods=720, freq="5min")
    raw = sqlite3.connect(path)
    with raw:
        raw.execute(f"CREATE TABLE {TABLE} (coin_type TEXT, timestamp TEXT, last REAL)")
        raw.executemany(
            f"INSERT INTO {TABLE} VALUES ('BTC', ?, ?)", [(str(t), 100.0 + n) for n, t in enumerate(times)]
        )
        raw.execute("CREATE TABLE funding (coin TEXT, time TEXT, rate REAL)")
        every = pd.date_range("2024-01-01", periods=8, freq="8h")
        raw.executemany("INSERT INTO funding VALUES ('BTC', ?, ?)", [(str(t), n / 100) for n, t in enumerate(every)])
    raw.close()
    return f"sqlite:///{path}"


async def asked(db, *calls, agent=DataAnalystAgent, brief=BRIEF, sealed=SEALED, source=None):
    world = World(source=source or Source(db=db))
    model = ScriptedChatModel(script=in_turn(*[("Look.", [each]) for each in calls]))
    state = {"goal": "g", "brief": brief, "frames": {"prices": REF}, **({"sealed": sealed} if sealed else {})}
    made = await agent().build(model).ainvoke(state, context=world.context)
    replies = [json.loads(m.text) for m in made["messages"] if m.type == "tool"]
    return made, replies, world


def test_the_stages_that_read_and_look_have_it_and_no_other():
    bound = {agent.stage for agent in AGENTS if "query" in [tool.name for tool in agent().tools()]}
    assert bound == {"data_retrieval", "data_analysis"}


async def test_the_model_sees_shape_columns_and_the_first_rows(db):
    sql = f"SELECT strftime('%H', timestamp) AS hour, avg(last) AS mean FROM {TABLE} GROUP BY hour"
    _, (reply,), world = await asked(db, call("query", sql=sql))
    assert reply["status"] == "ok"
    assert reply["values"] == {
        "rows": 24,
        "more_there": False,
        "columns": {"hour": "str", "mean": "float64"},
        "shown": 24,
    }
    assert reply["output"].splitlines()[:2] == ["hour,mean", "00,249.5"]
    assert world.cells[0].code == f"answer = query({sql!r})"


async def test_what_it_answers_ends_at_the_seal_and_fits_into_a_message(db):
    newest = call("query", sql=f"SELECT * FROM {TABLE} ORDER BY timestamp DESC")
    sums = call("query", sql=f"SELECT max(last) AS m, count(*) AS n FROM {TABLE}")
    made, replies, _ = await asked(db, newest, sums)
    assert replies[0]["values"]["rows"] == 576
    assert "2024-01-02 23:55:00" in replies[0]["output"]
    assert "2024-01-03" not in replies[0]["output"]
    assert replies[1]["output"].splitlines()[1] == "675,576"
    assert all(len(m.text) <= 2_000 for m in made["messages"] if m.type == "tool")


async def test_a_funding_rate_is_joined_to_the_bars_and_kept_as_a_frame(db):
    sql = f"SELECT f.time, f.rate, b.last FROM funding f JOIN {TABLE} b ON b.timestamp = f.time ORDER BY f.time"
    made, (reply,), world = await asked(db, call("query", sql=sql, into="funding"))
    assert reply["frames"]["funding"] == {"rows": 5, "columns": ["time", "rate", "last"]}
    assert (made["frames"]["funding"]["by"], made["frames"]["funding"]["rows"]) == ("query", 5)
    assert (world.cells[0].into, world.cells[0].code) == (["funding"], f"funding = query({sql!r})")


@pytest.mark.parametrize("name", ["prices", "features", "bars", "no name", "_x", "class"])
async def test_an_answer_takes_no_name_of_the_run(db, name):
    made, (reply,), world = await asked(db, call("query", sql="SELECT 1", into=name))
    assert reply["status"] == "error"
    assert "try_" in json.dumps(reply) or "Try" in json.dumps(reply)
    assert set(made["frames"]) == {"prices"}
    assert world.cells == []


async def test_before_the_seal_it_shows_nothing(db):
    _, (reply,), _ = await asked(
        db, call("query", sql=f"SELECT max(last) FROM {TABLE}"), agent=DataRetrievalAgent, sealed=None
    )
    assert reply["status"] == "error"
    assert "fetch_price_data" in json.dumps(reply)


async def test_rows_without_a_time_are_sealed_by_chance_and_not_queried(db):
    chance = {**SEALED, "frame": "rows", "start": "", "time": None}
    _, (reply,), _ = await asked(db, call("query", sql=f"SELECT max(last) FROM {TABLE}"), sealed=chance)
    assert reply["status"] == "error"


async def test_an_exploration_seals_nothing_and_queries_all(db):
    nothing = {**SEALED, "start": "", "rows": 0}
    brief = {**BRIEF, "task": "analysis"}
    _, (reply,), _ = await asked(db, call("query", sql=f"SELECT count(*) FROM {TABLE}"), brief=brief, sealed=nothing)
    assert reply["output"].splitlines()[1] == "720"


async def test_a_frame_that_was_handed_in_has_no_database(db):
    source = Source(frames={"mine": pd.DataFrame({"a": [1]})})
    _, (reply,), _ = await asked(db, call("query", sql="SELECT 1"), source=source)
    assert "handed in" in json.dumps(reply)
    assert "run_python" in json.dumps(reply)


async def test_a_refusal_says_what_there_is_and_not_where(db):
    _, replies, _ = await asked(
        db, call("query", sql="SELECT * FROM sqlite_master"), call("query", sql=f"SELECT lasst FROM {TABLE}")
    )
    assert "funding" in json.dumps(replies[0])
    assert "no such column: lasst" in json.dumps(replies[1])
    assert not any("m.db" in json.dumps(reply) for reply in replies)


def test_what_the_record_says_gives_the_same_rows_again(db):
    """The exported notebook calls query_before with the time of the seal."""
    again = query_before(f"SELECT count(*) AS n FROM {TABLE}", db, TABLE, CUT)
    assert again["n"].tolist() == [576]
