"""Findings of many cuts become one a column, ready for JSON."""

from __future__ import annotations

import json

import pandas as pd

from omc_agent.tools.findings import Finding, merge, not_reproducible


def test_findings_merge_by_column_and_go_to_json():
    late, soon = pd.Timestamp("2024-02-01", tz="UTC"), pd.Timestamp("2024-01-01", tz="UTC")
    first = [Finding("a", 1, 1, 0.1, 0.5, late), Finding("b", 1, 1, 0.2, 0.1, None)]
    merged = merge([first, [Finding("a", 1, 1, 0.3, 0.2, soon)], []])
    assert merged == [Finding("a", 2, 3, 0.3, 0.5, soon), Finding("b", 1, 3, 0.2, 0.1, None)]
    assert merge([*first, Finding("a", 1, 1, 0.3, 0.2, soon)], of=3) == merged
    assert json.loads(json.dumps(merged[0].to_dict()))["first"] == "2024-01-01T00:00:00+00:00"
    assert "again" in not_reproducible(merged[0]).text()
