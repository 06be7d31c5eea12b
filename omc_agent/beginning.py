"""What the server executes in a kernel: begin a queued run there, as ``%%agent --bg`` would.

The run lives in the kernel: its handle, later its result, is the variable ``agent_run``, for whoever opens a notebook
or a console on that kernel.
"""

from __future__ import annotations

import json
import os
import threading
import time
from typing import Any

from omc_agent.branching import Turn
from omc_agent.config import AgentSettings, settings_with
from omc_agent.errors import AgentError

LOOK_SECONDS = 2.0
LEAVE_SECONDS = 10.0


class NotBegun(Exception):
    """Carries the fields of an `AgentError` to the server, which shows it; a kernel only hands on text."""

    def _render_traceback_(self) -> list[str]:
        return ["The run did not begin; the server that asked for it says why."]


def begin(shell: Any, order: dict[str, Any]) -> None:
    """Begin a run in this kernel, and return at once.

    Parameters
    ----------
    shell : InteractiveShell
        Of the kernel.
    order : dict
        ``id``; ``owner``, the server that hands the run on; ``store``, settings that say where it is remembered;
        ``given``, settings for this time; ``data``, names of DataFrames here; ``out``, the variable; ``plan``, to end
        after the plan; ``fill``, to fill ``{name}`` in the goal from this kernel; ``turn``, a branch to begin;
        ``own``, whether the kernel was started for the run.

    Raises
    ------
    NotBegun
        Its text is JSON: what `AgentError.to_dict` gives.
    """
    try:
        _begin(shell, order)
    except AgentError as error:
        raise NotBegun(json.dumps(error.to_dict())) from None


def _begin(shell: Any, order: dict[str, Any]) -> None:
    from omc_agent import face

    if "AgentMagics" not in shell.magics_manager.registry:
        shell.extension_manager.load_extension("omc_agent")
    magics = shell.magics_manager.registry["AgentMagics"]
    settings = settings_with(magics.settings, **order["store"])
    if order["own"]:  # so that %agent in a console on this kernel finds the run
        magics.settings = settings
    frames = {name: magics._frame(name) for name in order["data"]}
    named = _filled(magics, order["id"], settings) if order["fill"] else None
    turn = Turn(**order["turn"]) if order["turn"] else None
    handle = face.resume(order["id"], settings=settings, given=order["given"], interactive=True, turn=turn,
                         frames=frames, named=named, plan_only=order["plan"], instead_of=order["owner"],
                         view=_Binding(magics, order["out"]))  # fmt: skip
    magics.names[order["out"]] = handle
    if order["own"]:
        _end_after_server(shell, handle)


def _filled(magics: Any, run_id: str, settings: AgentSettings) -> dict[str, Any]:
    """Fill the goal from this notebook; what is told of the things that it names."""
    from omc_agent import face

    store = face.orchestrator_for(settings).store
    goal = str(store.read(run_id)["goal"])
    filled = magics._fill(goal, settings)
    if filled.text != goal:
        store.update(run_id, goal=filled.text)
    return dict(filled.named)


_begun: list[Any] = []


def _end_after_server(shell: Any, handle: Any) -> None:
    """End this kernel when the server that started it has died, and what was begun here is done.

    A kernel that was started for a run does not die with its server, so that the run goes on; nobody else would end
    it then.
    """
    _begun.append(handle)
    if len(_begun) > 1:
        return
    server = os.getppid()

    def watch() -> None:
        while os.getppid() == server or not all(each.done() for each in _begun):
            time.sleep(LOOK_SECONDS)
        shell.kernel.io_loop.add_callback(shell.kernel.io_loop.stop)
        time.sleep(LEAVE_SECONDS)
        os._exit(0)

    threading.Thread(target=watch, name="omc-agent-orphan", daemon=True).start()


class _Binding:
    """A view that shows nothing, for the run is seen by whoever attaches; at its end the variable is the result."""

    def __init__(self, magics: Any, out: str) -> None:
        self._magics, self._out = magics, out

    def handle(self, event: Any) -> None:
        """Events are in the ledger."""

    def close(self) -> None:
        """The run ended."""
        self._magics.shell.kernel.io_loop.add_callback(_bind, self._magics, self._out)


def _bind(magics: Any, out: str) -> None:
    """Put the result, or what there is of the run, where its handle was."""
    handle = magics.names.get(out)
    if handle is None or not hasattr(handle, "running"):  # somebody uses the name for something else by now
        return
    from omc_agent.result import RunResult

    if handle.session.status in ("finished", "parked"):
        magics.names[out] = RunResult(handle.store, handle.id, handle.settings)
