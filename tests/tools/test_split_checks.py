"""Lengths, counts and shares that cannot be are refused by name."""

from __future__ import annotations

import pandas as pd
import pytest

from omc_agent.errors import UsageError
from omc_agent.tools.split_checks import at_least, span_of


def test_lengths_and_counts_that_can_be_are_taken():
    assert span_of("embargo", "0h") == pd.Timedelta(0)
    assert span_of("embargo", pd.Timedelta("90min").to_pytimedelta()) == pd.Timedelta("1h30min")
    assert at_least("n_splits", 3.0, 1) == 3


@pytest.mark.parametrize(
    "call", [lambda: span_of("embargo", "-1h"), lambda: span_of("embargo", "soon"), lambda: span_of("embargo", "nan")]
)
def test_a_length_that_is_none_is_named(call):
    with pytest.raises(UsageError, match="embargo"):
        call()


@pytest.mark.parametrize("value", [0, 1.5])
def test_a_count_that_is_none_is_named(value):
    with pytest.raises(UsageError, match="n_splits"):
        at_least("n_splits", value, 1)
