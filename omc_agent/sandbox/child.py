"""The program of the child: an ipykernel that has already imported what a cell needs.

The zygote's forks call `serve`; the other ways run ``python -m omc_agent.sandbox.child``. Never by hand.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Callable
from typing import Any

# debugpy costs 0.1 to 0.2 s of start and nobody attaches a debugger to this kernel.
sys.modules["debugpy"] = None  # type: ignore[assignment]

WAITING_MESSAGES = 100


def main() -> None:
    """``child.py -f CONNECTION_FILE [--line FD] [--reduced PATHS]``: wall in if told to, then serve."""
    words = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=False))
    line = socket.socket(fileno=int(words["--line"])) if "--line" in words else None
    if line is not None:
        line.set_inheritable(False)
    try:
        if "--reduced" in words:
            reduce(json.loads(words["--reduced"]))
        if line is not None:
            line.send(b"kernel")
        serve(words["-f"], ready=lambda: _tell_ready(line))
    except OSError as error:
        if line is not None:
            line.send(f"error: {error}"[:900].encode())
        raise SystemExit(1) from None


def _tell_ready(line: socket.socket | None) -> None:
    if line is not None:
        line.send(b"ready")
        line.close()


def serve(connection_file: str, ready: Callable[[], Any] | None = None) -> None:
    """Start the kernel on the sockets that `connection_file` names; `ready` is called when they are bound."""
    app = _application()
    app.initialize(["-f", connection_file, "--matplotlib=inline", "--HistoryManager.enabled=False"])
    from omc_agent.sandbox import inside

    inside.settle(app.shell)
    if ready is not None:
        ready()
    app.start()


def reduce(order: dict[str, Any]) -> None:
    """The reduced tier: Landlock, the longer filter and no capabilities, before anything starts a thread."""
    from omc_agent.sandbox.wall import landlock, seccomp, syscalls

    syscalls.prctl(syscalls.SET_CHILD_SUBREAPER, 1)
    landlock.restrict(order["readable"], order["writable"], ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random"))
    syscalls.drop_capabilities()
    syscalls.seccomp(seccomp.program(reduced=True))
    os.environ["TMPDIR"] = order["writable"][0]


def _application() -> Any:
    from ipykernel.iostream import IOPubThread
    from ipykernel.kernelapp import IPKernelApp

    class SandboxKernelApp(IPKernelApp):
        def init_iopub(self, context: Any) -> None:
            # ipykernel's own opens a TCP port for the output of forks, even over ipc; the filter makes libzmq abort.
            import zmq

            self.iopub_socket = context.socket(zmq.XPUB)
            self.iopub_socket.linger = 1000
            # A flood waits for its reader: kept in memory, as by default, it would kill the child before the host
            # has seen enough to name the limit.
            self.iopub_socket.sndhwm = WAITING_MESSAGES
            self.iopub_socket.setsockopt(zmq.XPUB_NODROP, 1)
            self.iopub_port = self._bind_socket(self.iopub_socket, self.iopub_port)  # type: ignore[no-untyped-call]
            self.configure_tornado_logger()  # type: ignore[no-untyped-call]
            thread = IOPubThread(self.iopub_socket, pipe=False, session=self.session)  # type: ignore[no-untyped-call]
            thread.start()  # type: ignore[no-untyped-call]
            self.iopub_thread = thread
            self.iopub_socket = self.iopub_thread.background_socket

    return SandboxKernelApp.instance()


if __name__ == "__main__":
    main()
