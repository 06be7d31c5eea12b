from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from synthetic import direction, returns, table

from omc_agent.errors import DataError, UsageError
from omc_agent.tools.naive import NAIVE_RULES, attach_naive, naive_rules, naive_score


@pytest.mark.parametrize("rule", NAIVE_RULES)
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_every_rule_keeps_the_index(rule, task):
    frame = direction(bars=300).set_axis(range(1000, 1300))
    score = naive_score(frame, rule, task)
    assert score.index.equals(frame.index)
    assert score.dtype == "float64"


def test_constant_is_the_base_rate_or_the_median():
    frame = pd.DataFrame({"target": [0.0, 0.0, 1.0, np.nan]})
    assert naive_score(frame, "constant").tolist() == [pytest.approx(1 / 3)] * 4
    assert naive_score(frame, "constant", "regression").tolist() == [0.0] * 4
    assert naive_score(frame, "constant", base=0.9).tolist() == [0.9] * 4


def test_reversal_of_a_signed_quantity_is_its_negative():
    frame = returns(bars=300)
    both = naive_score(frame, "last", "regression") + naive_score(frame, "reversal", "regression")
    assert (both.dropna() == 0).all()


def test_reversal_of_a_level_is_the_level_one_horizon_earlier_of_the_same_coin():
    times = pd.date_range("2024-01-01", periods=5, freq="1h", tz="UTC")
    frame = pd.concat(
        [
            pd.DataFrame({"coin": coin, "timestamp": times, "naive_last": base + np.arange(5.0)})
            for coin, base in (("BTC", 100.0), ("ETH", 10.0))
        ],
        ignore_index=True,
    )
    frame["label_end"] = frame["timestamp"] + pd.Timedelta("2h")
    found = naive_score(frame, "reversal", "regression").tolist()
    # The first two bars of a coin have nothing earlier: the last value.
    assert found == [100, 101, 100, 101, 102, 10, 11, 10, 11, 12]


def test_rules_that_a_frame_can_follow():
    assert naive_rules(direction(bars=400)) == NAIVE_RULES
    assert naive_rules(direction(bars=200)) == ("constant", "last", "reversal")
    assert naive_rules(table()) == ("constant",)


def test_unknown_rules_and_missing_columns_are_named():
    with pytest.raises(UsageError, match="sometimes"):
        naive_score(direction(bars=100), "sometimes")
    with pytest.raises(DataError, match="naive_last"):
        naive_score(table(), "last")


def test_attach_naive_joins_by_label():
    frame = direction(bars=400)
    part = frame.loc[[350, 300], ["target"]].assign(prediction=0.5)
    joined = attach_naive(part, frame)
    assert joined.index.tolist() == [350, 300]
    assert joined["naive_last"].tolist() == frame.loc[[350, 300], "naive_last"].tolist()
    assert attach_naive(joined, frame).columns.tolist() == joined.columns.tolist()
