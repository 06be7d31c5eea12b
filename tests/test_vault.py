"""What is sealed, and how often the same rows were opened, over all runs of a store."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from omc_agent.brief import Brief
from omc_agent.config import Source, Trust
from omc_agent.store.database import open_database
from omc_agent.store.records import SessionManager
from omc_agent.vault import Vault

BRIEF = Brief(task="classification", target="sold").model_dump()


@pytest.fixture
def store(tmp_path):
    made = SessionManager(open_database(f"sqlite:///{tmp_path / 'store.db'}"))
    yield made
    made.engine.dispose()


@pytest.fixture
def opening(store, tmp_path):
    """How often the sealed rows of a frame have been opened, when a run of its own opens them now."""
    runs = iter(range(99))

    def opened(frame, brief=BRIEF, name="df", branch="", run=None):
        run = run or f"run{next(runs)}"
        vault = Vault(tmp_path / run, Trust(), Source(frames={name: frame}), store)
        (tmp_path / run).mkdir(exist_ok=True)
        _, facts = vault.seal(frame, brief)
        rows, count = vault.open(run, branch or run, facts, {"brief": brief})
        assert len(rows) == facts["rows"]
        return count

    return opened


def sales(rows, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame({"size": rng.normal(size=rows), "sold": rng.integers(0, 2, rows)})


def hours(rows, seed=0):
    return sales(rows, seed).assign(timestamp=pd.date_range("2024-01-01", periods=rows, freq="1h", tz="UTC"))


@pytest.mark.parametrize("make", [sales, hours])
def test_another_name_order_or_length_of_a_frame_does_not_make_its_rows_new(opening, make):
    frame = make(1_000)
    assert opening(frame) == 1
    assert opening(frame.copy(), name="other") == 2
    assert opening(frame.iloc[50:].reset_index(drop=True)) == 3
    assert opening(make(1_000, seed=5)) == 1
    assert opening(frame, brief={**BRIEF, "target": "size", "task": "regression"}) == 1


def test_bars_after_the_sealed_ones_are_new_rows(opening):
    frame = hours(2_000)
    assert opening(frame.iloc[:1_000]) == 1
    assert opening(frame.iloc[800:1_100]) == 1  # it seals the rows from 1,040
    assert opening(frame.iloc[:1_010]) == 2


def test_the_same_branch_again_is_the_same_opening(opening):
    frame = sales(500)
    assert [opening(frame, run="mine", branch=branch) for branch in ("mine", "mine", "mine.2", "mine")] == [
        1,
        1,
        2,
        1,
    ]
