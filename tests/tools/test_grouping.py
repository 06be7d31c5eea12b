"""Groups stay whole, in the holdout, in folds and as blocks of an interval."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omc_agent.errors import DataError
from omc_agent.tools.cross_validation import cross_validate_model
from omc_agent.tools.grouping import GroupFolds, mean_by_group, seal_groups
from omc_agent.tools.sealing import seal
from omc_agent.tools.table_features import prepare_table


def visits(people: int = 60, seed: int = 0) -> pd.DataFrame:
    """Each person has one outcome and a mark of their own: nothing holds for a new person."""
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(people), 8)
    mark, ill = rng.normal(size=people), rng.integers(0, 2, people)
    return pd.DataFrame({"who": who, "mark": mark[who], "noise": rng.normal(size=len(who)), "ill": ill[who]})


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), fraction=st.sampled_from([0.1, 0.2, 0.3]))
def test_no_group_is_on_both_sides_of_the_cut(seed, fraction):
    development, sealed = seal(visits(), fraction, seed=seed, target="ill", group="who")
    assert not set(development["who"]) & set(sealed["who"])
    assert len(development) + len(sealed) == 480
    assert abs(len(sealed) / 480 - fraction) < 0.08


def test_folds_keep_groups_whole_and_do_not_flatter():
    rows = visits()
    whole = prepare_table(rows, "ill", group="who")
    assert list(whole.columns) == ["row_group", "mark", "noise", "target"]
    for train, test in GroupFolds(5).split(whole):
        assert not set(whole["row_group"].iloc[train]) & set(whole["row_group"].iloc[test])
    split, _ = cross_validate_model(whole.drop(columns="row_group"), "random_forest")
    kept, oof = cross_validate_model(whole, "random_forest")
    assert split["score"] > 0.8
    assert kept["score"] < 0.75
    assert kept["high"] - kept["low"] > 1.5 * (split["high"] - split["low"])
    assert "row_group" in oof


def test_too_few_groups_are_refused():
    with pytest.raises(DataError):
        seal_groups(visits(people=5), "who")
    with pytest.raises(DataError):
        list(GroupFolds(5).split(prepare_table(visits(people=4), "ill", group="who")))


def test_values_of_groups_have_the_mean_of_the_rows():
    rng = np.random.default_rng(0)
    values = rng.normal(size=200)
    values[:5] = np.nan
    group = pd.Series(rng.integers(0, 30, 200))
    assert mean_by_group(values, group).mean() == pytest.approx(np.nanmean(values))
