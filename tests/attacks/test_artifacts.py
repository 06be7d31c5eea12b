"""What a child leaves for the host to take: links, pipes, giants, bombs and lies, made inside and taken outside."""

from __future__ import annotations

import ast
import asyncio
import os
from pathlib import Path

import pyarrow as pa
import pytest

import omc_agent
from omc_agent.errors import SandboxError
from omc_agent.sandbox import beneath, exchange

pytestmark = pytest.mark.asyncio(loop_scope="session")

PLANT = {
    "a link to a file of the host": "os.symlink(FILE, P)",
    "a link to a file of its own": "open('/omc/out/real', 'w').write(SECRET[:4])\nos.symlink('real', P)",
    "a pipe that nobody writes": "os.mkfifo(P)",
    "a socket": "s = socket.socket(socket.AF_UNIX); s.bind(P)",
    "a folder": "os.mkdir(P)",
    "a second name of a file": "open('/omc/out/one', 'w').write('x')\nos.link('/omc/out/one', P)",
    "nothing": "pass",
}


@pytest.mark.parametrize("name", PLANT)
async def test_what_is_no_plain_file_is_not_taken(shared, bait, tmp_path, name):
    await shared.run("for n in os.listdir('/omc/out'): subprocess.run(['rm', '-rf', '/omc/out/' + n])")
    planted = await shared.run(f"{bait.names()}P = '/omc/out/x.arrow'\n{PLANT[name]}")
    assert planted.ok, planted.error
    out = shared.workspace / "out"
    for take in (exchange.take_frame, exchange.take_file):
        with pytest.raises(SandboxError):
            await asyncio.wait_for(asyncio.to_thread(take, out / "x.arrow", tmp_path), 5)
    assert not list(tmp_path.iterdir())


async def test_an_export_that_becomes_a_link_is_not_followed(shared, bait, tmp_path):
    """The child can change its own exporter: what counts is what lies in the folder."""
    code = (
        f"{bait.names()}\nimport omc_agent.sandbox.inside as i\n"
        "def export(name, folder):\n"
        "    try: os.unlink(f'{folder}/{name}.arrow')\n"
        "    except OSError: pass\n"
        "    os.symlink(FILE, f'{folder}/{name}.arrow')\n"
        "kept, i.export = i.export, export"
    )
    await shared.run(code)
    with pytest.raises(SandboxError):
        await shared.take("anything", tmp_path)
    await shared.run("i.export = kept")


async def test_a_link_in_the_middle_of_a_path_and_a_way_up_are_not_followed(tmp_path):
    (tmp_path / "box").mkdir()
    (tmp_path / "secret").write_text("x")
    (tmp_path / "box" / "up").symlink_to(tmp_path)
    (tmp_path / "box" / "plain").write_text("y")
    os.close(beneath.open_beneath(tmp_path / "box", "plain", 10))
    for name in ("up/secret", "../secret", str(tmp_path / "secret"), "./up/../secret"):
        with pytest.raises(SandboxError):
            beneath.open_beneath(tmp_path / "box", name, 10)


async def test_the_same_step_by_step_where_there_is_no_openat2(tmp_path, monkeypatch):
    (tmp_path / "box" / "in").mkdir(parents=True)
    (tmp_path / "secret").write_text("x")
    (tmp_path / "box" / "up").symlink_to(tmp_path)
    (tmp_path / "box" / "in" / "plain").write_text("y")

    def absent(*_: object) -> int:
        raise OSError(38, "openat2: Function not implemented")

    monkeypatch.setattr(beneath.syscalls, "openat2", absent)
    os.close(beneath.open_beneath(tmp_path / "box", "in/plain", 10))
    for name in ("up/secret", "../secret", str(tmp_path / "secret")):
        with pytest.raises(SandboxError):
            beneath.open_beneath(tmp_path / "box", name, 10)


async def test_a_huge_empty_file_is_refused_by_its_size(shared, tmp_path):
    await shared.run("open('/omc/work/huge.bin', 'wb').truncate(900 * 2**20)")
    with pytest.raises(SandboxError) as refused:
        exchange.take_file(shared.workspace / "work" / "huge.bin", tmp_path, cap=2**20)
    assert refused.value.code == "sandbox.too_large"
    await shared.run("os.unlink('/omc/work/huge.bin')")


async def test_the_mode_of_a_file_does_not_come_out(shared, tmp_path):
    await shared.run("open('tool.bin', 'w').write('#!/bin/sh')\nos.chmod('tool.bin', 0o6777)")
    sha = await shared.take_file("tool.bin", tmp_path)
    assert (tmp_path / f"{sha}.bin").stat().st_mode & 0o7111 == 0


async def test_a_frame_that_is_cut_short_while_it_is_taken_harms_nobody(shared):
    """In place the host would die of SIGBUS; a copy is whole or refused."""
    code = (
        "import pandas as pd, numpy as np, threading, time\n"
        "frame = pd.DataFrame({'a': np.arange(500_000.0)})\n"
        "def cut():\n"
        "    for _ in range(4000):\n"
        "        try: os.truncate('/omc/out/frame.arrow', 4096)\n"
        "        except OSError: pass\n"
        "        time.sleep(0.0005)\n"
        "threading.Thread(target=cut, daemon=True).start()"
    )
    await shared.run(code)
    for _ in range(5):
        try:
            assert len(await shared.get("frame")) == 500_000
        except SandboxError:
            continue


async def test_lies_in_an_arrow_file_are_refused(shared, tmp_path):
    table = pa.table({"s": pa.array(["ab", "cd", "ef"]), "n": [1.0, 2.0, 3.0]})
    path = tmp_path / "lie.arrow"
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    whole = path.read_bytes()
    refused = 0
    at = whole.index(b"abcdef") - 64  # the offsets of the texts
    for place in range(at, at + 20, 4):
        path.write_bytes(whole[:place] + (2**30).to_bytes(4, "little") + whole[place + 4 :])
        try:
            exchange.take_frame(path, tmp_path / "out")
        except SandboxError:
            refused += 1
    assert refused >= 3


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
async def test_a_compressed_frame_is_refused_before_it_is_read(shared, codec):
    code = (
        "import numpy as np, pyarrow as pa\n"
        "import omc_agent.sandbox.inside as i\n"
        "def export(name, folder):\n"
        "    table = pa.table({'a': np.zeros(4_000_000)})\n"
        f"    options = pa.ipc.IpcWriteOptions(compression='{codec}')\n"
        "    with pa.OSFile(f'{folder}/{name}.arrow', 'wb') as s:\n"
        "        with pa.ipc.new_file(s, table.schema, options=options) as w: w.write_table(table)\n"
        "kept, i.export = i.export, export"
    )
    assert (await shared.run(code)).ok
    with pytest.raises(SandboxError, match="compressed"):
        await shared.get("bomb")
    await shared.run("i.export = kept")


async def test_rows_without_bytes_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(exchange, "ROWS_CAP", 1000)
    table = pa.table({"nothing": pa.nulls(1001)})
    path = tmp_path / "nulls.arrow"
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(SandboxError, match="rows"):
        exchange.take_frame(path, tmp_path / "out")


async def test_run_length_encoding_is_refused(tmp_path):
    column = pa.RunEndEncodedArray.from_arrays(pa.array([2**30], pa.int32()), pa.array([1.0]))
    table = pa.Table.from_arrays([column], names=["a"])
    path = tmp_path / "ree.arrow"
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(SandboxError):
        exchange.take_frame(path, tmp_path / "out")


async def test_the_host_unpickles_nothing():
    for path in Path(omc_agent.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                names = [alias.name for alias in node.names] + [getattr(node, "module", "") or ""]
                assert not {"pickle", "cloudpickle", "dill", "shelve", "marshal"} & {n.split(".")[0] for n in names}
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                assert getattr(node.value, "value", True) is False, path
