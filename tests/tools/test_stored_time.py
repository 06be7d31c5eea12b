"""Times of every kind are the same moment, and a span is asked for as they are stored."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pandas as pd
import pytest

from omc_agent.tools.stored_time import TimeStyle, parse_times


def utc(text):
    return pd.Timestamp(text, tz="UTC")


@pytest.mark.parametrize(
    "values",
    [
        ["2024-01-02 03:00:00"],
        ["2024-01-02T03:00:00Z"],
        ["2024-01-02 05:00:00+02:00"],
        ["2024-01-02 03-AM"],
        ["01/02/2024 03:00"],
        [1704164400],
        ["1704164400000"],
        [1704164400000000],
        [1704164400.0],
        [Decimal("1704164400")],
        [datetime(2024, 1, 2, 3)],
        [datetime(2024, 1, 2, 3, tzinfo=UTC)],
        pd.to_datetime(["2024-01-02 03:00"]).as_unit("ms"),
        pd.to_datetime(["2024-01-01 22:00"]).tz_localize("US/Eastern"),
    ],
    ids=str,
)
def test_times_of_every_kind_are_the_same_moment(values):
    made = parse_times(pd.Series(values))
    assert made.tolist() == [utc("2024-01-02 03:00")]
    assert str(made.dtype) == "datetime64[us, UTC]"


def test_mixed_and_broken_times_become_nat_only_where_broken():
    made = parse_times(pd.Series(["2024-01-02", "2024-01-02 12-PM", None, "soon", "2024-01-02 13:30"]))
    assert made.tolist()[:2] == [utc("2024-01-02"), utc("2024-01-02 12:00")]
    assert made.isna().tolist() == [False, False, True, True, False]
    assert parse_times(pd.Series([1704164400, None])).isna().tolist() == [False, True]
    assert parse_times(pd.Series([], dtype=object)).empty


def test_a_day_above_twelve_settles_the_order_of_slashes():
    assert parse_times(pd.Series(["03/01/2024", "25/01/2024"])).tolist() == [utc("2024-01-03"), utc("2024-01-25")]


@pytest.mark.parametrize(
    ("value", "kind", "bound"),
    [
        ("2024-01-01 00:00:00.000000", "iso", "2024-01-02 00:00:00"),
        ("2024-01-01T00:00:00", "iso", "2024-01-02T00:00:00"),
        ("2024-01-01T00:00:00+00:00", "day", "2024-01-02"),
        ("2024-01-01", "day", "2024-01-02"),
        ("01/01/2024", "text", None),
        (1704067200, "epoch", 1704153600),
        ("1704067200000", "epoch", 1704153600000),
        (datetime(2024, 1, 1), "datetime", datetime(2024, 1, 2)),
        (datetime(2024, 1, 1, tzinfo=UTC), "datetime", datetime(2024, 1, 2, tzinfo=UTC)),
        (date(2024, 1, 1), "date", date(2024, 1, 2)),
        (None, "empty", None),
    ],
)
def test_a_span_is_asked_for_as_times_are_stored(value, kind, bound):
    style = TimeStyle.of(value)
    assert style.kind == kind
    assert style.bound(utc("2024-01-02")) == bound
