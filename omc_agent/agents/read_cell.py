"""`read_cell`: the record of an earlier cell, for a model whose conversation has put its result aside."""

from __future__ import annotations

from typing import Any

from langchain.tools import ToolRuntime
from langchain_core.tools import BaseTool, StructuredTool
from pydantic import BaseModel, Field

from omc_agent.agents.context import RunContext
from omc_agent.agents.outline import shown_names
from omc_agent.agents.toolbox import shorten
from omc_agent.errors import UsageError

READ_CELL = "read_cell"
_CODE_CAP = 600


class _Number(BaseModel):
    n: int = Field(description="number of the cell, as its result named it")


def read_cell_tool() -> BaseTool:
    """The tool; it reads on the host and runs nothing."""
    return StructuredTool.from_function(
        coroutine=_read_cell,
        name=READ_CELL,
        description="See code and result of an earlier cell of this run again; runs nothing.",
        args_schema=_Number,
    )


async def _read_cell(n: int, runtime: ToolRuntime[RunContext, Any]) -> str:
    found = await runtime.context.read_cell(n)
    if found is None:
        there = ", ".join(sorted(runtime.state.get("cells") or {}, key=int)[-20:])
        raise UsageError(
            "usage.value",
            given=f"There is no cell {n} to read.",
            have=f"Cells: {there}." if there else "There are no cells yet.",
            try_="Name one of them.",
        )
    code, outcome = found
    frames = {
        name: {"rows": ref["rows"], "columns": shown_names(ref["columns"])} for name, ref in outcome.frames.items()
    }
    about: dict[str, Any] = {"cell": outcome.n, "status": outcome.status, "code": code[:_CODE_CAP], "frames": frames}
    if outcome.ok:
        return shorten({**about, "values": outcome.values, "output": outcome.text})
    return shorten({**about, "error": outcome.error, "reason": outcome.reason})
