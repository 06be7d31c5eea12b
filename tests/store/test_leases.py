"""One run, one engine: who may drive, who may take over, and when."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from omc_agent.errors import LeaseLost
from omc_agent.events import Reason
from omc_agent.store.leases import LEASE_SECONDS, RENEW_SECONDS, Leases, is_dead, lost, new_owner
from omc_agent.store.tables import AgentSession


@pytest.fixture(autouse=True)
def run(new):
    return new(session_id="run")


@pytest.fixture
def leases(store):
    return Leases(store.engine)


def elsewhere(owner):
    """The same owner on a machine of which we know nothing."""
    return "|".join(["another-host", *owner.split("|")[1:]])


def before_boot(owner):
    host, _, *rest = owner.split("|")
    return "|".join([host, "another-boot", *rest])


def hold(store, owner, seconds):
    """Write an owner whose lease runs out in that many seconds."""
    until = None if seconds is None else datetime.now(UTC) + timedelta(seconds=seconds)
    with store.engine.begin() as db:
        db.execute(update(AgentSession).values(owner=owner, lease_until=until, lease_tick=None))


def test_an_engine_that_lost_its_run_opens_no_sealed_rows(store, leases):
    rows = {"source": "s", "coins": ["BTC"], "family": "direction", "start": "1", "end": "2", "frozen": {}}
    mine, other = new_owner(), new_owner()
    hold(store, other, LEASE_SECONDS)
    with pytest.raises(LeaseLost):
        store.open_sealed("run", "run", owner=mine, **rows)
    assert store.open_sealed("run", "run", owner=other, **rows) == 1


PRINT_OWNER = "from omc_agent.store.leases import new_owner; print(new_owner(), flush=True)"


@pytest.fixture(scope="module")
def ended_owner():
    """The name of a real process of this machine that has ended."""
    return subprocess.run(
        [sys.executable, "-c", PRINT_OWNER], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_a_lease_is_longer_than_a_locked_store_and_is_renewed_in_time():
    from omc_agent.store.database import BUSY_TIMEOUT_MS

    assert BUSY_TIMEOUT_MS / 1000 + 2 * RENEW_SECONDS < LEASE_SECONDS


def test_a_free_run_is_taken_and_a_second_owner_is_refused(leases):
    first, second = new_owner(), new_owner()
    assert first != second
    assert leases.holder("run") is None
    assert leases.take("run", first)
    assert leases.take("run", first), "taking it again is harmless"
    assert not leases.take("run", second)
    assert leases.holder("run") == first


def test_a_process_of_this_machine_that_ended_is_taken_over_at_once(store, leases, ended_owner):
    hold(store, ended_owner, 1000)
    assert is_dead(ended_owner)
    assert leases.holder("run") is None
    assert leases.take("run", new_owner())


def test_a_process_that_was_killed_and_not_yet_reaped_is_dead_too(store, leases):
    code = f"{PRINT_OWNER}; import time; time.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        owner = child.stdout.readline().strip()
        assert not is_dead(owner)
        hold(store, owner, 1000)
        assert not leases.take("run", new_owner())
        os.kill(child.pid, signal.SIGKILL)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and stays a zombie
        assert is_dead(owner)
        assert leases.take("run", new_owner())
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


def test_a_number_that_another_process_has_got_since_is_not_that_process():
    host, boot, pid, started, token = new_owner().split("|")
    assert is_dead("|".join([host, boot, pid, str(float(started) - 100), token]))


@pytest.mark.parametrize(("seconds", "over"), [(-1, True), (1000, False), (None, True)])
def test_another_machine_is_believed_until_its_lease_ran_out(store, leases, ended_owner, seconds, over):
    """Also one whose process number means nothing here."""
    owner = elsewhere(ended_owner)
    assert not is_dead(owner)
    hold(store, owner, seconds)
    assert (leases.holder("run") is None) is over
    assert leases.take("run", new_owner()) is over


def test_what_drove_before_this_machine_was_started_again_is_dead(store, leases):
    owner = before_boot(new_owner())
    hold(store, owner, 1000)
    assert is_dead(owner)
    assert leases.take("run", new_owner())


def test_only_the_owner_renews_and_gives_back(store, leases):
    mine, other = new_owner(), new_owner()
    leases.take("run", mine)
    hold(store, mine, 1)
    assert not leases.renew("run", other)
    leases.release("run", other)
    assert leases.holder("run") == mine
    assert leases.renew("run", mine)
    left = store.read("run")["lease_until"].replace(tzinfo=UTC) - datetime.now(UTC)
    assert left > timedelta(seconds=LEASE_SECONDS - 10)
    leases.release("run", mine)
    assert leases.holder("run") is None
    assert not leases.renew("run", mine), "what was given back is not renewed"
    assert leases.take("run", other)


def test_who_was_taken_over_cannot_renew(store, leases):
    old, new = new_owner(), new_owner()
    leases.take("run", elsewhere(old))
    hold(store, elsewhere(old), -1)
    assert leases.take("run", new)
    assert not leases.renew("run", elsewhere(old))
    assert leases.holder("run") == new


@pytest.mark.parametrize("held", ["nobody", "a dead process"])
def test_of_two_that_take_at_once_one_wins(store, leases, ended_owner, held):
    if held != "nobody":
        hold(store, ended_owner, 1000)
    owners, won = [new_owner() for _ in range(6)], []
    start = threading.Barrier(len(owners))

    def take(owner):
        start.wait()
        if leases.take("run", owner):
            won.append(owner)

    threads = [threading.Thread(target=take, args=(owner,)) for owner in owners]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert leases.holder("run") == won[0]


def test_nobody_holds_a_run_that_is_not_there(leases):
    assert leases.holder("nothing") is None


def test_the_error_says_who_to_look_at():
    assert "%agent attach run" in lost("run").line()


# -- clocks ---------------------------------------------------------------------------------------------------------

JUMPS = [timedelta(hours=1), timedelta(days=400), timedelta(hours=-1), timedelta(days=-400)]


@pytest.fixture
def jump(monkeypatch):
    """Let this machine's time of day jump; what counts the seconds of its boot goes on."""

    def by(delta):
        class Jumped(datetime):
            @classmethod
            def now(cls, tz=None):
                return datetime.now(tz) + delta

        monkeypatch.setattr("omc_agent.store.leases.datetime", Jumped)

    return by


@pytest.mark.parametrize("delta", JUMPS, ids=str)
def test_a_clock_that_jumps_hands_no_run_of_a_living_process_over(leases, jump, delta):
    mine, other = new_owner(), new_owner()
    assert leases.take("run", mine)
    jump(delta)
    assert leases.holder("run") == mine
    assert not leases.take("run", other)
    assert leases.renew("run", mine)
    jump(timedelta(0))
    assert leases.holder("run") == mine
    assert not leases.take("run", other)


def test_of_one_machine_under_two_names_the_boot_counts(leases, jump):
    """Two containers of one machine: process numbers mean nothing to each other, the seconds of the boot do."""
    mine = elsewhere(new_owner())
    assert leases.take("run", mine)
    jump(timedelta(hours=1))
    assert not leases.take("run", new_owner())


def test_a_lease_runs_out_by_the_seconds_of_the_boot(store, leases, monkeypatch):
    mine = elsewhere(new_owner())
    assert leases.take("run", mine)
    tick = store.read("run")["lease_tick"]
    monkeypatch.setattr("omc_agent.store.leases._tick", lambda: tick - 1)
    assert leases.holder("run") == mine
    monkeypatch.setattr("omc_agent.store.leases._tick", lambda: tick + 1)
    assert leases.holder("run") is None
    assert leases.take("run", new_owner())


@pytest.mark.parametrize("delta", JUMPS, ids=str)
@pytest.mark.parametrize("url", ["postgresql"], indirect=True)  # a file has no clock but this machine's
def test_among_machines_the_clock_of_the_server_counts(leases, jump, delta):
    theirs = elsewhere(before_boot(new_owner()))
    assert leases.take("run", theirs)
    jump(delta)
    assert leases.holder("run") == theirs
    assert not leases.take("run", new_owner())


@pytest.mark.parametrize("delta", JUMPS, ids=str)
def test_whatever_a_clock_did_two_engines_never_write(store, leases, jump, delta):
    """Another machine of one file (which nobody should have) may take over too early: the first writes no more."""
    theirs, mine = elsewhere(before_boot(new_owner())), new_owner()
    assert leases.take("run", theirs)
    jump(delta)
    taken = leases.take("run", mine)
    writers = []
    for owner in (theirs, mine):
        try:
            store.append("run", "run", [(owner, Reason(text=owner))], owner=owner)
            writers.append(owner)
        except LeaseLost:
            assert not leases.renew("run", owner)
    assert writers == [mine if taken else theirs]


def test_an_owner_that_another_version_named_is_believed_until_its_lease_ran_out(store, leases):
    hold(store, "somebody", 1000)
    assert not leases.take("run", new_owner())
    hold(store, "somebody", -1)
    assert leases.take("run", new_owner())
