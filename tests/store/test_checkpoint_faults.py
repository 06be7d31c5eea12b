"""A store of checkpoints that goes while a run works: waited for, or the run ends in a sentence; nothing is lost."""

from __future__ import annotations

import asyncio
import threading

import pytest

from omc_agent.errors import RunError
from omc_agent.store import checkpoint_guard
from omc_agent.store.checkpoints import open_checkpoints
from tests.store.small_graph import build, go, thread


@pytest.fixture(params=["postgresql", "redis"])
def server(request):
    """A server that can be stopped and started on its data, and its URL."""
    one = request.getfixturevalue("postgres" if request.param == "postgresql" else "redis_stack")
    url = one.new_database() if request.param == "postgresql" else one.url
    yield one, url
    if one._process is None:
        one.start()


class Log(list):
    """What the nodes did; at `at` the server is taken away, and comes back `after` seconds later if at all."""

    def __init__(self, server, at, *, kill=False, after=None):
        super().__init__()
        self.server, self.at, self.kill, self.after = server, at, kill, after
        self.timer = None

    def __call__(self, line):
        self.append(line)
        if line == self.at and self.timer is None:
            (self.server.kill if self.kill else self.server.stop)()
            self.timer = threading.Timer(self.after or 0, self.server.start if self.after else lambda: None)
            self.timer.start()


ALL = ["understanding", "clarification", *(f"round {n}" for n in range(1, 7)), "asked"]


@pytest.mark.parametrize("kill", [False, True], ids=["stopped", "crashed"])
async def test_a_server_that_comes_back_is_waited_for_and_nothing_is_done_twice(server, kill):
    one, url = server
    log, told = Log(one, "round 4", kill=kill, after=1.0), []

    async def tell(text):
        told.append(text)

    name = f"back-{kill}"
    async with open_checkpoints(url, tell=tell) as saver:
        await go(saver, name, rounds=6, log=log)
    log.timer.join()
    assert list(log) == ALL
    assert len(told) == 1
    assert "do not answer since" in told[0]
    assert one.password not in told[0]
    async with open_checkpoints(url) as saver:
        assert (await go(saver, name, rounds=6, answer="yes"))["things"]["messages"] == 12


async def test_a_server_that_stays_away_ends_the_run_which_goes_on_when_it_is_back(server, monkeypatch):
    monkeypatch.setattr(checkpoint_guard, "PATIENCE", 0.5)
    one, url = server
    log = Log(one, "round 4")
    async with open_checkpoints(url) as saver:
        with pytest.raises(RunError) as raised:
            await go(saver, "away", rounds=6, log=log)
        assert raised.value.code == "run.checkpoints"
        assert one.password not in raised.value.line()
        with pytest.raises(RunError):  # the run looks once more for what it has, and that is not waited for again
            await asyncio.wait_for(build(saver).aget_state(thread("away")), 8)
    one.start()
    async with open_checkpoints(url) as saver:
        done = await go(saver, "away", rounds=6, log=log)
        assert done["things"].keys() == {"understanding", "clarification"}
        assert list(log) == [*ALL[:6], *ALL[5:]]  # the round in which it went is done again, no other
        assert (await go(saver, "away", rounds=6, answer="yes"))["things"]["messages"] == 12


async def test_stop_does_not_wait_for_a_server_that_is_gone(server):
    one, url = server
    log = Log(one, "round 2")
    async with open_checkpoints(url) as saver:
        working = asyncio.create_task(go(saver, "stop", rounds=6, log=log))
        async with asyncio.timeout(20):
            while log.timer is None:
                await asyncio.sleep(0.02)
            await asyncio.sleep(0.3)
            working.cancel()
            with pytest.raises((asyncio.CancelledError, RunError)):
                await working
    one.start()
    async with open_checkpoints(url) as saver:
        assert (await go(saver, "stop", rounds=6, log=log))["things"].keys() == {"understanding", "clarification"}
