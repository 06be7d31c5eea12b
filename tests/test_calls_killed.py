"""A process that is killed around a call loses no call and counts none twice: the server's own count is the truth."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from omc_agent.store.database import open_database
from omc_agent.store.records import SessionManager
from tests.providers import Fault, ProviderServer, said

DRIVER = Path(__file__).with_name("call_driver.py")
STEPS = 2


def usage(number):
    return {"tokens_in": 1_000 + number, "tokens_out": 10 + number}  # no two calls alike


def answer(turn):
    calls = [("clean_data", {"prices": "prices"})] if turn.answers < STEPS else []
    return said(f"Step {turn.answers}.", *calls, **usage(turn.number))


def drive(server, folder, moment):
    env = {**os.environ, **server.environment()}
    return subprocess.Popen([sys.executable, str(DRIVER), str(folder), moment], env=env, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)  # fmt: skip


def through(server, folder, moment):
    """Drive until it is done; returns how often it was killed."""
    for kills in range(12):
        process = drive(server, folder, moment)
        out, err = process.communicate(timeout=120)
        if process.returncode == 0:
            assert out.strip() == "done"
            return kills
        assert process.returncode == -signal.SIGKILL, err[-2000:]
    raise AssertionError("it was never through")


def rows_of(folder):
    store = SessionManager(open_database(f"sqlite:///{folder / 'store.db'}"))
    rows, cost = store.calls("r"), store.cost_of("r")
    store.engine.dispose()
    return rows, cost


@pytest.mark.parametrize("moment", ["answered", pytest.param("counted", marks=pytest.mark.long)])
def test_killed_again_and_again_before_or_after_the_usage_is_written(tmp_path, moment):
    with ProviderServer(answer) as server:
        kills = through(server, tmp_path, moment)
    rows, cost = rows_of(tmp_path)
    assert kills >= 2
    assert cost["calls"] == len(server.turns), "each request that the server had is one row"
    assert cost["guessed"] == (kills if moment == "answered" else 0)
    known = [(r["tokens_in"], r["tokens_out"]) for r in rows if r["status"] == "answered"]
    served = [tuple(usage(turn.number).values()) for turn in server.turns]
    if moment == "counted":
        assert known == served
    else:  # what was told to a process that died at once is an estimate of what was sent
        assert set(known) <= set(served)
        assert all(row["tokens_in"] > 0 and row["usd"] > 0 for row in rows if row["status"] == "sent")


def test_killed_while_the_server_works_on_the_request(tmp_path):
    """The call is on disk before it leaves: the process that goes on finds it there, and asks again."""
    process = None

    def script(turn):
        if turn.number == 1:
            process.kill()
        return answer(turn)

    with ProviderServer(script) as server:
        process = drive(server, tmp_path, "")
        process.communicate(timeout=120)
        assert process.returncode == -signal.SIGKILL
        assert through(server, tmp_path, "") == 0
    rows, cost = rows_of(tmp_path)
    assert cost["calls"] == len(server.turns)
    assert [row["status"] for row in rows].index("sent") == 1
    assert cost["guessed"] == 1


def test_another_try_counts_and_one_that_was_refused_costs_nothing(tmp_path):
    def script(turn):
        if turn.number == 1:
            return Fault("cut")
        return Fault(status=503) if turn.number in (3, 4, 5) else answer(turn)

    with ProviderServer(script) as server:
        assert through(server, tmp_path, "") == 0
    rows, cost = rows_of(tmp_path)
    assert [row["status"] for row in rows] == ["answered", "sent", "answered", *["refused"] * 3, "answered"]
    assert [row["usd"] > 0 for row in rows] == [True, True, True, *[False] * 3, True]
    assert (cost["calls"], cost["guessed"]) == (4, 1)
