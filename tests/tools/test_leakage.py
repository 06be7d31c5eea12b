"""Planted leaks are found, honest features are not accused."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omc_agent.errors import DataError
from omc_agent.tools.analysis import calculate_technical_indicators, clean_data
from omc_agent.tools.features import create_features
from omc_agent.tools.leakage import Finding, compare, cut_points, merge, not_reproducible, scramble, truncate

HORIZON = "1h"


def walk(rows=2500, seed=0, coin="BTC"):
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.001, rows)))
    times = pd.date_range("2024-01-01", periods=rows, freq="5min", tz="UTC", unit="us")
    frame = pd.DataFrame({"coin": coin, "timestamp": times, "close": close})
    return frame.assign(high=close * 1.001, low=close * 0.999, volume=rng.uniform(1, 2, rows))


def features(prices):
    return create_features(calculate_technical_indicators(clean_data(prices)), horizon=HORIZON)


def leaks(prices, make, replays=("truncate", "scramble"), k=8):
    """The findings of a whole test, as the run does it."""
    reference = make(prices)
    found = []
    for number, cut in enumerate(cut_points(prices, k=k, seed=3)):
        if "truncate" in replays:
            found.append(compare(reference, make(truncate(prices, cut)), cut, HORIZON))
        if "scramble" in replays:
            found.append(compare(reference, make(scramble(prices, cut, seed=number)), cut, HORIZON))
    return {finding.column: finding for finding in merge(found)}


def with_column(column):
    def make(prices):
        made = features(prices)
        return made.assign(planted=column(prices, made))

    return make


PLANTED = {
    "centred mean": lambda prices, made: prices["close"].rolling(25, center=True, min_periods=1).mean(),
    "shift": lambda prices, made: prices["close"].shift(-1),
    "full z-score": lambda prices, made: (prices["close"] - prices["close"].mean()) / prices["close"].std(),
    "target copied": lambda prices, made: made["target"],
    "target lagged less than the horizon": lambda prices, made: made["target"].shift(11),
    "rank": lambda prices, made: prices["close"].rank(pct=True),
    "length": lambda prices, made: pd.Series(float(len(prices)), index=prices.index),
    "daily high": lambda prices, made: prices.groupby(prices["timestamp"].dt.date)["high"].transform("max"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_leak_is_found_and_alone_accused(name):
    found = leaks(walk(), with_column(PLANTED[name]))
    assert list(found) == ["planted"]
    assert found["planted"].of == 16
    # A daily high is only wrong on days whose high comes after the cut.
    assert found["planted"].cuts >= (4 if name == "daily high" else 8)


@pytest.mark.parametrize("name", ["centred mean", "shift", "full z-score", "target copied"])
def test_scrambling_finds_what_dropping_rows_hides_from_truncation(name):
    def make(prices):
        made = with_column(PLANTED[name])(prices)
        return made[made["target"].notna()].drop(columns=["naive_day"])

    # The cell drops its last rows: missing rows below the cut are a finding of their own.
    assert "(rows)" in leaks(walk(), make, ["truncate"], k=3)
    assert "planted" in leaks(walk(), make, ["scramble"], k=3)


def test_a_target_lagged_by_the_horizon_is_known_and_passes():
    assert leaks(walk(), with_column(lambda prices, made: made["target"].shift(12))) == {}


@pytest.mark.parametrize("fill", ["bfill", "interpolate"])
def test_a_fill_from_the_future_shows_at_cuts_inside_gaps(fill):
    prices = walk(4000)
    for begin in (700, 1500, 2600, 3300):
        prices.loc[begin : begin + 6, "volume"] = np.nan
    found = leaks(prices, with_column(lambda frame, made: getattr(frame["volume"], fill)()), ["truncate"])
    assert found["planted"].cuts >= 3
    assert found["planted"].of > 8


@pytest.mark.parametrize("seed", range(3))
def test_honest_features_are_never_accused(seed):
    prices = pd.concat([walk(1500, seed, "BTC"), walk(1400, seed + 9, "ETH")], ignore_index=True)
    prices.loc[[300, 301, 800, 2000], "close"] = [0, np.nan, -1, 0]
    prices = prices.drop(index=[*range(900, 920), 1700])
    assert leaks(prices, features) == {}


def test_a_threshold_fitted_inside_the_cell_is_a_leak_of_the_target():
    def make(prices):
        made = features(prices)
        level = prices["volume"].rolling(12).mean()
        return made.assign(target=(level > level.median()).astype(float).where(made["target"].notna()))

    found = leaks(walk(), make)
    assert list(found) == ["target"]


def test_cuts_are_spread_over_span_hours_and_minutes():
    prices = walk(12_000)
    cuts = cut_points(prices, k=8, seed=1)
    assert len(cuts) == 8
    assert cuts == sorted(cuts)
    assert set(cuts) <= set(prices["timestamp"])
    assert cuts == cut_points(prices, k=8, seed=1)
    assert cuts != cut_points(prices, k=8, seed=2)
    stretch = (prices["timestamp"].iloc[-1] - prices["timestamp"].iloc[0]) * 0.9 / 8
    begin = prices["timestamp"].iloc[-1] - 8 * stretch
    assert [int((cut - begin) / stretch) for cut in cuts] == list(range(8))
    assert len({cut.hour // 3 for cut in cuts}) >= 7
    assert len({cut.minute // 15 for cut in cuts}) == 4


def test_up_to_four_more_cuts_lie_where_input_is_missing():
    prices = walk(3000)
    prices.loc[1200:1205, "close"] = 0.0
    prices = prices.drop(index=range(2000, 2010))
    extra = set(cut_points(prices, k=4)) - set(cut_points(walk(3000), k=4))
    missing = {*prices.loc[1200:1205, "timestamp"], prices.loc[1999, "timestamp"]}
    assert len(extra & missing) == 4
    assert prices.loc[1999, "timestamp"] in extra


def test_a_table_without_time_has_no_cuts():
    assert cut_points(pd.DataFrame({"x": range(100)})) == []
    assert cut_points(walk(2)) == []


@given(st.integers(1, 398), st.integers(0, 5))
@settings(max_examples=25, deadline=None)
def test_scrambling_replaces_all_of_the_future_and_none_of_the_past(place, seed):
    prices = pd.concat([walk(400, 1), walk(300, 2, "ETH")], ignore_index=True).assign(trades=7, name="x")
    prices.loc[[50, 350], "close"] = [np.nan, 0.0]
    cut = prices["timestamp"].iloc[place]
    other = scramble(prices, cut, seed)
    past = prices["timestamp"] <= cut
    pd.testing.assert_frame_equal(other[past], prices[past])
    pd.testing.assert_frame_equal(other[["coin", "timestamp", "name"]], prices[["coin", "timestamp", "name"]])
    assert other.dtypes.equals(prices.dtypes)
    good = ~past & (prices["close"] > 0)
    assert (other.loc[good, "close"] != prices.loc[good, "close"]).all()
    assert (other.loc[~past, "volume"] != prices.loc[~past, "volume"]).all()
    usable = ~past & (other["close"] > 0)
    assert abs(int(usable.sum()) - int(good.sum())) <= 1
    assert (other.loc[usable, "high"] >= other.loc[usable, "close"]).all()
    assert (np.log(other.loc[usable, "close"] / 100).abs() < 0.5).all()
    pd.testing.assert_frame_equal(scramble(prices, cut, seed), other)


def test_truncation_keeps_labels_and_the_cut_itself():
    prices = walk(10).drop(index=3)
    cut = prices["timestamp"].iloc[4]
    assert truncate(prices, cut).index.tolist() == [0, 1, 2, 4, 5]


def frame_of(values, labels=None, **more):
    times = pd.date_range("2024-01-01", periods=len(values), freq="1h", tz="UTC", unit="us")
    return pd.DataFrame({"timestamp": times, "x": values, **more}, index=labels)


def test_rounding_is_no_change_and_more_is():
    reference = frame_of([1.0, 2.0, 1000.0, np.nan])
    for change, found in [(0.0, 0), (5e-7, 0), (5e-6, 1)]:
        replayed = reference.assign(x=reference["x"] + np.array([change, 0, 0, 0]))
        assert len(compare(reference, replayed, None, HORIZON)) == found


@pytest.mark.parametrize(("before", "after"), [(np.nan, 1.0), (1.0, np.nan), (np.inf, 1.0), (np.inf, -np.inf)])
def test_a_value_that_comes_or_goes_is_a_change(before, after):
    found = compare(frame_of([1.0, before]), frame_of([1.0, after]), None, HORIZON)
    assert [(one.column, one.share, one.change) for one in found] == [("x", 0.5, 1.0)]
    assert found[0].first == pd.Timestamp("2024-01-01 01:00", tz="UTC")
    assert compare(frame_of([1.0, before]), frame_of([1.0, before]), None, HORIZON) == []


def test_text_rows_and_columns_are_compared_too():
    reference = frame_of([1.0, 2.0], name=["a", None])
    assert [one.column for one in compare(reference, reference.assign(name=["b", None]), None, HORIZON)] == ["name"]
    assert [one.column for one in compare(reference, reference.drop(columns="name"), None, HORIZON)] == ["name"]
    gone = compare(reference, reference.iloc[1:], None, HORIZON)
    assert [(one.column, one.share) for one in gone] == [("(rows)", 0.5)]
    new = compare(reference.iloc[1:], reference, None, HORIZON)
    assert [one.column for one in new] == ["(rows)"]
    shuffled = reference.iloc[::-1]
    assert compare(reference, shuffled, None, HORIZON) == []
    with pytest.raises(DataError, match="twice"):
        compare(reference, pd.concat([reference, reference]), None, HORIZON)


def test_targets_are_compared_only_where_the_label_was_known():
    reference = frame_of([0.0] * 4, target=[1.0, 0.0, 1.0, 0.0])
    cut = reference["timestamp"].iloc[2]
    late = reference.assign(target=[1.0, 0.0, np.nan, np.nan])
    assert compare(reference, late, cut, "1h") == []
    early = reference.assign(target=[1.0, np.nan, np.nan, np.nan])
    assert [one.column for one in compare(reference, early, cut, "1h")] == ["target"]
    assert compare(reference, early, cut, "2h") == []


def test_findings_merge_by_column_and_go_to_json():
    late, soon = pd.Timestamp("2024-02-01", tz="UTC"), pd.Timestamp("2024-01-01", tz="UTC")
    first = [Finding("a", 1, 1, 0.1, 0.5, late), Finding("b", 1, 1, 0.2, 0.1, None)]
    merged = merge([first, [Finding("a", 1, 1, 0.3, 0.2, soon)], []])
    assert merged == [Finding("a", 2, 3, 0.3, 0.5, soon), Finding("b", 1, 3, 0.2, 0.1, None)]
    assert merge([*first, Finding("a", 1, 1, 0.3, 0.2, soon)], of=3) == merged
    assert json.loads(json.dumps(merged[0].to_dict()))["first"] == "2024-01-01T00:00:00+00:00"
    assert "again" in not_reproducible(merged[0]).text()
