"""``make bench-goal``: the README's goal on 90 days of real BTC bars, warm, against its cells as a plain script."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from machine import median, write_result

GOAL = "Predict whether BTC rises over the next hour, using the last 90 days"
BARS = Path(os.environ.get("OMC_AGENT_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
ROUNDS = 3


def peak_of_tree(stop) -> float:
    """Largest resident size of this process and its children, MB, sampled until `stop` is set."""
    me, peak = psutil.Process(), 0
    while not stop.wait(0.2):
        total = 0
        for process in [me, *me.children(recursive=True)]:
            try:
                total += process.memory_info().rss
            except psutil.Error:
                continue
        peak = max(peak, total)
    return peak / 2**20


def main() -> None:
    bars = BARS / "binance_5m_10coins_2024.parquet"
    if not bars.exists():
        sys.exit(f"real bars are not at {bars}; set OMC_AGENT_TEST_DATA to the folder that holds them")
    with tempfile.TemporaryDirectory() as folder:
        measure(bars, Path(folder))


def measure(bars: Path, folder: Path) -> None:
    import threading
    from concurrent.futures import ThreadPoolExecutor

    os.environ["OMC_AGENT_HOME"] = str(folder / "home")
    from omc_agent import face
    from omc_agent.config import settings_with
    from omc_agent.tools.importing import import_bars

    db = f"sqlite:///{folder / 'bars.db'}"
    import_bars(bars, db)
    settings = settings_with(None, db=db, approve="never")
    face.warm_up(settings)
    face.start(GOAL, settings=settings).wait()  # warm: imports, file cache, spare child

    walls, plain_walls, plain_cpus, peaks = [], [], [], []
    for _ in range(ROUNDS):
        time.sleep(8)  # the spare child gets ready, as it would while a person types
        stop = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            peak = pool.submit(peak_of_tree, stop)
            start = time.monotonic()
            result = face.start(GOAL, settings=settings).wait()
            walls.append(time.monotonic() - start)
            stop.set()
            peaks.append(peak.result())
        record = {"db": db, "brief": result.brief, "cells": result.cells, "candidates": result.candidates,
                  "choice": result.choice, "verdict": result.verdict}  # fmt: skip
        (folder / "record.json").write_text(json.dumps(record))
        env = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        script = Path(__file__).parent / "plain_run.py"
        done = subprocess.run([sys.executable, str(script), str(folder / "record.json")], env=env, check=True,
                              capture_output=True, text=True, cwd=folder)  # fmt: skip
        plain = json.loads(done.stdout.splitlines()[-1])
        plain_walls.append(plain["wall"])
        plain_cpus.append(plain["cpu"])
    ratio = median([w / p for w, p in zip(walls, plain_walls, strict=True)])
    stages = ", ".join(f"{s['name']} {s['seconds']:.1f}" for s in result.stages if s["seconds"] >= 0.05)
    write_result(
        "bench-goal",
        [
            f"Goal: {GOAL} (real 5-minute bars, offline model, 8 trials). Medians of {ROUNDS}.",
            "",
            "| | seconds |",
            "|---|---|",
            f"| whole run, warm | {median(walls):.1f} |",
            f"| the same cells, leak test and scoring as a plain script | {median(plain_walls):.1f} |",
            f"| ratio (at most 1.5 here, aim 1.1) | {ratio:.2f} |",
            f"| peak resident memory of host and children, MB | {median(peaks):.0f} |",
            "",
            f"Seconds a stage, last round: {stages}.",
            f"All rounds: run {[round(w, 1) for w in walls]}, plain {[round(w, 1) for w in plain_walls]};"
            f" host maximum {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB.",
        ],
    )


if __name__ == "__main__":
    main()
