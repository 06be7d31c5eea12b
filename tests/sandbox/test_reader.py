"""What the reader of a child's stream takes from single messages, whatever they hold."""

from __future__ import annotations

import time

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from omc_agent.config import MB
from omc_agent.sandbox import Limits, Sandbox
from omc_agent.sandbox.reader import Spoken, take


def _message(kind, **content):
    return {"msg_type": kind, "content": content}


async def test_only_an_idle_status_ends_a_request():
    assert await take(_message("status", execution_state="idle"), Spoken(), 0)
    assert not await take(_message("status", execution_state="busy"), Spoken(), 0)
    assert not await take(_message("shutdown_reply"), Spoken(), 0)


async def test_text_and_pictures_count_against_the_output_limit_together():
    spoken = Spoken()
    await take(_message("stream", text="x" * 60), spoken, 100)
    assert spoken.breach is None
    await take(_message("display_data", data={"text/plain": "y" * 60}), spoken, 100)
    assert (spoken.breach.status, spoken.breach.fatal) == ("output", False)


async def test_an_error_is_cleaned_and_its_traceback_is_kept_short():
    spoken = Spoken()
    said = {
        "ename": "\x1b[31mValueError",
        "evalue": "\x1b]0;t\x07no",
        "traceback": [f"\x1b[0m{n}" for n in range(99)],
    }
    await take(_message("error", **said), spoken, 0)
    assert (spoken.error["type"], spoken.error["message"]) == ("ValueError", "no")
    assert spoken.error["traceback"] == [str(n) for n in range(79, 99)]


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
KINDS = st.sampled_from(["status", "stream", "execute_result", "display_data", "error", "comm_open", "x"]) | ANY
CONTENT = st.dictionaries(
    st.sampled_from(["execution_state", "text", "data", "ename", "evalue", "traceback", "name"])
    | st.text(max_size=8),
    ANY | st.dictionaries(st.sampled_from(["text/plain", "text/html", "image/png", "text/latex"]), ANY, max_size=3),
    max_size=5,
)


@given(kind=KINDS, content=CONTENT | ANY)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_message_at_all_is_taken_or_passed_over(kind, content):
    import asyncio

    spoken = Spoken()
    asyncio.run(take({"msg_type": kind, "content": content}, spoken, 1000))
    assert isinstance(spoken.text, str)
    for bundle in spoken.outputs:
        assert set(bundle) <= {"text/plain", "text/html", "image/png"}
        assert all(isinstance(value, str) for value in bundle.values())
    if spoken.error is not None:
        assert all(isinstance(line, str) for line in spoken.error["traceback"])


async def test_a_flood_waits_for_a_slow_reader_and_ends_at_its_own_limit():
    # Gathered in the child's memory it would die of that first, and the limit that was passed would not be named.
    async with Sandbox(limits=Limits(memory=1024 * MB, wall=60)) as box:
        result = await box.run("while True: print('x' * 10_000)", hear=lambda: time.sleep(0.05))
    assert result.status == "output", result
    assert "AgentSettings.output" in result.reason


async def test_small_outputs_are_all_there_however_many_they_are():
    async with Sandbox() as box:
        code = "from IPython.display import display\nfor i in range(3000): display(i)"
        result = await box.run(code, hear=lambda: time.sleep(0.001))
    assert [out["text/plain"] for out in result.outputs] == [str(i) for i in range(3000)]
