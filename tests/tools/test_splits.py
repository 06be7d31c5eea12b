"""Folds walk forward, purged by the time at which each label ends."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import direction, panel, table

from omc_agent.errors import DataError, UsageError
from omc_agent.tools.splits import TableFolds, WalkForward, folds_for


@settings(max_examples=25, deadline=None)
@given(
    bars=st.integers(80, 200),
    coins=st.integers(1, 3),
    horizon=st.integers(1, 8),
    n_splits=st.integers(1, 5),
    embargo=st.integers(0, 3),
    rolling=st.booleans(),
    seed=st.integers(0, 99),
)
def test_walk_forward_keeps_its_promises(bars, coins, horizon, n_splits, embargo, rolling, seed):
    frame = panel(bars, coins, horizon, late=3, rng=np.random.default_rng(seed))
    gap, window = pd.Timedelta(minutes=5 * embargo), pd.Timedelta(hours=4) if rolling else None
    folds = list(WalkForward(n_splits, embargo=gap, window=window).split(frame))
    time, end = frame["timestamp"].array, frame["label_end"].array
    assert len(folds) == n_splits

    previous_end = None
    seen: list[int] = []
    for train, test in folds:
        start = time[test].min()
        # No label of a training row ends after the test block starts, less the embargo.
        assert not pd.isna(end[train]).any()
        assert end[train].max() + gap <= start
        assert time[train].max() < start
        if window is not None:
            assert time[train].min() >= start - window
        # All rows of the block's times are in the block, whatever their coin.
        inside = (time >= start) & (time <= time[test].max())
        assert set(test) == set(np.flatnonzero(inside))
        assert previous_end is None or previous_end < start
        previous_end = time[test].max()
        seen += list(test)
    # Blocks are disjoint and cover everything from the first test time on.
    assert len(seen) == len(set(seen))
    assert set(seen) == set(np.flatnonzero(time >= time[folds[0][1]].min()))
    assert previous_end == time.max()


def test_purge_drops_exactly_the_overlapping_rows():
    frame = direction(bars=600)
    train, test = next(WalkForward(2).split(frame))
    # Twelve bars ahead: the label of the row 12 bars before the block ends when the block starts.
    assert train.max() == test.min() - 12


def test_expanding_windows_grow_and_rolling_windows_do_not():
    frame = direction(bars=1200)
    sizes = [len(train) for train, _ in WalkForward(4).split(frame)]
    assert sizes == sorted(sizes)
    assert sizes[-1] > 2 * sizes[0]
    rolling = [len(train) for train, _ in WalkForward(4, window="10h").split(frame)]
    assert max(rolling) == 120 - 12 + 1


@pytest.mark.parametrize("values", [{"n_splits": 0}, {"embargo": "-1h"}, {"window": "soon"}])
def test_walk_forward_refuses_what_it_cannot_do(values):
    with pytest.raises(UsageError) as caught:
        WalkForward(**values)
    assert caught.value.code == "usage.value"


def test_walk_forward_needs_times_and_rows():
    with pytest.raises(DataError) as caught:
        next(WalkForward().split(table()))
    assert caught.value.code == "data.no_time"
    with pytest.raises(DataError) as caught:
        list(WalkForward(5).split(direction(bars=5)))
    assert caught.value.code == "data.too_few_rows"


def test_a_horizon_longer_than_the_first_block_leaves_nothing_to_train_on():
    with pytest.raises(DataError) as caught:
        list(WalkForward(5).split(direction(bars=60)))
    assert caught.value.code == "data.too_few_rows"


def test_splitters_speak_scikit_learns_protocol():
    from sklearn.dummy import DummyClassifier
    from sklearn.model_selection import cross_val_score

    frame = direction(bars=600).dropna()
    scores = cross_val_score(DummyClassifier(), frame, frame["target"], cv=WalkForward(3))
    assert len(scores) == 3


def test_table_folds_are_seeded_stratified_and_complete():
    frame = table(rows=100)
    folds = list(TableFolds(4, seed=1).split(frame))
    assert sorted(np.concatenate([test for _, test in folds])) == list(range(100))
    shares = [frame["target"].iloc[test].mean() for _, test in folds]
    assert max(shares) - min(shares) < 0.05
    again = list(TableFolds(4, seed=1).split(frame))
    other = list(TableFolds(4, seed=2).split(frame))
    assert all((a[1] == b[1]).all() for a, b in zip(folds, again, strict=True))
    assert any(len(a[1]) != len(b[1]) or (a[1] != b[1]).any() for a, b in zip(folds, other, strict=True))


def test_table_folds_refuse_a_class_rarer_than_folds():
    frame = pd.DataFrame({"size": range(30), "target": [1.0, 1.0] + [0.0] * 28})
    with pytest.raises(DataError):
        list(TableFolds(5).split(frame))


def test_folds_for_looks_at_the_frame():
    assert isinstance(folds_for(direction(bars=100)), WalkForward)
    assert isinstance(folds_for(table()), TableFolds)
    assert folds_for(table(), task="regression").stratify is False


def test_shuffled_folds_of_rows_in_time_are_refused_with_the_reason():
    bars = panel(60, 1, 3, late=0, rng=np.random.default_rng(0))
    with pytest.raises(UsageError, match="has seen its answers") as refused:
        folds_for(bars, shuffle=True)
    assert refused.value.code == "usage.value"
    assert isinstance(folds_for(bars, shuffle=False), WalkForward)
    assert isinstance(folds_for(table(0, 40), shuffle=True), TableFolds)
