"""Checkpoints in a Redis that has JSON and search: opened, looked at, deleted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Any
from urllib.parse import unquote

import redis
from redis.asyncio import Redis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import OutOfMemoryError
from redis.retry import Retry
from redisvl.exceptions import RedisVLError

from omc_agent.errors import RunError
from omc_agent.store.checkpoint_guard import Guarded, Told, gone, quietly
from omc_agent.store.checkpoint_place import Place, is_thread_of, unusable
from omc_agent.store.redis_saver import PREFIX, RedisSaver

_WAITS: dict[str, Any] = {"protocol": 2, "socket_connect_timeout": 5, "socket_timeout": 10}  # seconds
_NEEDED = (("JSON.GET", f"{PREFIX}_none"), ("FT._LIST",))  # harmless commands of the modules


class RedisCheckpoints(Guarded, RedisSaver):
    """A saver on a client that connects again by itself; nothing in it expires."""

    lost = (redis.ConnectionError, redis.TimeoutError, redis.ReadOnlyError, OutOfMemoryError)

    async def drop_inner(self, thread_id: str) -> None:
        """As in the base class."""
        drop = super(Guarded, self).drop_inner
        await self.patiently(lambda: drop(thread_id))


@asynccontextmanager
async def opened(place: Place, *, synchronous: str, tell: Told | None) -> AsyncIterator[RedisCheckpoints]:
    """A saver on that server; `tell` hears when what it holds would not outlive it."""
    warning = await asyncio.to_thread(_what_opening_shows, place)
    if warning and tell is not None:
        await tell(warning)
    # The guard tries again, and knows for how long.
    loop_client = Redis.from_url(place.url, retry=AsyncRetry(NoBackoff(), 0), **_WAITS)
    try:
        saver = RedisCheckpoints(loop_client)
        for last in (False, True):  # of two processes that make the index at once, one finds it made
            try:
                await saver.asetup()
                break
            except (redis.RedisError, RedisVLError) as error:
                if last:
                    raise gone(place, error) from None
        yield saver
    finally:
        await quietly(loop_client.aclose())


def delete(place: Place, run_id: str) -> int:
    """Delete the threads of a run."""
    threads = set()
    try:
        with closing(_client(place)) as client:
            for raw in client.scan_iter(match=f"{PREFIX}*", count=1000):
                key = raw.decode()
                thread = unquote(key[len(PREFIX) :].split(":")[1])
                if is_thread_of(run_id, thread):
                    threads.add(thread)
                    client.delete(key)
    except redis.RedisError as error:
        raise gone(place, error) from None
    return len(threads)


def check(place: Place) -> str:
    """The server's version, and what it may lose."""
    with closing(_client(place)) as client:
        return f"Redis {_look_at(client, place)}. {_what_it_may_lose(client, place)}".strip()


def _what_opening_shows(place: Place) -> str:
    with closing(_client(place)) as client:
        _look_at(client, place)
        return _what_it_may_lose(client, place)


def _client(place: Place) -> Any:
    try:
        return redis.Redis.from_url(place.url, retry=Retry(NoBackoff(), 0), **_WAITS)
    except (ValueError, TypeError):
        raise unusable(place.url, "it is malformed") from None


def _look_at(client: Any, place: Place) -> str:
    """The version of a server that answers, and has what the saver needs.

    Raises
    ------
    RunError
        ``run.checkpoints``.
    """
    try:
        client.ping()
        version = str(client.info("server").get("redis_version", "?"))
        for words in _NEEDED:
            client.execute_command(*words)
    except redis.ResponseError as error:
        if "unknown command" not in str(error).lower():
            raise gone(place, error) from None
        raise RunError(
            "run.checkpoints",
            given=f"The Redis at {place.shown} is a plain {version}: it has no JSON and no search.",
            have="Checkpoints in Redis need Redis 8, or Redis Stack.",
            try_="Take one of these, or keep checkpoints in SQLite or PostgreSQL (AgentSettings.checkpoint_url); the"
            " cache of answers (OMC_AGENT_REDIS_URL) is content with this one.",
        ) from None
    except redis.RedisError as error:
        raise gone(place, error) from None
    return version


def _what_it_may_lose(client: Any, place: Place) -> str:
    """Where runs that wait would not outlive a restart, or may be dropped for room: a sentence; else empty."""
    try:
        asked = {name: client.config_get(name).get(name, "") for name in ("appendonly", "save", "maxmemory-policy")}
        room = client.config_get("maxmemory").get("maxmemory", "0")
    except redis.RedisError:  # a server that others run says nothing of itself
        return ""
    said = []
    if asked["appendonly"] != "yes":
        what = "may lose the last minutes of a run" if asked["save"] else "loses every run that waits"
        said.append(f"a restart of the server {what}: set appendonly yes in it")
    if asked["maxmemory-policy"].startswith("allkeys") and room != "0":
        said.append(f"it drops keys when it is full ({asked['maxmemory-policy']}): set maxmemory-policy noeviction")
    return f"Checkpoints at {place.shown}: {'; '.join(said)}." if said else ""
