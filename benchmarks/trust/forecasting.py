"""B: one step ahead on series. Ours beside FLAML, ridge on lags, last value and season, scored by MASE."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from omc_agent.brief import Brief
from omc_agent.config import Trust
from omc_agent.tools.sealing import seal_cut
from trust import honesty
from trust.asking import ask
from trust.ours import ours
from trust.pool import Job, run_all
from trust.seeds import seed_for

# Steps in a season: the last value of the season before is the seasonal rule. One where there is none.
SERIES = {"sunspots": 11, "co2": 52, "nile": 1, "elnino": 12, "macrodata": 4, "BTC hourly volatility": 24}
LAGS = 12
SECONDS = 20.0
SYSTEMS = ("ours", "last value", "seasonal", "linear", "hgb", "flaml", "flaml time")
HOURLY_DAYS = 249


def mase(target: pd.Series[Any], said: pd.Series[Any], last: pd.Series[Any]) -> float:
    """Mean absolute error over that of the last value, on the rows where all three are known; lower is better.

    Hyndman and Koehler (2006), scaled out of sample: 1 is the last value.
    """
    known = target.notna() & said.notna() & last.notna()
    beside = float((target - last)[known].abs().mean())
    return float((target - said)[known].abs().mean()) / beside if known.any() and beside > 0 else math.nan


def lag_table(series: pd.DataFrame, season: int) -> pd.DataFrame:
    """What every peer gets: the last values, the one a season ago, and the number of the row."""
    values = series["target"]
    lags = sorted({*range(1, LAGS + 1), season})
    columns = {f"lag_{lag}": values.shift(lag) for lag in lags}
    return pd.DataFrame({**columns, "number": np.arange(len(series), dtype=float), "target": values}, series.index)


def one_series(job: Job) -> Job:
    """All systems on the last fifth of one series."""
    series, season = _series(job), job["season"]
    series = series.assign(timestamp=pd.to_datetime(series["timestamp"], utc=True))
    cut = seal_cut(series["timestamp"])
    table = lag_table(series, season)
    later = series["timestamp"] >= cut
    target, last, seasonal = table["target"], table["lag_1"], table[f"lag_{season}"]
    train, test = table[~later].dropna(), table[later]
    systems: dict[str, Any] = {}
    for system in SYSTEMS:
        said: pd.Series[Any] | None
        if system in ("last value", "seasonal"):
            found, said = {"failures": []}, (last if system == "last value" else seasonal)[later]
        elif system == "ours":
            found, said = _ours(series)
        else:
            found, frame = ask(system, train, test, task="regression", metric="mae", seconds=job["seconds"],
                               seed=job["seed"] % 10_000)  # fmt: skip
            said = None if frame is None else frame["prediction"]
        found["mase"] = None if said is None else mase(target[later], said.reindex(target[later].index), last[later])
        systems[system] = found
    return {**job, "rows": len(series), "systems": systems}


def _series(job: Job) -> pd.DataFrame:
    if job["file"]:
        return pd.read_parquet(job["file"])
    bars = honesty.bars_for({"kind": "real", "coin": "BTC", "days": HOURLY_DAYS})
    move = np.log(bars["close"]).diff()
    hour = bars["timestamp"].dt.floor("h")
    level = move.groupby(hour).std().dropna()
    return pd.DataFrame({"timestamp": level.index, "target": level.to_numpy()})


def _ours(series: pd.DataFrame) -> tuple[dict[str, Any], pd.Series[Any] | None]:
    brief = Brief(task="regression", target="target", table="table", metric="mae")
    out = ours(series, brief, trust=Trust(), time_column="timestamp")
    found = {"claimed": out.scores.get(out.choice), "wall": out.wall, "cpu": sum(out.cpu.values()),
             "peak_mb": out.peak_mb, "failures": out.failures, "choice": out.choice, "call": out.verdict.get("call"),
             "reason": out.verdict.get("reason")}  # fmt: skip
    return found, None if out.predictions is None else out.predictions["prediction"]


def run(base: int, workers: int, folder: Path, seconds: float = SECONDS,
        names: tuple[str, ...] = tuple(SERIES)) -> list[Job]:  # fmt: skip
    """Every series once: a series has one past."""
    jobs, skipped = [], []
    for name in names:
        file = folder / f"series_{name}.parquet"
        if not file.exists() and not honesty.REAL_BARS.exists():
            reason = f"skipped: real bars are not at {honesty.REAL_BARS}; set OMC_AGENT_SHARED"
            skipped.append({"set": name, "skipped": reason})
            continue
        jobs.append({"set": name, "file": str(file) if file.exists() else "", "season": SERIES[name],
                     "seed": seed_for(base, f"series {name}"), "seconds": seconds})  # fmt: skip
    return [*run_all(one_series, jobs, workers, "B series"), *skipped]
