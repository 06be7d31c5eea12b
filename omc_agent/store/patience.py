"""A database that is gone for a moment is waited for: a run for long, a person at the prompt for a few seconds.

Every method of the store may be called again after a lost connection: what it writes has a key, or a condition, or
the moment of the first try on it, so that a commit whose answer was lost is known and not written twice.
"""

from __future__ import annotations

import functools
import inspect
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy.exc import DBAPIError, OperationalError

from omc_agent.errors import StoreError
from omc_agent.secrecy import hide_secrets
from omc_agent.store.address import shown

SHORT_SECONDS = 3.0  # for whoever waits for an answer at a prompt
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
# PostgreSQL's states that pass: connections (08), deadlock and serialisation (40), too many clients (53300), shutting
# down and starting up (57P), a lock that another holds (55P03), a standby that is about to become the server (25006).
_PASSING = ("08", "40", "53300", "57P", "55P03", "25006", "25P03")

_seconds: ContextVar[float | None] = ContextVar("omc_store_seconds", default=None)  # None: not within a run
_Class = TypeVar("_Class", bound=type)


@dataclass(frozen=True)
class _Call:
    """The outermost call of a method of the store: when it was first tried, and until when it is tried again."""

    at: datetime
    until: float


_call: ContextVar[_Call | None] = ContextVar("omc_store_call", default=None)


@contextmanager
def waiting_for_store(seconds: float) -> Iterator[None]:
    """Within, also in tasks and threads begun there: a database that is gone is waited for, that long a call."""
    before = _seconds.set(seconds)
    try:
        yield
    finally:
        with suppress(ValueError):  # a coroutine that is thrown away is closed in somebody else's context
            _seconds.reset(before)


def called_at() -> datetime:
    """When the present call was first tried (UTC, microseconds): the same at each of its tries."""
    call = _call.get()
    return datetime.now(UTC) if call is None else call.at


def patient(cls: _Class) -> _Class:
    """Let each public method of `cls` be tried again while the database is gone; they must stand being repeated."""
    for name, method in list(vars(cls).items()):
        if inspect.isfunction(method) and not name.startswith("_"):
            setattr(cls, name, _patiently(method))
    return cls


def is_passing(error: BaseException) -> bool:
    """Whether a server that is asked again in a moment may answer.

    Only of PostgreSQL: SQLite has waited for the lock by itself, and a full disk does not pass.
    """
    if not isinstance(error, DBAPIError) or not type(error.orig).__module__.startswith("psycopg"):
        return False
    state = getattr(error.orig, "sqlstate", None)
    if state is None:  # libpq's own: nobody answered, or the line went dead
        return type(error).__name__ == "OperationalError"
    return bool(error.connection_invalidated) or str(state).startswith(_PASSING)


def _no_answer(manager: Any, error: DBAPIError) -> StoreError:
    """What a person is told; a run catches the error itself, and ends with a sentence of its own."""
    why = hide_secrets(str(error.orig).strip().splitlines()[0]).rstrip(".:")
    return StoreError("store.unreachable", given=f"The store is {shown(manager.engine.url)}.",
                      have=f"It does not answer: {why}.",
                      try_="Try again in a moment; omc-agent db check says how it stands.")  # fmt: skip


def _patiently(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def tried(*words: Any, **named: Any) -> Any:
        if _call.get() is not None:  # within another one, which is tried again as a whole
            return method(*words, **named)
        seconds = _seconds.get()
        call = _Call(datetime.now(UTC), time.monotonic() + (SHORT_SECONDS if seconds is None else seconds))
        before, pause = _call.set(call), _FIRST_PAUSE
        try:
            while True:
                try:
                    return method(*words, **named)
                except DBAPIError as error:
                    if not is_passing(error) or time.monotonic() + pause > call.until:
                        if seconds is None and isinstance(error, OperationalError):
                            raise _no_answer(words[0], error) from error
                        raise
                time.sleep(pause * (0.5 + random.random() / 2))
                pause = min(2 * pause, _LONGEST_PAUSE)
        finally:
            _call.reset(before)

    return tried
