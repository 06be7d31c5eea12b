"""The holdout is cut off at one time for all coins, and no label of development knows it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import direction, panel, table

from omc_agent.errors import DataError, UsageError
from omc_agent.tools.sealing import seal, seal_cut


@settings(max_examples=25, deadline=None)
@given(
    bars=st.integers(10, 120),
    coins=st.integers(1, 3),
    fraction=st.floats(0.05, 0.6),
    seed=st.integers(0, 99),
)
def test_seal_cuts_all_coins_at_one_time(bars, coins, fraction, seed):
    frame = panel(bars, coins, 3, late=7, rng=np.random.default_rng(seed))
    frame["target"] = np.where(frame["label_end"].isna(), np.nan, 1.0)
    development, sealed = seal(frame, fraction)
    cut = seal_cut(frame["timestamp"], fraction)
    assert (development["timestamp"] < cut).all()
    assert (sealed["timestamp"] >= cut).all()
    assert sorted([*development.index, *sealed.index]) == sorted(frame.index)
    unique = frame["timestamp"].nunique()
    assert abs(sealed["timestamp"].nunique() - fraction * unique) <= 1
    # A label made of a sealed bar is gone, the others stay, and so does every row.
    known = frame.loc[development.index, "label_end"] < cut
    assert development["target"].notna().to_numpy().tolist() == known.tolist()
    assert development["label_end"].notna().to_numpy().tolist() == known.tolist()


def test_seal_leaves_the_frame_that_it_was_given_alone():
    frame = direction(bars=200)
    before = frame.copy(deep=True)
    seal(frame)
    pd.testing.assert_frame_equal(frame, before)


def test_seal_blanks_labels_by_horizon_where_label_end_is_missing():
    frame = direction(bars=200).drop(columns="label_end")
    development, _ = seal(frame, horizon="1h")
    assert development["target"].isna().to_numpy().nonzero()[0].tolist() == list(range(148, 160))


def test_seal_of_a_table_is_a_seeded_stratified_sample():
    frame = table(rows=200)
    development, sealed = seal(frame, 0.25, seed=3)
    assert (len(development), len(sealed)) == (150, 50)
    assert abs(development["target"].mean() - sealed["target"].mean()) < 0.02
    assert development.index.is_monotonic_increasing
    pd.testing.assert_frame_equal(seal(frame, 0.25, seed=3)[1], sealed)
    assert not seal(frame, 0.25, seed=4)[1].index.equals(sealed.index)


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.2])
def test_seal_refuses_a_share_that_is_none(fraction):
    for frame in (direction(bars=100), table()):
        with pytest.raises(UsageError):
            seal(frame, fraction)


def test_seal_cut_is_the_quantile_of_unique_times():
    times = pd.Series(pd.date_range("2024-01-01", periods=100, freq="5min", tz="UTC"))
    crowded = pd.concat([times, times.tail(50), times.tail(50)])
    assert seal_cut(crowded) == times[80]
    with pytest.raises(DataError):
        seal_cut(times.head(1))
