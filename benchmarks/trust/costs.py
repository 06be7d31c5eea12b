"""Real runs of the agent: whether they say what the pipeline in this process says, and what honesty costs them."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from typing import Any

import pandas as pd
import psutil

from omc_agent.brief import Brief
from trust import simulated
from trust.ours import ours
from trust.seeds import seed_for

GOAL = "Predict whether BTC rises over the next hour"
DAYS = 45
COST_DAYS = 90
HONEST = ("leak_test", "scoring")
CLOSE = 1e-9


class Meter:
    """CPU seconds of this process and of every child, by stage: the view of a run.

    A child's clock is read ten times a second, so that it still counts when the child is gone; one that lives for
    less than that between two readings is missed. What was spent before the run counts as nothing.
    """

    def __init__(self) -> None:
        self.by_stage: dict[str, float] = {}
        self.fits = 0.0
        self._me, self._clocks, self._mark = psutil.Process(), dict[tuple[int, float], float](), 0.0
        self._lock, self._done = threading.Lock(), threading.Event()
        self._read()
        self._spent_before = dict(self._clocks)
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def handle(self, event: Any) -> None:
        """At the end of a stage, what was spent since the last one is its; the cell that fits what is delivered."""
        if event.kind == "cell_finished" and event.stage == "scoring" and "save_model" in event.code:
            self.fits += event.seconds
        if event.kind == "stage_finished":
            self._book(event.stage)

    def close(self) -> None:
        """After the last stage."""
        self._done.set()
        self._thread.join()
        self._book("after")

    def _book(self, stage: str) -> None:
        with self._lock:
            self._read()
            total = sum(self._clocks.values()) - sum(self._spent_before.values())
            self.by_stage[stage] = self.by_stage.get(stage, 0.0) + total - self._mark
            self._mark = total

    def _watch(self) -> None:
        while not self._done.wait(0.1):
            with self._lock:
                self._read()

    def _read(self) -> None:
        for process in (self._me, *self._me.children(recursive=True)):
            try:
                used = process.cpu_times()
                key = (process.pid, process.create_time())
            except psutil.Error:
                continue
            self._clocks[key] = max(self._clocks.get(key, 0.0), used.user + used.system)


def real_run(bars: pd.DataFrame) -> tuple[Any, Meter]:
    """One goal through the agent, with the offline model, in a home of its own."""
    from omc_agent import face
    from omc_agent.config import settings_with

    with tempfile.TemporaryDirectory(prefix="omctrust-", ignore_cleanup_errors=True) as home:
        os.environ["OMC_AGENT_HOME"] = home
        settings = settings_with(None, model="offline", approve="never", home=home)
        meter = Meter()
        try:
            result = face.start(GOAL, settings=settings, frames={"bars": bars}, view=meter).wait()
            # Read while its home is there.
            facts = {"verdict": result.verdict, "candidates": result.candidates, "choice": result.choice["name"]}
        finally:
            meter.close()
    return facts, meter


def confirm(base: int, seeds: int = 2, days: int = DAYS) -> list[dict[str, Any]]:
    """On a few walks and signals: does a real run say what the pipeline in this process says?"""
    rows = []
    for number in range(seeds):
        planted = number % 2 == 1
        seed = seed_for(base, "planted 0.6" if planted else "walk", number)
        bars = simulated.planted(days, seed, 0.60) if planted else simulated.walk(days, seed)
        here = ours(bars, Brief(coins=["BTC"]))
        began = time.monotonic()
        try:
            there, _ = real_run(bars)
        except Exception as error:  # it did not run: that is what this row says
            rows.append({"seed": seed, "same": False, "failures": [f"{type(error).__name__}: {error}"]})
            continue
        rows.append({"seed": seed, "wall": time.monotonic() - began, **_differences(here, there)})
    return rows


def _differences(here: Any, there: dict[str, Any]) -> dict[str, Any]:
    keys = ("call", "reason", "score", "reference", "reference_score", "low", "high", "claimed", "blocks")
    off = [key for key in keys if not _alike(here.verdict.get(key), there["verdict"].get(key))]
    scores = {each["name"]: each["score"] for each in there["candidates"]}
    off += [name for name, value in here.scores.items() if not _alike(value, scores.get(name))]
    off += ["choice"] if here.choice != there["choice"] else []
    return {"call": there["verdict"]["call"], "same": not off, "differ": off, "failures": here.failures}


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= CLOSE
    return bool(one == other)


def honesty_share(base: int, days: int = COST_DAYS) -> dict[str, Any]:
    """Share of a run's CPU that both leak tests and the scoring take, host and children together."""
    try:
        _, meter = real_run(simulated.walk(days, seed_for(base, "cost")))
    except Exception as error:
        return {"failures": [f"{type(error).__name__}: {error}"]}
    spent = {name: round(value, 2) for name, value in meter.by_stage.items()}
    whole = sum(meter.by_stage.values())
    honest = sum(meter.by_stage.get(name, 0.0) for name in HONEST)
    # The fit of the model that is delivered, on one thread: whoever delivers a model pays for it.
    return {"days": days, "cpu": whole, "share": (honest - meter.fits) / whole, "with_fits": honest / whole,
            "by_stage": spent}  # fmt: skip
