"""Test blocks that follow the calendar begin at midnight, on Mondays, on the first of a month."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import panel

from omc_agent.errors import DataError, UsageError
from omc_agent.tools.calendar_blocks import period_starts
from omc_agent.tools.splits import WalkForward


def span(start, end, freq="6h", horizon="6h"):
    times = pd.date_range(start, end, freq=freq, tz="UTC", inclusive="left", unit="us")
    return pd.DataFrame({"timestamp": times, "label_end": times + pd.Timedelta(horizon)})


def blocks(frame, **how):
    time = frame["timestamp"].array
    return [(str(time[test].min())[:16], str(time[test].max())[:16]) for _, test in WalkForward(**how).split(frame)]


def test_months_weeks_and_days_begin_where_the_calendar_says():
    frame = span("2024-01-10", "2024-04-03")
    assert blocks(frame, n_splits=3, calendar="1MS") == [
        ("2024-02-01 00:00", "2024-02-29 18:00"),
        ("2024-03-01 00:00", "2024-03-31 18:00"),
        ("2024-04-01 00:00", "2024-04-02 18:00"),
    ]
    # 25 March and 1 April 2024 were Mondays.
    assert blocks(frame, n_splits=2, calendar="1W") == [
        ("2024-03-25 00:00", "2024-03-31 18:00"),
        ("2024-04-01 00:00", "2024-04-02 18:00"),
    ]
    assert blocks(frame, n_splits=1, calendar="1D") == [("2024-04-02 00:00", "2024-04-02 18:00")]
    assert blocks(frame, n_splits=1, calendar="12h") == [("2024-04-02 12:00", "2024-04-02 18:00")]


def test_a_month_without_a_row_is_no_block():
    frame = pd.concat([span("2024-01-01", "2024-02-01"), span("2024-03-05", "2024-05-01")], ignore_index=True)
    assert [first[:10] for first, _ in blocks(frame, n_splits=2, calendar="1MS")] == ["2024-03-05", "2024-04-01"]


@settings(max_examples=25, deadline=None)
@given(
    coins=st.integers(1, 3),
    horizon=st.integers(1, 8),
    calendar=st.sampled_from(["1h", "2h", "3h", "30min"]),
    embargo=st.integers(0, 2),
    seed=st.integers(0, 99),
)
def test_calendar_blocks_keep_the_promises_of_the_others(coins, horizon, calendar, embargo, seed):
    frame = panel(150, coins, horizon, late=3, rng=np.random.default_rng(seed))
    gap = pd.Timedelta(minutes=5 * embargo)
    time, end = frame["timestamp"].array, frame["label_end"].array
    seen: list[int] = []
    for train, test in WalkForward(3, embargo=gap, calendar=calendar).split(frame):
        begins = time[test].min().floor(calendar)
        assert (time[test] >= begins).all()
        assert time[test].max() < begins + pd.Timedelta(calendar)
        assert time[train].max() < begins
        assert end[train].max() + gap <= begins
        # One cut in time for all coins: nobody's row of the period is missing.
        assert set(test) == set(np.flatnonzero((time >= begins) & (time < begins + pd.Timedelta(calendar))))
        seen += list(test)
    assert len(seen) == len(set(seen))
    assert time[seen].max() == time.max()


def test_multiples_are_counted_from_one_origin_whatever_the_frame_begins_with():
    times = pd.date_range("2024-01-01", periods=60, freq="1D").as_unit("us").asi8
    whole, late = period_starts(times, "2W"), period_starts(times[20:], "2W")
    assert set(late) <= set(whole)
    assert pd.Timestamp(int(whole[1] - whole[0]), unit="us") == pd.Timestamp("1970-01-15")
    before = pd.date_range("1960-03-03", periods=60, freq="1D").as_unit("us").asi8
    assert [str(pd.Timestamp(start, unit="us").date()) for start in period_starts(before, "1MS")] == [
        "1960-03-01",
        "1960-04-01",
        "1960-05-01",
    ]


@pytest.mark.parametrize("calendar", ["1ME", "soon", "-1D", "0D", "B", ""])
def test_what_is_no_period_is_refused_in_a_sentence(calendar):
    with pytest.raises(UsageError) as caught:
        WalkForward(calendar=calendar)
    assert caught.value.code == "usage.value"


def test_fewer_months_than_folds_is_said():
    with pytest.raises(DataError) as caught:
        list(WalkForward(5, calendar="1MS").split(span("2024-01-10", "2024-03-01")))
    assert caught.value.code == "data.too_few_rows"
    assert "2 periods of 1MS" in str(caught.value)
