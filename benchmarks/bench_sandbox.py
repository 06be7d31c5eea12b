"""``make bench-sandbox``: start, memory, frames, overruns, what is left behind, and other executors beside ours.

Medians of interleaved rounds; what is compared runs in the same call.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
from hostile import compare
from jupyter_client.manager import AsyncKernelManager
from machine import median, write_result

from omc_agent.config import MB, PRELUDE, Confinement, Limits, with_limits
from omc_agent.sandbox import Sandbox, nursery, places, tiers
from omc_agent.sandbox.spares import Spares

ROUNDS = 7
CHILDREN = int(os.environ.get("OMC_BENCH_CHILDREN", "1000"))
IMPORTS = "import pandas, numpy, sklearn.ensemble, xgboost, ta, matplotlib.pyplot, seaborn"
FIT = (
    "from xgboost import XGBClassifier\nfrom sklearn.ensemble import HistGradientBoostingClassifier\n"
    "rng = np.random.default_rng(0); X = rng.normal(size=(20_000, 20)); y = (X[:, 0] > 0).astype(int)\n"
    "XGBClassifier(n_estimators=30, n_jobs=1).fit(X, y); HistGradientBoostingClassifier(max_iter=20).fit(X, y)"
)
LIMITS = Limits(memory=2048 * MB)


async def plain_kernel() -> float:
    """Seconds from the start of an ordinary kernel to its reply to the same imports."""
    manager = AsyncKernelManager(kernel_name="python3")
    start = time.perf_counter()
    await manager.start_kernel()
    client = manager.client()
    client.start_channels()
    await client.wait_for_ready(timeout=60)
    await client.execute_interactive(IMPORTS, timeout=120, allow_stdin=False)
    took = time.perf_counter() - start
    client.stop_channels()
    await manager.shutdown_kernel(now=True)
    return took


async def starts() -> list[str]:
    spares = Spares(LIMITS, PRELUDE)
    spares.warm()
    spare, fork, plain = [], [], []
    for _ in range(ROUNDS):
        await spares._coming
        await asyncio.sleep(0.3)
        box = Sandbox(limits=LIMITS, spares=spares)
        start = time.perf_counter()
        await box.start()
        await box.run("1")
        spare.append(time.perf_counter() - start)
        await box.close()
        await spares._coming  # the next spare must not disturb what follows
        box = Sandbox(limits=LIMITS)
        start = time.perf_counter()
        await box.start()
        await box.run("1")
        fork.append(time.perf_counter() - start)
        await box.close()
        plain.append(await plain_kernel())
    await spares.close()
    ratio = median([p / s for p, s in zip(plain, spare, strict=True)])
    return [
        f"| spare child, hand-out to first reply (at most 0.015) | {median(spare):.4f} s |",
        f"| forked child without a spare, imports and reply (at most 0.2) | {median(fork):.3f} s |",
        f"| plain kernel that imports the seven libraries | {median(plain):.2f} s |",
        f"| plain kernel over spare child (at least 100) | {ratio:.0f}x |",
    ]


def shared_out(pid: int) -> tuple[float, float]:
    """MB of a process: private, and with its share of what it shares."""
    facts = psutil.Process(pid).memory_full_info()
    return facts.uss / MB, facts.pss / MB


async def memory() -> list[str]:
    boxes = [Sandbox(limits=LIMITS) for _ in range(10)]
    idle = []
    for box in boxes:
        await box.start()
        child = box._alive_child()
        tree = [child.pid, psutil.Process(child.pid).ppid(), child.kernel_pid]
        idle.append(sum(shared_out(pid)[0] for pid in tree))
    done = await asyncio.gather(*(box.run(FIT) for box in boxes))
    assert all(result.ok for result in done)
    ring = psutil.Process(nursery.the_nursery.pid)
    whole = sum(shared_out(process.pid)[1] for process in [ring, *ring.children(recursive=True)])
    for box in boxes:
        await box.close()
    return [
        f"| private memory of a further child (at most 45) | {median(idle):.0f} MB |",
        f"| zygote and ten children that have all trained (at most 1,536) | {whole:,.0f} MB |",
    ]


async def frames() -> list[str]:
    rows = 10_000_000
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({name: rng.normal(size=rows) for name in ("open", "high", "low", "close", "volume")})
    frame.insert(0, "timestamp", pd.date_range("2000", periods=rows, freq="s"))
    frame.insert(1, "coin", pd.Categorical(np.tile(["BTC", "ETH"], rows // 2)))
    opened, more, back, out = [], [], [], []
    private = "sum(int(l.split()[1]) for l in open('/proc/self/smaps_rollup') if l.startswith('Private')) / 1024"
    code = (
        "import os, time, omc_agent.sandbox.inside as i\npath = '/omc/in/' + os.listdir('/omc/in')[0]\n"
        f"before = {private}\nt = time.perf_counter()\ni.bind('big', path, True)\n"
        f"t = time.perf_counter() - t\nlen(big)\nprint(t, {private} - before)"
    )
    for _ in range(3):
        async with Sandbox(limits=with_limits(LIMITS, memory=6000 * MB)) as box:
            start = time.perf_counter()
            await box.put("first", frame)
            out.append(time.perf_counter() - start)
            took, grown = (await box.run(code)).text.split()
            opened.append(float(took))
            more.append(float(grown))
            start = time.perf_counter()
            got = await box.get("big")
            back.append(time.perf_counter() - start)
            assert len(got) == rows
            del got
            gc.collect()
    return [
        f"| 10M rows x 7 columns: put | {median(out):.2f} s |",
        f"| the same: opened in the child (at most 0.1) | {median(opened):.3f} s |",
        f"| the same: private memory of the child for it (at most 20) | {median(more):.1f} MB |",
        f"| the same: back, written, copied, checked, read (at most 0.6) | {median(back):.2f} s |",
    ]


async def overruns() -> list[str]:
    cases = {
        "wall": ("import time\ntime.sleep(30)", with_limits(LIMITS, wall=1.0), 1.0),
        "wall, interrupt ignored": ("sum(range(10**12))", with_limits(LIMITS, wall=1.0), 1.0),
        "CPU": ("while True: pass", with_limits(LIMITS, cpu=1.0), 1.0),
    }
    lines = []
    for name, (code, limits, limit) in cases.items():
        past = []
        for _ in range(3):
            async with Sandbox(limits=limits, prelude="") as box:
                result = await box.run(code)
                assert result.status == "timeout"
                past.append(result.seconds - limit)
        lines.append(f"| past the limit: {name} (at most 1) | {median(past):.2f} s |")
    code = (
        "import mmap, time\nm = mmap.mmap(-1, 1400 * 2**20)\n"
        "for at in range(0, len(m), 4096): m[at] = 1\ntime.sleep(9)"
    )
    past = []
    for _ in range(3):
        async with Sandbox(limits=with_limits(LIMITS, memory=900 * MB), prelude="") as box:
            kernel = psutil.Process(box._alive_child().kernel_pid)
            task = asyncio.create_task(box.run(code))
            while not task.done() and kernel.memory_info().rss < 900 * MB:
                await asyncio.sleep(0.001)
            start = time.perf_counter()
            result = await task
            assert result.status == "memory", result
            past.append(time.perf_counter() - start)
    lines.append(f"| past the limit: memory, shared, to the answer (at most 1) | {median(past):.2f} s |")
    past = []
    for _ in range(3):
        async with Sandbox(limits=with_limits(LIMITS, output=200_000), prelude="") as box:
            result = await box.run("while True: print('x' * 1000)")
            assert result.status == "output"
            past.append(result.seconds)
    lines.append(f"| past the limit: output, from the first print (at most 1) | {median(past):.2f} s |")
    return lines


def left() -> dict[str, int]:
    """Processes, mounts, sockets, descriptors and files that are ours."""
    me = psutil.Process()
    root = places.root_of_this_process(nursery.sandbox_uid())
    return {
        "processes": len(me.children(recursive=True)),
        "mounts": len(Path("/proc/self/mountinfo").read_text().splitlines()),
        "sockets": len(list(root.rglob("k-*"))),
        "files": len(list(root.rglob("*"))),
        "descriptors": me.num_fds(),
        "threads": me.num_threads(),
    }


async def leftovers() -> list[str]:
    async def one() -> None:
        box = Sandbox(limits=LIMITS, prelude="")
        await box.start()
        assert (await box.run("1 + 1")).ok
        await box.close()

    for _ in range(10):
        await one()
    gc.collect()
    before, start = left(), time.perf_counter()
    for _ in range(CHILDREN // 2):
        await asyncio.gather(one(), one())
    took = time.perf_counter() - start
    await asyncio.sleep(1.0)
    gc.collect()
    after = left()
    more = {name: after[name] - before[name] for name in before}
    told = ", ".join(f"{count} {name}" for name, count in more.items())
    return [f"| left behind by {CHILDREN:,} children ({took:.0f} s) | {told} |"]


async def measure() -> None:
    found = await tiers.isolation(Confinement())
    lines = [f"Tier {found.tier} by {found.means}; medians of {ROUNDS} interleaved rounds (frames, overruns: 3).", ""]
    lines += ["| what | measured |", "|---|---|"]
    for part in (starts, memory, frames, overruns, leftovers):
        lines += await part()
        print("\n".join(lines[-4:]), file=sys.stderr)
    with contextlib.suppress(KeyboardInterrupt):
        lines += ["", *await compare()]
    write_result("bench-sandbox", lines)


if __name__ == "__main__":
    asyncio.run(measure())
