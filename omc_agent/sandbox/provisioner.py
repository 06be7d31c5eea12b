"""The Jupyter seam: the kernelspec ``omc_sandbox`` starts its kernel in the tier that is in force.

Registered as ``omc-sandbox`` in the entry point group ``jupyter_client.kernel_provisioners``. Whoever starts that
kernelspec, ours or another front end, gets a child with sockets that are files and nothing of the environment.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from omc_agent.config import Confinement
from omc_agent.sandbox import tiers
from omc_agent.sandbox.birth import ChildProcess
from omc_agent.sandbox.places import Place
from omc_agent.sandbox.ways import Way


class SandboxProvisioner(LocalProvisioner):
    """A local kernel behind the wall; ``way`` and ``place`` may be given to ``start_kernel``."""

    _place: Place | None = None
    _own_place = False

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Choose how and where the child starts, and move the sockets to files there."""
        way: Way | None = kwargs.pop("way", None) or await tiers.way(Confinement())
        assert way is not None
        self._own_place = "place" not in kwargs
        place = self._place = kwargs.pop("place", None) or await asyncio.to_thread(way.place)
        manager = self.parent
        assert manager is not None
        manager.transport, manager.cache_ports = "ipc", False
        manager.ip = str(place.folder / "k" / "k")
        for number, name in enumerate(("shell", "iopub", "stdin", "hb", "control"), start=1):
            setattr(manager, f"{name}_port", number)
        kwargs = await super().pre_launch(**kwargs)
        await asyncio.to_thread(self._write_inside, place)
        return {**kwargs, "way": way, "place": place}

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Start the child; the command of the kernelspec is for people to read."""
        way, place = kwargs["way"], kwargs["place"]
        launching = asyncio.ensure_future(asyncio.to_thread(way.launch, place))
        try:
            process = await asyncio.shield(launching)
        except asyncio.CancelledError:
            launching.add_done_callback(_kill_unwanted)  # the thread goes on, and nobody else will know of its child
            raise
        self.process = process  # it has the calls of Popen that are made
        self.pid, self.pgid, self.cwd = process.pid, None, Path(place.folder)
        return self.connection_info

    async def cleanup(self, restart: bool = False) -> None:
        """Remove the folder when the kernel is gone for good and the folder was ours."""
        await super().cleanup(restart=restart)
        if self._place is not None and self._own_place and not restart:
            self._place.remove()
            if isinstance(self.process, ChildProcess):
                self.process.close()

    def _write_inside(self, place: Place) -> None:
        """The connection file with the paths that the child knows; the key is the only secret it gets."""
        told = dict(self.connection_info, ip=f"{place.inside('k')}/k")
        told = {name: value.decode() if isinstance(value, bytes) else value for name, value in told.items()}
        path = place.folder / "k" / "c.json"
        path.write_text(json.dumps(told))
        path.chmod(0o644)  # the folder is closed to others


def _kill_unwanted(launching: asyncio.Future[ChildProcess]) -> None:
    if not launching.cancelled() and launching.exception() is None:
        process = launching.result()
        process.kill()
        process.wait(1.0)
        process.close()
