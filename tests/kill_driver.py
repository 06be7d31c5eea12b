"""One goal in a process of its own, which ends itself, its child or its disk at a chosen moment. Run by the tests.

``kill_driver.py URL PLAN``; PLAN is JSON: ``{"event": N}`` kills this process after the Nth event of this process,
``{"write": N}`` after its Nth write to store or checkpoints, ``{"child": N}`` and ``{"zygote": N}`` kill the child,
or all that we started, while the Nth cell runs, ``{"disk": N}`` fills the disk of the home before the Nth write.
Prints the outcome as JSON on its last line.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import threading
import time
from pathlib import Path

import aiosqlite
import psutil

from omc_agent import face
from omc_agent.config import settings_with
from omc_agent.errors import AgentError
from omc_agent.sandbox.box import Sandbox
from omc_agent.store.records import SessionManager

GOAL = "Predict whether ETH rises over the next hour with logistic regression, using the last 12 days"
RUN = "killed"
SETTINGS = {"trials": 2, "folds": 2, "leak_cuts": 4, "warm_spare": False, "approve": "always"}
WRITES = ("append", "record_cell", "open_request", "decide", "update", "open_sealed", "record_artifact")


class Reaper:
    """Counts, and acts when the number comes."""

    def __init__(self, plan: dict[str, int]) -> None:
        self.plan, self.counts = plan, {"event": 0, "write": 0, "cell": 0, "killed": 0, "begun": 0}
        self._lock = threading.Lock()
        self.filled = False

    def count(self, what: str) -> int:
        with self._lock:
            self.counts[what] += 1
            return self.counts[what]

    def handle(self, event) -> None:
        if self.count("event") == self.plan.get("event"):
            os.kill(os.getpid(), signal.SIGKILL)
        if event.kind == "cell_started":
            self.count("begun")
        if event.kind == "cell_started" and event.where == "sandbox":
            self.cell(self.count("cell"))

    def cell(self, number: int) -> None:
        if number == self.plan.get("child"):
            threading.Timer(0.02, self.kill_child).start()
        if number == self.plan.get("zygote"):
            threading.Timer(0.02, self.kill_all).start()

    def kill_child(self) -> None:
        os.kill(Sandbox.last._child.pid, signal.SIGKILL)
        self.count("killed")

    def kill_all(self) -> None:
        for process in psutil.Process().children(recursive=True):
            process.kill()
        self.count("killed")

    def written(self) -> None:
        if self.count("write") == self.plan.get("write"):
            os.kill(os.getpid(), signal.SIGKILL)

    def before_write(self) -> None:
        if self.counts["write"] + 1 == self.plan.get("disk") and not self.filled:
            self.filled = True
            fill(Path(os.environ["OMC_AGENT_HOME"]))


def fill(home: Path) -> None:
    with (home / "filler").open("wb") as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(b"0" * size)
                    file.flush()
            except OSError:
                continue


def watch_writes(reaper: Reaper) -> None:
    for name in WRITES:
        write = getattr(SessionManager, name)

        def counted(self, *args, _write=write, **values):
            reaper.before_write()
            made = _write(self, *args, **values)
            reaper.written()
            return made

        setattr(SessionManager, name, counted)
    commit = aiosqlite.Connection.commit

    async def committed(self):
        reaper.before_write()
        await commit(self)
        reaper.written()

    aiosqlite.Connection.commit = committed


def watch_boxes() -> None:
    run = Sandbox.run

    async def noted(self, *args, **values):
        Sandbox.last = self
        return await run(self, *args, **values)

    Sandbox.run = noted


def main() -> None:
    url, plan = sys.argv[1], json.loads(sys.argv[2])
    reaper = Reaper(plan)
    watch_writes(reaper)
    watch_boxes()
    settings = settings_with(None, db=url, **SETTINGS)
    store = face.orchestrator_for(settings).store
    if store.list():
        handle = face.resume(RUN, settings=settings, view=reaper, interactive=True)
    else:
        handle = face.start(GOAL, settings=settings, view=reaper, interactive=True, session_id=RUN)
    while not handle.done():
        time.sleep(0.02)
        try:
            for request in handle.requests:
                handle.decide(request["id"], {"type": "approve"}, "a person")
        except Exception as error:  # a full disk is the test's own doing; the run has to stand it
            print(repr(error), file=sys.stderr)
    try:
        outcome(handle.wait(), reaper)
    except AgentError as error:
        print(json.dumps({"error": error.to_dict(), "counts": reaper.counts}))


def outcome(result, reaper: Reaper) -> None:
    store = result._store
    asked = [f"{r['gate']} {r['stage']} {r['decided_by']}" for r in store.requests(RUN, status=None)]
    things = result._row["summary"]["things"]
    frames = {name: ref["sha"] for name, ref in things["frames"].items() if not name.endswith("_trials")}
    kept = [(c["stage"], c["code"], c["status"]) for c in result.cells]
    report = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "WHEN", str(result.report))
    told = {
        "verdict": result.verdict,
        "metrics": result.metrics.drop(columns="fit_seconds").to_csv(),
        "frames": frames,
        "asked": sorted(asked),
        "cells": kept,
        "report": report,
        "counts": reaper.counts,
        "stages": [stage["name"] for stage in result.stages],
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
