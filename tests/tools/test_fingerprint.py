"""A fingerprint names what a frame holds, not how it is held."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from omc_agent.tools.fingerprint import fingerprint

TIMES = pd.date_range("2024-01-01", periods=3, freq="5min", tz="UTC")
FRAME = pd.DataFrame({"coin": "BTC", "timestamp": TIMES, "close": [1.0, np.nan, 3.0], "bad": [True, False, False]})


@pytest.mark.parametrize(
    "same",
    [
        lambda f: f.astype({"coin": "category"}),
        lambda f: f.astype({"coin": object}),
        lambda f: f.assign(timestamp=f["timestamp"].dt.as_unit("ns")),
        lambda f: f.assign(fit_seconds=0.3),
        lambda f: f.astype({"bad": "float64"}),
        lambda f: f.set_axis(f.index.astype("int64")),
    ],
)
def test_how_it_is_held_does_not_matter(same):
    assert fingerprint(same(FRAME.copy())) == fingerprint(FRAME)


@pytest.mark.parametrize(
    "other",
    [
        lambda f: f.rename(columns={"close": "last"}),
        lambda f: f.iloc[::-1],
        lambda f: f[["close", "coin", "timestamp", "bad"]],
        lambda f: f.set_axis([1, 2, 3]),
        lambda f: f.assign(close=[1.0, 2.0, 3.0]),
        lambda f: f.assign(close=[1.0, np.nan, np.nextafter(3.0, 4.0)]),
        lambda f: f.assign(coin=["BTC", "BTC", None]),
        lambda f: f.head(2),
    ],
)
def test_what_it_holds_does(other):
    assert fingerprint(other(FRAME.copy())) != fingerprint(FRAME)


@given(arrays("float64", st.integers(0, 20), elements=st.floats(allow_nan=True)))
def test_a_file_keeps_it(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("kept") / "rows.feather"
    frame = pd.DataFrame({"x": values})
    frame.to_feather(path)
    assert fingerprint(pd.read_feather(path)) == fingerprint(frame)
