"""The kernels in which runs live: Jupyter's own, so that they are seen, attached to and ended like any other."""

from __future__ import annotations

import contextlib
import json
import logging
import queue
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from jupyter_core.utils import ensure_async
from tornado.web import HTTPError

from omc_agent.errors import AgentError, RunError, error_from_dict

START_SECONDS = 120.0  # from the order to its answer, in a kernel that was started for it
LOOK_SECONDS = 1.0


@dataclass
class Own:
    """A kernel that was started for a run.

    Attributes
    ----------
    kernel_id, session_id : str
        Jupyter's names for it.
    idle_since : float or None
        When it was first seen with nobody in need of it, on a clock that only grows.
    seen : datetime or None
        Its last activity then.
    """

    kernel_id: str
    session_id: str
    idle_since: float | None = None
    seen: Any = field(default=None, repr=False)


class Kernels:
    """Starts kernels for runs, has them execute, and ends those that nobody needs.

    Parameters
    ----------
    kernels, sessions : object
        The kernel manager and the session manager of the server.
    log : Logger
        Of the server.
    """

    def __init__(self, kernels: Any, sessions: Any, log: logging.Logger) -> None:
        self._kernels, self._sessions, self._log = kernels, sessions, log
        self._own: dict[str, Own] = {}

    def has(self, kernel_id: str) -> bool:
        """Whether the server has a kernel of that id."""
        return kernel_id in self._kernels

    def of(self, run_id: str) -> str | None:
        """The kernel that was started for the run, while it is there."""
        own = self._own.get(run_id)
        if own is not None and not self.has(own.kernel_id):
            del self._own[run_id]
            return None
        return own.kernel_id if own is not None else None

    async def start(self, run_id: str) -> str:
        """A kernel for the run, listed under its name.

        It is not bound to the life of the server's process: a run outlives a server that is killed, and its kernel
        ends itself when the run has ended.
        """
        try:
            kernel_id = await ensure_async(self._kernels.start_kernel(path="", independent=True))
            # A console is what Jupyter opens for it when somebody clicks on it.
            made = await ensure_async(
                self._sessions.create_session(path=f"run {run_id}", name=f"run {run_id}", type="console",
                                              kernel_id=kernel_id)
            )  # fmt: skip
        except Exception as problem:  # whatever the machine, a kernelspec or a provisioner of others has to say
            self._log.exception("omc_agent: no kernel for run %s", run_id)
            raise no_kernel(f"No kernel could be started: {type(problem).__name__}.",
                            "The server's log says more.") from None  # fmt: skip
        self._own[run_id] = Own(kernel_id, made["id"])
        return str(kernel_id)

    async def execute(self, kernel_id: str, code: str, *, seconds: float | None = None) -> None:
        """Have the kernel execute `code`, unseen and without a trace in its history, and return when it has.

        Raises
        ------
        AgentError
            What the code raised; ``run.no_kernel`` when the kernel ends, starts anew, or takes more than `seconds`.
        """
        with self._restarts(kernel_id) as restarted:
            client = self._kernels.get_kernel(kernel_id).client()
            client.start_channels(iopub=False, stdin=False, hb=False, control=False)
            try:
                sent = client.execute(code, silent=True, store_history=False, allow_stdin=False)
                content = await self._answer(client, kernel_id, sent, restarted, seconds)
            finally:
                client.stop_channels()
        if content["status"] != "ok":
            raise _told(content)

    async def _answer(
        self, client: Any, kernel_id: str, sent: str, restarted: Callable[[], bool], seconds: float | None
    ) -> dict[str, Any]:
        began = time.monotonic()
        while seconds is None or time.monotonic() - began < seconds:
            with contextlib.suppress(queue.Empty):
                reply = await client.get_shell_msg(timeout=LOOK_SECONDS)
                if reply["parent_header"].get("msg_id") == sent:
                    return dict(reply["content"])
            if restarted() or not self.has(kernel_id):
                raise no_kernel("The kernel ended before the run had begun.", "The run is kept as it was.")
        raise no_kernel(f"The kernel did not answer within {seconds:g} s.", "The run is kept as it was.")

    @contextlib.contextmanager
    def _restarts(self, kernel_id: str) -> Any:
        happened: list[bool] = []

        def note() -> None:
            happened.append(True)

        for event in ("restart", "dead"):
            self._kernels.add_restart_callback(kernel_id, note, event)
        try:
            yield lambda: bool(happened)
        finally:
            for event in ("restart", "dead"):
                with contextlib.suppress(Exception):  # the kernel may be gone, and its callbacks with it
                    self._kernels.remove_restart_callback(kernel_id, note, event)

    async def tend(self, needed: Callable[[str], bool], keep: float) -> None:
        """Keep kernels of runs that are driven from being culled; end those that nobody needed for `keep` seconds.

        A run works beside the cells of its kernel, which so looks idle to Jupyter. What a notebook or console is
        connected to, or executes, is needed.
        """
        for run_id in list(self._own):
            if self.of(run_id) is None:
                continue
            own = self._own[run_id]
            kernel = self._kernels.get_kernel(own.kernel_id)
            if needed(run_id):
                kernel.last_activity = datetime.now(UTC)
                own.idle_since = None
                continue
            model = self._kernels.kernel_model(own.kernel_id)
            if model["connections"] or model["execution_state"] == "busy" or own.seen != model["last_activity"]:
                own.seen, own.idle_since = model["last_activity"], None
            own.idle_since = time.monotonic() if own.idle_since is None else own.idle_since
            if time.monotonic() - own.idle_since >= keep:
                await self.end(run_id)

    async def end(self, run_id: str) -> None:
        """End the kernel that was started for the run, if it is there."""
        own = self._own.pop(run_id, None)
        if own is None or not self.has(own.kernel_id):
            return
        with contextlib.suppress(HTTPError):  # its session was removed by hand
            await ensure_async(self._sessions.delete_session(own.session_id))
        if self.has(own.kernel_id):
            await ensure_async(self._kernels.shutdown_kernel(own.kernel_id, now=True))


def no_kernel(given: str, have: str, try_: str = "POST /sessions/{id}/continue starts another one.") -> RunError:
    """There is no kernel for the run."""
    return RunError("run.no_kernel", given=given, have=have, try_=try_)


def _told(content: dict[str, Any]) -> AgentError:
    """What the code in the kernel raised."""
    text = str(content.get("evalue", ""))
    if content.get("ename") == "NotBegun":
        return error_from_dict(json.loads(text))
    if "omc_agent" in text and content.get("ename") in ("ModuleNotFoundError", "ImportError"):
        return no_kernel("The kernel has no omc_agent.", "It is of another environment than the server.",
                         "Install it there, or name a kernel that has it.")  # fmt: skip
    return no_kernel(f"The kernel could not begin the run: {content.get('ename', content['status'])}: {text[:200]}.",
                     "A run needs a Python kernel.")  # fmt: skip
