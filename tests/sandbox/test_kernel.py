"""The reader of a child's stream believes only what answers its own request."""

from __future__ import annotations

import asyncio

import psutil
import pytest
import pytest_asyncio

from omc_agent.config import MB, Confinement, Limits
from omc_agent.errors import SandboxError
from omc_agent.sandbox import Sandbox, tiers
from omc_agent.sandbox.kernel import Child

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def box():
    async with Sandbox(limits=Limits(memory=700 * MB, wall=60), prelude="") as made:
        yield made


async def test_an_idle_that_a_cell_forges_does_not_end_it_early(box):
    forged = (
        "k = get_ipython().kernel\n"
        "k.session.send(k.iopub_socket, 'status', {'execution_state': 'idle'}, parent={'msg_id': 'another'})\n"
        "import time\ntime.sleep(0.4)\nprint('to the end')"
    )
    assert (await box.run(forged)).text == "to the end\n"


async def test_other_kinds_of_messages_are_passed_over(box):
    odd = (
        "k = get_ipython().kernel\n"
        "k.session.send(k.iopub_socket, 'comm_open', {'comm_id': '1', 'target_name': 'jupyter.widget', 'data': {}},"
        " parent=k.get_parent())\n"
        "k.session.send(k.iopub_socket, 'display_data', {'data': {'application/javascript': 'x()'}, 'metadata': {}},"
        " parent=k.get_parent())\n"
        "None"
    )
    result = await box.run(odd)
    assert (result.status, result.outputs, result.text) == ("ok", [], "")


async def new() -> Child:
    return Child(Limits(memory=700 * MB), way=await tiers.way(Confinement()))


async def test_a_child_that_cannot_run_its_prelude_says_why_and_is_ended():
    child = await new()
    with pytest.raises(SandboxError, match="no_such_module"):
        await child.start("import no_such_module")
    assert not await child.alive()
    assert not child.folder.exists()


@pytest.mark.parametrize("moment", [0.1, 0.6])
async def test_a_start_that_is_stopped_leaves_no_process_behind(moment):
    child = await new()
    starting = asyncio.create_task(child.start("import time\ntime.sleep(30)"))
    await asyncio.sleep(moment)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    for _ in range(40):  # a fork that was under way is killed as soon as it is known
        if child.pid is None or not psutil.pid_exists(child.pid):
            break
        await asyncio.sleep(0.1)
    assert child.pid is None or not psutil.pid_exists(child.pid)
    assert not child.folder.exists()
