"""What is known before each row of a series: right by hand, and the same whatever comes later."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seasons import remembering, seasonal

from omc_agent.tools.column_kinds import read_columns
from omc_agent.tools.leakage import compare, cut_points, scramble, truncate
from omc_agent.tools.naive import naive_score
from omc_agent.tools.series import find_series
from omc_agent.tools.table_features import prepare_table
from omc_agent.tools.table_lags import lag_columns


def table(rows=80, freq="MS", seed=0, holes=()):
    rng = np.random.default_rng(seed)
    times = pd.date_range("2000-01-01", periods=rows, freq=freq, tz="UTC", unit="us")
    frame = pd.DataFrame(
        {
            "timestamp": times,
            "sales": seasonal(rows, 12, seed),
            "price": remembering(rows, 0.5, seed + 1),
            "shop": rng.choice(["a", "b"], rows),
            "open": rng.choice([True, False], rows),
            "month": times.month,
        }
    )
    frame.loc[list(holes), "sales"] = np.nan
    return frame


def test_lags_changes_and_season_are_what_they_say():
    y = pd.Series(np.arange(20.0) ** 2, name="y")
    times = pd.Series(pd.date_range("2000-01-01", periods=20, freq="QS", tz="UTC", unit="us"))
    made = lag_columns(times, y, pd.DataFrame({"x": y + 1, "quarter": times.dt.quarter}), [1, 2, 3, 4], 4, "year")
    row = made.iloc[10]
    assert (row["y_lag_1"], row["y_lag_2"], row["y_lag_3"], row["y_lag_4"]) == (81, 64, 49, 36)
    assert (row["y_change_1"], row["y_change_2"]) == (17, 15)
    assert row["y_from_mean_3"] == pytest.approx(81 - (81 + 64 + 49) / 3)
    assert row["y_std_3"] == pytest.approx(np.std([81, 64, 49]))
    assert (row["y_season_move"], row["y_season_gap"]) == (36 - 25, 36 - 81)
    assert (row["x_lag_1"], row["quarter"]) == (82, times.dt.quarter[10])
    assert (row["naive_last"], row["naive_before"], row["naive_day"]) == (81, 64, 36)
    assert made["naive_last"].notna().tolist() == [n >= 5 for n in range(20)]
    assert {"year_sin_1", "year_cos_2"} < set(made)
    frame = made.assign(target=y, timestamp=times, label_end=times)
    assert naive_score(frame, "reversal", "regression").iloc[10] == 64
    assert naive_score(frame, "seasonal", "regression").iloc[10] == 36


@pytest.mark.parametrize(
    ("freq", "season", "wave"), [("D", 7, "week"), ("B", 5, "week"), ("h", 24, "day"), ("YS", 7, None)]
)
def test_the_place_in_a_cycle_is_given_where_the_calendar_has_one(freq, season, wave):
    times = pd.Series(pd.date_range("1800-01-06", periods=400, freq=freq, tz="UTC", unit="us"))
    rows = pd.DataFrame({"timestamp": times, "y": seasonal(400, season)})
    found = find_series(rows, "y")
    made = lag_columns(times, rows["y"], pd.DataFrame(index=times.index), found.lags, found.season, found.cycle)
    assert [name[:-6] for name in made if name.endswith("_sin_1")] == ([wave] if wave else [])


def test_a_missing_value_is_for_later_rows_the_last_known_one():
    made = prepare_table(table(40, holes=[20]), "sales", time="timestamp", lags=[1, 2], season=1)
    whole = table(40)["sales"]
    assert made["sales_lag_1"].iloc[21] == whole.iloc[19]
    assert made["naive_last"].notna().sum() == 37  # the mean of three has no value before
    assert np.isnan(made["target"].iloc[20])
    assert pd.isna(made["label_end"].iloc[20])


def test_rows_of_one_time_know_nothing_of_each_other():
    frame = table(40)
    frame.loc[21, "timestamp"] = frame.loc[20, "timestamp"]
    made = prepare_table(frame, "sales", time="timestamp", lags=[1, 2], season=1)
    assert made.loc[20, "sales_lag_1"] == made.loc[21, "sales_lag_1"] == frame.loc[19, "sales"]
    assert made.loc[22, "sales_lag_1"] == pytest.approx(frame.loc[20:21, "sales"].mean())


@given(st.randoms(use_true_random=False))
@settings(max_examples=20, deadline=None)
def test_the_order_of_rows_does_not_matter(random):
    frame = table(60, holes=[7, 30])
    order = list(frame.index)
    random.shuffle(order)
    made = prepare_table(frame.loc[order], "sales", time="timestamp", lags=[1, 2, 3, 12], season=12)
    expected = prepare_table(frame, "sales", time="timestamp", lags=[1, 2, 3, 12], season=12)
    pd.testing.assert_frame_equal(made, expected)


@given(
    st.sampled_from(["sales", "price", "open", "shop"]),
    st.sampled_from(["MS", "D", "h"]),
    st.integers(0, 50),
    st.lists(st.integers(0, 79), max_size=5),
)
@settings(max_examples=15, deadline=None)
def test_no_feature_of_a_series_sees_the_future(target, freq, seed, holes):
    frame = table(80, freq, seed, holes)
    given_ = {"time": "timestamp", "lags": [1, 2, 3, 7], "season": 7, "cycle": "week"}
    given_["kinds"] = read_columns(frame, target, "timestamp")
    given_["classes"] = {"open": [False, True], "shop": ["a", "b"]}.get(target, [])
    made = prepare_table(frame, target, **given_)
    assert "naive_last" in made
    for cut in cut_points(frame, k=6, seed=seed):
        for other in (truncate(frame, cut), scramble(frame, cut, seed)):
            assert compare(made, prepare_table(other, target, **given_), cut, "1s") == []


def test_the_leak_test_would_see_a_column_of_the_same_row_or_a_later_one():
    frame = table(80)
    given_ = {"time": "timestamp", "lags": [1, 2, 3], "season": 1, "classes": []}

    def leaky(rows):
        made = prepare_table(rows, "sales", **given_)
        return made.assign(ahead=made["target"].shift(-1), smooth=made["target"].rolling(3, center=True).mean())

    found = set()
    for cut in cut_points(frame, k=4):
        for other in (truncate(frame, cut), scramble(frame, cut, 1)):
            found |= {finding.column for finding in compare(leaky(frame), leaky(other), cut, "1s")}
    assert found == {"ahead", "smooth"}


@pytest.mark.parametrize("target", ["sales", "price", "shop", "open"])
def test_scrambling_touches_the_target_and_every_other_column(target):
    frame = table(80)
    cut = frame["timestamp"].iloc[40]
    other = scramble(frame, cut, seed=3)
    past = frame["timestamp"] <= cut
    pd.testing.assert_frame_equal(other[past], frame[past])
    assert (other.loc[~past, target] != frame.loc[~past, target]).any()
    assert other.dtypes.equals(frame.dtypes)
    if target in ("shop", "open"):
        assert sorted(other[target].unique()) == sorted(frame[target].unique())


def test_an_ordinary_table_in_time_keeps_its_own_columns():
    made = prepare_table(table(), "sales", time="timestamp", lags=[])
    assert list(made) == ["timestamp", "label_end", "price", "shop", "open", "month", "target"]
    found = prepare_table(table(), "sales", time="timestamp")
    assert {"sales_lag_12", "price_lag_1", "shop_lag_1", "month", "naive_last"} < set(found)
    assert "price" not in found


def test_a_value_stays_a_value_however_few_of_them_a_part_holds():
    made = prepare_table(table(2), "sales", time="timestamp", lags=[1], classes=[])
    assert made["target"].tolist() == table(2)["sales"].tolist()
    assert made.attrs["classes"] is None
