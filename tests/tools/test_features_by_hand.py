"""Features and targets beside numbers that were worked out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from synthetic import bars_of, candles, direction

from omc_agent.errors import DataError, UsageError
from omc_agent.tools.cross_validation import cross_validate_model
from omc_agent.tools.features import check_features, create_features
from omc_agent.tools.targets import make_target

NAN = float("nan")


def made(close, **more):
    given = {"lags": [1, 2], "windows": [2], "horizon": "5min", "indicators": []} | more
    columns = {name: given.pop(name) for name in ("high", "low", "volume") if name in given}
    return create_features(bars_of(close, **columns), **given)


def test_lags_are_log_returns():
    # Prices double, double, halve: one bar gives ln 2, ln 2, -ln 2; two bars give ln 4, then 0.
    found = made([1.0, 2.0, 4.0, 2.0])
    assert found["ret_1"].tolist() == pytest.approx([NAN, 0.693147, 0.693147, -0.693147], nan_ok=True, abs=1e-6)
    assert found["ret_2"].tolist() == pytest.approx([NAN, NAN, 1.386294, 0.0], nan_ok=True, abs=1e-6)


def test_rolling_statistics_of_returns():
    # Returns -, .693, .693, -.693. Windows of two: means .693 and 0; deviations 0 and 1.386 / sqrt 2 = .980258.
    found = made([1.0, 2.0, 4.0, 2.0])
    assert found["mean_2"].tolist() == pytest.approx([NAN, NAN, 0.693147, 0.0], nan_ok=True, abs=1e-6)
    assert found["std_2"].tolist() == pytest.approx([NAN, NAN, 0.0, 0.980258], nan_ok=True, abs=1e-6)
    # z: each log is half a step of .693 from the mean of its window, whose deviation is .693 / sqrt 2.
    assert found["z_2"].tolist() == pytest.approx([NAN, 0.707107, 0.707107, -0.707107], nan_ok=True, abs=1e-6)


def test_range_volume_and_changes():
    found = made(
        [10.0, 10.0, 10.0], high=[11.0, 12.0, 11.0], low=[9.0, 8.0, 9.0], volume=[4.0, 12.0, 0.0], changes=["volume"]
    )
    # (11 - 9) / 10, (12 - 8) / 10, (11 - 9) / 10; over their means .3 and .3.
    assert found["range"].tolist() == pytest.approx([0.2, 0.4, 0.2])
    assert found["range_ratio_2"].tolist() == pytest.approx([NAN, 4 / 3, 2 / 3], nan_ok=True)
    # 12 over the mean of 4 and 12 is 1.5; 0 over the mean of 12 and 0 is 0.
    assert found["volume_ratio_2"].tolist() == pytest.approx([NAN, 1.5, 0.0], nan_ok=True)
    # 12 / 4 - 1 = 2; 0 / 12 - 1 = -1; over two bars 0 / 4 - 1 = -1.
    assert found["change_volume_1"].tolist() == pytest.approx([NAN, 2.0, -1.0], nan_ok=True)
    assert found["change_volume_2"].tolist() == pytest.approx([NAN, NAN, -1.0], nan_ok=True)


def test_changes_never_reach_over_a_missing_bar_or_divide_by_nothing():
    bars = bars_of([1.0] * 5, volume=[0.0, 2.0, 4.0, 8.0, 16.0]).drop(index=2)
    found = create_features(bars, lags=[1], windows=[2], indicators=[], horizon="5min", changes=["volume"])
    assert found["change_volume_1"].tolist() == pytest.approx([NAN, NAN, NAN, 1.0], nan_ok=True)
    with pytest.raises(UsageError):
        create_features(bars, changes=["volumes"])


@pytest.mark.parametrize(
    ("target", "threshold", "expected"),
    [
        ("direction", None, [1.0, 0.0, 0.0, NAN]),  # 110 > 100; 99 < 110; 99 = 99 is no rise
        ("return", None, [0.1, -0.1, 0.0, NAN]),  # 110/100, 99/110, 99/99, each minus 1
        ("price", None, [110.0, 99.0, 99.0, NAN]),
        ("threshold", 0.1, [1.0, 0.0, 0.0, NAN]),  # a rise of a tenth is touched once
        ("threshold", -0.1, [0.0, 1.0, 0.0, NAN]),  # and so is a fall
    ],
)
def test_targets(target, threshold, expected):
    found = make_target(bars_of([100.0, 110.0, 99.0, 99.0]), target, "5min", threshold)
    assert found["target"].tolist() == pytest.approx(expected, nan_ok=True)


def test_volatility_is_the_deviation_of_the_next_returns():
    # From bar 0 the next two returns are ln 2 and -ln 2: their deviation is 1.386294 / sqrt 2 = .980258.
    found = make_target(bars_of([1.0, 2.0, 1.0, 1.0]), "volatility", "10min")["target"]
    assert found.iloc[0] == pytest.approx(0.980258, abs=1e-6)
    assert found.iloc[1] == pytest.approx(0.490129, abs=1e-6)  # -ln 2 and 0
    assert found.iloc[2:].isna().all()


def said(call):
    with pytest.raises(DataError) as caught:
        call()
    return str(caught.value)


def test_infinite_numbers_in_bars_are_a_sentence():
    bars = candles(50).assign(volume=np.inf)
    bars.loc[3, "close"] = np.inf
    text = said(lambda: create_features(bars))
    assert text.startswith("Infinite numbers are in close (1), volume (50).")
    assert "clean_data" in text


def test_a_horizon_longer_than_the_data_is_a_sentence():
    features = create_features(candles(60), horizon="30d")
    assert features["target"].isna().all()
    text = said(lambda: cross_validate_model(features))
    assert text.startswith("Every target is missing.")
    assert "shorter horizon" in text


def test_features_that_are_all_constant_or_missing_are_a_sentence():
    frame = direction(bars=300)
    names = ["edge", "past", "noise"]
    text = said(lambda: cross_validate_model(frame.assign(**dict.fromkeys(names, NAN))))
    assert text.startswith("All 3 features are missing in every one of 300 rows.")
    text = said(lambda: cross_validate_model(frame.assign(edge=1.0, past=NAN, noise=2.0)))
    assert "All 3 features are constant or missing" in text
    assert "no feature columns" in said(lambda: check_features(pd.DataFrame({"target": [1.0]})))


def test_fewer_rows_than_folds_is_a_sentence():
    table = pd.DataFrame({"size": np.arange(24.0), "target": [0.0, 1.0] * 12})
    text = said(lambda: cross_validate_model(table, n_splits=30))
    assert "30 folds" in text
    frame = direction(bars=60)
    assert "folds" in said(lambda: cross_validate_model(frame, n_splits=50))
