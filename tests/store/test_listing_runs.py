"""Runs by status, goal and time, page by page; the same from both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from omc_agent.store.tables import AgentSession

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def runs(store, new):
    """Five runs, a day apart; r0 is the newest."""
    goals = ["Predict BTC", "predict btc again", "Explore 100% of DOGE", "Größe von ETH", "Predict_x"]
    status = ["running", "finished", "failed", "parked", "finished"]
    for n, (goal, stands) in enumerate(zip(goals, status, strict=True)):
        new(goal, session_id=f"r{n}", user_id="ann" if n % 2 else "bob")
        with store.engine.begin() as db:
            mine = AgentSession.id == f"r{n}"
            db.execute(update(AgentSession).where(mine).values(created_at=NOW - timedelta(days=n), status=stands))


@pytest.mark.parametrize(
    ("which", "found"),
    [
        ({}, [0, 1, 2, 3, 4]),
        ({"status": "finished"}, [1, 4]),
        ({"status": ["failed", "parked"]}, [2, 3]),
        ({"status": "nothing"}, []),
        ({"goal": "BTC"}, [0, 1]),
        ({"goal": "PREDICT"}, [0, 1, 4]),
        ({"goal": "größe"}, [3]),
        ({"goal": "GRÖSSE"}, []),
        ({"goal": "GRÖ"}, [3]),
        ({"goal": "%"}, [2]),
        ({"goal": "_"}, [4]),
        ({"goal": "'; DROP TABLE agent_sessions; --"}, []),
        ({"since": NOW - timedelta(days=1)}, [0, 1]),
        ({"until": NOW - timedelta(days=1)}, [2, 3, 4]),
        ({"since": NOW - timedelta(days=3), "until": NOW - timedelta(days=1)}, [2, 3]),
        ({"since": (NOW - timedelta(days=1)).replace(tzinfo=None)}, [0, 1]),
        ({"user": "ann"}, [1, 3]),
        ({"status": "finished", "goal": "again", "since": NOW - timedelta(days=9)}, [1]),
    ],
)
def test_each_filter_lists_what_it_counts(store, runs, which, found):
    assert [row["id"] for row in store.list(**which)] == [f"r{n}" for n in found]
    assert store.count(**which) == len(found)


def test_pages_cover_all_runs_once(store, runs):
    pages = [store.list(limit=2, offset=offset) for offset in (0, 2, 4, 6)]
    assert [[row["id"] for row in page] for page in pages] == [["r0", "r1"], ["r2", "r3"], ["r4"], []]
    assert len(store.list(limit=None)) == 5
    assert store.count() == 5
