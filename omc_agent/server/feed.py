"""One look at the store for all who follow a run, however many they are and however slow.

A feed holds the newest rows only; who has fallen behind them reads the store, a page at a time, so a slow client
costs the server one page and no more.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from omc_agent.errors import AgentError
from omc_agent.server.desk import Desk
from omc_agent.server.reading import message_shape

LOOK_SECONDS = 0.15
PAGE = 50
KEPT_ROWS = 200
KEPT_BYTES = 2_000_000
STAND_SECONDS = 1.0
BETWEEN_SECONDS = 3.0  # from the last sign of an engine to calling the stream over: it may just hand on
AWAY_SECONDS = 60.0  # that a store may be away before its followers are sent home
OVER = ("finished", "failed", "stopped", "parked")


@dataclass(frozen=True)
class Line:
    """A row of the ledger, as it goes out."""

    seq: int
    kind: str
    text: str


@dataclass(frozen=True)
class End:
    """There is no more to come: where the run stands."""

    status: str
    reason: str
    driven: bool
    seq: int

    @property
    def text(self) -> str:
        """As JSON."""
        told = {"kind": "end", "status": self.status, "reason": self.reason, "driven": self.driven, "seq": self.seq}
        return json.dumps(told)


class Feed:
    """The newest rows of one run's ledger.

    Parameters
    ----------
    desk : Desk
        Of the store.
    run_id : str
        The run.
    """

    def __init__(self, desk: Desk, run_id: str) -> None:
        self._desk, self._run_id = desk, run_id
        self.followers = 0
        self._kept: deque[Line] = deque()
        self._bytes = 0
        self._first = 0  # rows behind this number are in `_kept`
        self._last = 0
        self._news = asyncio.Event()
        self._end: End | None = None
        self._gone: AgentError | None = None
        self._looking: asyncio.Task[None] | None = None
        self._ends = True  # whether the newest row may be the last
        self._sign = self._stood = self._refused = 0.0

    async def lines(self, after: int) -> AsyncIterator[Line | End]:
        """Rows behind number `after`, as they are written, then the `End`.

        The stream is over when all is told and nobody drives the run. A run that goes on meanwhile is told on; one
        that goes on later is followed by asking again, behind the last number.

        Raises
        ------
        AgentError
            ``run.unknown`` when the run is removed meanwhile; ``run.store`` when the store stays away.
        """
        while True:
            news = self._news
            behind = await self._behind(after)
            for line in behind:
                after = line.seq
                yield line
            if behind:
                continue
            if self._gone is not None:
                raise self._gone
            if self._end is not None and self._end.seq <= after:
                yield self._end
                return
            if news is self._news:  # nothing came while we looked
                await news.wait()

    async def _behind(self, after: int) -> list[Line]:
        """The next rows: of those that are kept, else a page of the store."""
        if after >= self._first and self._looking is not None and self._last:
            return [line for line in list(self._kept) if line.seq > after][:PAGE]
        return await self._read(after)

    async def _read(self, after: int) -> list[Line]:
        rows = await self._desk.ask(lambda store: store.told(self._run_id, after_seq=after, limit=PAGE))
        told = [message_shape(row) for row in rows]
        return [Line(row["seq"], row["kind"], json.dumps(row, ensure_ascii=False)) for row in told]

    # -- the look at the store --------------------------------------------------------------------

    def begin(self) -> None:
        """Begin to look; called with the first follower."""
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())

    def stop(self) -> None:
        """Nobody follows any more."""
        if self._looking is not None:
            self._looking.cancel()

    async def _look(self) -> None:
        self._first = self._last = await self._desk.ask(partial(_newest, self._run_id))
        self._sign = time.monotonic()
        while True:
            try:
                fresh = await self._read(self._last)
                self._keep(fresh)
                # The rows say nearly all; only at an end, and now and then, is the run's own row looked at.
                if not fresh and (self._ends or time.monotonic() - self._stood >= STAND_SECONDS):
                    await self._stand()
                self._refused = 0.0
            except AgentError as problem:
                if self._is_lost(problem):
                    return
                fresh = []
            if len(fresh) < PAGE:
                await asyncio.sleep(LOOK_SECONDS)

    async def _stand(self) -> None:
        """Look whether there is more to come."""
        status, reason, driven = await self._desk.ask(partial(_standing, self._run_id))
        self._stood = time.monotonic()
        if driven:
            self._sign, self._end = self._stood, None
            return
        over = status in OVER or self._stood - self._sign > BETWEEN_SECONDS
        # What was written between our two looks is told first.
        if over and self._end is None and await self._desk.ask(partial(_newest, self._run_id)) == self._last:
            self._end = End(status, reason, driven, self._last)
            self._tell()

    def _is_lost(self, problem: AgentError) -> bool:
        """Whether to give up: the run is removed, or the store stays away."""
        self._refused = self._refused or time.monotonic()
        if problem.code != "run.unknown" and time.monotonic() - self._refused < AWAY_SECONDS:
            return False
        self._gone = problem
        self._tell()
        return True

    def _keep(self, fresh: list[Line]) -> None:
        if not fresh:
            return
        self._sign, self._end, self._ends = time.monotonic(), None, fresh[-1].kind == "run_finished"
        for line in fresh:
            self._kept.append(line)
            self._bytes += len(line.text)
        self._last = fresh[-1].seq
        while self._kept and (len(self._kept) > KEPT_ROWS or self._bytes > KEPT_BYTES):
            dropped = self._kept.popleft()
            self._bytes -= len(dropped.text)
            self._first = dropped.seq
        self._tell()

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()


class Feeds:
    """The feeds of a server: one a run that somebody follows.

    Parameters
    ----------
    desk : Desk
        Of the store.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._feeds: dict[str, Feed] = {}

    @property
    def followers(self) -> int:
        """All who follow something."""
        return sum(feed.followers for feed in self._feeds.values())

    @contextlib.contextmanager
    def of(self, run_id: str) -> Any:
        """The feed of a run, for the length of the block."""
        feed = self._feeds.get(run_id) or self._feeds.setdefault(run_id, Feed(self._desk, run_id))
        feed.followers += 1
        feed.begin()
        try:
            yield feed
        finally:
            feed.followers -= 1
            if not feed.followers:
                feed.stop()
                self._feeds.pop(run_id, None)


def _newest(run_id: str, store: Any) -> int:
    from omc_agent.store.queue import last_seq

    return last_seq(store.engine, run_id)


def _standing(run_id: str, store: Any) -> tuple[str, str, bool]:
    """Status, reason, and whether somebody drives the run."""
    from omc_agent.store.leases import Leases

    row = store.read(run_id)
    return str(row["status"]), str(row["reason"]), Leases(store.engine).holder(run_id) is not None


def is_over(run_id: str, after: int, store: Any) -> bool:
    """Whether a stream from there on would tell nothing but its end."""
    status, _, driven = _standing(run_id, store)
    return not driven and status in OVER and _newest(run_id, store) <= after
