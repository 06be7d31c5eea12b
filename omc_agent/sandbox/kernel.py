"""One child kernel: start it, send it code, end it. All clocks are ours."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from queue import Empty
from typing import Any

import zmq
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager, NoSuchKernel
from jupyter_client.manager import AsyncKernelManager

from omc_agent.config import Limits
from omc_agent.errors import SandboxError
from omc_agent.sandbox import places
from omc_agent.sandbox.birth import not_started
from omc_agent.sandbox.carriage import Carriage, Messages, SharedFolder
from omc_agent.sandbox.limits import Watchdog, end_others, kernel_limits
from omc_agent.sandbox.reader import NEVER_MILLISECONDS, CappedClient, Spoken, read_answer
from omc_agent.sandbox.ways import Way

START_SECONDS = 90.0
WELCOME_SECONDS, WELCOME_TRIES = 2.0, 10
LEAVE_SECONDS = 2.0
FLOOD_GRACE_SECONDS = 0.8


class _OneSpec(KernelSpecManager):
    """The sandbox kernelspec, wherever the files of the package lie."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        return KernelSpec(
            argv=["python", "-m", "omc_agent.sandbox.child", "-f", "{connection_file}"],
            display_name="omc_agent sandbox",
            language="python",
            interrupt_mode="signal",
            metadata={"kernel_provisioner": {"provisioner_name": "omc-sandbox", "config": {}}},
        )


class Child:
    """A kernel of ours with its folder.

    Parameters
    ----------
    limits : Limits
        What it and each of its cells may use.
    way : Way, optional
        How it is started.
    kernel : str
        In place of a way: the kernelspec of somebody else's provisioner. Files then go by messages, and of the
        limits only those that need no pid are kept.
    """

    def __init__(self, limits: Limits, *, way: Way | None = None, kernel: str = "") -> None:
        self.limits = limits
        self._way, self._kernel = way, kernel
        self.place = way.place() if way is not None else places.new_place(walled=False)
        self.folder = self.place.folder
        specs: dict[str, Any] = {} if way is None else {"kernel_spec_manager": _OneSpec()}
        self._manager = AsyncKernelManager(kernel_name=kernel or "omc_sandbox", client_factory=CappedClient, **specs)
        self._manager.connection_file = str(self.folder / "connection.json")
        self._client: CappedClient | None = None
        self.carriage: Carriage = SharedFolder(self) if way is not None else Messages(self)

    @property
    def pid(self) -> int | None:
        """The host's pid of the process whose tree is the child; None for a remote kernel."""
        process = getattr(self._manager.provisioner, "process", None)
        return getattr(process, "first", None) if self._way is not None else None

    @property
    def kernel_pid(self) -> int | None:
        """The host's pid of the kernel itself."""
        return getattr(getattr(self._manager.provisioner, "process", None), "pid", None)

    async def start(self, prelude: str) -> None:
        """Start the process and run the standard imports; raises SandboxError when it does not answer."""
        try:
            await self._begin()
            await self.ask(f"start({prelude!r}, {kernel_limits(self.limits, own_user=self.place.walled)})")
        except BaseException:  # a Stop as well: nobody else knows of this process yet
            await self.end()
            raise

    async def _begin(self) -> None:
        at_once = self._way is not None and self._way.at_once
        try:
            if self._way is None:
                await self._manager.start_kernel()
            else:
                if at_once:
                    self._manager.context.setsockopt(zmq.RECONNECT_IVL, NEVER_MILLISECONDS)
                await self._manager.start_kernel(way=self._way, place=self.place)
            client = self._manager.client()
            assert isinstance(client, CappedClient)
            client.cap = self.limits.output
            client.once = at_once
            self._client = client
            client.start_channels(stdin=False, hb=False)
            if at_once:
                await _welcome(client)
            else:
                await client.wait_for_ready(timeout=START_SECONDS)
        except (RuntimeError, OSError, NoSuchKernel) as error:
            raise not_started(str(error)) from None
        if self._way is None:
            await self.ask("settle(get_ipython())")

    async def alive(self) -> bool:
        """Whether the process is there."""
        return self._client is not None and bool(await self._manager.is_alive())

    async def ask(self, call: str) -> str:
        """Run a function of `inside`; what it printed. Raises SandboxError with what it said when it fails."""
        # What we ask for is no cell of the person: a short --wall must not end the imports.
        limits = self.limits
        limits = replace(limits, wall=max(limits.wall, START_SECONDS), cpu=max(limits.cpu, START_SECONDS))
        code = f"import omc_agent.sandbox.inside as _i; _i.{call}; del _i"
        spoken = await self.execute(code, silent=True, limits=limits)
        if spoken.died or spoken.breach or spoken.error:
            why = spoken.breach.reason if spoken.breach else (spoken.error or {}).get("message", "the child died")
            raise SandboxError("sandbox.no_frame", given=f"{call.split('(')[0]}: {why}", have="", try_="")
        return spoken.text

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
        spoken, limits = Spoken(), limits or self.limits
        if not await self.alive():  # it died between two cells
            spoken.died = True
            return spoken
        watchdog = Watchdog(self.pid, self.folder, limits, self.kernel_pid if self.pid is not None else None)
        # Without stop_on_error the kernel would drop the next request after a cell that raised.
        request = client.execute(
            code, silent=silent, store_history=not silent, allow_stdin=False, stop_on_error=False
        )

        def read(hear: Callable[[], None] | None = None) -> asyncio.Task[None]:
            return asyncio.create_task(read_answer(client, request, spoken, limits.output, self.alive, hear))

        reader = read(hear)
        guard = asyncio.create_task(watchdog.watch())
        try:
            await asyncio.wait({reader, guard}, return_when=asyncio.FIRST_COMPLETED)
            if reader.done() and spoken.breach:  # too much output: stop it, and read until it has stopped
                reader = read()
                await self._escalate(reader, limits, fatal=spoken.breach.fatal, flooded=True)
            elif not reader.done():
                spoken.breach = guard.result()
                await self._escalate(reader, limits, fatal=spoken.breach.fatal)
            if reader.done() and not reader.cancelled() and reader.exception():
                self.kill_now()  # what cannot be read is not asked again
                await self._gone(timeout=1.0)
                spoken.died = True
            spoken.died = spoken.died or not await self.alive()
        finally:
            for task in (reader, guard):
                task.cancel()
            await asyncio.gather(reader, guard, return_exceptions=True)
        spoken.peak_bytes = watchdog.peak_bytes
        return spoken

    async def interrupt(self) -> None:
        """SIGINT to the kernel's own pid: code that holds the interpreter answers no message."""
        with contextlib.suppress(Exception):
            if self._way is None:
                await self._manager.interrupt_kernel()
            else:
                await self._manager.provisioner.send_signal(signal.SIGINT)  # type: ignore[union-attr]

    def kill_now(self) -> None:
        """SIGKILL to the whole tree of the child."""
        process = getattr(self._manager.provisioner, "process", None)
        if process is not None:
            with contextlib.suppress(OSError):
                process.kill()

    async def end(self) -> None:
        """End the process and remove its folder; safe to call twice."""
        if self._client is not None and self._way is None:
            with contextlib.suppress(Exception):  # a kernel that is busy or gone keeps its temporary files
                await asyncio.wait_for(self.ask("leave()"), LEAVE_SECONDS)
        if self._client is not None:
            self._client.stop_channels()
            self._client = None
        process = getattr(self._manager.provisioner, "process", None)
        if self._manager.has_kernel:
            self.kill_now()
            with contextlib.suppress(Exception):  # a process that is gone is what we want
                await self._manager.shutdown_kernel(now=True)
        with contextlib.suppress(Exception):  # also when the process died by itself: sockets and context are ours
            await self._manager._async_cleanup_resources()
        if process is not None and self._way is not None:
            process.close()
        self.place.remove()  # in this thread: at exit there are no others any more

    async def _escalate(
        self, reader: asyncio.Task[None], limits: Limits, *, fatal: bool, flooded: bool = False
    ) -> None:
        if not fatal:
            await self.interrupt()
            # After a flood there is more to read before the answer; a time limit has no such excuse.
            grace = limits.grace if flooded is False else max(limits.grace, FLOOD_GRACE_SECONDS)
            await asyncio.wait({reader}, timeout=grace)
        if not fatal and reader.done() and self.pid is not None and self.kernel_pid is not None:
            await asyncio.to_thread(end_others, self.pid, self.kernel_pid)
        if fatal or not reader.done():
            self.kill_now()
            await asyncio.wait({reader}, timeout=1.0)
            await self._gone(timeout=1.0)

    async def _gone(self, timeout: float) -> None:
        """Wait for the end of a killed process: giving back much memory takes the system a while."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline and await self.alive():
            await asyncio.sleep(0.01)


async def _welcome(client: CappedClient) -> None:
    """Wait until our subscription stands: what the child says before that is lost. Quicker than `wait_for_ready`.

    Once in some hundred starts the welcome does not come. No code of a cell has run yet, so to connect anew is safe.
    """
    for _ in range(WELCOME_TRIES):
        with contextlib.suppress(Empty):
            await client.get_iopub_msg(timeout=WELCOME_SECONDS)
            return
        client.open_again()
    raise RuntimeError("its sockets did not open")
