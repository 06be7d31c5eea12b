"""Rows that cannot carry a goal end in a sentence; what is odd about the others is told."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from omc_agent.agents.quality import check_rows, quality_warnings
from omc_agent.errors import DataError

BRIEF = {"target": "direction", "task": "classification", "coins": ["BTC"], "horizon": "PT1H"}
BARS = pd.DataFrame(
    {
        "coin": "BTC",
        "timestamp": pd.date_range("2024-01-01", periods=2_000, freq="5min", tz="UTC"),
        "close": 100 + np.sin(np.arange(2_000)),
    }
)


@pytest.mark.parametrize(
    ("frame", "code", "words"),
    [
        (BARS.assign(close=np.nan), "data.constant", "BTC has no price"),
        (BARS.assign(close=np.inf), "data.constant", "BTC has no price"),
        (BARS.assign(close=7.0), "data.constant", "never changes in this span. 2,000 bars, all 7"),
        (BARS.iloc[:1], "data.too_few_rows", "at least"),
        (BARS.iloc[:900], "data.too_few_rows", "at least 1,000"),
        (pd.DataFrame({"x": range(12)}), "data.too_few_rows", "There are 12 rows. Folds and a sealed holdout"),
        (pd.DataFrame({"x": [1]}), "data.too_few_rows", "There is 1 row"),
        (pd.DataFrame(columns=["x"]), "data.too_few_rows", "There are 0 rows"),
    ],
)
def test_rows_that_cannot_be_learned_from_are_a_sentence(frame, code, words):
    with pytest.raises(DataError, match=words) as caught:
        check_rows(frame, BRIEF)
    assert caught.value.code == code
    assert all((caught.value.given, caught.value.have, caught.value.try_))


def test_a_horizon_longer_than_the_data_says_how_many_bars_it_needs():
    with pytest.raises(DataError, match=r"2,000 bars a coin.*at least 518,400"):
        check_rows(BARS, {**BRIEF, "horizon": "P30D"})


def test_odd_prices_and_rows_that_were_left_out_are_told():
    check_rows(BARS, BRIEF)
    odd = BARS.copy()
    odd.loc[[3, 4], "close"] = [np.inf, -1.0]
    odd.attrs = {"duplicates": 2, "untimed": 1, "coinless": 5}
    notes = {note["code"]: note["text"] for note in quality_warnings(odd, ["BTC", "DOGE"])}
    assert sorted(notes) == ["bad_prices", "duplicates", "no_coin_rows", "no_time_rows", "unknown_coin"]
    assert "2 prices are zero, negative, infinite or missing" in notes["bad_prices"]
    assert "no coin: 5" in notes["no_coin_rows"]
