"""`Sandbox`: what each kind of cell comes back as, frames in and out, and what a new child still knows."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import pytest_asyncio

import omc_agent.sandbox as sandbox
from omc_agent.config import MB, with_limits
from omc_agent.errors import SandboxError
from omc_agent.sandbox import CodeSandbox, Limits, Sandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")

PRELUDE = "import numpy as np\nimport pandas as pd\n"
SMALL = Limits(memory=700 * MB, wall=60, output=100_000)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def shared_box():
    async with Sandbox(limits=SMALL, prelude=PRELUDE) as box:
        yield box


@pytest_asyncio.fixture(loop_scope="module")
async def box(shared_box):
    """The module's box with a clean namespace."""
    await shared_box.reset()
    return shared_box


async def test_the_names_of_the_contract_are_there():
    assert CodeSandbox is Sandbox
    assert sandbox.CellResult.__name__ == "CellResult"
    assert Limits() == Limits(
        memory=4096 * MB,
        cpu=600.0,
        wall=600.0,
        processes=256,
        files=512,
        file_size=1024 * MB,
        workspace=2048 * MB,
        output=8 * MB,
    )
    with pytest.raises(AttributeError):
        _ = sandbox.NoSuchName


# -- what a cell comes back as -----------------------------------------------------------------


async def test_a_cell_that_ends_is_ok_and_shows_its_last_value(box):
    result = await box.run("print('said')\nx = 20 + 1\nx * 2")
    assert (result.status, result.ok, result.error, result.reason) == ("ok", True, None, "")
    assert result.text == "said\n"
    assert result.outputs == [{"text/plain": "42"}]
    assert result.seconds > 0


async def test_a_frame_is_shown_as_text_and_html(box):
    (shown,) = (await box.run("pd.DataFrame({'a': [1, 2]})")).outputs
    assert set(shown) == {"text/plain", "text/html"}
    assert "<table>" in shown["text/html"]
    assert "style" not in shown["text/html"]


async def test_a_plot_is_shown_as_a_picture(box):
    result = await box.run("import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()")
    assert [set(shown) & {"image/png"} for shown in result.outputs] == [{"image/png"}]


async def test_an_error_names_type_message_and_line_of_the_cell(box):
    result = await box.run("a = 1\nb = 0\n\ndef divide():\n    return a / b\n\ndivide()")
    assert (result.status, result.ok, result.reason) == ("error", False, "")
    assert result.error == {"type": "ZeroDivisionError", "message": "division by zero", "line": 7}


async def test_variables_outlive_an_error(box):
    await box.run("kept = 5")
    await box.run("1 / 0")
    assert (await box.run("kept")).outputs == [{"text/plain": "5"}]


async def test_a_syntax_error_is_an_error_with_its_line(box):
    result = await box.run("x = 1\ny = (2")
    assert result.status == "error"
    assert result.error["type"] == "SyntaxError"
    assert result.error["line"] == 2


@pytest.mark.parametrize("code", ["import requests", "!ls", "%time 1", "input('name? ')"])
async def test_what_cannot_work_in_a_cell_is_refused_before_it_runs(box, code):
    result = await box.run(f"ran = True\n{code}")
    assert result.status == "refused"
    assert result.error["line"] == 2
    assert result.reason
    assert (await box.run("'ran' in globals()")).outputs == [{"text/plain": "False"}]


async def test_a_cell_over_its_wall_time_is_interrupted_and_the_child_goes_on(box):
    await box.run("kept = 7")
    generation = box.generation
    result = await box.run("while True: pass", limits=with_limits(SMALL, wall=0.5))
    assert result.status == "timeout"
    assert "wall" in result.reason
    assert "--wall" in result.reason
    assert box.generation == generation
    assert (await box.run("kept")).outputs == [{"text/plain": "7"}]


def lives(process) -> bool:
    import psutil

    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_what_a_cell_over_its_time_had_started_ends_and_the_kernel_stays(box):
    import psutil

    await box.run("kept = 9")
    code = (
        "import multiprocessing as m\nc = m.get_context('fork')\ndef f():\n    while True: pass\n"
        "ps = [c.Process(target=f) for _ in range(2)]\n[p.start() for p in ps]\n[p.join() for p in ps]"
    )
    assert (await box.run(code, limits=with_limits(SMALL, wall=0.6, grace=5.0))).status == "timeout"
    assert (await box.run("kept")).outputs == [{"text/plain": "9"}]
    child = box._alive_child()
    for _ in range(40):  # the system takes a moment to end a process that has been killed
        left = [p for p in psutil.Process(child.pid).children(recursive=True) if p.pid != child.kernel_pid]
        left = [p for p in left if lives(p)]
        if not left:
            break
        await asyncio.sleep(0.05)
    assert left == []
    sleeping = await box.run("import time\ntime.sleep(0.6)", limits=with_limits(SMALL, cpu=0.4))
    assert sleeping.ok, "what was used before does not count"


async def test_a_cell_over_its_cpu_time_is_a_timeout_that_names_cpu(box):
    result = await box.run("while True: pass", limits=with_limits(SMALL, cpu=0.5))
    assert result.status == "timeout"
    assert result.reason.startswith("cpu limit")


async def test_a_regular_expression_that_holds_the_interpreter_ends_within_a_second_of_its_limit(box):
    result = await box.run("import re\nre.match(r'(a+)+$', 'a' * 50 + 'b')", limits=with_limits(SMALL, wall=0.5))
    assert result.status == "timeout"
    assert result.seconds < 1.5


async def test_code_that_hears_no_interrupt_is_killed_and_told_so(box):
    await box.run("kept = 1")
    generation = box.generation
    result = await box.run("sum(range(10**12))", limits=with_limits(SMALL, wall=0.5))
    assert result.status == "timeout"
    assert result.seconds < 2.0
    assert "replaced" in result.reason
    assert box.generation == generation + 1
    assert (await box.run("kept")).error["type"] == "NameError"


async def test_asking_for_too_much_memory_is_a_memory_error_and_the_child_goes_on(box):
    await box.run("kept = 8")
    result = await box.run("big = np.ones(2 * 1024**3 // 8)")
    assert result.status == "memory"
    assert result.error["type"] == "MemoryError"
    assert "--memory" in result.reason
    assert (await box.run("kept")).outputs == [{"text/plain": "8"}]


async def test_memory_over_the_limit_that_raises_nothing_is_ended_by_the_watchdog(box):
    # An anonymous shared map is not counted as data of the process, so no MemoryError comes.
    code = "import mmap\nm = mmap.mmap(-1, 900 * 2**20)\nfor i in range(0, len(m), 4096): m[i] = 1\n"
    result = await box.run(code + "import time\ntime.sleep(20)")
    assert result.status == "memory"
    assert "--memory" in result.reason
    assert "replaced" in result.reason
    assert result.peak_bytes > 700 * MB
    assert (await box.run("1")).ok


async def test_too_much_output_ends_the_cell_and_keeps_the_first_of_it(box):
    result = await box.run("while True: print('x' * 1000)")
    assert result.status == "output"
    assert "output limit" in result.reason
    assert result.text.startswith("xxx")
    assert len(result.text) < 30_000
    assert (await box.run("1 + 1")).outputs == [{"text/plain": "2"}]


async def test_a_child_that_leaves_is_killed_replaced_and_says_what_was_lost(box):
    await box.put("prices", pd.DataFrame({"close": [1.0, 2.0]}))
    await box.run("made = 1")
    result = await box.run("import os\nos._exit(0)")
    assert result.status == "killed"
    assert "died" in result.reason
    assert "variables are lost" in result.reason
    assert (await box.run("made")).error["type"] == "NameError"
    assert (await box.run("int(prices['close'].sum())")).outputs == [{"text/plain": "3"}]


async def test_a_child_that_dies_between_two_cells_is_seen_and_replaced(box):
    await box.put("prices", pd.DataFrame({"close": [1.0, 2.0]}))
    assert not await box.revive()
    child = box._alive_child()
    child.kill_now()
    await child._gone(2.0)
    result = await box.run("1 + 1")
    assert result.status == "killed"
    assert "variables are lost" in result.reason
    box._alive_child().kill_now()
    await box._alive_child()._gone(2.0)
    assert await box.revive()
    assert (await box.run("int(prices['close'].sum())")).outputs == [{"text/plain": "3"}]


async def test_too_many_threads_are_killed(box):
    # Small stacks: they count as data of the process, and would meet the memory limit first.
    code = "import threading, time\nthreading.stack_size(2**18)\n"
    code += "for _ in range(60): threading.Thread(target=time.sleep, args=(20,)).start()\n"
    result = await box.run(code + "time.sleep(20)", limits=with_limits(SMALL, processes=40))
    assert result.status == "killed"
    assert "processes limit" in result.reason


async def test_a_file_over_its_limit_fails_inside_the_cell():
    async with Sandbox(limits=with_limits(SMALL, file_size=1 * MB), prelude="") as small:
        result = await small.run("open('big', 'wb').write(b'0' * (2 * 2**20))")
        assert result.status == "error"
        assert result.error["type"] == "OSError"


async def test_too_many_bytes_in_the_workspace_are_killed(box):
    code = "import time\nfor i in range(4):\n    open(str(i), 'wb').write(b'0' * 2**20)\ntime.sleep(20)"
    result = await box.run(code, limits=with_limits(SMALL, workspace=2 * MB))
    assert result.status == "killed"
    assert "workspace limit" in result.reason


async def test_a_stopped_cell_ends_its_child():
    async with Sandbox(limits=SMALL, prelude="") as own:
        folder = own.workspace
        cell = asyncio.create_task(own.run("import time\ntime.sleep(60)"))
        await asyncio.sleep(0.3)
        cell.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cell
        for _ in range(100):
            if not folder.exists():
                break
            await asyncio.sleep(0.1)
        assert not folder.exists()
        assert (await own.run("1 + 1")).outputs[0]["text/plain"] == "2"
        assert own.generation == 2


async def test_a_short_wall_time_does_not_end_our_own_imports():
    slow = "import time\ntime.sleep(1.0)"
    async with Sandbox(limits=with_limits(SMALL, wall=0.5, cpu=0.5), prelude=slow) as own:
        assert (await own.run("1")).ok


async def test_cells_run_one_at_a_time(box):
    first, second = await asyncio.gather(
        box.run("import time\ntime.sleep(0.3)\nrunning = 1"), box.run("running += 1\nrunning")
    )
    assert first.ok
    assert second.outputs == [{"text/plain": "2"}]


async def test_whoever_listens_is_called_while_a_cell_runs(box):
    heard = []
    await box.run("import time\ntime.sleep(0.6)", hear=lambda: heard.append(1))
    assert heard


async def test_a_closed_sandbox_says_so():
    own = Sandbox(limits=SMALL)
    with pytest.raises(SandboxError, match="not started"):
        await own.run("1")


# -- frames and values -------------------------------------------------------------------------


def _frames() -> dict[str, pd.DataFrame]:
    rng = np.random.default_rng(0)
    times = pd.date_range("2024-03-30", periods=6, freq="5min", tz="UTC")
    pairs = pd.MultiIndex.from_product([["BTC", "ETH"], [1, 2, 3]], names=["coin", "n"])
    return {
        "with a frequency": pd.DataFrame({"close": rng.normal(size=6)}, index=times),
        "in another zone": pd.DataFrame(
            {"t": times.tz_convert("Europe/Berlin")}, index=times.tz_convert("Asia/Tokyo")
        ),
        "with two levels": pd.DataFrame({"close": rng.normal(size=6)}, index=pairs),
        "with categories": pd.DataFrame(
            {"side": pd.Categorical(["a", "b", "a"], categories=["b", "a", "c"], ordered=True)}
        ),
        "with gaps and text": pd.DataFrame(
            {"x": [1.0, np.nan], "s": ["é\n", None], "b": [True, False]}, index=[7, 3]
        ),
        "empty": pd.DataFrame({"x": pd.Series([], dtype="float64")}),
        "with odd column names": pd.DataFrame([[1, 2]], columns=["a b", "class"]),
    }


@pytest.mark.parametrize("what", list(_frames()))
async def test_a_frame_comes_back_as_it_went_in(box, what):
    frame = _frames()[what]
    await box.put("frame", frame)
    assert (await box.run("same = frame.copy()")).ok
    back = await box.get("same")
    pd.testing.assert_frame_equal(back, frame, check_freq=True)
    assert getattr(back.index, "freq", None) == getattr(frame.index, "freq", None)


async def test_the_child_sees_the_frequency_and_may_write_to_its_copy(box):
    await box.put("prices", _frames()["with a frequency"])
    shown = await box.run("prices.iloc[0, 0] = 1.0\nprices.index.freqstr")
    assert shown.outputs == [{"text/plain": "'5min'"}]


async def test_a_series_comes_out_as_a_frame_with_its_name(box):
    await box.run("loss = pd.Series([1.0, 2.0], index=['a', 'b'])")
    assert (await box.get("loss")).columns.tolist() == ["loss"]


@pytest.mark.parametrize("name", ["a b", "1x", "x; import os", "_hidden", "", "a.b", "../x"])
async def test_a_name_that_is_no_identifier_is_refused(box, name):
    with pytest.raises(SandboxError) as failed:
        await box.put(name, pd.DataFrame({"a": [1]}))
    assert failed.value.code == "sandbox.no_frame"
    with pytest.raises(SandboxError):
        await box.get(name)


async def test_getting_what_is_no_frame_or_not_there_raises(box):
    await box.run("number = 3")
    with pytest.raises(SandboxError, match="not a frame"):
        await box.get("number")
    with pytest.raises(SandboxError, match="nothing"):
        await box.get("nothing")


async def test_an_older_export_is_never_handed_out_for_a_later_value(box):
    await box.run("thing = pd.DataFrame({'a': [1]})")
    assert (await box.get("thing"))["a"].tolist() == [1]
    await box.run("thing = 5")
    with pytest.raises(SandboxError):
        await box.get("thing")


async def test_plain_values_go_in_and_out_and_nan_is_null(box):
    await box.put_value("given", {"a": [1, None, "x"]})
    await box.run("out = {'given': given, 'nan': float('nan'), 'array': np.arange(2), 'inf': np.float64('inf')}")
    expected = {"given": {"a": [1, None, "x"]}, "nan": None, "array": [0, 1], "inf": None}
    assert await box.get_value("out") == expected


async def test_bring_tells_frames_from_values(box, tmp_path):
    await box.run("frame = pd.DataFrame({'a': [1]})\nvalue = [1, 2]")
    kind, sha = await box.bring("frame", tmp_path)
    assert kind == "frame"
    assert (tmp_path / f"{sha}.arrow").exists()
    assert await box.bring("value", tmp_path) == ("value", [1, 2])


async def test_a_file_of_the_workspace_is_taken_unread(box, tmp_path):
    await box.run("open('note.txt', 'w').write('hello')")
    sha = await box.take_file("note.txt", tmp_path)
    assert (tmp_path / f"{sha}.txt").read_text() == "hello"


# -- what is inside ----------------------------------------------------------------------------


async def test_no_variable_of_the_hosts_environment_is_inside(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret-value")
    monkeypatch.setenv("OMC_AGENT_DATABASE_URL", "postgresql://u:very-secret-value@h/d")
    async with Sandbox(limits=SMALL, prelude="") as own:
        seen = await own.run(
            "import os, pathlib\nprint(dict(os.environ))\nprint(pathlib.Path.home())\nprint(os.getcwd())"
        )
    assert "PATH" in seen.text
    assert "very-secret" not in seen.text
    assert "OMC_AGENT" not in seen.text
    assert str(Path.home()) not in seen.text.splitlines()[1]


async def test_a_reset_leaves_the_standard_imports_and_the_named_state_only(shared_box):
    await shared_box.run("mine = 1\nsave_state('median', 2.5)")
    assert await shared_box.state() == {"median": 2.5}
    await shared_box.reset({"limit": [1, 2]})
    result = await shared_box.run("print('mine' in globals(), 'pd' in globals(), load_state('limit'))")
    assert result.text == "False True [1, 2]\n"
    gone = await shared_box.run("load_state('median')")
    assert gone.error["type"] == "KeyError"


async def test_named_state_outlives_a_child_that_died(shared_box):
    await shared_box.reset({"limit": 3})
    await shared_box.run("import os\nos._exit(1)")
    assert (await shared_box.run("load_state('limit')")).outputs == [{"text/plain": "3"}]


async def test_the_folder_of_a_closed_box_is_gone():
    own = Sandbox(limits=SMALL, prelude="")
    await own.start()
    folder = own.workspace
    assert {path.name for path in folder.iterdir()} >= {"in", "work", "out"}
    await own.close()
    await own.close()
    assert not folder.exists()
