"""Folds beside another implementation of the same definitions, and purged k-fold by its own promises.

`purgedcv` cuts rows, ours cuts times; with one row a time and equal blocks they have to agree. Where they differ:

- its embargo is closed, so it drops a row that begins exactly `embargo` after the last label; ours keeps it;
- its walk-forward knows no embargo before the block; ours has one, and it is the same as labels that end later;
- its rolling window counts kept rows, ours is a length of time;
- its blocks of unequal size put the longer ones first, ours spread them.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from purgedcv import PurgedKFold as TheirKFold
from purgedcv import WalkForwardSplit
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import cross_validate
from synthetic import direction, panel

from omc_agent.errors import DataError, UsageError
from omc_agent.tools.purged_folds import PurgedKFold
from omc_agent.tools.splits import WalkForward


def labelled(rows, horizons):
    times = pd.Series(pd.date_range("2024-01-01", periods=rows, freq="5min", tz="UTC", unit="us"))
    ends = times + pd.to_timedelta(5 * np.resize(horizons, rows), unit="min")
    return pd.DataFrame({"timestamp": times, "label_end": ends})


def same(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        assert one[0].tolist() == np.asarray(other[0]).tolist()
        assert one[1].tolist() == np.asarray(other[1]).tolist()


HORIZONS = st.lists(st.integers(1, 9), min_size=1, max_size=7)


@settings(max_examples=30, deadline=None)
@given(size=st.integers(12, 30), n_splits=st.integers(1, 5), horizons=HORIZONS)
def test_expanding_walk_forward_agrees_with_the_oracle(size, n_splits, horizons):
    frame = labelled(size * (n_splits + 1), horizons)
    oracle = WalkForwardSplit(
        n_splits, size, prediction_times=frame["timestamp"], evaluation_times=frame["label_end"], purge_horizon="0min"
    )
    same(WalkForward(n_splits).split(frame), oracle.split(frame))


@settings(max_examples=30, deadline=None)
@given(size=st.integers(12, 30), horizons=HORIZONS, embargo=st.integers(1, 4))
def test_an_embargo_before_the_block_is_a_label_that_ends_later(size, horizons, embargo):
    gap = pd.Timedelta(minutes=5 * embargo)
    frame = labelled(size * 4, horizons)
    later = frame.assign(label_end=frame["label_end"] + gap)
    oracle = WalkForwardSplit(
        3, size, prediction_times=later["timestamp"], evaluation_times=later["label_end"], purge_horizon="0min"
    )
    same(WalkForward(3, embargo=gap).split(frame), oracle.split(later))


@settings(max_examples=20, deadline=None)
@given(size=st.integers(20, 30), horizon=st.integers(1, 5), kept=st.integers(2, 12))
def test_a_rolling_window_in_time_is_one_in_rows_where_all_labels_are_alike(size, horizon, kept):
    frame = labelled(size * 4, [horizon])
    oracle = WalkForwardSplit(
        3, size, train_size=kept, window="sliding", purge_horizon="0min",
        prediction_times=frame["timestamp"], evaluation_times=frame["label_end"],
    )  # fmt: skip
    window = pd.Timedelta(minutes=5 * (kept + horizon - 1))
    same(WalkForward(3, window=window).split(frame), oracle.split(frame))


@settings(max_examples=30, deadline=None)
@given(size=st.integers(12, 30), n_splits=st.integers(2, 5), horizons=HORIZONS, embargo=st.integers(0, 4))
def test_purged_k_fold_agrees_with_the_oracle_but_for_its_closed_embargo(size, n_splits, horizons, embargo):
    frame = labelled(size * n_splits, horizons)
    # A microsecond less turns its closed window into our open one.
    theirs = None if not embargo else pd.Timedelta(minutes=5 * embargo) - pd.Timedelta(1, unit="us")
    oracle = TheirKFold(
        n_splits, prediction_times=frame["timestamp"], evaluation_times=frame["label_end"],
        purge_horizon="0min", embargo=theirs,
    )  # fmt: skip
    ours = PurgedKFold(n_splits, embargo=pd.Timedelta(minutes=5 * embargo)).split(frame)
    theirs_too = list(oracle.split(frame))
    if all(len(train) for train, _ in theirs_too):
        same(ours, theirs_too)
    else:
        with pytest.raises(DataError, match="rows to learn from"):
            list(ours)


@settings(max_examples=25, deadline=None)
@given(coins=st.integers(1, 3), horizon=st.integers(1, 8), embargo=st.integers(0, 3), seed=st.integers(0, 99))
def test_no_label_of_training_overlaps_one_of_its_block(coins, horizon, embargo, seed):
    frame = panel(120, coins, horizon, late=3, rng=np.random.default_rng(seed))
    gap = pd.Timedelta(minutes=5 * embargo)
    time, end = frame["timestamp"].array, frame["label_end"].array
    seen: list[int] = []
    for train, test in PurgedKFold(4, embargo=gap).split(frame):
        known = test[~pd.isna(end[test])]
        start, closed = time[test].min(), max(end[known].max(), time[test].max())
        before, behind = train[time[train] < start], train[time[train] > start]
        assert set(train).isdisjoint(test)
        assert not pd.isna(end[train]).any()
        assert (end[before] <= start).all()
        assert (time[behind] >= closed + gap).all()
        seen += list(test)
    assert sorted(seen) == list(range(len(frame)))


@pytest.mark.parametrize("folds", [WalkForward(3), WalkForward(3, calendar="6h"), PurgedKFold(3)])
def test_scikit_learn_takes_the_splitters_as_they_are(folds):
    frame = direction(bars=700).dropna()
    found = cross_validate(DummyClassifier(), frame, frame["target"], cv=folds, scoring="accuracy")
    assert len(found["test_score"]) == folds.get_n_splits() == 3


def test_k_fold_says_what_it_cannot_do():
    with pytest.raises(UsageError):
        PurgedKFold(1)
    with pytest.raises(DataError):
        list(PurgedKFold(5).split(labelled(4, [1])))
    with pytest.raises(DataError) as caught:
        list(PurgedKFold(2).split(labelled(20, [60])))
    assert caught.value.code == "data.too_few_rows"
