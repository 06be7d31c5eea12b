"""``/sessions/{id}/stream``: the ledger as it is written, as server-sent events or over a WebSocket.

One address for both: whoever asks for an upgrade gets a WebSocket. Each message is a row as ``/messages`` tells it;
after the last one comes ``end``, which says where the run stands.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from jupyter_server.base.websocket import WebSocketMixin
from pydantic import Field
from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from omc_agent.errors import AgentError, RestError
from omc_agent.server.base import Gate
from omc_agent.server.bodies import Query
from omc_agent.server.failures import body_of
from omc_agent.server.feed import End, Feeds, Line, is_over

BEAT_SECONDS = 15.0  # between signs of life: proxies close what is silent for a minute
RETRY_MS = 1000  # after which a browser connects again
OVER = 1000  # codes of a WebSocket's end
FAILED = 1011


class StreamQuery(Query):
    """From where on."""

    after_seq: int | None = Field(None, ge=0, le=2**31 - 1)


class StreamHandler(WebSocketMixin, WebSocketHandler, Gate):
    """Events of one run; it writes the next one when the client has taken the last, and ends with the client."""

    _task: asyncio.Task[None] | None = None

    async def get(self, name: str) -> None:
        """As a stream of events, or as a WebSocket where an upgrade is asked for."""
        await self.run(name)
        self._name, self._after = name, self._begin_after()
        feeds = self.feeds
        if feeds.followers >= self.desk.settings.max_streams:
            raise RestError("rest.too_many", given="Too many streams are open.",
                            have=f"The limit is {self.desk.settings.max_streams} (AgentSettings.max_streams).",
                            try_="Close one, or read /messages.")  # fmt: skip
        if self.request.headers.get("Upgrade", "").lower() == "websocket":
            await super().get(name)
            return
        await self._send_events()

    @property
    def feeds(self) -> Feeds:
        """Those of this server."""
        feeds: Feeds = self.settings.setdefault("omc_agent_feeds", Feeds(self.desk))
        return feeds

    def _begin_after(self) -> int:
        """The number behind which to begin: of a browser that connects again, or of the query."""
        asked = self.query(StreamQuery).after_seq
        told = self.request.headers.get("Last-Event-ID", "")
        return int(told) if told.isascii() and told.isdigit() and len(told) < 10 else asked or 0

    # -- server-sent events -----------------------------------------------------------------------

    async def _send_events(self) -> None:
        self._task = asyncio.current_task()
        if "Last-Event-ID" in self.request.headers and await self.ask(partial(is_over, self._name, self._after)):
            self.set_status(204)  # so that a browser that was told the end does not connect again and again
            self.finish()
            return
        self.set_header("Content-Type", "text/event-stream; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Accel-Buffering", "no")  # a proxy must not collect them
        self.set_header("X-Content-Type-Options", "nosniff")
        try:
            self.write(f"retry: {RETRY_MS}\n\n")
            await self.flush()
            try:
                async for each in self._lines():
                    self.write(_as_event(each))
                    await self.flush()  # returns when the client's socket has taken it
            except AgentError as problem:
                self.write(f"event: error\ndata: {json.dumps(body_of(problem))}\n\n")
            self.finish()
        except StreamClosedError:
            pass  # the client is gone, and has what it has
        except asyncio.CancelledError:
            if not self._left:
                raise

    _left = False

    def on_connection_close(self) -> None:
        """The client is gone: end its work."""
        if self.ws_connection is not None or self._name == "":
            super().on_connection_close()
            return
        self._left = True
        if self._task is not None:
            self._task.cancel()

    # -- WebSocket --------------------------------------------------------------------------------

    _name = ""

    def open(self, *args: Any, **kwargs: Any) -> None:
        """Begin to send."""
        super().open(*args, **kwargs)
        self._task = asyncio.create_task(self._send_messages())

    async def _send_messages(self) -> None:
        with contextlib.suppress(WebSocketClosedError, StreamClosedError):
            try:
                async for each in self._lines():
                    if each is not None:  # it has pings of its own
                        await self.write_message(each.text)
                self.close(OVER)
            except AgentError as problem:
                await self.write_message({"kind": "error", **body_of(problem)})
                self.close(FAILED)

    def on_message(self, message: str | bytes) -> None:
        """A client only listens."""

    def on_close(self) -> None:
        """The client is gone: end its work."""
        if self._task is not None:
            self._task.cancel()
        if self.ping_callback is not None:
            self.ping_callback.stop()

    # -- both -------------------------------------------------------------------------------------

    async def _lines(self) -> AsyncIterator[Line | End | None]:
        """Rows, and None where there was nothing to tell for a while."""
        with self.feeds.of(self._name) as feed:
            lines = feed.lines(self._after)
            waiting: asyncio.Task[Line | End] | None = None
            try:
                while True:
                    waiting = waiting or asyncio.ensure_future(anext(lines))
                    done, _ = await asyncio.wait([waiting], timeout=BEAT_SECONDS)
                    if not done:
                        yield None
                        continue
                    task, waiting = waiting, None
                    try:
                        line = task.result()
                    except StopAsyncIteration:
                        return
                    yield line
            finally:
                if waiting is not None:
                    waiting.cancel()
                    await asyncio.gather(waiting, return_exceptions=True)
                await lines.aclose()


def _as_event(each: Line | End | None) -> str:
    r"""A message of ``text/event-stream``; a comment as a sign of life.

    Examples
    --------
    >>> _as_event(Line(3, "stage_started", '{"seq": 3}'))
    'id: 3\nevent: stage_started\ndata: {"seq": 3}\n\n'
    """
    if each is None:
        return ": still here\n\n"
    if isinstance(each, End):
        return f"event: end\ndata: {each.text}\n\n"
    return f"id: {each.seq}\nevent: {each.kind}\ndata: {each.text}\n\n"
