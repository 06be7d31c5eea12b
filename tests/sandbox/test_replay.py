"""Replay in a fresh namespace, warm spares, and the kernelspec that starts by its name."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pandas as pd
import pytest
import pytest_asyncio
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager

from omc_agent.config import MB, Limits, with_limits
from omc_agent.errors import SandboxError
from omc_agent.sandbox import Sandbox
from omc_agent.sandbox.provisioner import SandboxProvisioner
from omc_agent.sandbox.replay import RecordedCell, replay
from omc_agent.sandbox.spares import Spares

pytestmark = pytest.mark.asyncio(loop_scope="module")

PRELUDE = "import pandas as pd\n"
LIMITS = Limits(memory=700 * MB, wall=60)
SHORT, LONG = pd.DataFrame({"x": [1.0, 2.0, 3.0]}), pd.DataFrame({"x": [1.0, 2.0, 3.0, 100.0]})
FIT = RecordedCell(1, "save_state('middle', float(rows['x'].median()))", "fit", state={"middle": 2.0})
LOOK = RecordedCell(2, "raise RuntimeError('a look is not replayed')")
MAKE = RecordedCell(3, "features = rows.assign(above=rows['x'] > load_state('middle'))", "transform")
MODEL = RecordedCell(4, "raise RuntimeError('a model is not replayed')", "model")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def box():
    async with Sandbox(limits=LIMITS, prelude=PRELUDE) as made:
        yield made


async def test_the_same_cells_on_the_same_rows_give_the_same_frame(box):
    for _ in range(2):
        made = await replay(box, [FIT, LOOK, MAKE, MODEL], {"rows": SHORT}, ["features"])
        assert made["features"]["above"].tolist() == [False, False, True]


async def test_a_longer_frame_reads_the_recorded_state_and_fits_nothing_again(box):
    made = await replay(box, [FIT, LOOK, MAKE], {"rows": LONG}, ["features"], kinds=("transform",))
    # The median of the longer frame is 2.5; the recorded one is 2.
    assert made["features"]["above"].tolist() == [False, False, True, True]
    assert await box.state() == {"middle": 2.0}


async def test_a_replay_begins_with_nothing_of_what_was_there(box):
    await box.run("left_behind = 1")
    uses = RecordedCell(5, "features = rows * left_behind", "transform")
    with pytest.raises(SandboxError) as failed:
        await replay(box, [uses], {"rows": SHORT}, ["features"])
    assert failed.value.code == "sandbox.replay"
    assert "Cell 5" in failed.value.given
    assert "left_behind" in failed.value.line()


async def test_a_transform_that_reads_state_nobody_recorded_fails_with_its_name(box):
    with pytest.raises(SandboxError, match="middle"):
        await replay(box, [MAKE], {"rows": SHORT}, ["features"], kinds=("transform",))


async def test_an_output_that_no_cell_made_is_an_error(box):
    with pytest.raises(SandboxError) as failed:
        await replay(box, [], {"rows": SHORT}, ["features"])
    assert failed.value.code == "sandbox.no_frame"


async def test_a_spare_is_handed_out_once_and_the_next_one_begins():
    spares = Spares(LIMITS, PRELUDE)
    try:
        spares.warm()
        waiting = await spares._coming
        own = Sandbox(limits=LIMITS, prelude=PRELUDE, spares=spares)
        await own.start()
        assert own.workspace == waiting.folder
        assert (await own.run("pd.__name__")).ok
        await own.close()
        other = Sandbox(limits=LIMITS, prelude=PRELUDE, spares=spares)
        await other.start()
        assert other.workspace != waiting.folder
        await other.close()
    finally:
        await spares.close()


async def test_a_run_with_limits_of_its_own_gets_a_child_with_them():
    spares = Spares(LIMITS, PRELUDE)
    try:
        spares.warm()
        waiting = await spares._coming
        for size, wanted in ((1 * MB, "OSError"), (3 * MB, None)):
            async with Sandbox(limits=with_limits(LIMITS, file_size=size), prelude=PRELUDE, spares=spares) as own:
                assert own.workspace != waiting.folder
                written = await own.run("open('big', 'wb').write(b'0' * 2 * 2**20)")
                assert (written.error or {}).get("type") == wanted
    finally:
        await spares.close()


async def test_a_spare_with_another_prelude_or_that_died_is_not_handed_out():
    spares = Spares(LIMITS, "first = 1")
    try:
        spares.warm()
        child = await spares._coming
        child.kill_now()
        while await child.alive():
            await asyncio.sleep(0.02)
        async with Sandbox(limits=LIMITS, prelude="first = 1", spares=spares) as after_death:
            assert (await after_death.run("first")).outputs == [{"text/plain": "1"}]
        assert not child.folder.exists()
        waiting = await spares._coming
        async with Sandbox(limits=LIMITS, prelude="second = 2", spares=spares) as other:
            assert (await other.run("second, 'first' in globals()")).outputs == [{"text/plain": "(2, False)"}]
        assert await waiting.alive(), "the spare stays for a run that it fits"
    finally:
        await spares.close()
    assert spares._coming is None


async def test_the_kernelspec_starts_by_its_name_with_our_provisioner(tmp_path, monkeypatch):
    monkeypatch.setenv("A_SECRET_OF_THE_HOST", "very-secret")
    folder = Path(__file__).parents[2] / "jupyter-config" / "kernels"
    specs = KernelSpecManager(kernel_dirs=[str(folder)], ensure_native_kernel=False)
    assert list(specs.find_kernel_specs()) == ["omc_sandbox"]
    manager = AsyncKernelManager(kernel_spec_manager=specs, kernel_name="omc_sandbox")
    manager.connection_file = str(tmp_path / "connection.json")
    await manager.start_kernel(cwd=str(tmp_path))
    client = manager.client()
    said = []
    try:
        client.start_channels(hb=False)
        await client.wait_for_ready(timeout=60)
        assert isinstance(manager.provisioner, SandboxProvisioner)
        assert manager.transport == "ipc"
        code = "import os\nprint(os.environ.get('A_SECRET_OF_THE_HOST'), os.environ['HOME'])"
        await client.execute_interactive(code, output_hook=said.append, allow_stdin=False, timeout=30)
    finally:
        client.stop_channels()
        with contextlib.suppress(ProcessLookupError):
            await manager.shutdown_kernel(now=True)
    text = "".join(m["content"]["text"] for m in said if m["msg_type"] == "stream")
    assert text.startswith("None ")
    assert text.endswith("/work\n")
    assert not Path(manager.ip).parent.exists()
