"""Rows that repeat each other lie on one side of the seal, and in one fold."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from omc_agent.tools.cross_validation import cross_validate_model
from omc_agent.tools.repeats import FEWEST, count_repeats, repeated_rows
from omc_agent.tools.sealing import repeats_of, seal
from omc_agent.tools.splits import TableFolds


def repeating(rows, more, seed, named=True):
    """Different rows, and `more` copies of some of them; each with a number of its own where `named`."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"size": rng.normal(size=rows), "kind": rng.choice(["a", "b"], rows)})
    frame["sold"] = rng.integers(0, 2, rows)
    whole = pd.concat([frame, frame.iloc[rng.integers(0, rows, more)]]).sample(frac=1.0, random_state=seed)
    whole = whole.reset_index(drop=True)
    return whole.assign(id=np.arange(1, len(whole) + 1)) if named else whole


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(60, 300),
    more=st.integers(0, 200),
    fraction=st.floats(0.1, 0.5),
    seed=st.integers(0, 99),
    named=st.booleans(),
)
def test_equal_rows_lie_wholly_on_one_side(rows, more, fraction, seed, named):
    frame = repeating(rows, more, seed, named)
    development, sealed = seal(frame, fraction, seed=seed, target="sold")
    assert sorted([*development.index, *sealed.index]) == frame.index.tolist()
    assert not set(development["size"]) & set(sealed["size"])
    assert abs(len(sealed) - fraction * len(frame)) <= 0.05 * len(frame) + 2
    assert abs(sealed["sold"].mean() - frame["sold"].mean()) < 0.2
    assert seal(frame, fraction, seed=seed, target="sold")[1].index.equals(sealed.index)
    assert count_repeats(repeats_of(frame, "sold")) == more


@settings(max_examples=25, deadline=None)
@given(more=st.integers(0, 200), n_splits=st.integers(2, 5), seed=st.integers(0, 99), stratify=st.booleans())
def test_equal_rows_are_in_one_fold(more, n_splits, seed, stratify):
    frame = repeating(100, more, seed, named=False).rename(columns={"sold": "target"})
    folds = list(TableFolds(n_splits, seed, stratify).split(frame))
    assert sorted(np.concatenate([test for _, test in folds])) == list(range(len(frame)))
    for train, test in folds:
        assert not set(train) & set(test)
        assert not set(frame["size"].iloc[train]) & set(frame["size"].iloc[test])


def test_rows_learned_by_heart_no_longer_score():
    frame = repeating(100, 300, 3, named=False).rename(columns={"sold": "target"}).drop(columns="kind")
    frame["target"] = frame["target"].astype("float64")
    _, honest = cross_validate_model(frame, "random_forest")
    noisy = frame.assign(noise=np.random.default_rng(0).normal(size=400) / 1000)
    _, by_heart = cross_validate_model(noisy, "random_forest")  # no row is exactly another
    assert roc_auc_score(honest["target"], honest["prediction"]) < 0.62
    assert roc_auc_score(by_heart["target"], by_heart["prediction"]) > 0.7


def test_columns_with_few_values_make_rows_alike_that_stay_as_they_are():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"class": rng.integers(1, 4, 400), "sex": rng.choice(["f", "m"], 400), "sold": 1})
    assert len(frame.drop_duplicates()) < FEWEST
    assert count_repeats(repeated_rows(frame, ["sold"])) == 0
    assert len(seal(frame, 0.2, target="sold")[1]) == 80


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_one_row_that_is_most_of_the_table_stays_in_development(share):
    rng = np.random.default_rng(2)
    size = np.where(np.arange(1000) < 1000 * share, 7.0, rng.normal(size=1000))
    development, sealed = seal(pd.DataFrame({"size": size, "sold": rng.integers(0, 2, 1000)}), 0.2, target="sold")
    assert 7.0 not in set(sealed["size"])
    assert 0 < len(sealed) < len(development)
