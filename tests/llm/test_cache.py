"""Identical calls are answered from the cache: real clients, the provider on loopback, SQLite, and a real Redis."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import stat
import subprocess
import sys
import time

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool

from omc_agent.config import ChatSettings
from omc_agent.llm.cache import AnswerCache, RedisShelf, SafeShelf, SqliteShelf
from omc_agent.llm.chat import open_chat_models
from omc_agent.llm.kept import KEPT
from tests.providers import Fault, ProviderServer, Reply, in_turn, said
from tests.providers.clients import close_clients

NAMES = {"openai": "openai:gpt-5-mini", "anthropic": "anthropic:claude-test", "ollama": "ollama:qwen3"}


@tool
def look(n: int) -> str:
    """Look at something."""
    return str(n)


@pytest.fixture
def shelf(tmp_path):
    return SqliteShelf(tmp_path / "answers.db")


@pytest.fixture
async def opened(shelf, monkeypatch):
    """``opened(name, server, shelf)``: a model with its cache and a tool, closed with the test."""
    models = []

    def make(name, server, shelf=shelf, tools=(look,), **settings):
        for variable, value in server.environment().items():
            monkeypatch.setenv(variable, value)
        model = open_chat_models(ChatSettings(model=name, **settings))[0].model
        model.cache = AnswerCache(name, shelf)
        models.append(model)
        return model.bind_tools(tools) if tools else model

    yield make
    await close_clients(*models)


def usage_of(message):
    counted = message.usage_metadata or {}
    return counted.get("input_tokens", 0), counted.get("output_tokens", 0)


@pytest.mark.parametrize("wire", NAMES)
async def test_a_call_is_asked_once_whichever_wire(wire, shelf, opened):
    with ProviderServer(lambda turn: said("Look.", ("look", {"n": turn.number}))) as server:
        first = await opened(NAMES[wire], server, shelf).ainvoke("Go.")
        again = await opened(NAMES[wire], server, shelf).ainvoke("Go.")
        assert len(server.turns) == 1
        assert (again.text, again.tool_calls) == (first.text, first.tool_calls)
        assert usage_of(first) != (0, 0)
        assert usage_of(again) == (0, 0)
        assert KEPT in again.response_metadata
        assert KEPT not in first.response_metadata
        other = await opened(NAMES[wire], server, shelf).ainvoke("Go on.")
        assert other.tool_calls[0]["args"] == {"n": 1}


@pytest.mark.parametrize("wire", NAMES)
async def test_the_next_step_is_found_though_its_ids_are_new(wire, shelf, opened):
    def talk(answer):
        results = [ToolMessage("0", tool_call_id=call["id"]) for call in answer.tool_calls]
        return [HumanMessage("Go."), answer, *results]

    with ProviderServer(lambda turn: said("Look.", ("look", {"n": 0}))) as server:
        model = opened(NAMES[wire], server, shelf)
        await model.ainvoke(talk(await model.ainvoke("Go.")))
        again = opened(NAMES[wire], server, shelf)
        renamed = AIMessage("Look.", tool_calls=[{"name": "look", "args": {"n": 0}, "id": "another"}])
        await again.ainvoke(talk(await again.ainvoke("Go.")))
        await again.ainvoke(talk(renamed))
        assert len(server.turns) == 2


async def test_models_tools_and_settings_that_matter_do_not_share_answers(shelf, opened):
    with ProviderServer(lambda turn: said(f"I am {turn.model}.")) as server:
        for name in ("ollama:qwen3", "ollama:llama4", "openai:gpt-5", "openai:gpt-5-mini"):
            answer = await opened(name, server, shelf).ainvoke("Who?")
            assert answer.text == f"I am {name.split(':')[1]}."
        model = opened("openai:gpt-5", server, shelf, tools=())
        await model.ainvoke("Who?")
        await model.bind(temperature=0.5).ainvoke("Who?")
        assert len(server.turns) == 6
        await opened("openai:gpt-5", server, shelf, timeout=7.0).ainvoke("Who?")  # patience is no matter
        assert len(server.turns) == 6


BAD = [
    Reply("", []),
    said("Cut in the", stop="length"),
    said("I cannot.", stop="refusal"),
    said("", ("look", "n is one")),
]


@pytest.mark.parametrize("bad", BAD, ids=["empty", "cut", "refused", "broken"])
@pytest.mark.parametrize("wire", ["openai", "anthropic"])
async def test_what_is_no_good_answer_is_asked_again(wire, bad, shelf, opened):
    if wire == "anthropic" and bad is BAD[3]:
        bad = said("Cut in the", stop="length")  # its client makes a call of broken arguments
    with ProviderServer(in_turn(bad, said("Well."), said("Never asked."))) as server:
        await opened(NAMES[wire], server, shelf).ainvoke("Go.")
        for _ in range(2):
            assert (await opened(NAMES[wire], server, shelf).ainvoke("Go.")).text == "Well."


async def test_a_call_that_failed_is_asked_again(shelf, opened):
    with ProviderServer(in_turn(Fault(status=400), said("Well."))) as server:
        with pytest.raises(Exception, match="scripted 400"):
            await opened(NAMES["openai"], server, shelf).ainvoke("Go.")
        assert (await opened(NAMES["openai"], server, shelf).ainvoke("Go.")).text == "Well."


async def test_neither_key_nor_question_is_in_the_file(tmp_path, shelf, opened):
    with ProviderServer(lambda turn: said("Well.")) as server:
        await opened(NAMES["openai"], server, shelf).ainvoke("My question.")
        await opened(NAMES["anthropic"], server, shelf).ainvoke("My question.")
        assert {"sk-loopback-openai", "sk-loopback-anthropic"} == set(server.keys)
    held = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"Well." in held
    assert b"sk-loopback" not in held
    assert b"My question." not in held
    assert stat.S_IMODE((tmp_path / "answers.db").stat().st_mode) == 0o600


# -- SQLite ----------------------------------------------------------------------------------------------------


def test_the_oldest_answers_are_dropped(tmp_path):
    shelf = SqliteShelf(tmp_path / "answers.db", largest=1_000)
    for n in range(30):
        shelf.put(f"key {n}", f"{n:0100}")
    there = [n for n in range(30) if shelf.get(f"key {n}") is not None]
    assert there == list(range(20, 30))
    shelf.put("key 20", "x")  # written again: the newest
    shelf.put("key 30", "y" * 100)
    assert shelf.get("key 20") == "x"
    assert shelf.get("key 21") is None
    shelf.clear()
    assert shelf.get("key 29") is None


WRITER = """
import sys
from pathlib import Path
from omc_agent.llm.cache import SqliteShelf
shelf = SqliteShelf(Path(sys.argv[1]), largest=20_000)
for n in range(150):
    shelf.put(f"{sys.argv[2]} {n}", "x" * 100)
    assert shelf.get(f"{sys.argv[2]} {n}") is not None or n < 0, n
"""


def test_several_processes_write_at_once(tmp_path):
    path = tmp_path / "answers.db"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(k)], stderr=subprocess.PIPE)
               for k in range(3)]  # fmt: skip
    failed = [writer.communicate()[1].decode() for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0, 0], failed
    with sqlite3.connect(path) as file:
        (total,) = file.execute("SELECT total(size) FROM answers").fetchone()
        (mode,) = file.execute("PRAGMA journal_mode").fetchone()
    file.close()
    assert 0 < total <= 20_000
    assert mode == "wal"


@pytest.mark.parametrize("fault", ["no database", "a folder", "rows of another kind"])
async def test_a_broken_file_is_one_warning_and_the_model_answers(fault, tmp_path, opened):
    path, told = tmp_path / "answers.db", []
    if fault == "a folder":
        path.mkdir()
    elif fault == "no database":
        path.write_text("x" * 5_000)
    else:
        with sqlite3.connect(path) as file:
            file.execute("CREATE TABLE answers (something)")
        file.close()
    shelf = SafeShelf("answers.db", lambda: SqliteShelf(path), told.append)
    with ProviderServer(lambda turn: said("Well.")) as server:
        for _ in range(2):
            assert (await opened(NAMES["openai"], server, shelf).ainvoke("Go.")).text == "Well."
        assert len(server.turns) == 2
    assert len(told) == 1
    assert told[0].startswith("The cache of answers (answers.db) cannot be used: ")


def test_an_answer_that_was_changed_by_hand_into_nonsense_is_a_miss(shelf):
    cache = AnswerCache("openai:gpt-5", shelf)
    shelf.put(cache._key("[]", ""), '{"content": 3}')
    assert cache.lookup("[]", "") is None


# -- Redis -----------------------------------------------------------------------------------------------------

SECRET = "swordfish"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture(scope="module")
def redis_port(tmp_path_factory):
    server = shutil.which("redis-server")
    if server is None:
        pytest.skip("redis-server is not installed; `make servers` installs it")
    folder, port = tmp_path_factory.mktemp("redis"), free_port()
    command = [server, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "",
               "--appendonly", "no", "--requirepass", SECRET]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 20
        while time.monotonic() < until:
            with socket.socket() as one:
                if one.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        yield port
    finally:
        process.terminate()
        process.wait()


async def test_a_plain_redis_keeps_answers_for_a_time(redis_port, opened):
    shelf = RedisShelf(f"redis://:{SECRET}@127.0.0.1:{redis_port}/0")
    shelf._redis.set("somebody else's", "x")
    with ProviderServer(lambda turn: said("Look.", ("look", {"n": turn.number}))) as server:
        first = await opened(NAMES["anthropic"], server, shelf).ainvoke("Go.")
        other = RedisShelf(f"redis://:{SECRET}@127.0.0.1:{redis_port}/0")
        again = await opened(NAMES["anthropic"], server, other).ainvoke("Go.")
        assert len(server.turns) == 1
        assert again.tool_calls == first.tool_calls
    (name,) = shelf._redis.keys("omc_agent:*")
    assert 0 < shelf._redis.ttl(name) <= 30 * 24 * 3600
    shelf.clear()
    assert shelf._redis.keys("*") == ["somebody else's"]
    shelf._redis.close()
    other._redis.close()


@pytest.mark.parametrize("fault", ["nobody there", "wrong password", "no URL", "no package"])
async def test_a_redis_that_cannot_be_used_is_one_warning_without_a_password(fault, redis_port, opened, monkeypatch):
    from omc_agent import thinking

    url = {
        "nobody there": f"redis://me:{SECRET}@127.0.0.1:{free_port()}/0",
        "wrong password": f"redis://:{SECRET}x@127.0.0.1:{redis_port}/0",
        "no URL": f"http://me:{SECRET}@127.0.0.1:x",
        "no package": f"redis://:{SECRET}@127.0.0.1:{redis_port}/0",
    }[fault]
    if fault == "no package":
        monkeypatch.setitem(sys.modules, "redis", None)
    told = []
    shelf = SafeShelf(thinking._place(url), lambda: RedisShelf(url), told.append)
    with ProviderServer(lambda turn: said("Well.")) as server:
        for _ in range(2):
            assert (await opened(NAMES["openai"], server, shelf).ainvoke("Go.")).text == "Well."
    assert len(told) == 1
    assert SECRET not in told[0]
    assert ("pip install redis" in told[0]) == (fault == "no package")
    assert os.environ.get("OMC_AGENT_REDIS_URL") is None


async def test_a_redis_that_goes_while_a_run_works_is_one_warning_and_the_model_answers(opened):
    from tests.servers.redis_stack import RedisServer, why_no_redis

    if reason := why_no_redis(stack=False):
        pytest.skip(reason)
    told = []
    with RedisServer(stack=False, password=SECRET) as redis, ProviderServer(lambda turn: said("Well.")) as server:
        shelf = SafeShelf("Redis", lambda: RedisShelf(redis.url), told.append)
        model = opened(NAMES["openai"], server, shelf)
        assert (await model.ainvoke("Go.")).text == "Well."
        assert (await model.ainvoke("Go.")).text == "Well."
        assert len(server.turns) == 1
        redis.stop()
        assert (await model.ainvoke("Go.")).text == "Well."
        assert (await model.ainvoke("On.")).text == "Well."
        assert len(server.turns) == 3
    assert len(told) == 1
    assert SECRET not in told[0]
