"""``make bench-human``: click to the resumed step, Stop to idle, resume to the first card, the cost of an event."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from bench_start import until
from jupyter_client.manager import start_new_kernel
from machine import median, write_result

ROUNDS = 5
EVENTS = 300
ASK = "%%agent --db {db} --trials 1 --approve always --id {id}\nPredict whether ETH rises over the next hour with" \
      " logistic regression, using the last 12 days"  # fmt: skip


class Clock:
    """A view that notes when each event is shown."""

    def __init__(self) -> None:
        self.seen: list[tuple[float, str]] = []

    def handle(self, event) -> None:
        self.seen.append((time.monotonic(), event.kind))


def clicks(db: str) -> tuple[list[float], list[float]]:
    """Seconds from a click to the decision shown, and to the first step after it, at each gate of a run."""
    from omc_agent import face
    from omc_agent.config import settings_with

    shown, resumed = [], []
    settings = settings_with(None, db=db, approve="always", trials=1, folds=2, leak_cuts=4)
    for _ in range(ROUNDS):
        clock = Clock()
        handle = face.start(
            "Predict whether ETH rises over the next hour with logistic regression, using the last 12 days",
            settings=settings, view=clock, interactive=True,
        )  # fmt: skip
        while not handle.done():
            time.sleep(0.02)
            for request in handle.requests:
                time.sleep(0.3)  # a person reads
                at = time.monotonic()
                handle.hand_on(partial(handle.decide, request["id"], {"type": "approve"}))
                while handle.store.request(request["id"])["status"] == "open" or not after(clock, at, None):
                    time.sleep(0.002)
                shown.append(after(clock, at, "request_decided") - at)
                time.sleep(0.5)
                resumed.append(after(clock, at, None) - at)
        handle.wait()
    return shown, resumed


def after(clock: Clock, at: float, kind: str | None) -> float | None:
    """When the first event of that kind (None: any that is no question) came after `at`."""
    for when, what in list(clock.seen):
        if when > at and (what == kind or (kind is None and not what.startswith("request"))):
            return when
    return None


def commits(folder: Path) -> float:
    """Seconds of one durable commit of SQLite here: what a decision cannot cost less than twice."""
    db = sqlite3.connect(folder / "beside.db")
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute("CREATE TABLE t (x TEXT)")
    times = []
    for n in range(50):
        start = time.monotonic()
        db.execute("INSERT INTO t VALUES (?)", (str(n),))
        db.commit()
        times.append(time.monotonic() - start)
    return median(times)


def events(folder: Path) -> tuple[float, float]:
    """Seconds an event takes to be shown in its card, and to be written, of `EVENTS`."""
    from omc_agent.events import Reason, RunStarted, StageStarted
    from omc_agent.panels.panel import Panel
    from omc_agent.store.database import open_database
    from omc_agent.store.records import SessionManager

    panel = Panel(lambda data, **more: None, interactive=True, run_id="r")
    told = [Reason(stage="model_training", text=f"step {n}") for n in range(EVENTS)]
    started = RunStarted(run_id="r", goal="g", model="offline", model_note="", seed=0)
    for first in (started, StageStarted(stage="model_training", title="Training")):
        panel.handle(first)
    start = time.monotonic()
    for event in told:
        panel.handle(event)
    panel.close()
    shown = (time.monotonic() - start) / EVENTS
    store = SessionManager(open_database(f"sqlite:///{folder / 'events.db'}"))
    store.create("g", workspaces=folder / "runs", model="offline", settings={}, session_id="r")
    start = time.monotonic()
    for n in range(0, EVENTS, 6):  # a flush holds a handful
        store.append("r", "r", [(str(k), told[k]) for k in range(n, n + 6)])
    return shown, (time.monotonic() - start) / EVENTS


def kernels(db: str) -> tuple[list[float], list[float]]:
    """Seconds from Stop at a gate to idle, and from ``%agent resume`` to the first card, in kernels of their own."""
    stops, resumes = [], []
    for number in range(ROUNDS):
        manager, client = start_new_kernel()
        try:
            until(client, "%load_ext omc_agent", "\0")
            ask = ASK.format(db=db, id=f"h{number}")
            stops.append(until(client, ask, "Go on with this plan", interrupt=manager.interrupt_kernel)[1])
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)
        manager, client = start_new_kernel()
        try:
            until(client, "%load_ext omc_agent", "\0")
            time.sleep(6)
            resume = f"%agent resume h{number}"
            resumes.append(until(client, resume, "Go on with this plan", interrupt=manager.interrupt_kernel)[0])
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)
    return stops, resumes


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        db = f"sqlite:///{folder / 'market.db'}"
        subprocess.run([sys.executable, "-m", "omc_agent.cli", "demo", "--db", db], check=True, capture_output=True)
        os.environ["OMC_AGENT_HOME"] = str(folder / "home")
        shown, resumed = clicks(db)
        commit = commits(folder)
        an_event, written = events(folder)
        stops, resumes = kernels(db)
    write_result(
        "bench-human",
        [
            f"{ROUNDS} runs; a click is what the handler of a button hands on. Beside it: one durable commit of"
            f" SQLite takes {1000 * commit:.1f} ms here.",
            "",
            "| | seconds |",
            "|---|---|",
            f"| click to the decision in its card, median of {len(shown)} | {median(shown):.3f} |",
            f"| click to the first step after it ({median(resumed) / commit:.0f} commits) | {median(resumed):.3f} |",
            f"| Stop at a gate to an idle kernel | {median(stops):.2f} |",
            f"| `%agent resume` in a new kernel to the open question in its card | {median(resumes):.2f} |",
            f"| an event shown, of {EVENTS} | {an_event:.5f} |",
            f"| an event written, six at a time | {written:.4f} |",
        ],
    )


if __name__ == "__main__":
    main()
