"""An interval above zero is not enough for an edge."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from judging import judge, scored

from omc_agent.tools.verdict_words import explain


@pytest.fixture(scope="module")
def development() -> pd.DataFrame:
    return scored(1, 6000, skill=1.0)


@pytest.fixture(scope="module")
def sealed() -> pd.DataFrame:
    return scored(2, 4000, skill=1.0, start=6000)


def test_b_development_must_beat_every_naive_rule(sealed, development):
    lost = development.assign(prediction=1 - development["prediction"])
    verdict = judge(sealed, lost)
    assert verdict.low > 0
    assert verdict.call == "inconclusive"
    assert verdict.reason.startswith("development")


def test_c_every_naive_rule_must_be_matched_on_the_sealed_rows(sealed, development):
    oracle = sealed.assign(naive_day=sealed["change"])
    verdict = judge(oracle, development)
    assert verdict.beats["seasonal"] is False
    assert verdict.call == "inconclusive"
    assert verdict.reason.startswith("naive")


def test_d_probabilities_must_be_worth_more_than_the_base_rate(sealed, development):
    # The same order, so the same AUC, but wildly sure of itself.
    sure = sealed.assign(prediction=0.001 + 0.998 * (sealed["prediction"].rank(pct=True) > 0.02))
    sure["prediction"] += sealed["prediction"] * 1e-4
    verdict = judge(sure, development)
    assert verdict.score == pytest.approx(judge(sealed, development).score, abs=1e-9)
    assert verdict.low > 0
    assert verdict.call == "inconclusive"
    assert verdict.reason == "proper_score: proper_score"


def test_d_a_score_that_is_no_probability_fails(sealed, development):
    scores = sealed.assign(prediction=3 * sealed["prediction"])
    assert judge(scores, development).reason.startswith("proper_score")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda rows: rows.head(5),
        lambda rows: rows.assign(target=1.0),
        lambda rows: rows.assign(prediction=np.nan),
        lambda rows: rows.assign(prediction=np.inf),
        lambda rows: rows.iloc[:0],
    ],
)
def test_rows_that_cannot_be_scored_are_inconclusive(sealed, development, spoil):
    verdict = judge(spoil(sealed), development)
    assert verdict.call == "inconclusive"
    assert verdict.reason.startswith("refused")
    assert verdict.score is None
    assert explain(verdict)[0] == "Inconclusive"
