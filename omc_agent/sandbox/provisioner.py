"""How the child kernel is started: the Jupyter seam behind which isolation can be swapped.

Registered as ``omc-sandbox`` in the entry point group ``jupyter_client.kernel_provisioners``. This first
version gives the child a clean environment, sockets that are files, no standard streams, its own process
group and rlimits set from outside. The wall of namespaces takes its place in this class.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

ISOLATION = "limited: own process, clean environment, limits kept from outside"
ISOLATION_NOTE = (
    "The child is an ordinary process of your user: it has limits and no credentials in its environment,"
    " but no wall between it and your files or the network yet."
)
# Only what Python and its numeric libraries need; nothing of the person's environment gets in.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_KEPT = (
    "LANG",
    "LC_ALL",
    "TZ",
    "SYSTEMROOT",
    "OPENBLAS_CORETYPE",
    "OPENBLAS_L2_SIZE",
    "COVERAGE_PROCESS_START",
)


def child_environment(home: str) -> dict[str, str]:
    """A clean environment: a PATH, a home of its own, one thread in each numeric library.

    Parameters
    ----------
    home : str
        The folder the child believes to be its home.

    Returns
    -------
    dict of str to str
        No variable of the host but locale, time zone and the BLAS kernel choice.
    """
    env = {name: os.environ[name] for name in _KEPT if name in os.environ}
    env.update(
        PATH=f"{Path(sys.executable).parent}:/usr/bin:/bin",
        HOME=home,
        IPYTHONDIR=f"{home}/.ipython",
        JUPYTER_PLATFORM_DIRS="1",
        MPLCONFIGDIR=f"{home}/.mpl",
        MPLBACKEND="module://matplotlib_inline.backend_inline",
        PYTHONNOUSERSITE="1",
        PYTHONHASHSEED="0",
        MALLOC_ARENA_MAX="2",
        **dict.fromkeys(THREADS, "1"),
    )
    return env


class LimitedProvisioner(LocalProvisioner):
    """A local kernel with a clean environment, ipc sockets and its own process group."""

    _sockets: str | None = None

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Move the sockets to files, then prepare the launch with nothing of the host's environment."""
        manager = self.parent
        if manager is not None and manager.transport != "ipc":
            # A unix socket path may have 107 characters, so the folder's name is short.
            self._sockets = tempfile.mkdtemp(prefix="omc-k")
            manager.transport, manager.cache_ports = "ipc", False
            manager.ip = str(Path(self._sockets) / "k")
            for name in ("shell", "iopub", "stdin", "hb", "control"):
                setattr(manager, f"{name}_port", 0)
        kwargs = await super().pre_launch(**kwargs)
        cwd = str(kwargs.get("cwd") or tempfile.gettempdir())
        kwargs.update(
            env=child_environment(cwd),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return kwargs

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Start the child in a session of its own, so that a signal reaches its whole tree."""
        kwargs["start_new_session"] = True
        return await super().launch_kernel(cmd, **kwargs)

    async def cleanup(self, restart: bool = False) -> None:
        """Remove the sockets when the kernel is gone for good."""
        await super().cleanup(restart=restart)
        if not restart and self._sockets:
            shutil.rmtree(self._sockets, ignore_errors=True)
