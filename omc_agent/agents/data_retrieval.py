"""Retrieval on the host: the database is read here, and what will be sealed never leaves the host."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd
from langchain.tools import ToolRuntime
from langchain_core.tools import BaseTool, StructuredTool
from langgraph.types import Command
from pydantic import BaseModel, Field

from omc_agent.agents.base import BaseAgent
from omc_agent.agents.belonging import belonging_warnings, check_group
from omc_agent.agents.context import Outcome, RunContext
from omc_agent.agents.middleware import StageState
from omc_agent.agents.poor_data import poor_data_question
from omc_agent.agents.quality import check_rows, quality_warnings
from omc_agent.agents.querying import query_tool
from omc_agent.agents.rows_in_time import one_series, time_warnings
from omc_agent.agents.table_quality import check_target, table_reading, target_notes
from omc_agent.agents.toolbox import answer, cell_key, render_call
from omc_agent.events import HoldoutSealed, Warned
from omc_agent.tools import data
from omc_agent.tools.column_kinds import column_notes
from omc_agent.tools.plain_frame import LEFT_OUT, left_out_notes
from omc_agent.tools.secret_columns import WITHHELD, withheld_notes, withhold
from omc_agent.tools.time_column import order_in_time

MAX_CLARIFICATIONS = 2  # visits: the first one is before the plan


class _Coins(BaseModel):
    coins: list[str] = Field(description="upper-case base symbols")


class _Fetch(_Coins):
    start: str | None = Field(None, description="ISO 8601 UTC, inclusive")
    end: str | None = Field(None, description="ISO 8601 UTC, exclusive")


class _Why(BaseModel):
    # LangChain calls a tool without any argument without its runtime too, so there is one.
    why: str = Field("", description="one sentence: why now")


class DataRetrievalAgent(BaseAgent):
    """Reads the rows, checks their quality, seals the holdout."""

    stage = "data_retrieval"
    title = "Data"
    task = "Fetch the rows that the brief asks for."
    prompt = """\
Stage: data_retrieval. Where the brief names coins, look at what there is (get_data_statistics), then fetch their bars
with fetch_price_data, with coins, start and end of the brief; it leaves the frame `prices`. Else fetch_rows reads the
brief's table, or the frame in `handed_in`, and leaves the frame `rows`. Fetch once: the last stretch of the rows is
sealed on the host at that moment, and you see and get only development rows. get_available_coins lists the coins when
one is not found. After the fetch `query` reads rows from before the seal with SQL, of this table or another one that
has times, for questions that the frames will not answer. The stage is done when one fetch succeeded; cleaning and
features belong to later stages.
Example: fetch_price_data {"coins": ["BTC"], "start": "2024-06-01T00:00:00+00:00", "end": "2024-09-01T00:00:00+00:00"}
"""

    def tools(self) -> Sequence[BaseTool]:
        """Host tools: they open the database, so they are not run in the sandbox."""
        return [
            _tool(_available, "get_available_coins", "The coins that the table holds.", _Why),
            _tool(_statistics, "get_data_statistics", "Rows, span, gaps and missing values of each coin.", _Coins),
            _tool(_fetch_prices, "fetch_price_data", "Fetch bars of the coins; seals the holdout.", _Fetch),
            _tool(_fetch_rows, "fetch_rows", "Fetch a table or frame that is not prices; seals the holdout.", _Why),
            query_tool(),
        ]

    async def facts(self, state: StageState, context: RunContext) -> dict[str, Any]:
        """Brief and market."""
        handed_in = sorted(context.source.frames)
        return {**await super().facts(state, context), "market": await context.describe(), "handed_in": handed_in}

    def missing(self, state: StageState) -> str | None:
        """The rows."""
        return None if state.get("sealed") else "the rows"


def _tool(call: Callable[..., Any], name: str, about: str, schema: type[BaseModel]) -> BaseTool:
    return StructuredTool.from_function(coroutine=call, name=name, description=about, args_schema=schema)


async def _host(
    runtime: ToolRuntime[RunContext, Any],
    code: str,
    call: Callable[[], dict[str, Any]],
    into: Sequence[str],
    update: Callable[[Any], dict[str, Any]] = lambda outcome: {},
) -> Command[Any]:
    outcome = await runtime.context.host_cell(
        code, call, key=cell_key(runtime), into=into, entered=runtime.state["entered"]
    )
    return answer(outcome, runtime, update(outcome))


async def _available(runtime: ToolRuntime[RunContext, Any], why: str = "") -> Command[Any]:
    source, market = runtime.context.source, await runtime.context.describe()

    def call() -> dict[str, Any]:
        known = sorted(market.get("coins") or {}) if source.frames else None
        return {"coins": data.get_available_coins(source.db, source.table) if known is None else known}

    return await _host(runtime, render_call(data.get_available_coins, {}, [], ["coins"]), call, ["coins"])


async def _statistics(coins: list[str], runtime: ToolRuntime[RunContext, Any]) -> Command[Any]:
    source, market = runtime.context.source, await runtime.context.describe()
    handed = {name: each for name, each in (market.get("coins") or {}).items() if name in coins}

    def call() -> dict[str, Any]:
        if source.frames:
            return {"statistics": pd.DataFrame.from_dict(handed, orient="index").rename_axis("coin")}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an unknown coin is told when the bars are fetched
            return {"statistics": data.get_data_statistics(source.db, coins, source.table)}

    code = render_call(data.get_data_statistics, {"coins": coins}, [], ["statistics"])
    return await _host(runtime, code, call, [])


async def _fetch_prices(
    coins: list[str], runtime: ToolRuntime[RunContext, Any], start: str | None = None, end: str | None = None
) -> Command[Any]:
    context, brief = runtime.context, runtime.state["brief"]
    source, market = context.source, await context.describe()

    def call() -> dict[str, Any]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an unknown coin becomes an event below
            if source.frames:
                frame = data.as_prices(next(iter(source.frames.values())), coins, start, end)
            else:
                frame = data.fetch_price_data(coins, start, end, source.db, source.table)
        return {**_sealed(context, frame, brief, coins), "question": poor_data_question(frame, brief, market)}

    given = {"coins": coins, "start": start, "end": end}
    code = render_call(data.fetch_price_data, {k: v for k, v in given.items() if v}, [], ["prices"])
    return await _finish_fetch(runtime, code, call, "prices")


async def _fetch_rows(runtime: ToolRuntime[RunContext, Any], why: str = "") -> Command[Any]:
    context, brief = runtime.context, runtime.state["brief"]
    source = context.source

    def call() -> dict[str, Any]:
        handed_in = next(iter(source.frames.values()), None)
        frame = data.fetch_table(brief["table"], source.db) if handed_in is None else handed_in
        left = dict(frame.attrs.get(LEFT_OUT) or {})
        frame, _ = withhold(frame, source.secret_columns, source.allowed)
        withheld = list(frame.attrs.get(WITHHELD) or [])
        check_target(frame, brief, left, withheld)
        told = [*left_out_notes(left), *withheld_notes(withheld)]
        made = _sealed_rows(context, order_in_time(frame, brief["target"], source.time), brief, told)
        if withheld:
            made["sealed"][WITHHELD] = withheld
        return made

    name = next(iter(source.frames), None)
    given = {"frame": name or f"fetch_table({brief['table']!r})", "target": brief["target"]}
    given |= {"time": source.time} if source.time else {}
    code = render_call(order_in_time, given, ["frame"], ["rows"])
    return await _finish_fetch(runtime, code, call, "rows")


def _sealed(context: RunContext, frame: pd.DataFrame, brief: dict[str, Any], coins: list[str]) -> dict[str, Any]:
    """Check, then cut: the sealed part goes to the host's folder, the rest is what the run sees."""
    check_rows(frame, brief)
    notes = quality_warnings(frame, coins)
    development, facts = context.seal(frame, brief)
    return {"prices": development, "sealed": facts, "warnings": notes}


def _sealed_rows(
    context: RunContext, frame: pd.DataFrame, brief: dict[str, Any], told: list[dict[str, Any]]
) -> dict[str, Any]:
    """The same for any table, and how its rows and columns are read, as the development rows show it."""
    check_rows(frame, brief)
    group = context.source.group
    check_group(frame, group)
    notes = [*told, *time_warnings(frame)]
    development, facts = context.seal(frame, brief)
    if brief["task"] != "analysis":
        if "timestamp" in development:
            notes += one_series(development, facts, brief, context.source.series)
        notes += belonging_warnings(development, brief["target"], group, facts)
        facts |= table_reading(development, brief, facts, context.trust.folds)
        notes += column_notes(development, facts["kinds"], brief["target"])
        notes += target_notes(development, facts["classes"], brief)
    return {"rows": development, "sealed": facts, "warnings": notes}


async def _finish_fetch(
    runtime: ToolRuntime[RunContext, Any], code: str, call: Callable[[], dict[str, Any]], name: str
) -> Command[Any]:
    key, context = cell_key(runtime), runtime.context
    outcome = await context.host_cell(
        code, call, key=key, into=[name, "sealed", "warnings", "question"], entered=runtime.state["entered"]
    )
    if not outcome.ok:
        return answer(outcome, runtime)
    sealed = outcome.values["sealed"]
    for number, note in enumerate(outcome.values["warnings"]):
        await context.emit(Warned(stage="data_retrieval", **note, cell=outcome.n), f"{key}:warned:{number}")
    if sealed["rows"]:
        fields = {k: sealed[k] for k in HoldoutSealed.__dataclass_fields__ if k in sealed}
        await context.emit(HoldoutSealed(stage="data_retrieval", **fields), f"{key}:sealed")
    return answer(outcome, runtime, {"sealed": {**sealed, "frame": name}, **_questions(outcome, runtime.state)})


def _questions(outcome: Outcome, state: Mapping[str, Any]) -> dict[str, Any]:
    """What is to be asked of poor data, unless a clarification after retrieval was there already."""
    question, visits = outcome.values.get("question"), state.get("visits", {}).get("clarification", 0)
    return {"questions": [question]} if question and int(visits) < MAX_CLARIFICATIONS else {}
