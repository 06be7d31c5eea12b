"""The line of runs that wait: one for all servers of a store, kept in it, and in the order in which they came."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys

import pytest

from omc_agent.config import settings_with
from omc_agent.errors import AgentError, RestError
from omc_agent.server.desk import Desk
from omc_agent.server.kernels import no_kernel
from omc_agent.server.orders import Order, order_of, secrets_of
from omc_agent.server.starting import Starter
from omc_agent.store.database import open_database
from omc_agent.store.leases import Leases, new_owner
from omc_agent.store.queue import Queue
from omc_agent.store.records import SessionManager

PLAN = {"plan": True}


class FakeKernels:
    """Kernels that note what they execute; the run is taken over as an engine would."""

    def __init__(self, store) -> None:
        self.store, self.orders, self.broken = store, [], False

    def has(self, kernel_id: str) -> bool:
        return kernel_id == "mine"

    async def is_alive(self, kernel_id: str) -> bool:
        return self.has(kernel_id)

    def of(self, run_id: str) -> str | None:
        return f"kernel of {run_id}"

    async def start(self, run_id: str) -> str:
        if self.broken:
            raise no_kernel("No kernel could be started: it is broken.", "")
        return f"kernel of {run_id}"

    async def execute(self, kernel_id: str, code: str, *, seconds: float | None = None) -> None:
        order = json.loads(eval(code.rpartition("json.loads(")[2][:-2]))
        self.orders.append(order)
        assert Leases(self.store.engine).take(order["id"], new_owner(), instead_of=order["owner"])
        self.store.update(order["id"], status="running")

    async def tend(self, needed, keep: float) -> None:
        pass

    async def end(self, run_id: str) -> None:
        pass


@pytest.fixture
def starter(own_home):
    """``starter(max_runs=...)``: a server's Starter on the store of this test."""
    made = []

    def make(**values) -> Starter:
        desk = Desk(settings_with(None, home=str(own_home), **values))
        store = SessionManager(open_database(desk.settings.store_url()))
        starter = Starter(desk, FakeKernels(store), logging.getLogger("test"))
        starter.store = store
        starter.lookout.wake = lambda: None  # the test says when it looks
        made.append(starter)
        return starter

    yield make
    for each in made:
        each.store.engine.dispose()
        each.desk.close()


async def look(*starters: Starter) -> None:
    """Each looks once, and what it begins has begun."""
    for starter in starters:
        await starter.lookout.look()
        await asyncio.gather(*starter.lookout._beginning.values())


def finish(store, run: str) -> None:
    """As an engine that ends."""
    store.update(run, status="finished")
    Leases(store.engine).release(run, store.read(run)["owner"])


async def put(starter: Starter, count: int, **flags) -> list[str]:
    return [str((await starter.start("Explore BTC", {**PLAN, **flags}, None, "ann"))["id"]) for _ in range(count)]


def dead_owner() -> str:
    """The name of a server of this machine that has ended."""
    code = "from omc_agent.store.leases import new_owner; print(new_owner())"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


async def test_two_servers_share_one_line_and_one_limit(starter):
    one, two = starter(max_runs=2), starter(max_runs=2)
    first, second = await put(one, 2)
    (third,) = await put(two, 1)
    (fourth,) = await put(one, 1)
    await look(two, one, two)  # whoever looks first, the order is that of the line
    assert [each["id"] for each in (await two.queue())["queue"]] == [third, fourth]
    assert {each["id"] for each in (await one.queue())["running"]} == {first, second}
    assert {each["id"] for each in one.kernels.orders} == {first, second}
    finish(one.store, second)
    await look(one)  # it is not the turn of one of its own
    assert len(one.kernels.orders) == 2
    await look(two)
    assert [each["id"] for each in two.kernels.orders] == [third]
    assert await one.position(fourth) == 1
    finish(one.store, first)
    await look(two, one)
    assert one.kernels.orders[-1]["id"] == fourth
    assert await two.queue() | {"running": None} == {"limit": 2, "running": None, "queue": []}


async def test_a_server_that_comes_up_takes_over_what_waits_in_the_old_order(starter):
    gone = starter(max_runs=1)
    gone.line._owner = dead_owner()
    runs = await put(gone, 3, trials=7)
    await gone.line.ask(lambda queue: queue.admit(1))  # it dies while the first one's kernel starts
    new = starter(max_runs=1)
    await look(new)
    assert [each["id"] for each in new.kernels.orders] == runs[:1]
    assert new.kernels.orders[0]["plan"] is True
    assert [each["id"] for each in (await new.queue())["queue"]] == runs[1:]
    for run in runs:
        assert new.store.read(run)["settings"]["trials"] == 7
        finish(new.store, run) if run == runs[0] else None
    await look(new)
    assert [each["id"] for each in new.kernels.orders] == runs[:2]


async def test_a_server_of_another_machine_or_user_keeps_its_runs_and_holds_nobody_up(starter):
    other, mine = starter(max_runs=1), starter(max_runs=1)
    other.line._owner = dead_owner()
    monkey = type(other.line)
    theirs = []
    try:
        real, monkey.here = monkey.here, property(lambda self: "another-host|1000")
        theirs = await put(other, 1)
    finally:
        monkey.here = real
    (ours,) = await put(mine, 1)
    await look(mine)
    assert [each["id"] for each in mine.kernels.orders] == [ours]
    assert mine.store.read(theirs[0])["status"] == "queued"
    # Whoever asks for it brings it here.
    finish(mine.store, ours)
    await mine.go_on(theirs[0], {}, None, "ann")
    await look(mine)
    assert mine.kernels.orders[-1]["id"] == theirs[0]


async def test_a_password_reaches_the_kernel_and_nothing_that_is_kept(starter, own_home):
    server = starter(max_runs=1)
    secret = "sqlite:///bars.db?user=ann&password=hunter2hunter2"
    url = "postgresql://ann:hunter2hunter2@localhost:1/bars"
    assert secrets_of({"db": url, "trials": 3}) == {"db": url}
    (run,) = await put(server, 1, db=url)
    written = json.dumps(server.store.read(run), default=str)
    orders = await server.line.ask(lambda queue: queue.look())
    assert "hunter2" not in written + repr(orders)
    await look(server)
    assert server.kernels.orders[0]["given"]["db"] == url
    assert b"hunter2" not in b"".join(path.read_bytes() for path in own_home.glob("store.db*"))
    assert "hunter2" in secret

    # Another server cannot know it: it says so, and with the URL the run goes on.
    finish(server.store, run)
    server.store.update(run, status="parked")
    new = starter(max_runs=1)
    await new.go_on(run, {}, None, "ann")
    await look(new)
    row = new.store.read(run)
    assert (row["status"], row["reason"], new.kernels.orders) == ("parked", "run.no_kernel", [])
    (told,) = new.store.told(run)
    assert "password" in told["fields"]["error"]["given"]
    await new.go_on(run, {"db": url, "budget": 2.0}, None, "ann")
    await look(new)
    assert new.kernels.orders[0]["given"] == {"budget": 2.0, "db": url}


async def test_a_kernel_that_does_not_start_fails_the_run_and_frees_its_place(starter):
    server = starter(max_runs=1)
    server.kernels.broken = True
    first, second = await put(server, 2)
    await look(server)
    row = server.store.read(first)
    assert (row["status"], row["reason"], row["owner"]) == ("failed", "run.no_kernel", None)
    server.kernels.broken = False
    await look(server)
    assert [each["id"] for each in server.kernels.orders] == [second]
    await server.go_on(first, {}, None, "ann")
    assert server.store.read(first)["status"] == "queued"


async def test_the_line_has_an_end(starter):
    server = starter(max_runs=1, max_queue=2)
    await put(server, 2)
    with pytest.raises(RestError) as refused:
        await put(server, 1)
    assert refused.value.code == "rest.too_many"
    assert len(server.store.list()) == 2


async def test_a_run_is_put_in_the_line_once(starter):
    server = starter(max_runs=1)
    (run,) = await put(server, 1)
    assert (await server.go_on(run, {}, None, "ann"))["status"] == "queued"
    await look(server)
    assert (await server.go_on(run, {}, None, "ann"))["status"] == "running"
    assert len(server.kernels.orders) == 1
    finish(server.store, run)
    assert (await server.go_on(run, {}, None, "ann"))["status"] == "finished"
    assert (await server.queue())["queue"] == []


async def test_one_that_leaves_the_line_has_its_old_status_again(starter, own_home):
    server = starter(max_runs=1)
    await put(server, 1)
    server.store.create("Explore ETH", workspaces=own_home / "runs", model="offline", settings={}, session_id="old",
                        status="parked")  # fmt: skip
    await server.go_on("old", {}, None, "ann")
    server.store.send("old", "stop", {})
    await look(server)
    assert server.store.read("old")["status"] == "parked"
    assert server.store.take_inbox("old") == []  # the stop is obeyed, and hits nothing later


async def test_a_run_whose_process_died_is_told_as_stopped_once(starter, own_home):
    server = starter(max_runs=1)
    server.store.create("Explore ETH", workspaces=own_home / "runs", model="offline", settings={}, session_id="lost")
    Leases(server.store.engine).take("lost", dead_owner())
    await put(server, 1)
    await look(server, server)
    row = server.store.read("lost")
    assert (row["status"], row["reason"], row["owner"]) == ("stopped", "run.stopped", None)
    assert [each["kind"] for each in server.store.told("lost")] == ["run_finished"]


def test_flags_become_an_order():
    order = order_of({"trials": 3, "replay": "r.json", "data": "bars", "plan": True, "seed": None}, "k")
    assert order.settings == {"trials": 3, "replay": "r.json", "model": "offline"}
    assert (order.data, order.plan, order.kernel_id, order.out) == (["bars"], True, "k", "agent_run")
    for bad in ({"trails": 3}, {"out": "not a name"}, {"data": ["a b"]}):
        with pytest.raises(AgentError):
            order_of(bad)


def test_an_order_is_read_as_it_was_written():
    turn = {"stage": "planning", "overrides": {"coin": "ETH"}, "by": "ann"}
    for order in (Order(), Order({"trials": 3}, "k", ["a", "b"], "mine", "name", "other", True, turn)):
        kept = json.loads(json.dumps({**order.written(), "was": "parked", "of_a_newer_version": 1}))
        assert Order.read(kept) == order


def test_two_servers_that_look_at_once_do_not_both_take_the_last_place(own_home):
    store = SessionManager(open_database(f"sqlite:///{own_home / 'store.db'}"))
    one, two = Queue(store.engine, new_owner()), Queue(store.engine, new_owner())
    for name, queue in (("a", one), ("b", two), ("c", one)):
        store.create("Explore", workspaces=own_home, model="offline", settings={}, session_id=name, status="queued")
        assert queue.put(name, {})
        assert not queue.put(name, {})
    seen = two.look()
    assert [place.run_id for place in one.admit(1)] == ["a"]
    two.look = lambda: seen  # what it saw before the other took it
    assert two.admit(1) == []
    assert not one.leave("b", None)  # it is not one's own
    store.engine.dispose()
