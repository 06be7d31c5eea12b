"""Which tier of isolation is in force: found by trying to break it, once a process, and never assumed.

=========  ==========================================================================================
walled     namespaces, filter of system calls, no capabilities, limits (zygote, or a pool of kernels)
reduced    Landlock, a longer filter, limits; some of the host can be seen, nothing of it touched
limited    a process with a clean environment and limits; no wall
=========  ==========================================================================================
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import tempfile
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from omc_agent.config import MB, Confinement, Limits
from omc_agent.errors import SandboxError
from omc_agent.sandbox.ways import WAYS, Way, on_linux

ORDER = ("walled", "reduced", "limited")
CANARY_SECONDS = 30.0
_LIMITS = Limits(memory=2048 * MB, wall=CANARY_SECONDS, cpu=CANARY_SECONDS)

TITLES = {
    "walled": "code is walled in",
    "reduced": "code is held by a reduced wall",
    "limited": "code has limits, but no wall",
    "remote": "code runs in a remote kernel",
}
NOTES = {
    "walled": "The code runs in namespaces of its own: no network, no home, no credentials, no sealed rows.",
    "reduced": (
        "No namespaces here: the code cannot open your files or the network, but it can see that they are there, and"
        " code that a model wrote always asks first."
    ),
    "limited": (
        "There is no wall between the code and your files or the network here. The seal on the holdout holds against"
        " mistakes, not against malice, and code that a model wrote always asks first."
    ),
    "remote": "How it is held is up to that kernel's provisioner; code that a model wrote always asks first.",
}


@dataclass(frozen=True)
class Isolation:
    """What is in force.

    Attributes
    ----------
    tier : str
        walled, reduced, limited or remote.
    means : str
        The way children are started: zygote, pool, reduced, limited, or the name of a kernelspec.
    refused : tuple of str
        Why each better way is not in force.
    """

    tier: str
    means: str
    refused: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """One line for a card."""
        return TITLES[self.tier]

    @property
    def note(self) -> str:
        """What it means for the person, with why it is not better."""
        why = f" Why: {self.refused[0]}" if self.refused and self.tier != "walled" else ""
        return NOTES[self.tier] + why

    @property
    def advice(self) -> str:
        """How to get a better tier; empty when there is none."""
        if self.tier in ("walled", "remote"):
            return ""
        return _advice(" ".join(self.refused))


_found: dict[tuple[str, str], tuple[Isolation, Way | None]] = {}
_turns: dict[asyncio.AbstractEventLoop, asyncio.Lock] = {}
_guard = threading.Lock()


async def isolation(confinement: Confinement) -> Isolation:
    """What is in force for `confinement`; probes at first use. SandboxError below `confinement.require`."""
    found, _ = await _chosen(confinement)
    return found


async def way(confinement: Confinement) -> Way | None:
    """How children are to be started; None for a kernelspec of somebody else."""
    _, chosen = await _chosen(confinement)
    return chosen


def forget() -> None:
    """Probe again at next use: for tests, and after a change of the system."""
    _found.clear()


async def _chosen(confinement: Confinement) -> tuple[Isolation, Way | None]:
    key = (confinement.best, confinement.kernel)
    async with _turn():
        if key not in _found:
            _found[key] = await _probe_all(confinement)
    found = _found[key]
    _require(confinement, found[0])
    return found


def _turn() -> asyncio.Lock:
    """One probe at a time on this loop."""
    with _guard:
        for loop in [loop for loop in _turns if loop.is_closed()]:
            del _turns[loop]
        return _turns.setdefault(asyncio.get_running_loop(), asyncio.Lock())


async def _probe_all(confinement: Confinement) -> tuple[Isolation, Way | None]:
    if confinement.kernel:
        return Isolation("remote", confinement.kernel), None
    refused: list[str] = []
    for candidate in WAYS:
        if ORDER.index(candidate.tier) < ORDER.index(_tier(confinement.best)) or (
            confinement.best == "pool" and candidate.name == "zygote"
        ):
            continue
        if candidate.name == "limited":
            return Isolation("limited", "limited", tuple(refused)), candidate
        why = await probe(candidate) if on_linux() else "there are no namespaces on this system"
        if why is None:
            return Isolation(candidate.tier, candidate.name, tuple(refused)), candidate
        refused.append(f"{candidate.name}: {why}")
    raise AssertionError("the last way is always there")


def _tier(best: str) -> str:
    return "walled" if best == "pool" else best


def _require(confinement: Confinement, found: Isolation) -> None:
    if not confinement.require:
        return
    remote = found.tier not in ORDER  # what holds a kernel elsewhere is not known here, so it meets no requirement
    if remote or ORDER.index(found.tier) > ORDER.index(confinement.require):
        asked = f"AgentSettings.sandbox_kernel is {found.means}." if remote else ""
        raise SandboxError(
            "sandbox.tier",
            given=f"The tier {confinement.require} is required, and {found.tier} is what is to be had.",
            have=asked or " ".join(found.refused) or f"AgentSettings.isolation asks for {confinement.best} at most.",
            try_=found.advice or "Set AgentSettings.require_tier lower, or isolation higher.",
        )


async def probe(candidate: Way) -> str | None:
    """Why `candidate` is not in force; None when its canary died as it should."""
    from omc_agent.sandbox.kernel import Child

    try:
        async with _bait(walled=candidate.tier == "walled") as bait:
            child = Child(_LIMITS, way=candidate)
            try:
                await child.start("")
                told = json.dumps(bait)
                call = "import omc_agent.sandbox.wall.canary as _c; _c.report"
                spoken = await child.execute(f"{call}({told!r})", limits=_LIMITS)
                worked = json.loads(spoken.text) if spoken.text and not spoken.breach else None
                if worked is None:
                    return "the canary did not answer"
                if worked:
                    return f"from inside one could {', '.join(worked)}"
                if candidate.name == "zygote" and not await _trains(child):
                    return "the first fit in a fork of the zygote did not end"
            finally:
                await child.end()
    except SandboxError as error:
        return error.given
    except OSError as error:
        return str(error)
    return None


async def _trains(child: Any) -> bool:
    """Fit something small with each library that brings threads: in a bad fork the first fit never ends."""
    code = (
        "import numpy as _n, xgboost as _x\n"
        "from sklearn.ensemble import HistGradientBoostingClassifier as _h\n"
        "_a = _n.arange(80.0).reshape(40, 2); _b = _n.arange(40) % 2\n"
        "_x.XGBClassifier(n_estimators=2, n_jobs=2).fit(_a, _b); _h(max_iter=2).fit(_a, _b); print(len(_a @ _a.T))"
    )
    spoken = await child.execute(code, limits=replace(_LIMITS, wall=20.0))
    return bool(spoken.text.strip() == "40")


@contextlib.asynccontextmanager
async def _bait(*, walled: bool) -> AsyncIterator[dict[str, Any]]:
    """What the canary tries to reach: a file, three listening sockets, our own process; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="omcbait-") as folder, contextlib.ExitStack() as stack:
        os.chmod(folder, 0o777)  # noqa: S103 - nothing but the wall must stand in its way
        file = Path(folder, "secret")
        file.write_text("canary seed")
        file.chmod(0o666)
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        plain = stack.enter_context(socket.socket(socket.AF_UNIX))
        plain.bind(f"{folder}/socket")
        os.chmod(f"{folder}/socket", 0o777)  # noqa: S103
        plain.listen(4)
        name = f"\0omc-canary-{os.getpid()}"
        abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
        abstract.bind(name)
        abstract.listen(4)
        with open("/proc/self/stat", "rb") as stat:
            started = stat.read().rpartition(b")")[2].split()[19].decode()
        os.environ["OMC_CANARY"] = "seed"
        stack.callback(os.environ.pop, "OMC_CANARY", None)
        yield {
            "file": str(file),
            "secret": "canary seed",
            "port": tcp.getsockname()[1],
            "socket": f"{folder}/socket",
            "abstract": name,
            "pid": psutil.Process().pid,
            "started": started,
            "variable": "OMC_CANARY",
            "walled": walled,
        }


def _advice(refused: str) -> str:
    if not on_linux():
        return "Use Linux (on Windows: WSL2), or a remote kernel with AgentSettings.sandbox_kernel."
    if "bubblewrap is not installed" in refused:
        return "Install bubblewrap: sudo apt install bubblewrap (or dnf, pacman, zypper)."
    for path, wanted, command in _SWITCHES:
        if _reads(path, wanted):
            return command
    return (
        "User namespaces are forbidden here, as in most containers: allow them in the container's seccomp profile, or"
        " use a remote kernel with AgentSettings.sandbox_kernel."
    )


_SWITCHES = (
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "AppArmor restricts user namespaces: ask the administrator for an AppArmor profile that allows them to"
        " /usr/bin/bwrap (flags=(unconfined) { userns, }).",
    ),
    (
        "/proc/sys/kernel/unprivileged_userns_clone",
        "0",
        "User namespaces are switched off: sudo sysctl kernel.unprivileged_userns_clone=1.",
    ),
    (
        "/proc/sys/user/max_user_namespaces",
        "0",
        "User namespaces are switched off: sudo sysctl user.max_user_namespaces=15000.",
    ),
)


def _reads(path: str, wanted: str) -> bool:
    with contextlib.suppress(OSError):
        return Path(path).read_text().strip() == wanted
    return False
