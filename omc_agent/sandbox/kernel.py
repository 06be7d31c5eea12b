"""One child kernel: start it, send it code, read what it says under a deadline, end it.

The reader trusts nothing of the stream: only messages that answer our own request count, only five types are
read, sizes are capped, and all clocks are ours.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import Empty
from typing import Any

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager

from omc_agent.config import Limits
from omc_agent.errors import SandboxError
from omc_agent.sandbox.cleaning import clean_bundle, clean_text
from omc_agent.sandbox.limits import Breach, Watchdog, set_rlimits

GRACE_SECONDS = 0.4  # from SIGINT to SIGKILL
START_SECONDS = 90.0


class _OneSpec(KernelSpecManager):
    """The sandbox kernelspec with this very interpreter, wherever the files of the package lie."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        return KernelSpec(
            argv=[sys.executable, "-m", "omc_agent.sandbox.child", "-f", "{connection_file}"],
            display_name="omc_agent sandbox",
            language="python",
            interrupt_mode="signal",
            metadata={"kernel_provisioner": {"provisioner_name": "omc-sandbox", "config": {}}},
        )


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


class Child:
    """A kernel process of ours with its folder: ``in/`` what it is given, ``work/`` where it writes."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.folder = Path(tempfile.mkdtemp(prefix="omc-box-"))
        for name in ("in", "work", "out"):
            (self.folder / name).mkdir()
        self._manager = AsyncKernelManager(kernel_spec_manager=_OneSpec(), kernel_name="omc_sandbox")
        self._manager.connection_file = str(self.folder / "connection.json")
        self._client: AsyncKernelClient | None = None

    @property
    def pid(self) -> int:
        """The host's pid of the kernel process."""
        return int(self._manager.provisioner.pid)  # type: ignore[union-attr]

    async def start(self, prelude: str) -> None:
        """Start the process and run the standard imports; raises SandboxError when it does not answer."""
        try:
            await self._begin(prelude)
        except BaseException:  # a Stop as well: nobody else knows of this process yet
            await self.end()
            raise

    async def _begin(self, prelude: str) -> None:
        try:
            await self._manager.start_kernel(cwd=str(self.folder / "work"))
            self._client = self._manager.client()
            self._client.start_channels(stdin=False, hb=False)
            await self._client.wait_for_ready(timeout=START_SECONDS)
        except (RuntimeError, OSError) as error:
            raise SandboxError(
                "sandbox.no_start",
                given=f"The child kernel did not start: {str(error)[:200]}",
                have=f"It is started with {sys.executable} -m omc_agent.sandbox.child.",
                try_="%agent doctor shows what is missing.",
            ) from None
        set_rlimits(self.pid, self.limits)
        await self.ask(f"prelude({prelude!r})")

    async def alive(self) -> bool:
        """Whether the process is there."""
        return self._client is not None and bool(await self._manager.is_alive())

    async def ask(self, call: str) -> None:
        """Run a function of `inside`; raises SandboxError with what it said when it fails."""
        # What we ask for is no cell of the person: a short --wall must not end the imports.
        limits = self.limits
        limits = replace(limits, wall=max(limits.wall, START_SECONDS), cpu=max(limits.cpu, START_SECONDS))
        code = f"import omc_agent.sandbox.inside as _i; _i.{call}; del _i"
        spoken = await self.execute(code, silent=True, limits=limits)
        if spoken.died or spoken.breach or spoken.error:
            why = spoken.breach.reason if spoken.breach else (spoken.error or {}).get("message", "the child died")
            raise SandboxError("sandbox.no_frame", given=f"{call.split('(')[0]}: {why}", have="", try_="")

    async def execute(
        self,
        code: str,
        *,
        silent: bool = False,
        limits: Limits | None = None,
        hear: Callable[[], None] | None = None,
    ) -> Spoken:
        """Run `code` and read until its reply and idle, a breach, or the end of the process."""
        client = self._client
        assert client is not None
        spoken = Spoken()
        watchdog = Watchdog(self.pid, self.folder, limits or self.limits)
        # Without stop_on_error the kernel would drop the next request after a cell that raised.
        request = client.execute(
            code, silent=silent, store_history=not silent, allow_stdin=False, stop_on_error=False
        )
        reader = asyncio.create_task(self._read(client, request, spoken, hear))
        guard = asyncio.create_task(watchdog.watch())
        try:
            await asyncio.wait({reader, guard}, return_when=asyncio.FIRST_COMPLETED)
            if reader.done() and spoken.breach:  # too much output: stop it, and read until it has stopped
                reader = asyncio.create_task(self._read(client, request, spoken, None))
                await self._escalate(reader, fatal=False)
            elif not reader.done():
                spoken.breach = guard.result()
                await self._escalate(reader, fatal=spoken.breach.fatal)
            if reader.done() and not reader.cancelled() and reader.exception():
                spoken.died = True
            spoken.died = spoken.died or not await self.alive()
        finally:
            for task in (reader, guard):
                task.cancel()
            await asyncio.gather(reader, guard, return_exceptions=True)
        spoken.peak_bytes = watchdog.peak_bytes
        return spoken

    async def interrupt(self) -> None:
        """SIGINT to the kernel's process group: code that holds the GIL answers no message."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGINT)

    def kill_now(self) -> None:
        """SIGKILL to the whole tree of the child."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    async def end(self) -> None:
        """End the process and remove its folder; safe to call twice."""
        if self._client is not None:
            self._client.stop_channels()
            self._client = None
        if self._manager.has_kernel:
            self.kill_now()
            with contextlib.suppress(Exception):  # a process that is gone is what we want
                await self._manager.shutdown_kernel(now=True)
        with contextlib.suppress(Exception):  # also when the process died by itself: sockets and context are ours
            await self._manager._async_cleanup_resources()
        shutil.rmtree(self.folder, ignore_errors=True)  # in this thread: at exit there are no others any more

    async def _escalate(self, reader: asyncio.Task[None], *, fatal: bool) -> None:
        if not fatal:
            await self.interrupt()
            await asyncio.wait({reader}, timeout=GRACE_SECONDS)
        if not reader.done():
            self.kill_now()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(asyncio.shield(reader), timeout=1.0)

    async def _read(
        self, client: AsyncKernelClient, request: str, spoken: Spoken, hear: Callable[[], None] | None
    ) -> None:
        replied = idle = False
        stopping = spoken.breach is not None
        while not (replied and idle):
            if not idle:
                idle = await self._read_iopub(client, request, spoken)
                if spoken.breach and spoken.breach.status == "output" and not stopping:
                    return  # only too much output is found here; other breaches are found beside us
                if hear:
                    hear()
            if not replied and await self._poll_reply(client, request, spoken, wait=idle):
                replied = True
            if not await self.alive():
                spoken.died = True
                return

    async def _read_iopub(self, client: AsyncKernelClient, request: str, spoken: Spoken) -> bool:
        try:
            message = await client.get_iopub_msg(timeout=0.25)
        except Empty:
            return False
        parent = message.get("parent_header", {})
        # One session counts for two senders, so the type is checked as well as the id.
        if parent.get("msg_id") != request or parent.get("msg_type") != "execute_request":
            return False
        return _take(message, spoken, self.limits.output)

    async def _poll_reply(self, client: AsyncKernelClient, request: str, spoken: Spoken, *, wait: bool) -> bool:
        try:
            message = await client.get_shell_msg(timeout=0.25 if wait else 0)
        except Empty:
            return False
        if message.get("parent_header", {}).get("msg_id") != request:
            return False
        content = message.get("content", {})
        if content.get("status") == "error" and spoken.error is None:
            # Short of memory, IPython fails to format what the cell raised, and says so in the reply only.
            _take({"msg_type": "error", "content": content}, spoken, 0)
        return True


def _take(message: dict[str, Any], spoken: Spoken, cap: int) -> bool:
    """Add one iopub message to `spoken`; True at idle."""
    kind, content = message.get("msg_type"), message.get("content", {})
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
        data = content.get("data") or {}
        spoken.size += sum(len(value) for value in data.values() if isinstance(value, str))
        bundle = clean_bundle(data)
        if bundle:
            spoken.outputs.append(bundle)
    elif kind == "error":
        spoken.error = {
            "type": clean_text(str(content.get("ename", ""))),
            "message": clean_text(str(content.get("evalue", ""))),
            "traceback": [clean_text(str(line)) for line in content.get("traceback", [])][-20:],
        }
    if cap and spoken.size > cap:
        have = f"more than {cap:,} bytes of text and pictures"
        spoken.breach = Breach("output", f"output limit: {have}; AgentSettings.output raises it", fatal=False)
    return False
