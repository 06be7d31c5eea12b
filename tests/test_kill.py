"""A run that is killed at any point, or loses its child or its disk, goes on to the result of the undisturbed run.

Each run is a process of its own (`kill_driver.py`). `make test` takes samples, ``make test-kill`` every moment.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

DRIVER = Path(__file__).with_name("kill_driver.py")
ALL = bool(os.environ.get("OMC_ALL_KILLS"))
EVENTS, WRITES = 190, 330  # an undisturbed run has a few less of each
SAME = ("verdict", "metrics", "frames", "asked", "report", "stages")


def drive(home: Path, market: str, **plan: int) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "OMC_AGENT_HOME": str(home)}
    command = [sys.executable, str(DRIVER), market, json.dumps(plan)]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)


def outcome(done: subprocess.CompletedProcess[str]) -> dict:
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def finished(cells: list[list[str]]) -> list[list[str]]:
    return [cell for cell in cells if cell[2] == "ok"]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, market):
    return outcome(drive(tmp_path_factory.mktemp("undisturbed"), market))


def assert_same(found: dict, undisturbed: dict) -> None:
    for name in SAME:
        assert found[name] == undisturbed[name], name
    assert finished(found["cells"]) == finished(undisturbed["cells"])


def killed_until_done(home: Path, market: str, plan: dict[str, int], *, again: bool) -> tuple[dict, int]:
    """Drive and resume until it is through; killed in each process by `plan`, or in the first only."""
    for kills in range(40):
        done = drive(home, market, **(plan if again or not kills else {}))
        if done.returncode == 0:
            return outcome(done), kills
        assert done.returncode == -9, done.stderr[-2000:]
    raise AssertionError("it was never through")


@pytest.mark.parametrize(("what", "every"), [("event", 61)] + [("write", 103)] * ALL)
def test_a_run_that_is_killed_again_and_again_ends_like_one_that_never_was(
    undisturbed, market, tmp_path, what, every
):
    found, kills = killed_until_done(tmp_path, market, {what: every}, again=True)
    assert kills >= 2
    assert_same(found, undisturbed)


if ALL:

    @pytest.mark.parametrize(
        "plan", [{"event": n} for n in range(1, EVENTS)] + [{"write": n} for n in range(1, WRITES)], ids=str
    )
    def test_killed_once_at_each_moment(undisturbed, market, tmp_path, plan):
        found, _ = killed_until_done(tmp_path, market, plan, again=False)
        assert_same(found, undisturbed)


@pytest.mark.long
@pytest.mark.parametrize(
    "plan",
    [{"child": n} for n in (range(2, 18) if ALL else (9,))] + [{"zygote": n} for n in (range(2, 18) if ALL else ())],
    ids=str,
)
def test_a_child_or_all_children_killed_in_a_cell_change_nothing_in_the_end(undisturbed, market, tmp_path, plan):
    found = outcome(drive(tmp_path, market, **plan))
    assert_same(found, undisturbed)
    assert found["counts"]["killed"] == 1


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 80 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=80m", "tmpfs", str(disk)], capture_output=True)
    if made.returncode:
        pytest.skip("mounting a small disk needs root; run the tests as root for this one")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.long
@pytest.mark.parametrize("write", range(20, WRITES, 7) if ALL else (150,))
def test_a_full_disk_ends_the_run_in_one_line_and_it_goes_on_when_there_is_room(
    undisturbed, market, small_disk, write
):
    told = outcome(drive(small_disk, market, disk=write))
    assert told["error"]["code"] in ("run.store", "run.checkpoints", "run.failed")
    assert "full" in told["error"]["given"] or "No space" in told["error"]["given"]
    (small_disk / "filler").unlink()
    assert_same(outcome(drive(small_disk, market)), undisturbed)


@pytest.mark.long
def test_a_store_that_is_locked_for_a_while_surfaces_nowhere(undisturbed, market, tmp_path):
    seconds = 10 if ALL else 4
    holders = [
        threading.Thread(target=hold, args=(tmp_path / name, seconds)) for name in ("store.db", "checkpoints.db")
    ]
    for holder in holders:
        holder.start()
    found = outcome(drive(tmp_path, market))
    for holder in holders:
        holder.join()
    assert_same(found, undisturbed)


def hold(path: Path, seconds: float) -> None:
    """Take the write lock once the file is in use, and keep it."""
    while not path.exists() or path.stat().st_size < 60_000:
        time.sleep(0.05)
    holder = sqlite3.connect(path, timeout=30, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    time.sleep(seconds)
    holder.execute("ROLLBACK")
    holder.close()


def test_two_processes_resume_one_run_one_drives_the_other_attaches_and_no_cell_runs_twice(
    undisturbed, market, tmp_path
):
    assert drive(tmp_path, market, event=60).returncode == -9
    found: list[dict] = []
    both = [threading.Thread(target=lambda: found.append(outcome(drive(tmp_path, market)))) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    for each in found:
        assert_same(each, undisturbed)
    with sqlite3.connect(tmp_path / "store.db") as db:
        cells = db.execute("SELECT count(*), count(DISTINCT key) FROM agent_cells").fetchone()
        begun = db.execute("SELECT count(*) FROM agent_session_messages WHERE kind = 'cell_started'").fetchone()[0]
    assert cells[0] == cells[1] == len(undisturbed["cells"])
    assert begun <= undisturbed["counts"]["begun"] + 1  # at most the cell in flight ran twice
