"""Which tier is in force, why no better one is, and what the person is told to do."""

from __future__ import annotations

import os
import socket

import pytest

from omc_agent.config import Confinement, Limits
from omc_agent.errors import SandboxError
from omc_agent.sandbox import Sandbox, nursery, places, tiers, ways
from omc_agent.sandbox.birth import not_started
from omc_agent.sandbox.wall import bubblewrap, landlock, syscalls
from omc_agent.sandbox.ways import Way


@pytest.fixture(autouse=True)
def probed_again():
    """What a test pretends must not be kept for the next."""
    kept = dict(tiers._found)
    tiers.forget()
    yield
    tiers.forget()
    tiers._found.update(kept)


def way_that(why: str | None, name: str = "zygote", tier: str = "walled") -> Way:
    class Pretended(Way):
        def launch(self, place):
            raise not_started(why)

    Pretended.name, Pretended.tier = name, tier
    return Pretended()


async def test_a_better_way_that_does_not_start_is_named_and_the_next_is_taken(monkeypatch):
    monkeypatch.setattr(tiers, "WAYS", (way_that("no zygote"), way_that("no ring", "pool"), ways.LimitedWay()))
    found = await tiers.isolation(Confinement())
    assert (found.tier, found.means) == ("limited", "limited")
    assert [line.split(":")[0] for line in found.refused] == ["zygote", "pool"]
    assert "no ring" in found.refused[1]
    assert "no wall" in found.note
    assert "no zygote" in found.note


async def test_a_tier_in_which_the_canary_gets_through_is_not_in_force(monkeypatch):
    """The limited way, dressed as walled: it starts, and everything works from inside."""

    class Dressed(ways.LimitedWay):
        name, tier = "zygote", "walled"

    monkeypatch.setattr(tiers, "WAYS", (Dressed(), ways.LimitedWay()))
    found = await tiers.isolation(Confinement())
    assert found.tier == "limited"
    for deed in ("read a file of the host", "write a file of the host", "open a TCP connection",
                 "open an abstract socket", "open a socket that is a file"):  # fmt: skip
        assert deed in found.refused[0]


async def test_a_required_tier_that_is_not_to_be_had_refuses_to_run(monkeypatch):
    monkeypatch.setattr(tiers, "WAYS", (way_that("no zygote"), ways.LimitedWay()))
    with pytest.raises(SandboxError) as refused:
        await Sandbox(limits=Limits(), confinement=Confinement(require="walled")).start()
    assert refused.value.code == "sandbox.tier"
    assert "walled is required" in refused.value.given
    assert "no zygote" in refused.value.have
    assert refused.value.try_
    assert (await tiers.isolation(Confinement())).tier == "limited"


async def test_the_best_tier_to_try_can_be_set():
    found = await tiers.isolation(Confinement(best="limited"))
    assert (found.tier, found.refused) == ("limited", ())
    with pytest.raises(SandboxError, match="reduced is required"):
        await tiers.isolation(Confinement(best="limited", require="reduced"))


async def test_a_kernel_elsewhere_meets_no_required_tier():
    with pytest.raises(SandboxError, match="sandbox_kernel is python3") as refused:
        await tiers.isolation(Confinement(kernel="python3", require="reduced"))
    assert refused.value.code == "sandbox.tier"


async def test_a_probe_is_made_once():
    first = await tiers.isolation(Confinement())
    assert await tiers.isolation(Confinement()) is first


async def test_a_zygote_whose_first_fit_hangs_gives_way_to_the_pool(monkeypatch):
    async def hangs(child) -> bool:
        return False

    monkeypatch.setattr(tiers, "_trains", hangs)
    found = await tiers.isolation(Confinement())
    if found.tier != "walled":
        pytest.skip(f"no walled tier here: {found.refused}")
    assert found.means == "pool"
    assert "first fit" in found.refused[0]


async def test_without_bubblewrap_the_install_line_is_said(monkeypatch):
    monkeypatch.setattr(nursery.shutil, "which", lambda name: None)
    monkeypatch.setattr(nursery, "the_nursery", nursery.Nursery())
    monkeypatch.setattr(tiers, "WAYS", (ways.ZygoteWay(), ways.PoolWay(), ways.LimitedWay()))
    found = await tiers.isolation(Confinement())
    assert found.tier == "limited"
    assert "bubblewrap is not installed" in found.refused[0]
    assert "apt install bubblewrap" in found.advice


@pytest.mark.parametrize(
    ("switch", "words"),
    [
        (("apparmor_restrict_unprivileged_userns", "1"), "AppArmor profile"),
        (("unprivileged_userns_clone", "0"), "sysctl kernel.unprivileged_userns_clone=1"),
        (("max_user_namespaces", "0"), "sysctl user.max_user_namespaces"),
        (("none of them", ""), "seccomp profile"),
    ],
)
def test_the_advice_names_the_switch_that_forbids_namespaces(monkeypatch, switch, words):
    monkeypatch.setattr(tiers, "_reads", lambda path, wanted: path.endswith(switch[0]) and wanted == switch[1])
    found = tiers.Isolation("reduced", "reduced", ("zygote: bwrap: setting up uid map: Permission denied",))
    assert words in found.advice


def test_another_system_is_told_of_wsl_and_remote_kernels(monkeypatch):
    monkeypatch.setattr(tiers, "on_linux", lambda: False)
    assert "WSL2" in tiers.Isolation("limited", "limited").advice


def test_a_walled_child_needs_no_advice():
    assert tiers.Isolation("walled", "zygote").advice == ""


def test_a_folder_for_sockets_with_too_long_a_path_is_refused_in_three_parts(monkeypatch, tmp_path):
    deep = tmp_path / ("x" * 90)
    deep.mkdir()
    monkeypatch.setattr(places.tempfile, "tempdir", str(deep))
    with pytest.raises(SandboxError) as refused:
        places._make_root(0)
    assert "too long a path" in refused.value.given
    assert "107" in refused.value.have
    assert "TMPDIR" in refused.value.try_
    assert list(deep.iterdir()) == []


def test_folders_of_a_process_that_was_killed_are_swept(monkeypatch, tmp_path):
    monkeypatch.setattr(places.tempfile, "tempdir", str(tmp_path))
    mine = places._make_root(0)
    dead = tmp_path / "omc-dead"
    dead.mkdir()
    told = (mine / "owner.json").read_text().replace(str(os.getpid()), "999999999")
    (dead / "owner.json").write_text(told)
    if os.getuid() == 0:
        os.chown(dead, 64_737, 64_737)  # as the folder of children is, when root is the host
    assert places.sweep() == 1
    assert mine.exists()
    assert not dead.exists()


def test_only_the_interpreter_and_this_package_are_readable():
    import sys

    found = bubblewrap.readable()
    assert any(sys.prefix == path or sys.prefix.startswith(f"{path}/") for path in (*found, "/usr"))
    assert not any(path in ("/", "/home", "/root", "/etc") for path in found)


def test_an_interpreter_that_was_called_by_a_crooked_path_is_found_inside(tmp_path):
    import subprocess
    import sys

    crooked = os.path.join(os.path.dirname(sys.executable), "..", "bin", os.path.basename(sys.executable))
    code = "from omc_agent.sandbox.surroundings import PYTHON; print(PYTHON)"
    said = subprocess.run([crooked, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path).stdout
    assert ".." not in said


def test_an_older_landlock_is_refused(monkeypatch):
    monkeypatch.setattr(syscalls, "landlock_version", lambda: 5)
    with pytest.raises(OSError, match="6 is needed"):
        landlock.restrict([], [], [])


async def test_seccomp_that_is_refused_is_said(monkeypatch):
    """A machine without a table of calls: the child says so, and the next lower way is tried."""
    monkeypatch.setattr(ways.seccomp, "program", lambda *a, **k: (_ for _ in ()).throw(OSError("no table for x")))
    monkeypatch.setattr(tiers, "WAYS", (ways.PoolWay(), ways.LimitedWay()))
    assert "no table for x" in (await tiers.isolation(Confinement())).refused[0]


# -- the lower tiers, for real ------------------------------------------------------------------


@pytest.fixture
def reduced():
    if syscalls.landlock_version() < landlock.LOWEST:
        pytest.skip("Landlock 6 (Linux 6.12) is not here, so there is no reduced tier on this machine")
    return Confinement(best="reduced")


async def test_the_reduced_tier_works_and_holds(reduced, tmp_path):
    import numpy as np
    import pandas as pd

    secret = tmp_path / "secret"
    secret.write_text("canary")
    secret.chmod(0o666)
    tmp_path.chmod(0o777)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        async with Sandbox(confinement=reduced, allowed_imports=["socket"]) as box:
            assert (await box.isolation()).tier == "reduced"
            await box.put("frame", pd.DataFrame({"a": np.arange(100.0), "b": np.arange(100) % 2}))
            fit = await box.run(
                "from xgboost import XGBClassifier\nm = XGBClassifier(n_estimators=3)\n"
                "m.fit(frame[['a']], frame['b'])\nplt.plot(frame['a'])\nplt.show()\nout = frame * 2"
            )
            assert fit.ok, fit.error
            assert any("image/png" in bundle for bundle in fit.outputs)
            assert (await box.get("out"))["a"].iloc[3] == 6.0
            for deed in (
                f"open({str(secret)!r}).read()",
                f"open({str(secret)!r}, 'a')",
                f"os.unlink({str(secret)!r})",
                f"socket.create_connection(('127.0.0.1', {port}), 2)",
                "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
                "os.kill(os.getppid(), 0)",
                "os.setsid()",
                "open('/etc/passwd').read()",
                "os.listdir('/home')",
                "ctypes.CDLL(None, use_errno=True).ptrace(16, os.getppid(), 0, 0) == 0 or 1 / 0",
                "open(f'/proc/{os.getppid()}/environ', 'rb').read()",
            ):
                tried = await box.run(f"import os, socket, ctypes\n{deed}")
                assert tried.status == "error", deed
            changed = await box.run(f"import os\nos.chmod({str(secret)!r}, 0o600)\nos.utime({str(secret)!r}, (1, 1))")
            assert changed.ok, "answered as done"
    assert secret.stat().st_mode & 0o777 == 0o666
    assert secret.stat().st_mtime > 1
    assert secret.read_text() == "canary"


async def test_in_the_reduced_tier_a_daemon_ends_with_its_child(reduced, tmp_path):
    import asyncio

    import psutil

    mark = f"omcreduced{id(tmp_path)}"
    code = f"import os\nif os.fork() == 0:\n    os.execv('/usr/bin/sleep', ['{mark}', '600'])"
    async with Sandbox(confinement=reduced, prelude="") as box:
        await box.run(code)
        await asyncio.sleep(0.3)
        assert [p for p in psutil.process_iter(["cmdline"]) if mark in (p.info["cmdline"] or [])]
    await asyncio.sleep(0.3)
    assert not [p for p in psutil.process_iter(["cmdline"]) if mark in (p.info["cmdline"] or [])]


async def test_another_kernelspec_holds_the_code_and_frames_go_by_messages(tmp_path):
    """A plain kernel stands for a gateway's: nothing of it is ours but the package."""
    import pandas as pd
    from jupyter_client.kernelspec import KernelSpecManager

    assert "python3" in KernelSpecManager().find_kernel_specs()
    confinement = Confinement(kernel="python3")
    async with Sandbox(confinement=confinement, prelude="import pandas as pd\nimport numpy as np") as box:
        found = await box.isolation()
        assert (found.tier, found.means) == ("remote", "python3")
        big = pd.DataFrame({"a": range(300_000), "t": pd.date_range("2024", periods=300_000, freq="5min", tz="UTC")})
        await box.put("frame", big)
        assert not list((box.workspace / "work").iterdir())
        assert (await box.run("half = frame.iloc[::2]\nsave_state('n', len(half))\nvalue = [1, 'x']")).ok
        pd.testing.assert_frame_equal(await box.get("half"), big.iloc[::2])
        assert await box.get_value("value") == [1, "x"]
        assert await box.state() == {"n": 150_000}
        await box.run("open('note.txt', 'w').write('hello')\nimport os\nat = os.getcwd()")
        sha = await box.take_file("note.txt", tmp_path)
        assert (tmp_path / f"{sha}.txt").read_text() == "hello"
        await box.run("os.unlink('note.txt')")
        slow = await box.run("while True: pass", limits=Limits(wall=0.5))
        assert slow.status == "timeout"
        folder = (await box.run("import omc_agent.sandbox.inside as i\nprint(i._elsewhere['in'])")).text.strip()
        assert os.path.isdir(folder)
    assert not os.path.exists(folder)


async def test_a_kernelspec_that_is_not_there_is_said():
    with pytest.raises(SandboxError) as failed:
        await Sandbox(confinement=Confinement(kernel="no_such_kernel")).start()
    assert "no_such_kernel" in failed.value.given


async def test_the_doctor_tells_tier_reason_and_cure(monkeypatch, tmp_path):
    from omc_agent import doctor
    from omc_agent.config import settings_with

    found = tiers.Isolation("reduced", "reduced", ("zygote: bubblewrap is not installed",))

    async def pretended(confinement):
        return found

    monkeypatch.setattr(doctor.tiers, "isolation", pretended)
    said = doctor.examination_text(settings_with(home=str(tmp_path)))
    assert "reduced wall (reduced)" in said
    assert "zygote: bubblewrap is not installed" in said
    assert "apt install bubblewrap" in said
