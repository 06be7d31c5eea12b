"""``make bench-start``: import, ``%load_ext``, Shift-Enter to first plan card (cold and warm), first cell, Stop."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from jupyter_client.manager import start_new_kernel
from machine import median, write_result

ROUNDS = 5
GOAL = "%%agent --db {db} --plan\nPredict whether BTC rises over the next hour, using the last 90 days"
FULL = "%%agent --db {db} --trials 2\nPredict whether BTC rises over the next hour, using the last 90 days"


def import_seconds(module: str) -> float:
    """CPU and wall of an import in a fresh interpreter, above an empty one."""
    code = f"import time; t=time.perf_counter(); import {module}; print(time.perf_counter()-t)"
    return float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)


def until(client, code: str, marker: str, *, interrupt=None) -> tuple[float, float]:
    """Seconds from sending `code` to the first output that holds `marker`, and to the end of the cell."""
    start = time.monotonic()
    request = client.execute(code)
    seen = stopped = None
    while True:
        message = client.get_iopub_msg(timeout=300)
        if message["parent_header"].get("msg_id") != request:
            continue
        now = time.monotonic()
        if seen is None and marker in json.dumps(message["content"]):
            seen = now - start
            if interrupt:
                interrupt()
                stopped = time.monotonic()
        if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
            return seen or float("nan"), now - (stopped or start)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        db = f"sqlite:///{Path(folder) / 'market.db'}"
        subprocess.run([sys.executable, "-m", "omc_agent.cli", "demo", "--db", db], check=True, capture_output=True)
        os.environ["OMC_AGENT_HOME"] = str(Path(folder) / "home")
        rows = {"import": [], "load": [], "cold": [], "warm": [], "cell": [], "stop": [], "bare": []}
        for _ in range(ROUNDS):
            rows["bare"].append(import_seconds("IPython"))
            rows["import"].append(import_seconds("omc_agent"))
            manager, client = start_new_kernel()
            try:
                rows["load"].append(until(client, "%load_ext omc_agent", "\0")[1])
                rows["cold"].append(until(client, GOAL.format(db=db), "Leak test")[0])
                rows["warm"].append(until(client, GOAL.format(db=db), "Leak test")[0])
                time.sleep(6)  # the spare child gets ready while a person reads the plan
                first, _ = until(client, FULL.format(db=db), "clean_data")
                rows["cell"].append(first)
                seen = until(client, FULL.format(db=db), "Score the naive", interrupt=manager.interrupt_kernel)
                rows["stop"].append(seen[1])
            finally:
                client.stop_channels()
                manager.shutdown_kernel(now=True)
    ratio = median([a / b for a, b in zip(rows["import"], rows["bare"], strict=True)])
    write_result(
        "bench-start",
        [
            f"Medians of {ROUNDS}, each in a kernel of its own; cold is the first goal of a kernel right after"
            " `%load_ext`.",
            "",
            "| | seconds |",
            "|---|---|",
            f"| `import omc_agent` ({ratio:.2f} of `import IPython` beside it) | {median(rows['import']):.3f} |",
            f"| `%load_ext omc_agent` | {median(rows['load']):.2f} |",
            f"| Shift-Enter to the plan in its card, cold | {median(rows['cold']):.2f} |",
            f"| the same, warm | {median(rows['warm']):.2f} |",
            f"| Shift-Enter to the first sandbox cell begun, warm | {median(rows['cell']):.2f} |",
            f"| Stop to the end of the cell, in training | {median(rows['stop']):.2f} |",
        ],
    )


if __name__ == "__main__":
    main()
