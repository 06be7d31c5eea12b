"""Reads what a child says. The whole stream is hostile: the child knows the key that signs its messages.

Five types of message count, and only as answers to our own request; the type of the request is checked as well as its
id. Sizes are capped before the socket connects. stdin is never opened; payloads, metadata, comms, display ids and
banners are never looked at. What cannot be read costs the child, and nobody else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import Empty
from typing import Any

import zmq
from jupyter_client.asynchronous.client import AsyncKernelClient

from omc_agent.config import MB
from omc_agent.sandbox.cleaning import clean_bundle, clean_text
from omc_agent.sandbox.limits import Breach

MESSAGE_SLACK = 2 * MB  # a message may be larger than the text in it
WAITING_MESSAGES = 50  # more wait in the child, which then blocks
CLEAN_SECONDS = 2.0
DYING_SECONDS = 0.2
# Longer than any child lives. Not -1, "never": libzmq then takes the pipe away between two parts of a message, and
# aborts the whole process at an assertion of its own.
NEVER_MILLISECONDS = 24 * 3600 * 1000
POLL_SECONDS = 0.25
TRACEBACK_LINES = 20

_cleaners = ThreadPoolExecutor(max_workers=2, thread_name_prefix="omc-agent-clean")


class CappedClient(AsyncKernelClient):
    """A client whose sockets refuse messages above `cap` bytes, and say so when one came."""

    cap = 8 * MB
    once = False  # never connect again: the child could have put a link to another socket in the place of its own
    _monitor: Any = None

    def _create_connected_socket(self, channel: str, identity: bytes | None = None) -> Any:
        """Set the caps first: what arrives before them is not held by them."""
        self.context.setsockopt(zmq.MAXMSGSIZE, self.cap + MESSAGE_SLACK)  # of every socket it makes from now on
        self.context.setsockopt(zmq.RCVHWM, WAITING_MESSAGES)
        if self.once:
            self.context.setsockopt(zmq.RECONNECT_IVL, NEVER_MILLISECONDS)
        made = super()._create_connected_socket(channel, identity)
        if channel == "iopub":
            self._monitor = made.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        return made

    async def dropped(self) -> bool:
        """Whether libzmq hung up on the child, as it does at a message above the cap: then comes only silence."""
        return self._monitor is not None and bool(await self._monitor.poll(0))

    def stop_channels(self) -> None:
        """Close what was opened. The inherited way asks channels that never were, and so connects them first."""
        self._close_channels()
        if self._created_context and not self.context.closed:
            self.context.destroy(linger=0)

    def open_again(self) -> None:
        """New connections in place of those there are."""
        self._close_channels()
        self.start_channels(stdin=False, hb=False)

    def _close_channels(self) -> None:
        for name in ("_shell_channel", "_iopub_channel", "_control_channel"):
            channel = getattr(self, name, None)
            if channel is not None and channel.is_alive():
                channel.stop()
            setattr(self, name, None)
        monitor, self._monitor = self._monitor, None
        if monitor is not None:
            monitor.close(linger=0)


@dataclass
class Spoken:
    """What came back from one request, cleaned."""

    text: str = ""
    outputs: list[dict[str, str]] = field(default_factory=list)
    error: dict[str, Any] | None = None
    size: int = 0
    breach: Breach | None = None
    died: bool = False
    peak_bytes: int = 0


async def read_answer(
    client: CappedClient,
    request: str,
    spoken: Spoken,
    cap: int,
    alive: Callable[[], Awaitable[bool]],
    hear: Callable[[], None] | None = None,
) -> None:
    """Read into `spoken` until the reply and idle have come, too much has, or the child is dead."""
    replied = idle = False
    stopping = spoken.breach is not None
    while not (replied and idle):
        if not idle:
            idle = await _read_iopub(client, request, spoken, cap)
            if spoken.breach and spoken.breach.status == "output" and not stopping:
                return  # only too much output is found here; other breaches are found beside us
            if hear:
                hear()
        if not replied and await _read_reply(client, request, spoken, wait=idle):
            replied = True
        if not await alive():
            spoken.died = True
            return
        if await client.dropped():
            await asyncio.sleep(DYING_SECONDS)  # a child that dies hangs up too, a moment before the system says so
            spoken.died = not await alive()
            if not spoken.died:
                spoken.breach = spoken.breach or _too_much(cap, fatal=True)
            return


async def _read_iopub(client: CappedClient, request: str, spoken: Spoken, cap: int) -> bool:
    try:
        message = await client.get_iopub_msg(timeout=POLL_SECONDS)
    except Empty:
        return False
    parent = message.get("parent_header") or {}
    # Two senders of one session count separately, so the same id may be an interrupt request's.
    if parent.get("msg_id") != request or parent.get("msg_type") != "execute_request":
        return False
    return await take(message, spoken, cap)


async def _read_reply(client: CappedClient, request: str, spoken: Spoken, *, wait: bool) -> bool:
    try:
        message = await client.get_shell_msg(timeout=POLL_SECONDS if wait else 0)
    except Empty:
        return False
    if (message.get("parent_header") or {}).get("msg_id") != request:
        return False
    content = message.get("content") or {}
    if content.get("status") == "error" and spoken.error is None:
        # Short of memory, IPython fails to format what the cell raised, and says so in the reply only.
        await take({"msg_type": "error", "content": content}, spoken, 0)
    return True


async def take(message: dict[str, Any], spoken: Spoken, cap: int) -> bool:
    """Add one iopub message to `spoken`; True at idle. `cap` of 0 counts nothing."""
    kind, content = message.get("msg_type"), message.get("content")
    if not isinstance(content, dict):
        return False
    if kind == "status":
        return bool(content.get("execution_state") == "idle")
    if spoken.breach:
        return False
    if kind == "stream":
        text = str(content.get("text", ""))
        spoken.size += len(text)
        if len(spoken.text) < cap:
            spoken.text += text
    elif kind in ("execute_result", "display_data"):
        await _take_bundle(content.get("data"), spoken)
    elif kind == "error":
        _take_error(content, spoken)
    if cap and spoken.size > cap:
        spoken.breach = _too_much(cap, fatal=False)
    return False


async def _take_bundle(data: Any, spoken: Spoken) -> None:
    if not isinstance(data, dict):
        return
    spoken.size += sum(len(value) for value in data.values() if isinstance(value, str))
    try:
        # A worker with a deadline: HTML that is hard to parse must not hold up the other runs of this kernel.
        cleaning = asyncio.get_running_loop().run_in_executor(_cleaners, clean_bundle, data)
        bundle = await asyncio.wait_for(cleaning, CLEAN_SECONDS)
    except TimeoutError:
        bundle = {"text/plain": "(an output that took too long to clean was left out)"}
    if bundle:
        spoken.outputs.append(bundle)


def _take_error(content: dict[str, Any], spoken: Spoken) -> None:
    lines = content.get("traceback")
    spoken.error = {
        "type": clean_text(str(content.get("ename", ""))),
        "message": clean_text(str(content.get("evalue", ""))),
        "traceback": [clean_text(str(line)) for line in lines[-TRACEBACK_LINES:]] if isinstance(lines, list) else [],
    }


def _too_much(cap: int, *, fatal: bool) -> Breach:
    have = f"more than {cap:,} bytes of text and pictures"
    return Breach("output", f"output limit: {have}; AgentSettings.output raises it", fatal=fatal)
