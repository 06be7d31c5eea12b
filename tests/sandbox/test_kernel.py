"""The reader of a child's stream believes only what answers its own request."""

from __future__ import annotations

import asyncio

import psutil
import pytest
import pytest_asyncio

from omc_agent.config import MB, Limits
from omc_agent.errors import SandboxError
from omc_agent.sandbox import Sandbox
from omc_agent.sandbox.kernel import Child, Spoken, _take

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


def _message(kind, **content):
    return {"msg_type": kind, "content": content}


async def test_only_an_idle_status_ends_a_request():
    assert _take(_message("status", execution_state="idle"), Spoken(), 0)
    assert not _take(_message("status", execution_state="busy"), Spoken(), 0)
    assert not _take(_message("shutdown_reply"), Spoken(), 0)


async def test_text_and_pictures_count_against_the_output_limit_together():
    spoken = Spoken()
    _take(_message("stream", text="x" * 60), spoken, 100)
    assert spoken.breach is None
    _take(_message("display_data", data={"text/plain": "y" * 60}), spoken, 100)
    assert (spoken.breach.status, spoken.breach.fatal) == ("output", False)


async def test_an_error_is_cleaned_and_its_traceback_is_kept_short():
    spoken = Spoken()
    said = {
        "ename": "\x1b[31mValueError",
        "evalue": "\x1b]0;t\x07no",
        "traceback": [f"\x1b[0m{n}" for n in range(99)],
    }
    _take(_message("error", **said), spoken, 0)
    assert (spoken.error["type"], spoken.error["message"]) == ("ValueError", "no")
    assert spoken.error["traceback"] == [str(n) for n in range(79, 99)]


async def test_a_child_that_cannot_run_its_prelude_says_why_and_is_ended():
    child = Child(Limits(memory=700 * MB))
    with pytest.raises(SandboxError, match="no_such_module"):
        await child.start("import no_such_module")
    assert not await child.alive()
    assert not child.folder.exists()


@pytest.mark.parametrize("moment", [0.1, 0.6])
async def test_a_start_that_is_stopped_leaves_no_process_behind(moment):
    child = Child(Limits(memory=700 * MB))
    starting = asyncio.create_task(child.start("import time\ntime.sleep(30)"))
    await asyncio.sleep(moment)
    pid = child.pid
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not psutil.pid_exists(pid)
    assert not child.folder.exists()
