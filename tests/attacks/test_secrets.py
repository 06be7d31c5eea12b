"""Credentials never reach a child: its whole memory and all files that it can read are searched for planted ones."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

import psutil
import pytest

from omc_agent.config import MB, Confinement, settings_with
from omc_agent.sandbox import Limits, Sandbox, nursery, tiers

pytestmark = pytest.mark.asyncio(loop_scope="session")


def memory_holds(pid: int, needles: list[bytes]) -> list[bytes]:
    """Those of `needles` that are in the memory of process `pid`, the code of programs left out."""
    found = set()
    maps = Path(f"/proc/{pid}/maps").read_text()
    with open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for start, end in re.findall(r"^([0-9a-f]+)-([0-9a-f]+) rw", maps, flags=re.MULTILINE):
            try:
                memory.seek(int(start, 16))
                data = memory.read(int(end, 16) - int(start, 16))
            except (OSError, ValueError, OverflowError):  # vsyscall and the like
                continue
            found |= {needle for needle in needles if needle in data}
    return sorted(found)


async def test_no_credential_is_in_the_memory_or_in_the_files_of_a_child(monkeypatch, tmp_path, market):
    """Planted before the zygote starts, where they usually are: environment, settings, database URL, home."""
    found = await tiers.isolation(Confinement())
    if found.tier != "walled":
        pytest.skip(f"no walled tier here: {found.refused}")
    if nursery.sandbox_uid() == 0:
        pytest.skip("to read the memory of a child takes root here; run the tests as root for this one")
    names = ("OPENAI_API_KEY", "OMC_AGENT_DATABASE_URL", "JUPYTER_TOKEN", "AWS_SECRET_ACCESS_KEY")
    planted = {name: secrets.token_hex(20) for name in names}
    for name, value in planted.items():
        monkeypatch.setenv(name, f"postgresql://u:{value}@h/d" if name.endswith("URL") else value)
    home = tmp_path / "home"
    (home / ".aws").mkdir(parents=True)
    in_home = secrets.token_hex(20)
    (home / ".aws" / "credentials").write_text(in_home)
    monkeypatch.setenv("HOME", str(home))
    own = nursery.Nursery()  # its zygote is started among all this
    monkeypatch.setattr(nursery, "the_nursery", own)
    settings = settings_with(db=f"postgresql://u:{planted['JUPYTER_TOKEN']}@h/d", model="openai:x")
    assert settings.source().db
    values = [value.encode() for value in (*planted.values(), in_home)]
    needles = values + [value.decode().encode("utf-16-le") for value in values]
    async with Sandbox(limits=Limits(memory=900 * MB)) as box:
        child = box._alive_child()
        assert (await box.run("kept = 'a' + 'needle' * 3")).ok
        assert memory_holds(child.kernel_pid, [b"aneedleneedleneedle"]), "the search finds what is there"
        ring = psutil.Process(nursery.the_nursery.pid)
        all_of_them = {ring.pid, *(process.pid for process in ring.children(recursive=True))}
        assert child.kernel_pid in all_of_them
        for pid in all_of_them:  # bubblewrap, the zygote, the child's own three
            assert memory_holds(pid, needles) == []
        text = [value.decode() for value in values]
        code = (
            f"needles = [(a + b).encode() for a, b in {[(v[:9], v[9:]) for v in text]!r}]\n"
            "import os\nfound = []\n"
            "for top in ('/omc', '/run', '/tmp', '/etc', '/dev/shm', '/home', '/root', '/var'):\n"
            "    for folder, _, names in os.walk(top):\n"
            "        for name in names:\n"
            "            path = os.path.join(folder, name)\n"
            "            if os.path.isfile(path) and os.path.getsize(path) < 2**24 and path[:5] != '/proc':\n"
            "                data = open(path, 'rb').read()\n"
            "                found += [path for n in needles if n in data]\n"
            "print(found)"
        )
        result = await box.run(code)
        assert result.text.strip() == "[]", result.error
    own.close()
