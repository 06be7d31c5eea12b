"""A table whose rows have a time: whether they are one series, and what the person should know of their times."""

from __future__ import annotations

from typing import Any

import pandas as pd

from omc_agent.brief import Brief
from omc_agent.tools.series import find_series, spoken
from omc_agent.tools.targets import parse_horizon

SHORTEST = pd.Timedelta(seconds=1)


def one_series(
    development: pd.DataFrame, facts: dict[str, Any], brief_values: dict[str, Any], series: str
) -> list[dict[str, Any]]:
    """Write into `facts` how far back the features look (`lags`, `season`, `cycle`) and the `step`; what to tell."""
    brief = Brief.model_validate(brief_values)
    found = find_series(development, brief.target, series)
    step = max(found.step, SHORTEST).round("s") if found.step is not None else None
    facts |= {"lags": list(found.lags), "season": found.season, "cycle": found.cycle}
    facts |= {"step": step.isoformat()} if step is not None else {}
    other = "no" if found.lags else "yes"
    said = found.why if series != "auto" else f"{found.why} To have it otherwise, give --series {other}."
    notes: list[dict[str, Any]] = [{"code": "series", "text": said}]
    if found.lags and step is not None and "horizon" not in brief.assumed and parse_horizon(brief.horizon) > step:
        notes.append({"code": "one_step", "text": f"A series is forecast one step ahead, which is {spoken(step)};"
                      f" {spoken(parse_horizon(brief.horizon))} was asked for."})  # fmt: skip
    return notes


def time_warnings(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """What to tell of the times as they came."""
    notes: list[dict[str, Any]] = []
    if count := frame.attrs.get("timeless"):
        notes.append({"code": "no_time_rows", "text": f"{count:,} rows have no readable time; they are left out, as"
                      " their place in the order is not known."})  # fmt: skip
    if count := frame.attrs.get("repeated"):
        notes.append({"code": "repeated_times", "text": f"{count:,} rows share their time with another; none of them"
                      " is used to predict one of the same time."})  # fmt: skip
    return notes
