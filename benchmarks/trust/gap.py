"""C1, the others: what a peer claims on a random walk with its defaults, and what is true on the sealed part."""

from __future__ import annotations

from typing import Any

import pandas as pd

from omc_agent import tools
from omc_agent.overrides import INDICATORS
from omc_agent.tools.features import feature_columns
from omc_agent.tools.metrics import score_rows
from omc_agent.tools.splits import seal
from trust import simulated
from trust.asking import ask
from trust.pool import Job, run_all
from trust.seeds import seed_for

PEERS = ("flaml", "flaml time", "hgb")
SECONDS = 20.0


def one_walk(job: Job) -> Job:
    """One peer on the first of the same walks that ours gets, on the same columns and the same cut."""
    bars = simulated.walk(job["days"], job["seed"])
    prices = tools.calculate_technical_indicators(tools.clean_data(bars), list(INDICATORS))
    features = tools.create_features(prices)
    names = [*feature_columns(features), "target"]
    development, sealed = (part[names].dropna() for part in seal(features, 0.2, "1h"))
    train = development.assign(target=development["target"].astype(int))
    found, said = ask(job["system"], train, sealed, task="classification", metric="roc_auc", seconds=job["seconds"],
                      seed=job["seed"] % 10_000, claim=True)  # fmt: skip
    true = None if said is None else _auc(sealed["target"], said.iloc[:, 1])
    return {**job, **found, "true": true}


def _auc(target: pd.Series[Any], said: pd.Series[Any]) -> float:
    return score_rows("roc_auc", target, said).score


def run(base: int, workers: int, walks: int = 3, days: int = 45, seconds: float = SECONDS) -> list[Job]:
    """Each peer on a few walks."""
    jobs = [
        {"system": system, "seed": seed_for(base, "walk", n), "days": days, "seconds": seconds}
        for system in PEERS
        for n in range(walks)
    ]
    return run_all(one_walk, jobs, workers, "C1 peers on walks")
