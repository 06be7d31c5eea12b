"""The verdict in words says what happened and no more."""

from __future__ import annotations

import pandas as pd
import pytest
from judging import judge, scored

from omc_agent.brief import Brief
from omc_agent.tools.verdict_words import explain, say_more


@pytest.fixture(scope="module")
def development() -> pd.DataFrame:
    return scored(1, 6000, skill=1.0)


@pytest.fixture(scope="module")
def sealed() -> pd.DataFrame:
    return scored(2, 4000, skill=1.0, start=6000)


def test_words_say_what_happened(sealed, development):
    edge = explain(judge(sealed, development), Brief(target="direction"))
    assert edge[0] == "Edge found"
    assert "not a profit" in edge[1]
    assert "not a profit" not in explain(judge(sealed, development), {"target": "sold"})[1]
    assert explain(judge(sealed, development, leak=True))[0] == "No verdict: leak"
    assert explain({"call": None, "reason": "analysis"})[0] == "No verdict"
    wide = judge(scored(9, 1400), development)
    assert wide.reason.startswith("wide_interval")
    assert "four times in five" in explain(wide)[1]


@pytest.mark.parametrize(
    "reason",
    ["too_few_blocks: the holdout has 90 bars (1 day)", "wide_interval: it has 90 bars (1 day)", "failed: naive"],
)
@pytest.mark.parametrize("opened", [1, 2, 3])
def test_whoever_cannot_be_told_yet_is_told_to_wait_for_new_bars(sealed, development, reason, opened):
    fields = judge(sealed, development).model_dump()
    headline, sentence = explain({**fields, "call": "inconclusive", "reason": reason, "opened": opened})
    assert headline == "Inconclusive"
    assert "ait for new bars" in sentence or "Wait for new rows" in sentence
    assert ("start afresh" in sentence) is (opened > 1)


def test_the_paragraph_is_short_and_the_rest_is_said_below():
    judged = {"call": "inconclusive", "metric": "roc_auc", "score": 0.548, "reference": "constant", "alpha": 0.025,
              "reason": "wide_interval: the holdout has 90 bars (8.0 days); 160 bars (14.1 days) would find it",
              "reference_score": 0.5, "low": -0.0003, "high": 0.096, "delta": 0.05, "opened": 1, "trials": 7,
              "claimed": 0.515, "claimed_deflated": 0.508, "beats": {}}  # fmt: skip
    details = {"simple": "ridge", "sentences": ["A plain ridge scores 0.5; so take it.", "Traded on blindly, no."]}
    sentence = explain(judged, None, details)[1]
    assert sentence.count(". ") <= 3
    assert "-0.0003 to +0.096" in sentence
    assert "so wait for new bars" in sentence
    assert "A plain ridge" in sentence
    assert say_more(judged, details) == [
        "Walk-forward on the development rows had claimed 0.515 (0.508 when the luck of the best of 7 trials is taken"
        " off).",
        "Traded on blindly, no.",
    ]
