"""langgraph's saver for Redis, with its documents and its index, where ours differs.

A checkpoint and the pointer to it are written in one transaction. Values are the same MessagePack as in SQLite: as
JSON, what a model wrote could spell an object that is made when the checkpoint is read, and a NaN would come back as
nothing. History is read by keys: by the index, the outer graph's would hold the checkpoints of its agents too, and
after a restart of the server it would be short until the index is built again.
"""

from __future__ import annotations

import base64
import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from typing import Any, cast
from urllib.parse import quote

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    get_checkpoint_id,
    get_checkpoint_metadata,
)
from langgraph.checkpoint.redis.aio import AsyncRedisSaver
from langgraph.checkpoint.redis.key_registry import AsyncCheckpointKeyRegistry
from langgraph.checkpoint.redis.util import to_storage_safe_id, to_storage_safe_str
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from redis.asyncio import Redis

PREFIX = "omc_agent:checkpoint"  # of all keys and of the index
_BLOB = "msgpack"


def key_of(kind: str, thread_id: str, *rest: str) -> str:
    """A key; the id of a thread has no colon and no wildcard in it there."""
    return ":".join([PREFIX + kind, quote(thread_id, safe=""), *rest])


class _Registry(AsyncCheckpointKeyRegistry):
    """The keys of a checkpoint's writes, below our prefix."""

    @staticmethod
    def make_write_keys_zset_key(thread_id: str, checkpoint_ns: str, checkpoint_id: str) -> str:
        """As in the base class."""
        return key_of("_keys", thread_id, to_storage_safe_str(checkpoint_ns), checkpoint_id)


class RedisSaver(AsyncRedisSaver):
    """A saver on one client. Of an agent's checkpoints it keeps the newest and the one before it."""

    def __init__(self, client: Redis) -> None:
        super().__init__(redis_client=client, checkpoint_prefix=PREFIX, checkpoint_write_prefix=f"{PREFIX}_write")
        self.serde = JsonPlusSerializer()
        self._written: dict[tuple[str, str], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))

    async def asetup(self) -> None:
        """As in the base class."""
        await super().asetup()
        self._key_registry = _Registry(self._redis)

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
        stream_mode: str = "values",
    ) -> RunnableConfig:
        """As in the base class."""
        place = config["configurable"]
        thread, ns, parent = str(place["thread_id"]), place["checkpoint_ns"], place.get("checkpoint_id")
        key = self._make_redis_checkpoint_key(thread, ns, checkpoint["id"])
        document = {
            "thread_id": to_storage_safe_id(thread), "run_id": "", "checkpoint_ns": to_storage_safe_str(ns),
            "checkpoint_id": checkpoint["id"], "parent_checkpoint_id": parent or "",
            "checkpoint_ts": time.time() * 1000, "checkpoint": self._dump_checkpoint(checkpoint),
            "metadata": json.dumps(get_checkpoint_metadata(config, metadata)), "has_writes": False,
            "source": metadata.get("source", ""), "step": metadata.get("step", 0),
        }  # fmt: skip
        written = self._written[thread, ns]
        superseded = [each for each in written if ns and parent and each < parent]
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.json().set(key, "$", cast(Any, document))
            pipe.set(self._make_redis_checkpoint_latest_key(thread, ns), key)
            for each in superseded:
                pipe.delete(*written[each])
            await pipe.execute()
        written[checkpoint["id"]].add(key)
        for each in superseded:
            del written[each]
        return {"configurable": {"thread_id": thread, "checkpoint_ns": ns, "checkpoint_id": checkpoint["id"]}}

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """As in the base class."""
        if not writes:
            return
        place = config["configurable"]
        thread, ns, id_ = str(place["thread_id"]), place.get("checkpoint_ns", ""), place["checkpoint_id"]
        registry, keys = _Registry.make_write_keys_zset_key(thread, ns, id_), {}
        async with self._redis.pipeline(transaction=True) as pipe:
            for n, (channel, value) in enumerate(writes):
                number = WRITES_IDX_MAP.get(channel, n)
                kind, blob = self.serde.dumps_typed(value)
                key = self._make_redis_checkpoint_writes_key(thread, ns, id_, task_id, number)
                document = {
                    "thread_id": to_storage_safe_id(thread), "checkpoint_ns": to_storage_safe_str(ns),
                    "checkpoint_id": id_, "task_id": task_id, "task_path": task_path, "idx": number,
                    "channel": channel, "type": kind, "blob": self._encode_blob(blob),
                }  # fmt: skip
                pipe.json().set(key, "$", cast(Any, document))
                keys[key] = n
            pipe.zadd(registry, cast(Any, keys))
            await pipe.execute()
        self._written[thread, ns][id_].update([*keys, registry])

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002 - the base class calls it so
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """As in the base class, of one thread and one namespace."""
        if config is None:
            raise NotImplementedError("a history is that of a thread")
        place = config["configurable"]
        thread, ns = str(place["thread_id"]), place.get("checkpoint_ns", "")
        only, last, yielded = get_checkpoint_id(config), get_checkpoint_id(before) if before else None, 0
        start = key_of("", thread, to_storage_safe_str(ns), "")
        ids = {key.removeprefix(start) async for key in scan(self._redis, f"{start}*")}
        for each in sorted(ids, reverse=True):
            if (only and each != only) or (last and each >= last):
                continue
            found = await self.aget_tuple({"configurable": {**place, "checkpoint_ns": ns, "checkpoint_id": each}})
            if found is None or any(found.metadata.get(name) != value for name, value in (filter or {}).items()):
                continue
            if limit is not None and yielded >= limit:
                return
            yielded += 1
            yield found

    async def drop_inner(self, thread_id: str) -> None:
        """Drop what agents wrote of a thread; what the outer graph wrote stays."""
        outer = to_storage_safe_str("")
        async for key in scan(self._redis, key_of("*", thread_id, "*")):
            _kind, _thread, ns, *_ = key.removeprefix(PREFIX).split(":")
            if ns != outer:
                await self._redis.delete(key)
        for each in [each for each in self._written if each[0] == thread_id and each[1]]:
            del self._written[each]

    # -- what the base class calls, with our keys and our values --------------------------------

    def _dump_checkpoint(self, checkpoint: Checkpoint) -> dict[str, Any]:
        kind, blob = self.serde.dumps_typed(checkpoint["channel_values"])
        values = {_BLOB: [kind, base64.b64encode(blob).decode()]}
        return {**checkpoint, "channel_values": values, "type": "json", "pending_sends": []}

    def _recursive_deserialize(self, obj: Any) -> Any:
        if isinstance(obj, dict) and set(obj) == {_BLOB}:
            kind, blob = obj[_BLOB]
            return self.serde.loads_typed((kind, base64.b64decode(blob)))
        return obj

    def _make_redis_checkpoint_key(self, thread_id: str, checkpoint_ns: str, checkpoint_id: str) -> str:
        return key_of("", thread_id, to_storage_safe_str(checkpoint_ns), checkpoint_id)

    _make_redis_checkpoint_key_cached = _make_redis_checkpoint_key

    def _make_redis_checkpoint_latest_key(self, thread_id: str, checkpoint_ns: str) -> str:
        return key_of("_latest", thread_id, to_storage_safe_str(checkpoint_ns))

    def _make_redis_checkpoint_writes_key(
        self, thread_id: str, checkpoint_ns: str, checkpoint_id: str, task_id: str, idx: int | None
    ) -> str:
        return key_of("_write", thread_id, to_storage_safe_str(checkpoint_ns), checkpoint_id, task_id, str(idx))


async def scan(client: Any, pattern: str) -> AsyncIterator[str]:
    """Keys of that form, as text."""
    async for key in client.scan_iter(match=pattern, count=1000):
        yield key.decode() if isinstance(key, bytes) else key
