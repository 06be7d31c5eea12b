"""A run in a real terminal: somebody types where it waits."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import time

import pytest

from omc_agent.request import Decision
from omc_agent.terminal import understood


@pytest.mark.parametrize(
    ("line", "decision"),
    [
        ("", Decision()),
        ("y", Decision()),
        ("n", Decision(type="reject")),
        ("no not now", Decision(type="reject", why="not now")),
        ("rest", Decision(rest=True)),
        ("ETH", Decision(value="ETH")),
        ("coins=ETH horizon=4h", Decision(value="coins=ETH horizon=4h")),
    ],
)
def test_a_line_decides(line, decision):
    assert understood(line) == decision


def test_a_person_answers_at_the_prompt_and_the_run_goes_on(market):
    here, there = pty.openpty()
    command = [sys.executable, "-m", "omc_agent.cli", "run", "Explore the volatility over the last 10 days", "--db",
               market, "--id", "typed"]  # fmt: skip
    run = subprocess.Popen(command, stdin=there, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ})
    os.close(there)
    told = b""
    while b"> " not in told:
        told += os.read(run.stderr.fileno(), 4096)
        assert run.poll() is None, told.decode()
    os.write(here, b"nosuch=1\n")
    while b"usage.value" not in told:
        told += os.read(run.stderr.fileno(), 4096)
    os.write(here, b"XRP\n")
    out, rest = run.communicate(timeout=120)
    os.close(here)
    assert run.returncode == 0, rest.decode()
    assert re.search(rb"typed finished .*report\.html", out)
    assert b"Exploration of XRP" in told + rest


def test_a_run_that_asks_nothing_leaves_stdin_alone(market):
    from omc_agent.terminal import Terminal

    class Untouched:
        def __iter__(self):
            raise AssertionError("nobody may read here")

    view = Terminal(lambda text: None, Untouched())
    view.attach(object())
    time.sleep(0.05)
    assert view._reader is None
