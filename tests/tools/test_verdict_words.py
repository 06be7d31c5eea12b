"""The verdict in words says what happened and no more."""

from __future__ import annotations

import pandas as pd
import pytest
from judging import judge, scored

from omc_agent.brief import Brief
from omc_agent.tools.verdict_words import explain


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


@pytest.mark.parametrize("reason", ["too_few_blocks: 8 of 20", "wide_interval: 0.07", "failed: naive, proper_score"])
@pytest.mark.parametrize("opened", [1, 2, 3])
def test_whoever_cannot_be_told_yet_is_told_to_wait_for_new_bars(sealed, development, reason, opened):
    fields = judge(sealed, development).model_dump()
    headline, sentence = explain({**fields, "call": "inconclusive", "reason": reason, "opened": opened})
    assert headline == "Inconclusive"
    assert "Wait for new bars" in sentence
    assert ("start afresh" in sentence) is (opened > 1)
