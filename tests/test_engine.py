"""One background loop: work keeps its caller's context, can be stopped, and ends with its clean-up."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import threading

import pytest

from omc_agent.engine import Engine, the_engine

CELL: contextvars.ContextVar[str] = contextvars.ContextVar("cell", default="none")


@pytest.fixture
def engine():
    made = Engine()
    yield made
    made.close()


def test_work_runs_on_the_engines_thread_and_gives_its_value(engine):
    async def work():
        await asyncio.sleep(0)
        return threading.current_thread().name

    running = engine.submit(work())
    assert running.result(5) == "omc-engine"
    assert running.done()


def test_what_work_raises_is_raised_to_whoever_asks(engine):
    async def work():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        engine.submit(work()).result(5)


def test_each_work_keeps_the_context_of_its_caller(engine):
    async def work():
        before = CELL.get()
        await asyncio.sleep(0.02)
        return before, CELL.get()

    running = {}
    for name in ("first", "second"):
        CELL.set(name)
        running[name] = engine.submit(work())
    CELL.set("later")
    assert {name: made.result(5) for name, made in running.items()} == {
        "first": ("first", "first"),
        "second": ("second", "second"),
    }


def test_a_stop_lets_the_work_clean_up(engine):
    begun, cleaned = threading.Event(), []

    async def work():
        try:
            begun.set()
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.01)
            cleaned.append(True)

    running = engine.submit(work())
    assert begun.wait(5)
    assert not running.done()
    running.cancel()
    with pytest.raises(concurrent.futures.CancelledError):
        running.result(5)
    assert cleaned == [True]


def test_work_may_end_in_its_own_way_when_it_is_stopped(engine):
    begun = threading.Event()

    async def work():
        try:
            begun.set()
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return "stopped, work kept"

    running = engine.submit(work())
    assert begun.wait(5)
    running.cancel()
    assert running.result(5) == "stopped, work kept"


def test_closing_cancels_what_still_runs_and_may_be_repeated():
    engine, ended, begun = Engine(), [], threading.Event()

    async def work():
        try:
            begun.set()
            await asyncio.sleep(60)
        finally:
            ended.append(True)

    engine.submit(work())
    assert begun.wait(5)
    engine.close()
    engine.close()
    assert ended == [True]
    assert not engine._thread.is_alive()
    assert engine.loop.is_closed()


def test_there_is_one_engine_a_process():
    found = []
    threads = [threading.Thread(target=lambda: found.append(the_engine())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, found))) == 1
