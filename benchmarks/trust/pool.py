"""Pieces of work side by side, each in a process of one thread, with what it cost beside what it found."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
Job = dict[str, Any]


def run_all(call: Callable[[Job], Job], jobs: Iterable[Job], workers: int, say: str) -> list[Job]:
    """What `call` gives for each job, in the order of the jobs; progress goes to stderr."""
    for name in ONE_THREAD:
        os.environ[name] = "1"
    listed = list(jobs)
    found: dict[int, Job] = {}
    began = time.monotonic()
    # Spawned, not forked: a forked copy of a process with threads may hang.
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        waiting = {pool.submit(call, job): number for number, job in enumerate(listed)}
        for done in as_completed(waiting):
            number = waiting[done]
            try:
                found[number] = done.result()
            except Exception as error:  # a worker that died is a failure of its job, not of the benchmark
                found[number] = {**listed[number], "failures": [f"{type(error).__name__}: {str(error)[:200]}"]}
            spent = time.monotonic() - began
            print(f"\r{say}: {len(found)} of {len(listed)}, {spent:.0f} s ", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return [found[number] for number in range(len(listed))]
