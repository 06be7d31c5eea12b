"""`query`: SQL of the model, answered on the host with rows from before the seal."""

from __future__ import annotations

import keyword
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import pandas as pd
from langchain.tools import ToolRuntime
from langchain_core.tools import BaseTool, StructuredTool
from langgraph.types import Command
from pydantic import BaseModel, Field

from omc_agent.agents.context import RunContext
from omc_agent.agents.toolbox import answer, cell_key
from omc_agent.errors import DataError, UsageError
from omc_agent.tools import data
from omc_agent.tools.secret_columns import is_secret

MAX_ROWS, SECONDS = 1_000, 20.0
MAX_FRAME_ROWS = 200_000  # of an answer that is kept as a frame
HEAD = 900  # characters of rows that the model sees
QUERY = "query"


class _Sql(BaseModel):
    sql: str = Field(
        description="one SELECT in the database's dialect, over the brief's table or others with a column of times;"
        " sealed rows are not there"
    )
    into: str | None = Field(None, description="keep the answer as a frame of this name, to look at in run_python")


def query_tool() -> BaseTool:
    """`query`: one SELECT that reads; sealed rows never come back."""
    return StructuredTool.from_function(
        coroutine=_query,
        name=QUERY,
        description="Read rows from before the sealed stretch with one SELECT. It only reads, and has a time limit.",
        args_schema=_Sql,
    )


async def _query(sql: str, runtime: ToolRuntime[RunContext, Any], into: str | None = None) -> Command[Any]:
    state, source = runtime.state, runtime.context.source
    _check_name(into, state)
    sealed = state.get("sealed") or {}
    table = state["brief"]["table"] if sealed.get("frame") == "rows" else source.table
    rows = MAX_FRAME_ROWS if into else MAX_ROWS

    def call() -> dict[str, Any]:
        if source.frames:
            raise _no_database(next(iter(source.frames)))
        found = data.query_before(
            sql, source.db, table, sealed.get("start") or None, time=source.time,
            sealed=state["brief"]["task"] != "analysis", max_rows=rows, seconds=SECONDS,
            withheld=lambda name: is_secret(name, source.secret_columns, source.allowed),
        )  # fmt: skip
        return {into or "answer": found, "_about": _described(found)}

    name = into or "answer"
    outcome = await runtime.context.host_cell(
        f"{name} = query({sql!r})", call, key=cell_key(runtime), into=[into] if into else [], entered=state["entered"]
    )
    about = outcome.values.get("_about", {})
    told = replace(outcome, text=about.get("head", ""), values={k: v for k, v in about.items() if k != "head"})
    made = answer(told, runtime)
    update = cast(dict[str, Any], made.update)
    frames = {name: {**ref, "by": QUERY} for name, ref in update["frames"].items()}
    return Command(update={**update, "frames": frames})


def _described(frame: pd.DataFrame) -> dict[str, Any]:
    """Shape, kinds of columns and the first rows of an answer, within what a message may hold."""
    lines = frame.to_csv(index=False, float_format="%.6g", na_rep="").splitlines()
    head: list[str] = []
    size = 0
    for line in lines:
        size += len(line) + 1
        if size > HEAD and head:
            break
        head.append(line[:HEAD])
    columns = {str(name)[:60]: str(kind) for name, kind in list(frame.dtypes.items())[:30]}
    return {
        "rows": len(frame),
        "more_there": bool(frame.attrs.get("truncated")),
        "columns": columns,
        "shown": len(head) - 1,
        "head": "\n".join(head),
    }


def _check_name(name: str | None, state: Mapping[str, Any]) -> None:
    if name is None:
        return
    frames = state.get("frames", {})
    plain = name.isidentifier() and not name.startswith("_") and not keyword.iskeyword(name)
    taken = name in frames and frames[name].get("by") != QUERY
    if plain and not taken and name not in ("prices", "rows", "bars", "features"):
        return
    raise UsageError(
        "usage.value",
        given=f"The answer was to be kept as {name!r}.",
        have="That is a frame of the run." if plain else "A frame has a plain name without a leading underscore.",
        try_="Try another name, such as funding.",
    )


def _no_database(name: str) -> DataError:
    return DataError(
        "data.no_database",
        given="This run works on a frame that was handed in.",
        have=f"There is no database to query; the frame is {name}.",
        try_="Try run_python on the frames there are.",
    )
