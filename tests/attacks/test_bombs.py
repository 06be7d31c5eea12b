"""Code that takes all it can get: each bomb ends, and another run and this process go on undisturbed."""

from __future__ import annotations

import os

import psutil
import pytest
import pytest_asyncio

from omc_agent.config import MB, with_limits
from omc_agent.sandbox import limits
from tests.attacks.conftest import LIMITS, WAYS, until

SMALL = with_limits(LIMITS, wall=3.0, cpu=2.5, processes=60, files=128, file_size=20 * MB, workspace=40 * MB)

# What it is: (code, statuses that are right, words of reason or error)
BOMBS = {
    "memory": ("x = bytearray(3 * 2**30)", {"memory"}, "memory"),
    "memory, bit by bit": ("x = []\nwhile True: x.append(bytearray(10 * 2**20))", {"memory"}, "memory"),
    "shared memory": (
        "import mmap, time\nm = mmap.mmap(-1, 1200 * 2**20)\n"
        "for i in range(0, len(m), 4096): m[i] = 1\ntime.sleep(6)",
        {"memory"},
        "--memory",
    ),
    "the shared memory file system": (
        "f = open('/dev/shm/x', 'wb')\nwhile True: f.write(b'0' * 2**20); f.flush()",
        {"error"},
        "Errno",
    ),
    "forks": ("import time\nwhile True:\n    if os.fork() == 0: time.sleep(30)", {"error", "killed"}, ""),
    "threads": (
        "import threading, time\nthreading.stack_size(2**17)\nwhile True:"
        " threading.Thread(target=time.sleep, args=(30,), daemon=True).start()",
        {"error", "killed"},
        "",
    ),
    # With no descriptor left the kernel may not even be able to say so.
    "open files": ("x = []\nwhile True: x.append(os.dup(1))", {"error", "timeout", "killed"}, ""),
    "one huge file": (
        "with open('x', 'wb') as f:\n    while True: f.write(b'0' * 2**20); f.flush()",
        {"error"},
        "Errno",
    ),
    "many files": (
        "import time\nfor i in range(100): open(f'f{i}', 'wb').write(b'0' * 2**20)\ntime.sleep(6)",
        {"killed"},
        "workspace",
    ),
    "folders in folders": (
        "import time\nfor _ in range(2000):\n    os.mkdir('d' * 40); os.chdir('d' * 40)\ntime.sleep(6)",
        {"killed"},
        "workspace",
    ),
    "very many files": (
        "import time\nfor i in range(600): open(f'e{i}', 'w').close()\ntime.sleep(6)",
        {"killed"},
        "workspace",
    ),
    "time": ("while True: pass", {"timeout"}, "limit"),
    "time, in other processes": (
        "import multiprocessing as m\nc = m.get_context('fork')\ndef f():\n    while True: pass\n"
        "ps = [c.Process(target=f) for _ in range(2)]\n[p.start() for p in ps]\n[p.join() for p in ps]",
        {"timeout"},
        "limit",
    ),
    "sleep": ("import time\ntime.sleep(60)", {"timeout"}, "--wall"),
    "a regular expression": ("import re\nre.match(r'(a+)+$', 'a' * 60 + 'b')", {"timeout"}, "limit"),
    "a loop that hears no interrupt": ("sum(range(10**13))", {"timeout"}, "limit"),
    "an interrupt that is ignored": (
        "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass",
        {"timeout"},
        "replaced",
    ),
    "print": ("while True: print('x' * 10_000)", {"output"}, "AgentSettings.output"),
    "displays": (
        "from IPython.display import display\nwhile True: display({'text/plain': 'x' * 10_000}, raw=True)",
        {"output"},
        "AgentSettings.output",
    ),
    "a segmentation fault": ("ctypes.string_at(0)", {"killed"}, "died"),
    "leaving": ("os._exit(3)", {"killed"}, "died"),
    "an abort": ("os.abort()", {"killed"}, "died"),
    "deep recursion": (
        "sys.setrecursionlimit(10**6)\ndef f(): f()\nf()",
        {"error", "timeout", "killed"},
        "",
    ),
}
LEAVES_SOMETHING = {"forks", "threads", "open files", "the shared memory file system", "memory, bit by bit"}


@pytest.fixture(autouse=True)
def few_files(monkeypatch):
    """To make fifty thousand takes longer than a bomb may."""
    monkeypatch.setattr(limits, "FILES_MAX", 300)


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def bombed(way):
    from omc_agent.sandbox import Sandbox
    from tests.attacks.conftest import PRELUDE

    async with Sandbox(limits=SMALL, prelude=PRELUDE, confinement=way) as box:
        yield box


# A bomb takes its seconds, so `make test` sets them off behind the zygote only; `make test-attacks` behind all.
pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize(
        "way", WAYS if os.environ.get("OMC_ALL_WAYS") else WAYS[:1], indirect=True, scope="session"
    ),
]


@pytest.mark.parametrize("name", BOMBS)
async def test_a_bomb_ends_and_disturbs_nobody(bombed, shared, name):
    code, statuses, words = BOMBS[name]
    await shared.run("kept = 6 * 7")
    before = psutil.Process().memory_info().rss
    pid = bombed._alive_child().pid
    result = await bombed.run(code)
    assert result.status in statuses, (result.status, result.reason, result.error)
    assert words in f"{result.reason} {result.error}"
    if result.status not in ("ok", "error"):
        assert result.reason
    assert result.seconds < SMALL.wall + 1.5
    assert (await shared.run("kept")).outputs == [{"text/plain": "42"}]
    assert psutil.Process().memory_info().rss - before < 120 * MB
    if name in LEAVES_SOMETHING:
        await bombed.close()
        await bombed.start()
    if bombed._alive_child().pid != pid:
        assert await until(lambda: not psutil.pid_exists(pid))
    assert (await bombed.run("1 + 1")).ok


async def test_a_run_stops_after_its_own_wall_time(way, market):
    import omc_agent
    from omc_agent.errors import RunStopped

    with pytest.raises(RunStopped) as stopped:
        omc_agent.run(
            "Predict whether BTC rises over the next hour", db=market, run_wall=1.5, warm_spare=False, trials=1
        )
    assert stopped.value.code == "run.wall"
    assert "run_wall" in stopped.value.given
