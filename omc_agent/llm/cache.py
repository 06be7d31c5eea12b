"""Identical calls of a provider are answered from a cache of this machine, or of a Redis that people share.

The hook is LangChain's: each chat model has a `cache` of its own, asked before the model is (async, tools and streams
alike). What stands behind it is ours, for what ready ones do not do. `InMemoryCache` dies with the process; others
keep the usage of an answer, so that a hit is counted again, and cut and refused answers too; langchain-redis needs
modules that a plain Redis has not. And LangChain's own key of a call holds no name of the model where a client is not
serializable (ChatOllama), and ids and usage of earlier answers everywhere: two models would share answers, and a run
would miss after its first call.
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

from langchain_core.caches import BaseCache
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, Generation

from omc_agent.errors import ModelError
from omc_agent.llm.kept import is_whole, packed, plain_messages, unpacked

LARGEST = 64 * 1024 * 1024  # bytes of answers on disk; the oldest are dropped
DAYS = 30  # that an answer stays in Redis; what else bounds it is its own `maxmemory`
WAIT = 2.0  # seconds for a lock of the file, or for Redis
# Settings of a client that do not change what a model answers.
_PATIENCE = re.compile(r'"(?:default_request_timeout|request_timeout|timeout|max_retries)": (?:[\d.]+|null)(?:, )?')


class Shelf(Protocol):
    """Where texts are kept by key."""

    def get(self, key: str) -> str | None:
        """The text, or None."""
        ...

    def put(self, key: str, text: str) -> None:
        """Keep it."""
        ...

    def clear(self) -> None:
        """Forget all."""
        ...


class AnswerCache(BaseCache):
    """The cache of one chat model.

    Parameters
    ----------
    name : str
        ``provider:model``, with the server where it is another than the provider's own.
    shelf : Shelf
        Where answers are kept, shared by all models.

    Examples
    --------
    >>> shelf = SafeShelf("answers.db", lambda: SqliteShelf(Path("answers.db")), print)
    >>> AnswerCache("openai:gpt-5", shelf).name
    'openai:gpt-5'
    """

    def __init__(self, name: str, shelf: Shelf) -> None:
        self.name, self.shelf = name, shelf

    def lookup(self, prompt: str, llm_string: str) -> Sequence[Generation] | None:
        """The kept answer, at no cost; its metadata has ``kept``."""
        text = self.shelf.get(self._key(prompt, llm_string))
        message = unpacked(text) if text is not None else None
        return [ChatGeneration(message=message)] if message is not None else None

    def update(self, prompt: str, llm_string: str, return_val: Sequence[Generation]) -> None:
        """Keep a whole answer; one that is cut, empty or a refusal is asked again next time."""
        message = getattr(return_val[0], "message", None) if return_val else None
        if isinstance(message, AIMessage) and is_whole(message) and (text := packed(message)) is not None:
            self.shelf.put(self._key(prompt, llm_string), text)

    def clear(self, **kwargs: Any) -> None:
        """Forget all."""
        self.shelf.clear()

    def _key(self, prompt: str, llm_string: str) -> str:
        messages = plain_messages(each["kwargs"] for each in json.loads(prompt))
        whole = json.dumps([self.name, _PATIENCE.sub("", llm_string), messages], sort_keys=True)
        return hashlib.sha256(whole.encode()).hexdigest()


class SqliteShelf:
    """A file that several processes may use at once.

    Parameters
    ----------
    path : Path
        Made when it is missing, for its owner alone.
    largest : int
        Bytes of all texts; beyond it the oldest are dropped.
    """

    def __init__(self, path: Path, largest: int = LARGEST) -> None:
        self.path, self.largest = path, largest

    def _open(self) -> sqlite3.Connection:
        if not self.path.exists():
            self.path.touch(mode=0o600)
        file = sqlite3.connect(self.path, timeout=WAIT, isolation_level=None)
        try:
            # Power loss may cost the last answers, never the file: it is a cache.
            file.execute("PRAGMA synchronous = NORMAL")
            if not file.execute("SELECT 1 FROM sqlite_master WHERE name = 'answers'").fetchone():
                file.execute("PRAGMA journal_mode = WAL")
                file.execute("CREATE TABLE IF NOT EXISTS answers (key TEXT UNIQUE, text TEXT, size INTEGER)")
                file.execute("CREATE INDEX IF NOT EXISTS sizes ON answers (size)")
        except BaseException:
            file.close()
            raise
        return file

    def get(self, key: str) -> str | None:
        """The text, or None."""
        with closing(self._open()) as file:
            found = file.execute("SELECT text FROM answers WHERE key = ?", (key,)).fetchone()
        return str(found[0]) if found else None

    def put(self, key: str, text: str) -> None:
        """Keep it, and drop the oldest beyond the limit."""
        size = len(text.encode())
        with closing(self._open()) as file:
            file.execute("BEGIN IMMEDIATE")
            file.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", (key, text, size))
            (total,) = file.execute("SELECT total(size) FROM answers").fetchone()
            if total > self.largest:
                file.execute(
                    "DELETE FROM answers WHERE rowid <= (SELECT max(rowid) FROM (SELECT rowid, sum(size)"
                    " OVER (ORDER BY rowid DESC) AS newer FROM answers) WHERE newer > ?)",
                    (self.largest,),
                )
            file.execute("COMMIT")

    def clear(self) -> None:
        """Forget all."""
        with closing(self._open()) as file:
            file.execute("DELETE FROM answers")


class RedisShelf:
    """A plain Redis.

    Parameters
    ----------
    url : str
        ``redis://[[user]:password@]host[:port][/number]``. A password is in no message.

    Raises
    ------
    ModelError
        ``model.no_package`` with the pip line.
    ValueError
        For a URL that is none.
    """

    def __init__(self, url: str) -> None:
        try:
            import redis
        except ImportError:
            raise ModelError(
                "model.no_package",
                given="A cache in Redis needs the package redis, which is not installed.",
                have="",
                try_="pip install redis",
            ) from None
        self._redis = redis.Redis.from_url(
            url, socket_timeout=WAIT, socket_connect_timeout=WAIT, decode_responses=True
        )

    def get(self, key: str) -> str | None:
        """The text, or None."""
        found = self._redis.get(self._named(key))
        return str(found) if found is not None else None

    def put(self, key: str, text: str) -> None:
        """Keep it for some time."""
        self._redis.set(self._named(key), text, ex=DAYS * 24 * 3600)

    def clear(self) -> None:
        """Forget all answers; other keys of that Redis stay."""
        for name in self._redis.scan_iter(self._named("*")):
            self._redis.delete(name)

    def _named(self, key: str) -> str:
        return f"omc_agent:answer:{key}"


class SafeShelf:
    """A shelf that is made at its first use and may break: the first fault is told, and nothing is kept from then on.

    Parameters
    ----------
    place : str
        What it is called where a fault is told.
    make : callable
        Makes the shelf.
    tell : callable
        ``tell(text)``, once; on the thread that looks into the shelf.
    """

    def __init__(self, place: str, make: Callable[[], Shelf], tell: Callable[[str], None]) -> None:
        self.place, self._make, self._tell = place, make, tell
        self._shelf: Shelf | None = None
        self._is_broken = False
        self._lock = threading.Lock()

    def get(self, key: str) -> str | None:
        """The text; None too when it cannot be read."""
        return self._try(lambda shelf: shelf.get(key))

    def put(self, key: str, text: str) -> None:
        """Keep it where that can be done."""
        self._try(lambda shelf: shelf.put(key, text))

    def clear(self) -> None:
        """Forget all."""
        self._try(lambda shelf: shelf.clear())

    def _try(self, act: Callable[[Shelf], str | None]) -> str | None:
        if self._is_broken:
            return None
        try:
            with self._lock:
                self._shelf = self._shelf or self._make()
            return act(self._shelf)
        except Exception as error:  # redis has exceptions of its own, and a cache must cost no run its answer
            with self._lock:
                first, self._is_broken = not self._is_broken, True
            if first:
                said = " ".join(str(error).split())[:200]
                self._tell(f"The cache of answers ({self.place}) cannot be used: {said}. The run goes on without it.")
            return None
