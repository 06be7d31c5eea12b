"""The zygote: a process in the outer ring that has only imported; each kernel is a fork of it.

Run as ``python -m omc_agent.sandbox.zygote FD`` by the nursery, never by hand. It must not compute: a library that
has started threads (libgomp after one fit) hangs in every fork. It holds no secret, and ends with its socket.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import socket
import sys
import threading

from omc_agent.config import PRELUDE

# debugpy costs 0.1 to 0.2 s of start and nobody attaches a debugger to these kernels.
sys.modules["debugpy"] = None  # type: ignore[assignment]

# What a cell needs, and what ipykernel and IPython import only at the first request.
IMPORTS = (
    "numpy", "pandas", "scipy.stats", "scipy.optimize", "matplotlib.pyplot", "matplotlib.backends.backend_agg",
    "matplotlib_inline.backend_inline", "seaborn", "sklearn.ensemble", "sklearn.linear_model",
    "sklearn.model_selection", "sklearn.pipeline", "sklearn.preprocessing", "sklearn.inspection", "sklearn.metrics",
    "sklearn.calibration", "sklearn.dummy", "xgboost", "ta", "pyarrow", "pyarrow.ipc", "skops.io", "optuna",
    "ipykernel.kernelapp", "ipykernel.ipkernel", "ipykernel.zmqshell", "ipykernel.pylab.backend_inline",
    "IPython.core.pylabtools", "IPython.core.completerlib", "IPython.extensions.storemagic", "pdb",
    "tornado.platform.asyncio", "zmq.asyncio", "omc_agent.sandbox.child", "omc_agent.sandbox.inside",
)  # fmt: skip


def main() -> None:
    """Import, then fork for each order that comes; end when the host closes its end."""
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    missing = load()
    gc.collect()
    gc.freeze()  # the collector would write to shared pages, which then are shared no more
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    control.send(json.dumps({"threads": threading.active_count(), "missing": missing}).encode())
    while True:
        order, descriptors, _, _ = socket.recv_fds(control, 65536, 1)
        if not order:
            os._exit(0)
        line = socket.socket(fileno=descriptors[0])
        if os.fork() == 0:
            control.close()
            from omc_agent.sandbox.wall import inner_ring

            inner_ring.be_born(json.loads(order), line)
        line.close()


def load() -> list[str]:
    """Import all of it; what is not there is for the cell that wants it to complain about."""
    missing = []
    for name in IMPORTS:
        try:
            importlib.import_module(name)
        except ImportError:
            missing.append(name)
    exec(PRELUDE, {})  # noqa: S102 - ours: what every namespace starts with
    return missing


if __name__ == "__main__":
    main()
