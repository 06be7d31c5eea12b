"""The same hostile snippets given to ours, a plain `jupyter_client` kernel, and smolagents' local executor.

All they reach for lies in a folder of this benchmark's own, and each bomb is bounded.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from jupyter_client.manager import AsyncKernelManager

from omc_agent.config import MB, Limits
from omc_agent.sandbox import Sandbox

LIMIT = 3.0  # seconds that each executor is told a snippet may take
DEADLINE = 12.0  # seconds after which we end it ourselves
PEER = Path(__file__).parent.parent / ".venv-peers" / "bin" / "python"

SNIPPETS = {
    "read a key": "print(open(FILE).read())",
    "read a key, past a look at the code": (
        "P = [c for c in ().__class__.__base__.__subclasses__() if c.__name__ == 'Popen'][0]\n"
        "print(P(['cat', FILE], stdout=-1).communicate()[0])"
    ),
    "read the environment": "import os\nprint(os.environ['OMC_BENCH_SECRET'])",
    "write a file of the person": "open(FILE + '.planted', 'w').write('x')",
    "connect to a local service": (
        "import socket\ns = socket.create_connection(('127.0.0.1', PORT), 2)\nprint('connected')"
    ),
    "loop for ever": "while True: pass",
    "block in C": "sum(range(10**10))",
    "sleep for four minutes": "import time\ntime.sleep(240)",
    "take 1.5 GB": "x = bytearray(1536 * 2**20)\nx[::4096] = b'1' * len(x[::4096])\nprint('taken')",
    "leave": "import os\nos._exit(0)",
    "leave a process behind": (
        "import subprocess\nsubprocess.Popen(['sleep', '41.7'], start_new_session=True)\nprint('left')"
    ),
}


async def compare() -> list[str]:
    """A table: what came of each snippet in each executor, and whether the next snippet still ran."""
    with tempfile.TemporaryDirectory(prefix="omcbench-") as folder, socket.create_server(("127.0.0.1", 0)) as server:
        os.chmod(folder, 0o777)
        file = Path(folder, "id_rsa")
        file.write_text("bench-canary")
        file.chmod(0o666)
        os.environ["OMC_BENCH_SECRET"] = "bench-canary"
        names = f"FILE = {str(file)!r}\nPORT = {server.getsockname()[1]}\n"
        columns = {"omc_agent": _ours, "plain kernel": _plain}
        if PEER.exists():
            columns["smolagents"] = _smolagents
        lines = [
            f"Hostile snippets, {LIMIT:g} s allowed; ended by this benchmark after {DEADLINE:g} s:",
            "",
            f"| snippet | {' | '.join(columns)} |",
            f"|---|{'---|' * len(columns)}",
        ]
        for name, code in SNIPPETS.items():
            cells = []
            for run in columns.values():
                start = time.perf_counter()
                said = await run(names + code)
                took = time.perf_counter() - start
                planted = Path(f"{file}.planted")
                reached = "bench-canary" in said or "connected" in said or planted.exists()
                planted.unlink(missing_ok=True)
                outcome = "**got through**" if reached else said.splitlines()[-1][:60] if said else "nothing"
                behind = _left_behind()
                cells.append(f"{outcome}, {took:.1f} s{'; **a process stayed**' if behind else ''}")
            lines.append(f"| {name} | {' | '.join(cells)} |")
        return lines


def _left_behind() -> bool:
    """Whether the sleeping process is there; it is ended."""
    found = subprocess.run(["pgrep", "-f", "^sleep 41.7$"], capture_output=True, text=True).stdout.split()
    for pid in found:
        with contextlib.suppress(OSError):
            os.kill(int(pid), signal.SIGKILL)
    return bool(found)


async def _ours(code: str) -> str:
    async with Sandbox(limits=Limits(memory=1024 * MB, wall=LIMIT), prelude="") as box:
        result = await box.run(code)
        after = await box.run("1 + 1")
        assert after.ok, "the next cell did not run"
        return f"{result.text}\n{result.status}"


async def _plain(code: str) -> str:
    manager = AsyncKernelManager(kernel_name="python3")
    await manager.start_kernel()
    client = manager.client()
    client.start_channels()
    await client.wait_for_ready(timeout=60)
    said: list[str] = []

    def hear(message: dict) -> None:
        said.append(json.dumps(message["content"]) if message["msg_type"] in ("stream", "error") else "")

    try:
        done = client.execute_interactive(code, output_hook=hear, allow_stdin=False)
        reply = await asyncio.wait_for(done, LIMIT)
        said.append(reply["content"]["status"])
    except TimeoutError:
        await manager.interrupt_kernel()
        try:
            await asyncio.wait_for(client._async_get_shell_msg(), DEADLINE - LIMIT)
            said.append("\ninterrupted")
        except TimeoutError:
            said.append("\nran until it was ended")
    except RuntimeError:
        said.append("\ndied")
    finally:
        client.stop_channels()
        await manager.shutdown_kernel(now=True)
    return "".join(said)


async def _smolagents(code: str) -> str:
    program = (
        "import sys, json\nfrom smolagents.local_python_executor import LocalPythonExecutor\n"
        f"box = LocalPythonExecutor([], timeout_seconds={int(LIMIT)})\nbox.send_tools({{}})\n"
        "try: print(box(sys.stdin.read()))\n"
        "except Exception as error: print(type(error).__name__, str(error)[-200:].splitlines()[-1])"
    )
    program = program.replace(f", timeout_seconds={int(LIMIT)}", "") if not _peer_has_timeout() else program
    process = await asyncio.create_subprocess_exec(
        str(PEER), "-c", program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        out, _ = await asyncio.wait_for(process.communicate(code.encode()), DEADLINE + 5)
    except TimeoutError:
        process.kill()
        await process.wait()
        return "ran until it was ended"
    return out.decode() or "the host process itself was gone"


def _peer_has_timeout() -> bool:
    asked = "import inspect; from smolagents.local_python_executor import LocalPythonExecutor as L; " \
            "print('timeout_seconds' in inspect.signature(L.__init__).parameters)"  # fmt: skip
    return "True" in subprocess.run([str(PEER), "-c", asked], capture_output=True, text=True).stdout


if __name__ == "__main__":
    print("\n".join(asyncio.run(compare())), file=sys.stdout)
