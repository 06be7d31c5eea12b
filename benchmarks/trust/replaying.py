"""The leak test with the cells run in this process, instead of in a sandbox."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from omc_agent.tools import leakage

Make = Callable[[pd.DataFrame], pd.DataFrame]


def find_leaks(
    make: Make, rows: pd.DataFrame, reference: pd.DataFrame, cuts: list[pd.Timestamp], horizon: str
) -> list[Any]:
    """The leak test with cells run in this process, as `graph.leak_test.find_leaks` does it in a sandbox."""
    if not cuts:
        return []
    if control := leakage.compare(reference, make(rows), None, horizon):
        return [leakage.not_reproducible(finding) for finding in control]
    found = []
    for number, cut in enumerate(cuts):
        found += leakage.compare(reference, make(leakage.truncate(rows, cut)), cut, horizon)
        found += leakage.compare(reference, make(leakage.scramble(rows, cut, seed=number)), cut, horizon)
    return leakage.merge(found, of=2 * len(cuts))
