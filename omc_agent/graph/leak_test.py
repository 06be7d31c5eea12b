"""The leak test: replay the features on truncated and on scrambled futures; what changes has seen the future.

A control replay on the same rows comes first: a cell that differs there is not reproducible, and that is another
fault. The pure parts are in `tools/leakage.py`; why these cuts and this tolerance is in `docs/trust.md`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any

import pandas as pd
from langgraph.runtime import Runtime

from omc_agent.agents.context import Bench, RunContext
from omc_agent.events import LeakTested, Warned
from omc_agent.graph.state import AgentState
from omc_agent.graph.visit import Visit, visiting
from omc_agent.tools import leakage
from omc_agent.tools.leakage import Finding

TRANSFORM = ("transform",)


async def leak_test(state: AgentState, runtime: Runtime[RunContext]) -> dict[str, Any]:
    """Name every feature that changes when the future is taken away or replaced."""
    context = runtime.context
    async with visiting("leak_test", "Leak test", state, context) as visit:
        name = state["sealed"]["frame"]
        inputs = await context.load_frame(str(state["frames"][name]["sha"]))
        reference = await context.load_frame(str(state["frames"]["features"]["sha"]))
        if "timestamp" not in inputs:
            visit.status = "skipped"
            await visit.reason("Rows without time have no future to take away; the test needs a time column.")
            return _done(visit, [])
        k = context.trust.leak_cuts
        await visit.reason(
            f"Make the features again at {k} cut points with later bars removed, and at {k} with later bars replaced"
            " by another future. A feature that changes has seen what it could not know."
        )
        began = time.time()
        cuts = leakage.cut_points(inputs, k=k, seed=context.trust.seed)
        async with context.fresh_box() as bench:
            findings = await find_leaks(bench, name, inputs, reference, cuts, horizon_of(state))
        await _tell(visit, state, findings, reference, cuts, time.time() - began)
        return _done(visit, findings)


def horizon_of(state: AgentState) -> str:
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
        found += leakage.compare(reference, truncated, cut, horizon)
        scrambled = await features_of(leakage.scramble(inputs, cut, seed=number))
        found += leakage.compare(reference, scrambled, cut, horizon)
    return leakage.merge(found, of=2 * len(cuts))


async def _tell(
    visit: Visit,
    state: AgentState,
    findings: Sequence[Finding],
    reference: pd.DataFrame,
    cuts: Sequence[pd.Timestamp],
    seconds: float,
) -> None:
    told = [finding.to_dict() for finding in findings]
    await visit.tell(
        LeakTested(
            stage=visit.stage,
            where="development",
            cuts=2 * len(cuts),
            columns=reference.shape[1],
            findings=told,
            seconds=seconds,
        )
    )
    for finding in findings:
        cell, line = _where(state, finding.column)
        await visit.tell(
            Warned(
                stage=visit.stage,
                code=finding.code,
                text=finding.text(),
                column=finding.column,
                cell=cell,
                line_no=line,
            )
        )
    if findings:
        visit.status = "back"


def _where(state: AgentState, column: str) -> tuple[int | None, int | None]:
    """The last cell whose code names the column, and the line; None for a column that a library tool named."""
    for n, cell in sorted(state.get("cells", {}).items(), key=lambda item: -int(item[0])):
        for number, line in enumerate(str(cell.get("code", "")).splitlines(), start=1):
            if re.search(rf"['\"]{re.escape(column)}['\"]", line):
                return int(n), number
    made = state.get("frames", {}).get("features", {}).get("cell")
    return made, None


def _done(visit: Visit, findings: Sequence[Finding]) -> dict[str, Any]:
    return {
        "leaks": {finding.column: {**finding.to_dict(), "text": finding.text()} for finding in findings},
        "leaking": [finding.column for finding in findings],
        "visits": visit.entered(),
        "goto": None,
        "trouble": None,
    }
