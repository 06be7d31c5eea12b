"""Tools of other packages: found by their entry points, checked, and bound to the stage that they are offered to.

The host imports such a package for the signature and the docstring of its function; the function itself runs in the
sandbox only, as a cell like any other.
"""

from __future__ import annotations

import inspect
import site
import sysconfig
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from langchain_core.tools import BaseTool

from omc_agent import tools
from omc_agent.agents.toolbox import CellTool
from omc_agent.tools.offering import MARK, Offer

GROUP = "omc_agent.tools"
EVERY = "*"


@dataclass(frozen=True)
class Offered:
    """A tool that was found: its name, who brings it, and the tool itself."""

    name: str
    package: str
    stage: str
    tool: BaseTool


@dataclass
class Found:
    """What the entry points gave.

    Attributes
    ----------
    tools : list of Offered
        Ready to be bound.
    refused : list of str
        A sentence each: which one is not offered, and why.
    """

    tools: list[Offered] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def of(self, stage: str) -> list[BaseTool]:
        """Those of one stage."""
        return [each.tool for each in self.tools if each.stage == stage]


def find_offered(
    stages: Mapping[str, Collection[str]],
    off: Collection[str] = (),
    points: Iterable[EntryPoint] | None = None,
) -> Found:
    """Load what other packages offer; whatever cannot be used is refused with a sentence, and stops nothing.

    Parameters
    ----------
    stages : mapping of str to collection of str
        Stages that work with cells, each with the names of its own tools.
    off : collection of str
        Names of tools or packages that are not to be loaded; ``*`` for all.
    points : iterable of EntryPoint, optional
        In place of those of the environment.
    """
    found, taken = Found(), {name for names in stages.values() for name in names} | set(tools._WHERE)
    if EVERY in off:
        return found
    for point in sorted(points if points is not None else entry_points(group=GROUP), key=lambda each: each.name):
        package = point.dist.name if point.dist is not None else point.module
        if point.name in off or package in off:
            continue
        why = "its name is that of another tool" if point.name in taken else ""
        made = why or _load(point, stages)
        if isinstance(made, str):
            found.refused.append(f"The tool {point.name} of the package {package} is not offered: {made}.")
            continue
        stage, tool = made
        taken.add(point.name)
        found.tools.append(Offered(point.name, package, stage, tool))
    return found


def _load(point: EntryPoint, stages: Mapping[str, Collection[str]]) -> tuple[str, BaseTool] | str:
    """Stage and tool; or why it cannot be one."""
    try:
        function = point.load()
    except Exception as error:  # a stranger's module may raise anything
        return f"it does not import ({type(error).__name__}: {' '.join(str(error).split())[:120]})"
    offer = getattr(function, MARK, None)
    if not callable(function) or not isinstance(offer, Offer):
        return f"{point.value} is no function marked with omc_agent.tools.offering.offer"
    if offer.stage not in stages:
        return f"there is no stage {offer.stage} that works with cells ({', '.join(stages)})"
    if function.__name__ != point.name:
        return f"the function is called {function.__name__}, and its cell would not read as its tool is named"
    if not inspect.getdoc(function):
        return "it has no docstring, so no model would know what it does"
    if not is_installed(function):
        return (
            "its file lies outside site-packages, which is all that the sandbox can read"
            " (install it with pip install ., without -e)"
        )
    try:
        return offer.stage, _tool(point, function, offer)
    except Exception as error:  # annotations that cannot be read, a name that no schema takes
        return f"its signature cannot be read ({' '.join(str(error).split())[:120]})"


def _tool(point: EntryPoint, function: Any, offer: Offer) -> BaseTool:
    line = f"from {function.__module__} import {function.__name__}\n"
    return CellTool(point.name, offer.kind, offer.into, function=function, before=line).build()


def is_installed(function: Any) -> bool:
    """Whether the file of a function lies where the sandbox reads packages from."""
    file = inspect.getsourcefile(function) or ""
    folders = {*site.getsitepackages(), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    return any(Path(file).resolve().is_relative_to(Path(folder).resolve()) for folder in folders)
