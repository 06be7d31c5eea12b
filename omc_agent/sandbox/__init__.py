"""Where generated code runs: a child kernel with limits, frames in and out as Arrow files.

    async with Sandbox(limits=Limits(memory=2**30)) as box:
        await box.put("prices", frame)
        result = await box.run("features = prices.diff()")
        features = await box.get("features")

Imports are lazy because the child itself imports this package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from omc_agent.sandbox.box import Sandbox
    from omc_agent.sandbox.cell_result import CellResult
    from omc_agent.sandbox.limits import Limits

    CodeSandbox = Sandbox

__all__ = ["CellResult", "CodeSandbox", "Limits", "Sandbox"]


def __getattr__(name: str) -> Any:
    if name in ("Sandbox", "CodeSandbox"):
        from omc_agent.sandbox.box import Sandbox

        return Sandbox
    if name == "CellResult":
        from omc_agent.sandbox.cell_result import CellResult

        return CellResult
    if name == "Limits":
        from omc_agent.config import Limits

        return Limits
    raise AttributeError(name)
