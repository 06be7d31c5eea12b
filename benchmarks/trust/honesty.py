"""C: whether what is claimed holds, on bars whose truth is known and on real ones."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pandas as pd

from omc_agent.brief import Brief
from omc_agent.config import Work
from trust import simulated
from trust.ours import ours
from trust.pool import Job, run_all
from trust.seeds import seed_for

# 12,960 bars, a holdout of 2,592: 43 blocks of five hours. Shorter walks cost as much: forests grow deeper leaves.
DAYS = 45
AUCS = (0.56, 0.60)
REAL_DAYS = 249
_ROOT = Path(__file__).resolve().parents[2]
_GIVEN = os.environ.get("OMC_AGENT_SHARED") or os.environ.get("OMC_AGENT_TEST_DATA")
_SHARED = _GIVEN or _ROOT.parent / "shared" / "data"
REAL_BARS = Path(_SHARED) / "binance_5m_10coins_2024.parquet"


def bars_for(job: Job) -> pd.DataFrame:
    """The bars of a job: a walk, a planted signal, one that breaks, or real ones."""
    if job["kind"] == "walk":
        return simulated.walk(job["days"], job["seed"])
    if job["kind"] == "planted":
        return simulated.planted(job["days"], job["seed"], job["auc"])
    if job["kind"] == "broken":
        return simulated.broken(job["days"], job["seed"], job["auc"], job["after"])
    from omc_agent.tools.data import as_prices

    bars = as_prices(pd.read_parquet(REAL_BARS), [job["coin"]], None, None)
    newest = bars["timestamp"].max()
    return bars[bars["timestamp"] > newest - pd.Timedelta(days=job["days"])].reset_index(drop=True)


def one(job: Job) -> Job:
    """One pipeline on the bars of one job."""
    brief = Brief(coins=[job.get("coin", "BTC")], target=job.get("target", "direction"))
    return {**job, **ours(bars_for(job), brief, work=Work(trials=job["trials"])).row()}


def walks(base: int, workers: int, count: int = 100, days: int = DAYS, trials: int = 8) -> list[dict[str, Any]]:
    """C1: random walks, each through the whole pipeline."""
    jobs = [{"kind": "walk", "seed": seed_for(base, "walk", n), "days": days, "trials": trials} for n in range(count)]
    return run_all(one, jobs, workers, "C1 random walks")


def power(base: int, workers: int, count: int = 10, days: int = DAYS, trials: int = 8) -> list[dict[str, Any]]:
    """C2: a planted drift whose best possible AUC is known."""
    jobs = [
        {"kind": "planted", "auc": auc, "seed": seed_for(base, f"planted {auc}", n), "days": days, "trials": trials}
        for auc in AUCS
        for n in range(count)
    ]
    return run_all(one, jobs, workers, "C2 planted signals")


def breaks(base: int, workers: int, count: int = 3, days: int = DAYS, trials: int = 8) -> list[dict[str, Any]]:
    """C4: a signal in development that vanishes, or turns round, where the holdout begins."""
    jobs = [
        {"kind": "broken", "auc": 0.62, "after": after, "seed": seed_for(base, f"broken {after}", n), "days": days,
         "trials": trials}
        for after in ("vanishes", "reverses")
        for n in range(count)
    ]  # fmt: skip
    return run_all(one, jobs, workers, "C4 regime breaks")


def real(workers: int, days: int = REAL_DAYS, trials: int = 8) -> list[dict[str, Any]]:
    """C5: real bars; nothing, with the reason, where they are not at hand."""
    if not REAL_BARS.exists():
        return [{"skipped": f"real bars are not at {REAL_BARS}; set OMC_AGENT_SHARED to the folder that holds them"}]
    jobs = [
        {"kind": "real", "coin": coin, "target": target, "days": days, "trials": trials}
        for target in ("volatility", "direction")
        for coin in ("BTC", "ETH")
    ]
    return run_all(one, jobs, workers, "C5 real bars")
