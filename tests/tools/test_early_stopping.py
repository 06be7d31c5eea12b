"""Rounds are found on the end of the training rows; a test block has no say in them."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic import direction, returns, table

from omc_agent.errors import UsageError
from omc_agent.tools.early_stopping import find_rounds
from omc_agent.tools.splits import folds_for


@pytest.mark.parametrize("model", ["xgboost", "gradient_boosting"])
def test_what_happens_in_the_last_block_changes_no_number_of_rounds(model):
    frame = direction(bars=900, signal=0.6)
    before = find_rounds(frame, model, n_splits=2, most=30)
    known = frame[frame["target"].notna()]
    _, block = list(folds_for(known, 2).split(known))[-1]
    broken = frame.copy()
    broken.loc[known.index[block], "target"] = 1.0 - broken.loc[known.index[block], "target"]
    broken.loc[known.index[block], "edge"] = 0.0
    assert find_rounds(broken, model, n_splits=2, most=30) == before


@pytest.mark.parametrize("model", ["xgboost", "gradient_boosting"])
def test_noise_needs_few_rounds_and_a_signal_more(model):
    noise = np.median(find_rounds(direction(bars=2500, seed=3), model, n_splits=3, most=60))
    signal = np.median(find_rounds(direction(bars=2500, signal=2.0), model, n_splits=3, most=60))
    assert noise < signal


def test_values_and_tables_have_rounds_too():
    assert all(1 <= found <= 20 for found in find_rounds(returns(bars=600), "gradient_boosting", n_splits=2, most=20))
    assert len(find_rounds(table(), "xgboost", n_splits=3, most=20)) == 3


def test_a_linear_model_has_no_rounds():
    with pytest.raises(UsageError) as caught:
        find_rounds(direction(bars=400), "logistic_regression")
    assert caught.value.code == "usage.value"
