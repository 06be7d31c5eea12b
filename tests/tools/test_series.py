"""A series is told from rows that stand for themselves, and its season from its step or its own cycle."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from seasons import remembering, seasonal

from omc_agent.errors import DataError
from omc_agent.tools.series import find_series, spoken


def in_time(values, freq="D", start="2000-01-01", **columns):
    times = pd.date_range(start, periods=len(values), freq=freq, tz="UTC", unit="us")
    return pd.DataFrame({"timestamp": times, "y": values, **columns})


@pytest.mark.parametrize(
    ("freq", "season"),
    [("MS", 12), ("QS", 4), ("W", 52), ("D", 7), ("B", 5), ("h", 24), ("15min", 96), ("YS", 1)],
)
def test_the_season_is_that_of_the_step(freq, season):
    found = find_series(in_time(remembering(500, 0.7), freq, "1750-01-01"), "y")
    assert found.season == season
    assert {1, 2, 3} < set(found.lags) or found.lags == (1, 2, 3, 4)
    assert season in found.lags
    assert "one series" in found.why


def test_years_show_their_own_cycle():
    found = find_series(in_time(seasonal(240, 11), "YS", "1750-01-01"), "y")
    assert found.season == 11
    assert found.lags == tuple(range(1, 13))
    assert find_series(in_time(remembering(100, 0.6), "YS"), "y").lags == tuple(range(1, 9))


def test_a_season_that_hardly_fits_is_left_out():
    found = find_series(in_time(remembering(100, 0.8), "W"), "y")
    assert (found.season, found.lags) == (1, (1, 2, 3))


def customers(rows=400, **columns):
    rng = np.random.default_rng(3)
    size = rng.normal(size=rows)
    churn = (size + rng.normal(size=rows) > 0).astype(int)
    return in_time(churn, "h", size=size, plan=rng.choice(list("abc"), rows), **columns)


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        (customers(), "does not depend on what it was before"),
        (in_time(remembering(300, 0.9), "h", customer_id=range(300)), "customer_id names each"),
        (customers().assign(timestamp=pd.Timestamp("2024-01-01", tz="UTC")), "no numbers|share a time"),
        (
            customers().assign(
                timestamp=pd.Timestamp("2024-01-01", tz="UTC")
                + pd.to_timedelta(np.random.default_rng(0).exponential(3600, 400).cumsum(), unit="s")
            ),
            "no regular step",
        ),
        (in_time(np.array(list("abcd") * 50), "h"), "no numbers to look back on"),
    ],
)
def test_rows_that_stand_for_themselves_keep_their_own_columns(frame, why):
    found = find_series(frame, "y")
    assert found.lags == ()
    assert pd.Series([found.why]).str.contains(why).item()


def test_without_other_columns_irregular_times_are_a_series_too():
    frame = in_time(remembering(200, 0.0), "h")
    frame["timestamp"] += pd.to_timedelta(np.random.default_rng(0).exponential(1e5, 200).cumsum(), unit="s")
    assert find_series(frame, "y").lags


def test_a_person_decides():
    assert find_series(customers(), "y", series="yes").lags
    assert find_series(in_time(remembering(200, 0.9)), "y", series="no").lags == ()
    with pytest.raises(DataError) as caught:
        find_series(pd.DataFrame({"y": [1.0]}), "y", series="yes")
    assert caught.value.code == "data.no_time"


def test_lengths_are_said_in_words():
    spans = ["366D", "91D", "31D", "14D", "1D", "3h", "90s", "1ms"]
    assert [spoken(pd.Timedelta(span)) for span in spans] == [
        "one year",
        "one quarter",
        "one month",
        "14 days",
        "one day",
        "3 hours",
        "2 minutes",
        "0.001 seconds",
    ]
