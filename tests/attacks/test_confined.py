"""What runs and is confined: tricks that walk past any look at the code reach nothing."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal

import psutil
import pytest

from tests.attacks.conftest import until

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_subclasses_lead_to_a_shell_that_reaches_nothing(shared, bait):
    code = (
        f"{bait.names()}\n"
        "Popen = [c for c in ().__class__.__base__.__subclasses__() if c.__name__ == 'Popen'][0]\n"
        "done = Popen(['/bin/sh', '-c', f'echo ran; cat {FILE}; ls /home /root'], stdout=-1, stderr=-1)"
        ".communicate()[0]\nprint(done.decode())"
    )
    result = await shared.run(code)
    assert "ran" in result.text, "it runs: the guard stops nobody"
    assert bait.secret not in result.text
    assert "id_rsa" not in result.text


async def test_ctypes_calls_the_system_and_reaches_nothing(shared, bait):
    code = f"{bait.names()}\nprint(ctypes.CDLL(None).system(f'cat {{FILE}} > /omc/work/got 2>/dev/null'.encode()))"
    assert (await shared.run(code)).text.strip() != "0"
    assert bait.secret not in (shared.workspace / "work" / "got").read_text()


async def test_a_name_made_of_pieces_imports_a_module_without_a_network(shared, bait):
    code = (
        f"{bait.names()}\n"
        "m = __import__('importlib').import_module('url' + 'lib.request')\n"
        "try: m.urlopen(f'http://127.0.0.1:{TCP4}/', timeout=2)\n"
        "except Exception as error: print(type(error).__name__)"
    )
    assert (await shared.run(code)).text.strip() == "URLError"


async def test_rewriting_its_own_connection_file_harms_only_itself(new_box):
    async with new_box() as box, new_box() as other:
        await box.run("open('/omc/k/c.json', 'w').write('{}')\nprint(os.listdir('/omc/k'))")
        assert (await box.run("1 + 1")).outputs == [{"text/plain": "2"}]
        result = await box.run("[os.unlink('/omc/k/' + n) for n in os.listdir('/omc/k')]")
        assert result.status in ("ok", "killed", "error")
        assert (await other.run("2 + 2")).outputs == [{"text/plain": "4"}]


async def test_killing_all_it_sees_kills_only_itself(new_box):
    async with new_box() as box, new_box() as other:
        await other.run("kept = 5")
        await box.run("import signal\nos.kill(1, signal.SIGKILL)")
        mine = os.readlink("/proc/self/ns/pid")  # should the wall ever be missing, this must not kill the machine
        guarded = f"if os.readlink('/proc/self/ns/pid') != {mine!r}: os.kill(-1, signal.SIGKILL)"
        await box.run(f"import signal\n{guarded}")
        assert (await other.run("kept")).outputs == [{"text/plain": "5"}]
        assert (await box.run("1 + 1")).ok


async def test_a_daemon_does_not_outlive_its_kernel(new_box, tmp_path):
    mark = f"omcdaemon{id(tmp_path)}"
    code = (
        "import time\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork() == 0:\n"
        f"        os.execv(sys.executable, [sys.executable, '-c', 'import time; time.sleep(600)', '{mark}'])\n"
        "    os._exit(0)\n"
        "time.sleep(1)"
    )

    def daemons() -> list[psutil.Process]:
        return [p for p in psutil.process_iter(["cmdline"]) if mark in (p.info["cmdline"] or [])]

    async with new_box() as box:
        assert (await box.run(code)).ok
        assert daemons(), "it ran"
    assert await until(lambda: not daemons())


async def test_a_shadow_module_in_the_workspace_is_never_imported_by_the_host(shared):
    await shared.run("open('pyarrow.py', 'w').write('open(\"/omc/work/ran\", \"w\")')\nimport pandas as pd")
    await shared.run("frame = pd.DataFrame({'a': [1]})")
    assert (await shared.get("frame"))["a"].tolist() == [1]
    assert not (shared.workspace / "work" / "ran").exists()


async def test_a_stopped_child_is_dead_at_once(new_box):
    async with new_box() as box:
        cell = asyncio.create_task(
            box.run("import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile 1: pass")
        )
        await asyncio.sleep(0.5)
        pid = box._alive_child().kernel_pid
        cell.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cell
        assert await until(lambda: not psutil.pid_exists(pid), 1.0)


async def test_the_interrupt_reaches_the_kernel_and_no_other_process(new_box):
    """A pid inside is another one outside: the host must signal the one that the system told it."""
    async with new_box() as box:
        child = box._alive_child()
        assert psutil.Process(child.kernel_pid).status() != psutil.STATUS_ZOMBIE
        inside = (await box.run("os.getpid()")).outputs[0]["text/plain"]
        assert int(inside) != child.kernel_pid
        cell = asyncio.create_task(box.run("import time\nfor _ in range(100): time.sleep(0.1)"))
        await asyncio.sleep(0.5)
        child._manager.provisioner.process.send_signal(signal.SIGINT)
        assert (await cell).error["type"] == "KeyboardInterrupt"


async def test_a_link_in_the_place_of_its_socket_leads_the_host_nowhere(new_box, tmp_path):
    """A host that connects again would knock at whatever socket the child points to."""
    import socket

    with socket.socket(socket.AF_UNIX) as trap:
        path = f"/tmp/omctrap{os.getpid()}"
        trap.bind(path)
        os.chmod(path, 0o777)
        trap.listen(4)
        trap.settimeout(1.5)
        try:
            async with new_box() as box:
                code = (
                    "for name in os.listdir('/omc/k'):\n"
                    f"    os.unlink('/omc/k/' + name); os.symlink({path!r}, '/omc/k/' + name)\n"
                    "os.closerange(3, 200)"
                )
                task = asyncio.create_task(box.run(code))
                knocked = None
                with contextlib.suppress(TimeoutError):
                    knocked, _ = await asyncio.to_thread(trap.accept)
                    knocked.close()
                assert knocked is None, "the host came to the trap"
                assert (await task).status in ("killed", "output", "error")
                assert (await box.run("1 + 1")).ok
            with pytest.raises(TimeoutError):
                await asyncio.to_thread(trap.accept)
        finally:
            os.unlink(path)


async def test_a_host_that_is_killed_leaves_no_process_and_the_next_one_clears_up(way):
    import subprocess
    import sys

    code = (
        "import asyncio, os, signal\n"
        "from omc_agent.config import Confinement\n"
        "from omc_agent.sandbox import Sandbox\n"
        "async def main():\n"
        f"    async with Sandbox(prelude='', confinement=Confinement(best={way.best!r})) as box:\n"
        "        child = box._alive_child()\n"
        "        print(child.pid, child.kernel_pid, box.workspace, flush=True)\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr
    first, kernel, folder = done.stdout.split()
    assert await until(lambda: not psutil.pid_exists(int(first)) and not psutil.pid_exists(int(kernel)))
    assert os.path.exists(folder)
    from omc_agent.sandbox import places

    places.sweep()
    assert not os.path.exists(folder)
