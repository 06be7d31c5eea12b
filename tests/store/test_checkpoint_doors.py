"""What a URL of checkpoints gets: the right store, or one sentence within seconds that holds no password."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omc_agent import doctor
from omc_agent.config import AgentSettings, settings_with
from omc_agent.errors import AgentError, RunError, UsageError
from omc_agent.store import checkpoints
from omc_agent.store.checkpoint_place import place_of, without_password
from omc_agent.store.checkpoints import check_checkpoints, delete_checkpoints, open_checkpoints
from tests.store.small_graph import go

SECRET = "hunter2-not-to-be-seen"


@pytest.fixture
def plain_redis():
    from tests.servers.redis_stack import RedisServer, why_no_redis

    if reason := why_no_redis(stack=False):
        pytest.skip(reason)
    with RedisServer(stack=False, password=SECRET) as server:
        yield server


async def refused(url):
    """What opening says, and deleting and the doctor too; quickly, and without the password."""
    start, said = time.monotonic(), []
    with pytest.raises(AgentError) as raised:
        async with open_checkpoints(url):
            pass
    said.append(raised.value)
    for act in (check_checkpoints, lambda url: delete_checkpoints(url, "r")):
        try:
            act(url)
        except AgentError as error:
            said.append(error)
    assert time.monotonic() - start < 30
    for error in said:
        assert SECRET not in error.line()
        assert error.__cause__ is None
    return raised.value


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("mongodb://me:hunter2-not-to-be-seen@host/db", "mongodb:// is no store of checkpoints"),
        ("hunter2-not-to-be-seen", "it is no URL"),
        ("redis://:hunter2-not-to-be-seen@host:port/0", "it is malformed"),
        ("redis://:hunter2-not-to-be-seen@host:6379/1", "Redis searches database 0 only"),
        ("redis://", "it is malformed"),
        ("postgresql://me:hunter2-not-to-be-seen@host:port/db", "it is malformed"),
        ("postgresql://me:hunter2-not-to-be-seen@host/db?flavour=hunter2-not-to-be-seen", "of the options flavour"),
        ("sqlite://", "it names no file"),
        ("sqlite:///:memory:", "it names no file"),
    ],
)
async def test_what_is_no_url_of_checkpoints_is_a_slip_of_the_command_line(url, why):
    error = await refused(url)
    assert isinstance(error, UsageError)
    assert error.code == "usage.value"
    assert why in error.given
    assert "postgresql://" in error.try_


@given(st.text(st.characters(codec="ascii", exclude_categories=["C", "Z"]), min_size=6))
def test_no_character_of_a_password_lets_it_through(password):
    shown = without_password(f"redis://me:{password}@host/0")
    assert shown == "redis://me:***@host/0"


@pytest.mark.parametrize("url", ["redis://:{}@127.0.0.1:9/0", "postgresql+psycopg://me:{}@127.0.0.1:9/db"])
async def test_a_server_that_is_not_there_is_one_sentence(url):
    error = await refused(url.format(SECRET))
    assert isinstance(error, RunError)
    assert error.code == "run.checkpoints"
    assert "127.0.0.1:9" in error.given


async def test_a_wrong_password_is_one_sentence(postgres, redis_stack):
    error = await refused(postgres.url("postgres", password=SECRET))
    assert "password authentication failed" in error.given
    error = await refused(redis_stack.url.replace(redis_stack.password, SECRET))
    assert "invalid username-password pair" in error.given.lower()


async def test_a_plain_redis_is_told_what_is_needed(plain_redis):
    error = await refused(plain_redis.url)
    assert error.code == "run.checkpoints"
    assert "no JSON and no search" in error.given
    assert "Redis 8, or Redis Stack" in error.have
    assert "SQLite or PostgreSQL" in error.try_


async def test_a_file_that_is_no_database_and_a_folder_that_may_not_be_made_are_one_sentence(tmp_path):
    (tmp_path / "text.db").write_text("This is no database, it is a text of some length. " * 20)
    assert "file is not a database" in (await refused(tmp_path / "text.db")).given
    assert (await refused(tmp_path / "text.db" / "below.db")).code == "run.checkpoints"


@pytest.mark.parametrize("kind", ["postgresql", "redis"])
async def test_an_absent_extra_is_one_line_of_pip(monkeypatch, kind):
    def missing(name):
        raise ModuleNotFoundError(f"No module named {kind!r}", name=kind)

    monkeypatch.setattr(checkpoints, "import_module", missing)
    error = await refused(f"{kind}://:{SECRET}@host/db" if kind == "postgresql" else f"redis://:{SECRET}@host")
    assert error.try_ == f'pip install "omc-agent[{kind}]"'


async def test_nothing_in_redis_expires_and_every_key_has_our_name(redis_stack):
    import redis

    told = []

    async def tell(text):
        told.append(text)

    with redis.Redis.from_url(redis_stack.url, decode_responses=True) as client:
        client.flushall()
        async with open_checkpoints(redis_stack.url, tell=tell) as saver:
            await go(saver, "r")
        keys = client.keys()
        assert len(keys) > 10
        assert all(key.startswith("omc_agent:checkpoint") for key in keys)
        assert {client.ttl(key) for key in keys} == {-1}
        assert told == []
        try:
            client.config_set("appendonly", "no")
            client.config_set("maxmemory", "1gb")
            client.config_set("maxmemory-policy", "allkeys-lru")
            async with open_checkpoints(redis_stack.url, tell=tell):
                pass
            client.config_set("save", "60 1")
            said = check_checkpoints(redis_stack.url)
        finally:
            for name, value in (("save", ""), ("maxmemory", "0"), ("maxmemory-policy", "noeviction")):
                client.config_set(name, value)
            client.config_set("appendonly", "yes")
    assert len(told) == 1
    assert "loses every run that waits: set appendonly yes" in told[0]
    assert "allkeys-lru" in told[0]
    assert "may lose the last minutes" in said
    assert redis_stack.password not in told[0] + said


# -- settings --------------------------------------------------------------------------------------------------------


def test_checkpoints_lie_beside_the_store_unless_named(own_home, monkeypatch):
    assert AgentSettings().checkpoints_url() == f"sqlite:///{own_home / 'checkpoints.db'}"
    here = {"sqlite:////data/store.db": "sqlite:////data/checkpoints.db",
            "sqlite:////data/team.db?timeout=5": "sqlite:////data/team-checkpoints.db",
            "sqlite:///runs.db": "sqlite:///runs-checkpoints.db",
            "postgresql+psycopg://me@host/db": "postgresql+psycopg://me@host/db",
            "mysql://me@host/db": f"sqlite:///{own_home / 'checkpoints.db'}"}  # fmt: skip
    for store, found in here.items():
        assert settings_with(database_url=store).checkpoints_url() == found
    monkeypatch.setenv("OMC_AGENT_CHECKPOINT_URL", "redis://host:6379/0")
    assert settings_with(database_url="sqlite:///runs.db").checkpoints_url() == "redis://host:6379/0"
    assert settings_with(checkpoint_url="sqlite:////a.db").checkpoints_url() == "sqlite:////a.db"
    assert place_of(Path("a.db")).file == Path("a.db")


def test_a_url_that_is_none_is_refused_before_there_is_a_run(own_home):
    import omc_agent
    from omc_agent.face import orchestrator_for

    with pytest.raises(UsageError, match="mongodb:// is no store") as raised:
        omc_agent.run("Explore BTC", checkpoint_url=f"mongodb://me:{SECRET}@host/db")
    assert SECRET not in raised.value.line()
    assert orchestrator_for(AgentSettings()).store.list() == []


def test_the_doctor_says_where_checkpoints_lie_and_whether_that_answers(redis_stack, plain_redis):
    def line(url):
        return doctor._checkpoints(settings_with(checkpoint_url=url))

    assert dict(doctor.examine(settings_with(checkpoint_url="")))["checkpoints"].endswith("checkpoints.db")
    assert line(redis_stack.url) == f"redis://:***@127.0.0.1:{redis_stack.port}/0. Redis 7.4.1."
    assert line(plain_redis.url).startswith("run.checkpoints: The Redis at redis://:***@")
    assert "cannot be read" in line("postgresql://me@127.0.0.1:9/db")
    assert line("ftp://host").startswith("usage.value")
