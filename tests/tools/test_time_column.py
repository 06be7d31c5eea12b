"""The time of a table is found by name and by content, and never taken for what it is not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from omc_agent.errors import DataError
from omc_agent.tools.time_column import find_time, order_in_time

MONTHS = pd.date_range("2000-01-01", periods=24, freq="MS", tz="UTC", unit="us")
QUARTERS = pd.period_range("1959Q1", periods=24, freq="Q")


@pytest.mark.parametrize(
    ("frame", "columns", "first"),
    [
        (pd.DataFrame({"YEAR": np.arange(1700.0, 1724.0)}), ("YEAR",), "1700-01-01"),
        (pd.DataFrame({"year": list(range(1500, 1512)) + list(range(2188, 2200))}), ("year",), "1500-01-01"),
        (pd.DataFrame({"year": [str(1900 + n) for n in range(24)]}), ("year",), "1900-01-01"),
        (
            pd.DataFrame({"year": np.repeat(range(1959, 1965), 4), "quarter": [1, 2, 3, 4] * 6}),
            ("year", "quarter"),
            "1959-01-01",
        ),
        (
            pd.DataFrame({"year": [1999] * 12 + [2000] * 12, "month": [*range(1, 13)] * 2}),
            ("year", "month"),
            "1999-01-01",
        ),
        (pd.DataFrame({"seen": MONTHS}), ("seen",), "2000-01-01"),
        (pd.DataFrame({"seen": MONTHS.strftime("%Y-%m")}), ("seen",), "2000-01-01"),
        (pd.DataFrame({"seen": QUARTERS.astype(str)}), ("seen",), "1959-01-01"),
        (pd.DataFrame({"seen": QUARTERS}), ("seen",), "1959-01-01"),
        (pd.DataFrame({"date": MONTHS.strftime("%Y%m%d").astype(int)}), ("date",), "2000-01-01"),
        (pd.DataFrame({"Timestamp": [1704067200 + 3600 * n for n in range(24)]}), ("Timestamp",), "2024-01-01"),
        (pd.DataFrame({"created_at": MONTHS, "birth_date": MONTHS}), ("created_at",), "2000-01-01"),
        (pd.DataFrame({"birth_date": MONTHS, "seen": MONTHS}), ("seen",), "2000-01-01"),
        (pd.DataFrame({"y": 1.0}, index=MONTHS), (), "2000-01-01"),
        (pd.DataFrame({"y": 1.0}, index=QUARTERS), (), "1959-01-01"),
    ],
)
def test_times_are_found_by_name_and_by_content(frame, columns, first):
    found = find_time(frame.assign(y=1.0), target="y")
    assert found.columns == columns
    assert str(found.times.dtype) == "datetime64[us, UTC]"
    assert found.times.iloc[0] == pd.Timestamp(first, tz="UTC")
    assert len(found.times) == len(frame)


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"time": [4.5, 7.25, 3.0] * 8}),
        pd.DataFrame({"time": [4, 7, 3] * 8}),
        pd.DataFrame({"year": [1999, 2001, 2005] * 8}),
        pd.DataFrame({"model_year": range(70, 94)}),
        pd.DataFrame({"year": range(24)}),
        pd.DataFrame({"birth_date": MONTHS}),
        pd.DataFrame({"code": [f"2024-{n}" for n in range(24)]}),
        pd.DataFrame({"flag": [True, False] * 12}),
    ],
)
def test_lengths_repeated_years_and_birthdays_are_no_time_of_a_row(frame):
    assert find_time(frame.assign(y=1.0), target="y") is None
    pd.testing.assert_frame_equal(order_in_time(frame, "y"), frame)


@pytest.mark.parametrize(
    ("frame", "time", "said"),
    [
        (pd.DataFrame({"timestamp": ["soon", "later"] * 5}), None, "'soon', 'later'"),
        (pd.DataFrame({"x": ["a", "b"] * 5}), "x", "'a', 'b'"),
        (pd.DataFrame({"x": [0.5, 0.25] * 5}), "x", "'0.5', '0.25'"),
        (pd.DataFrame({"x": [None] * 5}), "x", "no value"),
        (pd.DataFrame({"x": [1.0] * 5}), "day", "It has x"),
    ],
)
def test_a_time_column_that_is_none_is_told_in_one_sentence(frame, time, said):
    with pytest.raises(DataError) as caught:
        order_in_time(frame, "y", time)
    assert caught.value.code == "data.no_time"
    assert said in str(caught.value)


def test_the_person_overrides_what_would_be_found():
    frame = pd.DataFrame({"created_at": MONTHS, "sold_at": MONTHS[::-1], "y": range(24)})
    assert order_in_time(frame, "y")["y"].iloc[0] == 0
    assert order_in_time(frame, "y", "sold_at")["y"].iloc[0] == 23
    years = pd.DataFrame({"year": [2001, 2000, 2001], "y": [1, 2, 3]})
    made = order_in_time(years, "y", "year")
    assert made["y"].tolist() == [2, 1, 3]
    assert made.attrs["repeated"] == 2


def test_rows_are_sorted_and_those_without_a_time_are_counted():
    texts = ["2024-01-03", None, "2024-01-01", *[f"2024-02-{n:02d}" for n in range(1, 29)], "no day"]
    made = order_in_time(pd.DataFrame({"date": texts, "y": range(32)}, index=range(100, 132)), "y")
    assert made.index.tolist() == list(range(30))
    assert made["y"].tolist()[:2] == [2, 0]
    assert made.attrs == {"time": ["date"], "timeless": 2, "repeated": 0}
    assert list(made.columns) == ["timestamp", "y"]


def test_a_target_is_never_the_time():
    frame = pd.DataFrame({"timestamp": MONTHS, "y": 1.0})
    assert find_time(frame, target="timestamp") is None
    pd.testing.assert_frame_equal(order_in_time(frame, "timestamp"), frame)
