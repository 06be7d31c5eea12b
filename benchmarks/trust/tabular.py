"""A: bundled tables. Ours beside FLAML at its budget, scikit-learn's defaults, and a constant, on the same split."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from omc_agent.brief import Brief, Metric
from omc_agent.config import Trust
from omc_agent.tools.splits import seal
from trust.asking import ask
from trust.ours import ours
from trust.pool import Job, run_all
from trust.seeds import seed_for

CLASSES = ("breast_cancer", "fair", "anes96", "spector", "wine", "iris", "digits", "modechoice")
VALUES = ("diabetes", "randhie", "star98", "heart")
PEERS = ("flaml", "hgb", "linear", "constant")
SYSTEMS = ("ours", *PEERS)
SECONDS = 30.0
DRAWS = 2_000
_SMALLEST = 1e-6
# The same model chosen by both differs by how probabilities are clipped: less than this share of the cost.
ROUNDING = 1e-3
Floats = NDArray[np.float64]


def losses(target: pd.Series[Any], said: pd.DataFrame, task: str) -> Floats:
    """What each row costs (n,): its log-loss for classes, its squared error for values."""
    if task == "regression":
        return np.asarray((target.astype(float) - said["prediction"]) ** 2, dtype=np.float64)
    share = said.to_numpy(dtype=np.float64)
    share = np.clip(share / share.sum(axis=1, keepdims=True), _SMALLEST, 1.0)
    place = said.columns.get_indexer(target.astype(str))
    right = np.where(place >= 0, share[np.arange(len(share)), np.maximum(place, 0)], _SMALLEST)
    return np.asarray(-np.log(right), dtype=np.float64)


def score(target: pd.Series[Any], said: pd.DataFrame, task: str) -> float:
    """Higher is better: ROC-AUC of two classes, minus log-loss of more, minus RMSE of values (as AMLB does)."""
    if task == "regression":
        return -float(np.sqrt(losses(target, said, task).mean()))
    if said.shape[1] > 2:
        return -float(losses(target, said, task).mean())
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(target.astype(str) == said.columns[1], said.iloc[:, 1]))


def normalised(scores: dict[str, float | None]) -> dict[str, float]:
    """0 is the constant, 1 the best system of the set; what failed is worth the constant (AMLB, arXiv 2207.12560)."""
    known = {name: value for name, value in scores.items() if value is not None}
    low, high = known["constant"], max(known.values())
    return {name: 0.0 if value is None or high <= low else (value - low) / (high - low)
            for name, value in scores.items()}  # fmt: skip


def worse_by(ours_costs: Floats, base_costs: Floats, seed: int) -> tuple[float, float]:
    """Mean extra cost of ours over the baseline, and the lower end of its 95 % interval (rows drawn in pairs)."""
    extra = ours_costs - base_costs
    rng = np.random.default_rng(seed)
    means = [float(extra[rng.integers(0, len(extra), len(extra))].mean()) for _ in range(DRAWS)]
    return float(extra.mean()), float(np.quantile(means, 0.025))


def one_split(job: Job) -> Job:
    """All systems on one split of one set."""
    frame, task, seed = pd.read_parquet(job["file"]), job["task"], job["seed"]
    development, sealed = seal(frame, 0.2, seed=seed, target="target")
    target = sealed["target"]
    metric = "rmse" if task == "regression" else ("roc_auc" if frame["target"].nunique() == 2 else "log_loss")
    systems: dict[str, Any] = {}
    costs: dict[str, Floats] = {}
    said: pd.DataFrame | None
    for system in SYSTEMS:
        if system == "ours":
            found, said = _ours(frame, task, seed)
        else:
            found, said = ask(system, development, sealed, task=task, metric=metric, seconds=job["seconds"],
                              seed=seed % 10_000)  # fmt: skip
        found["score"] = None if said is None else score(target, said, task)
        if said is not None:
            costs[system] = losses(target, said, task)
        systems[system] = found
    row = {**job, "metric": metric, "rows": len(frame), "systems": systems}
    row["normalised"] = normalised({name: each["score"] for name, each in systems.items()})
    bases = [name for name in ("linear", "constant") if name in costs]
    if "ours" in costs and bases:
        best = min(bases, key=lambda name: float(costs[name].mean()))
        row["baseline"] = best
        row["extra"], row["extra_low"] = worse_by(costs["ours"], costs[best], seed)
        row["extra_share"] = row["extra"] / float(costs[best].mean())
    return row


def _ours(frame: pd.DataFrame, task: str, seed: int) -> tuple[dict[str, Any], pd.DataFrame | None]:
    many = task == "classification" and frame["target"].nunique() > 2
    metric: Metric = "rmse" if task == "regression" else "log_loss_skill" if many else "roc_auc"
    brief = Brief(task=task, target="target", table="table", metric=metric)
    out = ours(frame, brief, trust=Trust(seed=seed))
    found = {"claimed": out.scores.get(out.choice), "wall": out.wall, "cpu": sum(out.cpu.values()),
             "peak_mb": out.peak_mb, "failures": out.failures, "choice": out.choice,
             "call": out.verdict.get("call")}  # fmt: skip
    if out.predictions is None:
        return found, None
    classes = sorted(frame["target"].astype(str).unique()) if task == "classification" else []
    shares = [f"p_{code}" for code in range(len(classes))]
    if len(classes) > 2:
        if set(shares) - set(out.predictions):
            found["failures"] = [*found["failures"], "no probability for each class"]
            return found, None
        return found, out.predictions[shares].set_axis(classes, axis=1)
    one = out.predictions["prediction"]
    return found, pd.DataFrame({classes[0]: 1 - one, classes[1]: one}) if classes else one.to_frame()


def run(base: int, workers: int, folder: Path, seeds: int = 3, seconds: float = SECONDS,
        names: tuple[str, ...] = CLASSES + VALUES) -> list[Job]:  # fmt: skip
    """Every set at every outer split."""
    jobs = [
        {"set": name, "file": str(folder / f"{name}.parquet"), "seed": seed_for(base, f"split {name}", n),
         "task": "classification" if name in CLASSES else "regression", "seconds": seconds}
        for n in range(seeds)
        for name in names
    ]  # fmt: skip
    return run_all(one_split, jobs, workers, "A tables")


def summary(rows: list[Job]) -> dict[str, Any]:
    """Mean normalised score of each system, sets where ours is beyond noise worse, failures."""
    done = [row for row in rows if "normalised" in row]
    means = {name: statistics.mean(row["normalised"][name] for row in done) for name in SYSTEMS} if done else {}
    failed = [
        f"{row['set']}: {text}" for row in done for each in row["systems"].values() for text in each["failures"]
    ]
    failed += [f"{row['set']}: {text}" for row in rows for text in row.get("failures", [])]
    worse = [
        f"{row['set']} (seed {row['seed']})"
        for row in done
        if row.get("extra_low", 0.0) > 0 and row["extra_share"] > ROUNDING
    ]
    return {"splits": len(done), "sets": len({row["set"] for row in done}), "normalised": means, "worse": worse,
            "failures": failed}  # fmt: skip
