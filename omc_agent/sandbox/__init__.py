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
    from omc_agent.sandbox.box import CellResult, Sandbox
    from omc_agent.sandbox.limits import Limits

    CodeSandbox = Sandbox

__all__ = ["CellResult", "CodeSandbox", "Limits", "Sandbox"]


def __getattr__(name: str) -> Any:
    if name in ("Sandbox", "CodeSandbox", "CellResult"):
        from omc_agent.sandbox import box

        return getattr(box, "Sandbox" if name == "CodeSandbox" else name)
    if name == "Limits":
        from omc_agent.config import Limits

        return Limits
    raise AttributeError(name)
