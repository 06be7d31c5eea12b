"""What is shown beside a verdict: trades counted by hand, known calibration, a break where there is one."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from judging import as_regression, judge, scored

from omc_agent.tools.calibration import calibrate, reliability_png
from omc_agent.tools.costs import back_of_envelope, cost_sentence
from omc_agent.tools.description import describe_sealed, simple_sentence
from omc_agent.tools.rule import freeze_rule
from omc_agent.tools.verdict_words import explain


def described(sealed, development, task="classification", **more):
    rule = freeze_rule(development, task=task, horizon="1h")
    return describe_sealed(sealed, development, rule, **{"target": "direction", **more})


@pytest.fixture(scope="module")
def development() -> pd.DataFrame:
    return scored(1, 6000, skill=1.0)


@pytest.fixture(scope="module")
def sealed() -> pd.DataFrame:
    return scored(2, 4000, skill=1.0, start=6000)


def test_every_rule_and_simple_model_stands_beside_with_its_interval(sealed, development):
    rows = sealed.assign(simple_logistic_regression=sealed["prediction"] * 0.9, simple_gradient_boosting=0.5)
    found = described(rows, development, simple="logistic_regression")
    names = [row["name"] for row in found["beside"]]
    assert names == ["constant", "last", "reversal", "seasonal", "logistic_regression", "gradient_boosting"]
    verdict = judge(sealed, development)
    for row in found["beside"][:4]:
        assert row["beaten"] is verdict.beats[row["name"]]
    constant = found["beside"][0]
    assert constant["low"] == pytest.approx(verdict.low)
    assert constant["difference"] == pytest.approx(verdict.score - 0.5)
    assert "within noise, so take the simple one" in simple_sentence(found, "roc_auc")
    assert json.loads(json.dumps(found)) == found
    assert "take the simple one" in explain(verdict, None, found)[1]


def test_complexity_pays_when_the_gain_is_more_than_noise(sealed, development):
    found = described(sealed.assign(simple_ridge=0.5), development, simple="ridge")
    assert "complexity pays" in found["sentences"][0]


def test_months_and_coins_are_scored_apart(development):
    panel = scored(4, 9000, skill=1.0, coins=2, start=6000)
    found = described(panel, development)
    assert [part["part"] for part in found["coins"]] == ["C0", "C1"]
    assert sum(part["rows"] for part in found["months"]) == len(panel)
    assert all(part["score"] > 0.6 for part in found["months"] if part["rows"] > 500)


def test_a_break_is_reported_and_no_break_is_not(sealed, development):
    assert described(sealed, development)["regime_break"] == ""
    gone = scored(5, 4000, skill=0.0, start=6000)
    said = described(gone, development)["regime_break"]
    assert said.startswith("What the model learned no longer holds: walk-forward claimed")
    falls = [bool(described(scored(s, 3000), scored(s + 50, 4000))["regime_break"]) for s in range(20)]
    assert sum(falls) <= 3


def test_a_break_is_found_in_values_too(development):
    gone = as_regression(scored(5, 4000, start=6000), 0.0)
    assert described(gone, as_regression(development, 0.5), task="regression", target="return")["regime_break"]


def test_rows_that_cannot_be_scored_are_not_described(sealed, development):
    assert described(sealed.head(5), development) == {}


def trades(prediction, forward, n=60, **more):
    times = pd.date_range("2024-01-01", periods=n, freq="5min", tz="UTC")
    rows = pd.DataFrame({"timestamp": times, "coin": "BTC", "prediction": prediction, "forward": forward})
    return back_of_envelope(rows, **{"target": "direction", "horizon": "PT15M", **more})


def test_trades_do_not_overlap_and_are_counted_by_hand():
    found = trades([0.9, 0.9, 0.9, 0.1, 0.9, 0.9] * 10, [0.001, 9, 9, 0.002, 9, 9] * 10)
    assert found["trades"] == 20
    assert found["gross"] == pytest.approx((10 - 20) / 2)
    assert found["cost"] == 20
    assert found["net"] == pytest.approx(-25)
    assert "-5.0" in cost_sentence(found, "PT1H")
    assert "does not pay the costs" in cost_sentence(found, "PT1H")


def test_fees_and_slippage_are_paid_on_both_sides():
    assert trades(0.9, 0.001, fees=3, slippage=1.5)["cost"] == 9


def test_a_threshold_is_traded_towards_itself_and_only_when_likely():
    assert trades(0.4, 0.001, target="threshold", threshold=-0.01) == {}
    assert trades(0.6, 0.001, target="threshold", threshold=-0.01)["gross"] == pytest.approx(-10)
    assert trades(-0.1, 0.001, target="return")["gross"] == pytest.approx(-10)
    assert trades(0.6, 0.001, target="volatility") == {}


def test_probabilities_that_mean_what_they_say_are_calibrated():
    rng = np.random.default_rng(0)
    p = pd.Series(rng.uniform(size=20_000))
    y = pd.Series((rng.uniform(size=20_000) < p).astype(float))
    good, bad = calibrate(y, p, 0.5), calibrate(y, (p * 0.5), 0.5)
    assert good["error"] < 0.02 < 0.2 < bad["error"]
    assert good["brier"] == pytest.approx(1 / 6, abs=0.005)
    assert good["base_brier"] == pytest.approx(0.25, abs=0.001)
    assert sum(row["rows"] for row in good["table"]) == 20_000
    assert calibrate(y, p * 3, 0.5) == {}
    assert reliability_png(good["table"]).startswith("iVBORw0KGgo")
