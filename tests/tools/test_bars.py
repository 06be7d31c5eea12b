"""The length of a bar, and which bars hold a usable price."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from synthetic import bars_of

from omc_agent.errors import DataError
from omc_agent.tools.bars import bar_interval, good_bars


def test_the_bar_is_the_median_step_and_does_not_depend_on_the_end():
    prices = pd.concat(
        [bars_of(np.ones(600)), bars_of(np.ones(2000), freq="1h", start="2024-02-01")], ignore_index=True
    )
    assert bar_interval(prices) == pd.Timedelta(minutes=5)
    assert bar_interval(prices.head(600)) == pd.Timedelta(minutes=5)
    with pytest.raises(DataError, match="one coin"):
        bar_interval(prices.head(1))


def test_a_price_that_a_coin_never_had_does_not_make_its_bars_bad():
    prices = bars_of([1, 2, 3], bid=[np.nan, 1.0, np.nan])
    assert good_bars(prices).tolist() == [True, True, False]
