"""Cleaning, indicators and a look at the data; then features and target."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.tools import BaseTool

from omc_agent.agents.base import BaseAgent, free_code_tool
from omc_agent.agents.context import RunContext
from omc_agent.agents.decided import FOLLOW, Arguments, decided, overrides_of
from omc_agent.agents.middleware import StageState
from omc_agent.agents.querying import query_tool
from omc_agent.agents.toolbox import CellTool, Code, as_told
from omc_agent.brief import Brief
from omc_agent.overrides import INDICATORS
from omc_agent.tools.features import feature_columns
from omc_agent.tools.portrait import portrait

VOLATILITY_STATE = "median_volatility"
LIMITS_STATE = "outlier_limits"
_READING = ("target", "time", "classes", "lags", "season", "cycle", "task", "kinds", "group")


class DataAnalystAgent(BaseAgent):
    """Cleans, adds indicators, explores with plots."""

    stage = "data_analysis"
    title = "Analysis"
    task = "Clean the rows, add indicators, and explore them."
    prompt = f"""\
Stage: data_analysis. clean_data on `prices` first, then calculate_technical_indicators on `bars` (those of the brief,
else all), both into `bars`; then perform_eda on `bars` and say what you see; for an exploration (task analysis)
show_distributions and show_correlations too. Where unusual bars matter call fit_limits on `prices` before clean_data,
which then flags them: prices are never changed for being unusual. `query` reads rows from before the seal with SQL,
also of other tables that have times; what it gives is for looking, not for features. Everything here must be causal
and keep every row. The stage is done when the frame `bars` is there and was looked at; features and models belong to
later stages.{FOLLOW}
Example: clean_data {{"prices": "prices", "into": "bars"}}
Example: calculate_technical_indicators {{"prices": "bars", "indicators": ["rsi", "macd"], "into": "bars"}}"""

    def tools(self) -> Sequence[BaseTool]:
        """Cleaning, indicators, EDA and, where they do not reach, free code."""
        return [
            CellTool("fit_limits", "fit", (LIMITS_STATE,)).build(),
            CellTool(
                "clean_data",
                "transform",
                ("bars",),
                fixed=_limits_argument,
                hidden=("limits",),
                shown="count_changes({0})",
            ).build(),
            decided(CellTool("calculate_technical_indicators", "transform", ("bars",)).build(), _decided_indicators),
            CellTool("perform_eda", "look", ("summary",), hidden=("plots",), shown="{0}.T").build(),
            CellTool("show_distributions", "look", ("quantiles",), hidden=("plots",), shown="{0}.T").build(),
            CellTool("show_correlations", "look", ("correlations",), hidden=("plots",), shown="{0}.round(3)").build(),
            query_tool(),
            free_code_tool(),
        ]

    async def facts(self, state: StageState, context: RunContext) -> dict[str, Any]:
        """Brief, frames, and what was sealed."""
        known = {**await super().facts(state, context), "sealed": as_told(state.get("sealed", {}))}
        return {**known, **await _portraits(state, context)}

    def missing(self, state: StageState) -> str | None:
        """Cleaned bars; a table that is not prices needs none."""
        has_bars = "bars" in state.get("frames", {}) or state.get("sealed", {}).get("frame") == "rows"
        return None if has_bars else "the cleaned bars"


async def _portraits(state: StageState, context: RunContext) -> dict[str, Any]:
    """Types, three rows and statistics of the development rows: exactly what the seal left."""
    name = state.get("sealed", {}).get("frame", "")
    ref = state.get("frames", {}).get(name)
    if not ref:
        return {}
    try:
        source, rows = context.source, await context.load_frame(ref["sha"])
    except FileNotFoundError:  # the stage's first cell makes it again, or says by name what is gone
        return {}
    named: dict[str, Any] = {"more": source.secret_columns, "allowed": source.allowed}
    return {"portraits": {name: await asyncio.to_thread(portrait, rows, part="all", **named)}}


def _limits_argument(context: RunContext, state: dict[str, Any]) -> dict[str, Any]:
    """The limits that this stage has learned; without them nothing is flagged."""
    failed = {m.tool_call_id for m in state["messages"] if isinstance(m, ToolMessage) and m.status == "error"}
    calls = [call for m in state["messages"] if isinstance(m, AIMessage) for call in m.tool_calls]
    learned = [call for call in calls if call["name"] == "fit_limits" and call["id"] not in failed]
    name = (learned[-1]["args"].get("into") or LIMITS_STATE) if learned else ""
    return {"limits": Code(f"load_state({name!r})")} if name else {}


def _decided_indicators(state: Mapping[str, Any], given: Arguments) -> Arguments:
    """The indicators that a person decided on; those of the brief where the model names none."""
    wanted = overrides_of(state).get("indicators") or given.get("indicators") or state["brief"]["indicators"]
    known = [name for name in wanted if name in INDICATORS]
    return {**given, "indicators": known} if known else given


def _decided_lengths(state: Mapping[str, Any], given: Arguments) -> Arguments:
    lengths = {name: value for name, value in overrides_of(state).items() if name in ("lags", "windows")}
    return {**_decided_indicators(state, given), **lengths}


def _label_arguments(context: RunContext, state: dict[str, Any]) -> dict[str, Any]:
    """Target, horizon and threshold are the brief's, not the model's."""
    brief = Brief.model_validate(state["brief"])
    given: dict[str, Any] = {"target": brief.target, "horizon": brief.horizon}
    if brief.target == "threshold":
        given["threshold"] = brief.threshold
    if brief.target == "volatility" and brief.task == "classification":
        given["threshold"] = Code(f"load_state({VOLATILITY_STATE!r})")
    return given


def _horizon_argument(context: RunContext, state: dict[str, Any]) -> dict[str, Any]:
    return {"horizon": state["brief"]["horizon"]}


def _target_argument(context: RunContext, state: dict[str, Any]) -> dict[str, Any]:
    return {"target": state["brief"]["target"], **table_facts(state.get("sealed", {}), state["brief"]["task"])}


def table_facts(sealed: Mapping[str, Any], task: str) -> dict[str, Any]:
    """How `prepare_table` reads the rows, as development rows showed it; a replay must not look again."""
    found = {
        name: sealed[name] for name in ("time", "classes", "lags", "kinds", "group") if sealed.get(name) is not None
    }
    found |= {"season": sealed["season"]} if sealed.get("season", 1) > 1 else {}
    found |= {"cycle": sealed["cycle"]} if sealed.get("cycle") else {}
    return {**found, "task": task}


class FeatureAgent(BaseAgent):
    """Makes features and target; drops what the leak test named."""

    stage = "feature_engineering"
    title = "Features"
    task = "Make the features and the target as the frame `features`."
    prompt = f"""\
Stage: feature_engineering. For prices call create_features on `bars` (for a volatility class first
fit_median_volatility on `bars`: the median is learned from development rows and stored). For a table call
prepare_table on `rows`. Both make the target as well, from the brief, in the column `target`. When `leaks` names
columns, they have seen the future: make the features again and then drop those with drop_columns, and in the same
call those of `overrides.drop`. Further features of your own go into the same frame with run_python, kind transform,
into `features`. Features are causal: a row may use its own bar and earlier ones only; every row is kept; warm-up rows
stay empty. The stage is done when the frame `features` was made in this visit; the leak test comes next.{FOLLOW}
Example: create_features {{"prices": "bars", "lags": [1, 3, 12], "windows": [12, 48]}}
Example: drop_columns {{"features": "features", "columns": ["ret_12"]}}
Example: run_python {{"code": "features = features.assign(calm=features['std_12'] / features['std_48'])",
"kind": "transform", "into": ["features"]}}"""

    def tools(self) -> Sequence[BaseTool]:
        """Features, the fitted median of a volatility class, dropping columns, and free code."""
        label = ("target", "horizon", "threshold")
        features = CellTool("create_features", "transform", ("features",), fixed=_label_arguments, hidden=label)
        return [
            decided(features.build(), _decided_lengths),
            CellTool(
                "fit_median_volatility", "fit", (VOLATILITY_STATE,), fixed=_horizon_argument, hidden=("horizon",)
            ).build(),
            CellTool(
                "prepare_table",
                "transform",
                ("features",),
                fixed=_target_argument,
                hidden=_READING,
            ).build(),
            CellTool("drop_columns", "transform", ("features",)).build(),
            free_code_tool(),
        ]

    async def facts(self, state: StageState, context: RunContext) -> dict[str, Any]:
        """Brief, frames and what the leak test found."""
        known = {"leaks": state.get("leaking") or [], "sealed": as_told(state.get("sealed", {}))}
        # The analysis, which has the portrait of bars, is left out for a table.
        table = state.get("sealed", {}).get("frame") == "rows"
        told = await _portraits(state, context) if table else {}
        return {**await super().facts(state, context), **known, **told}

    def missing(self, state: StageState) -> str | None:
        """The frame `features`, made in this visit, without the columns that a person left out."""
        ref = state.get("frames", {}).get("features", {})
        if ref.get("stage") != self.stage or ref.get("visit") != state["entered"]["visit"]:
            return "the frame `features`"
        there = set(feature_columns(pd.DataFrame(columns=ref["columns"])))
        kept = [name for name in overrides_of(state).get("drop", []) if name in there]
        return f"the frame `features` without {', '.join(kept)}" if kept else None
