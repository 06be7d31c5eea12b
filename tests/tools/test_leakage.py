"""Planted leaks are found, honest features are not accused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from synthetic import candles

from omc_agent.errors import DataError
from omc_agent.tools.analysis import clean_data
from omc_agent.tools.features import create_features
from omc_agent.tools.indicators import calculate_technical_indicators
from omc_agent.tools.leakage import compare, cut_points, merge, scramble, truncate

HORIZON = "1h"


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
    found = leaks(candles(), with_column(PLANTED[name]))
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
    assert "(rows)" in leaks(candles(), make, ["truncate"], k=3)
    assert "planted" in leaks(candles(), make, ["scramble"], k=3)


def test_a_target_lagged_by_the_horizon_is_known_and_passes():
    assert leaks(candles(), with_column(lambda prices, made: made["target"].shift(12))) == {}


@pytest.mark.parametrize("fill", ["bfill", "interpolate"])
def test_a_fill_from_the_future_shows_at_cuts_inside_gaps(fill):
    prices = candles(4000)
    for begin in (700, 1500, 2600, 3300):
        prices.loc[begin : begin + 6, "volume"] = np.nan
    found = leaks(prices, with_column(lambda frame, made: getattr(frame["volume"], fill)()), ["truncate"])
    assert found["planted"].cuts >= 3
    assert found["planted"].of > 8


@pytest.mark.parametrize("seed", range(3))
def test_honest_features_are_never_accused(seed):
    prices = pd.concat([candles(1500, seed, "BTC"), candles(1400, seed + 9, "ETH")], ignore_index=True)
    prices.loc[[300, 301, 800, 2000], "close"] = [0, np.nan, -1, 0]
    prices = prices.drop(index=[*range(900, 920), 1700])
    assert leaks(prices, features) == {}


def test_a_threshold_fitted_inside_the_cell_is_a_leak_of_the_target():
    def make(prices):
        made = features(prices)
        level = prices["volume"].rolling(12).mean()
        return made.assign(target=(level > level.median()).astype(float).where(made["target"].notna()))

    found = leaks(candles(), make)
    assert list(found) == ["target"]


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


def test_coins_that_come_and_go_are_not_accused_and_what_leaks_across_them_is():
    prices = pd.concat([candles(900), candles(900, 1, "ETH").iloc[300:], candles(900, 2, "OLD").iloc[:500]])
    prices = prices.reset_index(drop=True)
    assert leaks(prices, features, k=3) == {}

    def make(prices):
        made = features(prices)
        return made.assign(planted=prices.groupby("coin")["close"].transform("size").astype(float))

    assert list(leaks(prices, make, k=3)) == ["planted"]


@pytest.mark.parametrize("spoil", ["x", "when", "word", "kind", "flag", "count"])
def test_one_changed_value_is_seen_in_a_column_of_any_kind(spoil):
    times = pd.date_range("2024-01-01", periods=50, freq="1h", tz="UTC", unit="us")
    other = {"x": 7.0, "when": times[0], "word": "c", "kind": "v", "flag": False, "count": 9}
    reference = frame_of(
        np.arange(50.0), when=times, word=["a", None] * 25, kind=pd.Categorical(["u", "v"] * 25), flag=True, count=1
    )
    replayed = reference.copy()
    replayed.loc[40, spoil] = other[spoil]
    found = compare(reference, replayed, None, HORIZON)
    assert [(one.column, one.share, one.first) for one in found] == [(spoil, 0.02, times[40])]
    assert compare(reference, replayed, times[39], HORIZON) == []
    assert [one.column for one in compare(reference, replayed.iloc[:45], times[41], HORIZON)] == [spoil]


def test_a_zero_without_its_sign_and_another_kind_of_number_are_no_change():
    reference = frame_of([0.0, 1.0, np.nan], count=[1, 2, 3])
    replayed = reference.assign(x=[-0.0, 1.0, np.nan], count=[1.0, 2.0, 3.0])
    assert compare(reference, replayed, None, HORIZON) == []
