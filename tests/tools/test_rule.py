"""The rule is frozen on development rows: reference, levels, and the luck of many trials."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from judging import judge, scored

from omc_agent.tools.rule import freeze_rule, trials_lift


@pytest.fixture(scope="module")
def development() -> pd.DataFrame:
    return scored(1, 6000, skill=1.0)


@pytest.fixture(scope="module")
def sealed() -> pd.DataFrame:
    return scored(2, 4000, skill=1.0, start=6000)


def test_the_reference_is_a_naive_rule_only_when_development_proves_it(development):
    assert freeze_rule(development, task="classification", horizon="1h").reference == "constant"
    persistent = development.assign(naive_last=development["change"])
    rule = freeze_rule(persistent, task="classification", horizon="1h")
    assert (rule.reference, rule.delta) == ("last", 0.02)
    backwards = development.assign(naive_last=-development["change"] + scored(8, 6000)["change"] * 3)
    rule = freeze_rule(backwards, task="classification", horizon="1h")
    assert (rule.reference, rule.delta) == ("reversal", 0.05)


def test_the_frozen_rule_decides_when_it_is_given(sealed, development):
    rule = freeze_rule(development, task="classification", horizon="1h")
    assert judge(sealed, development, rule=rule) == judge(sealed, development)
    assert rule.to_dict()["reference"] == "constant"


def test_the_best_of_many_trials_is_deflated():
    trials = [scored(50, 3000)] + [
        scored(50, 3000).assign(prediction=np.random.default_rng(n).normal(size=3000)) for n in range(7)
    ]
    one = trials_lift(trials[:1], task="classification", horizon="1h")
    few = trials_lift(trials[:3], task="classification", horizon="1h")
    many = trials_lift(trials, task="classification", horizon="1h")
    assert 0 == one < few < many < 0.1
    copies = trials_lift([trials[0]] * 8, task="classification", horizon="1h")
    assert copies == pytest.approx(0, abs=0.003)
