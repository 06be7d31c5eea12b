"""Placements average to the AUC and vary as DeLong says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omc_agent.tools.placements import auc_placements


def brute_auc(y: np.ndarray, score: np.ndarray) -> float:
    pairs = [(a > b) + 0.5 * (a == b) for a in score[y == 1] for b in score[y == 0]]
    return float(np.mean(pairs))


scores = st.lists(st.tuples(st.integers(0, 1), st.integers(-3, 3)), min_size=4, max_size=40)


@settings(max_examples=40, deadline=None)
@given(scores, st.integers(0, 99))
def test_placements_mean_is_the_auc_and_their_difference_the_difference(pairs, seed):
    y, one = (np.array(column, dtype=float) for column in zip(*pairs, strict=True))
    other = np.random.default_rng(seed).normal(size=len(y))
    if y.min() == y.max():
        assert np.isnan(auc_placements(y, one)).all()
        return
    first, second = auc_placements(y, one), auc_placements(y, other)
    assert first.mean() == pytest.approx(brute_auc(y, one))
    assert (first - second).mean() == pytest.approx(brute_auc(y, one) - brute_auc(y, other))


def test_placements_give_delongs_variance():
    rng = np.random.default_rng(0)
    y = (rng.random(200) < 0.3).astype(float)
    score = y + rng.normal(size=200)
    v10 = np.array([np.mean((a > score[y == 0]) + 0.5 * (a == score[y == 0])) for a in score[y == 1]])
    v01 = np.array([np.mean((score[y == 1] > b) + 0.5 * (score[y == 1] == b)) for b in score[y == 0]])
    delong = v10.var() / len(v10) + v01.var() / len(v01)
    assert auc_placements(y, score).var() / 200 == pytest.approx(delong)


def test_placements_leave_unknown_rows_out():
    y, score = np.array([0, 1, np.nan, 0, 1]), np.array([0.1, 0.2, 0.9, np.nan, 0.0])
    found = auc_placements(y, score)
    assert np.isnan(found).tolist() == [False, False, True, True, False]
    assert np.nanmean(found) == 0.5
