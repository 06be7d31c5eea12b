"""The leak test: replay the features on truncated and on scrambled futures; what changes has seen the future.

A control replay on the same rows comes first: a cell that differs there is not reproducible, and that is another
fault. The pure parts are in `tools/leakage.py`; why these cuts and this tolerance is in `docs/trust.md`.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from langgraph.runtime import Runtime

from omc_agent.agents.context import Bench, RunContext
from omc_agent.errors import SandboxError
from omc_agent.events import LeakTested, Warned
from omc_agent.graph.state import AgentState
from omc_agent.graph.visit import Visit, visiting
from omc_agent.tools import apart, leakage
from omc_agent.tools.joins import joins_at_open
from omc_agent.tools.leakage import Finding
from omc_agent.tools.screens import screen_columns
from omc_agent.tools.targets import parse_horizon

TRANSFORM = ("transform",)


async def leak_test(state: AgentState, runtime: Runtime[RunContext]) -> dict[str, Any]:
    """Name every feature that changes when the future is taken away or replaced."""
    context = runtime.context
    async with visiting("leak_test", "Leak test", state, context) as visit:
        name = state["sealed"]["frame"]
        inputs = await context.load_frame(str(state["frames"][name]["sha"]))
        reference = await context.load_frame(str(state["frames"]["features"]["sha"]))
        began, cuts = time.time(), leakage.cut_points(inputs, k=context.trust.leak_cuts, seed=context.trust.seed)
        await visit.reason(_plan(inputs, context.trust.leak_cuts))
        async with context.fresh_box() as bench:
            if "timestamp" in inputs:
                findings = await find_leaks(bench, name, inputs, reference, cuts, horizon_of(state))
                findings += await find_mixing(bench, name, inputs, reference)
            else:
                target = str(state["brief"].get("target", "target"))
                findings = await find_fitted(bench, name, inputs, reference, target, context.trust.seed)
        await _tell(visit, state, findings, reference, 2 * len(cuts) or 2, time.time() - began)
        await _screen(visit, state, reference)
        return _done(visit, findings)


def _plan(inputs: pd.DataFrame, k: int) -> str:
    if "timestamp" in inputs:
        return (
            f"Make the features again at {k} cut points with later bars removed, and at {k} with later bars replaced"
            " by another future. A feature that changes has seen what it could not know."
        )
    return (
        "Rows without time have no future to take away. Make the features again on each half of the rows: what a row"
        " gets must not depend on which other rows are there."
    )


def horizon_of(state: Mapping[str, Any]) -> str:
    """From decision to label, ISO 8601: the brief's for bars; one step for a table in time, whose labels are known at
    the time of their row.
    """
    return str(state["sealed"].get("step") or state["brief"]["horizon"])


async def find_leaks(
    bench: Bench, name: str, inputs: pd.DataFrame, reference: pd.DataFrame, cuts: Sequence[pd.Timestamp], horizon: str
) -> list[Finding]:
    """All findings of one test: control replay, then each cut truncated and scrambled.

    Parameters
    ----------
    bench : Bench
        A fresh sandbox.
    name : str
        The name that `inputs` has in the recorded cells.
    inputs : DataFrame
        The rows as retrieval gave them.
    reference : DataFrame
        The frame `features` as the run made it from `inputs`.
    cuts : sequence of Timestamp
        UTC.
    horizon : str
        ISO 8601 duration.
    """

    async def features_of(rows: pd.DataFrame) -> pd.DataFrame:
        return (await bench.replay({name: rows}, ["features"], kinds=TRANSFORM))["features"]

    control = leakage.compare(reference, await features_of(inputs), None, horizon)
    if control:
        return [leakage.not_reproducible(finding) for finding in control]
    found: list[Finding] = []
    for number, cut in enumerate(cuts):
        truncated = await features_of(leakage.truncate(inputs, cut))
        found += leakage.compare(reference, truncated, cut, horizon, notes=True)
        scrambled = await features_of(leakage.scramble(inputs, cut, seed=number))
        found += leakage.compare(reference, scrambled, cut, horizon, notes=True)
    return leakage.merge(found, of=2 * len(cuts))


async def find_mixing(bench: Bench, name: str, inputs: pd.DataFrame, reference: pd.DataFrame) -> list[Finding]:
    """Columns that other coins decide: by the order in which coins stand (a fault), or by their values (a note)."""
    if not apart.has_coins(inputs):
        return []

    async def changed(rows: pd.DataFrame) -> list[Finding]:
        try:
            again = (await bench.replay({name: rows}, ["features"], kinds=TRANSFORM))["features"]
        except SandboxError:
            return []  # a cell that cannot do with one coin alone, or with another order, says nothing of columns
        same = reference.loc[reference.index.isin(rows.index)]
        # Columns that come or go with the coins are a matter of the columns, not of mixed rows.
        there = [column for column in same.columns if column in again.columns]
        return leakage.compare(same[there], again[there], None, "1h")

    alone = await changed(apart.one_coin(inputs))
    if not alone:
        return []
    mixed = leakage.coded(await changed(apart.other_order(inputs)), "coins_mixed")
    faults = {finding.column for finding in mixed}
    return mixed + [one for one in leakage.coded(alone, "uses_other_coins") if one.column not in faults]


async def find_fitted(
    bench: Bench, name: str, inputs: pd.DataFrame, reference: pd.DataFrame, target: str, seed: int
) -> list[Finding]:
    """For a table without time: columns whose values depend on which other rows are there."""

    async def changed(rows: pd.DataFrame) -> list[Finding]:
        again = (await bench.replay({name: rows}, ["features"], kinds=TRANSFORM))["features"]
        same = reference.loc[reference.index.isin(rows.index)]
        return leakage.compare(same, again, None, "1h")

    control = await changed(inputs)
    if control:
        return [leakage.not_reproducible(finding) for finding in control]
    found = [await changed(half) for half in apart.halves(inputs, target, seed)]
    return leakage.merge([leakage.coded(part, "fitted_on_all_rows") for part in found])


def _faults(findings: Sequence[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.sends_back]


def told(state: Mapping[str, Any], finding: Finding) -> dict[str, Any]:
    """A finding as events and the store hold it: with sentence, reason, cell and line."""
    cell, line = _where(state, finding.column)
    return {**finding.to_dict(), "text": finding.text(), "why": finding.why(), "cell": cell, "line_no": line}


async def _tell(
    visit: Visit,
    state: AgentState,
    findings: Sequence[Finding],
    reference: pd.DataFrame,
    replays: int,
    seconds: float,
) -> None:
    await visit.tell(
        LeakTested(
            stage=visit.stage,
            where="development",
            cuts=replays,
            columns=reference.shape[1],
            findings=[told(state, finding) for finding in _faults(findings)],
            notes=[told(state, finding) for finding in findings if not finding.sends_back],
            seconds=seconds,
        )
    )
    for finding in _faults(findings):
        cell, line = _where(state, finding.column)
        await visit.tell(
            Warned(
                stage=visit.stage,
                code=finding.code,
                text=f"{finding.text()} {finding.why()}",
                column=finding.column,
                cell=cell,
                line_no=line,
            )
        )
    if _faults(findings):
        visit.status = "back"


async def _screen(visit: Visit, state: AgentState, reference: pd.DataFrame) -> None:
    """Warn of columns that are too good by themselves, and of joins at a bar's open: an honest one may be, too."""
    if "target" in reference and visit.number == 1:
        horizon = parse_horizon(horizon_of(state)) if "timestamp" in reference else None
        task = str(state["brief"].get("task"))
        for seen in await asyncio.to_thread(screen_columns, reference, horizon=horizon, task=task):
            cell, line = _where(state, seen.column)
            warned = Warned(
                stage=visit.stage, code=seen.code, text=seen.text(), column=seen.column, cell=cell, line_no=line
            )
            await visit.tell(warned)
    for number, cell_of in sorted(state.get("cells", {}).items(), key=lambda item: int(item[0])):
        for join in joins_at_open(str(cell_of.get("code", ""))) if visit.number == 1 else []:
            warned = Warned(stage=visit.stage, code="bar_open", text=join.text(), cell=int(number), line_no=join.line)
            await visit.tell(warned)


def _where(state: Mapping[str, Any], column: str) -> tuple[int | None, int | None]:
    """The last cell whose code names the column, and the line; None for a column that a library tool named."""
    for n, cell in sorted(state.get("cells", {}).items(), key=lambda item: -int(item[0])):
        for number, line in enumerate(str(cell.get("code", "")).splitlines(), start=1):
            name = re.escape(column)
            if re.search(rf"['\"]{name}['\"]|(?<![\w.]){name}\s*=(?!=)|\.{name}\s*=(?!=)", line):
                return int(n), number
    made = state.get("frames", {}).get("features", {}).get("cell")
    return made, None


def _done(visit: Visit, findings: Sequence[Finding]) -> dict[str, Any]:
    faults = _faults(findings)
    return {
        "leaks": {finding.column: {**finding.to_dict(), "text": finding.text()} for finding in faults},
        "leaking": list(dict.fromkeys(finding.column for finding in faults)),
        "visits": visit.entered(),
        "goto": None,
        "trouble": None,
    }
