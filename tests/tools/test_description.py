"""What is shown beside a verdict: trades counted by hand, known calibration, a break where there is one."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from judging import as_regression, judge, scored

from omc_agent.tools.calibration import calibrate, calibrate_named, reliability_png
from omc_agent.tools.costs import back_of_envelope, cost_sentence
from omc_agent.tools.description import describe_sealed, simple_sentence
from omc_agent.tools.regime import regime_break
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


def classes(rows: int, seed: int, skill: float = 2.0) -> pd.DataFrame:
    """Three classes whose probabilities are those by which they are drawn."""
    rng = np.random.default_rng(seed)
    raw = np.exp(skill * rng.normal(size=(rows, 3)))
    share = raw / raw.sum(axis=1, keepdims=True)
    drawn = (share.cumsum(axis=1) < rng.uniform(size=(rows, 1))).sum(axis=1).clip(max=2).astype(float)
    names = {f"p_{k}": share[:, k] for k in range(3)}
    rival = {f"simple_logistic_regression_p_{k}": share[:, k] for k in range(3)}
    return pd.DataFrame({"target": drawn, "prediction": share.argmax(axis=1).astype(float), **names, **rival,
                         "simple_logistic_regression": 0.0, "fold": 1})  # fmt: skip


def test_of_three_classes_all_scores_are_skills_over_the_shares():
    before, after = classes(1500, 1), classes(900, 2)
    rule = freeze_rule(before, task="multiclass", horizon=None)
    found = describe_sealed(after, before, rule, target="species")
    constant, line = found["beside"]
    assert (constant["name"], constant["score"]) == ("constant", pytest.approx(0.0))
    assert line["score"] == pytest.approx(constant["difference"])
    assert (line["difference"], line["low"], line["high"]) == pytest.approx((0.0, 0.0, 0.0))
    assert 0.2 < line["score"] < 1
    assert found["calibration"]["error"] < 0.06
    assert "Its probabilities of the class that it names miss by" in found["sentences"][0]
    assert json.loads(json.dumps(found)) == found


def test_months_of_three_classes_are_skills_too():
    from omc_agent.tools.breakdown import by_part
    from omc_agent.tools.rule import as_likelihood

    rows = as_likelihood(classes(600, 3))
    (part,) = by_part(rows, pd.Series(1 / 3, index=rows.index), pd.Series("2024-01", index=rows.index), "multiclass")
    assert part["reference_score"] == 0.0
    assert part["score"] == part["difference"] > 0.2


def test_classes_that_are_named_too_surely_are_not_calibrated():
    honest = classes(3000, 4)
    columns = ["p_0", "p_1", "p_2"]
    sure = honest[columns] ** 3
    bold = honest.assign(**sure.div(sure.sum(axis=1), axis=0))
    assert calibrate_named(honest, honest)["error"] < 0.04 < 0.08 < calibrate_named(bold, honest)["error"]
    assert calibrate_named(honest.drop(columns="p_2"), honest) == {}


def test_groups_of_a_small_holdout_have_twenty_rows():
    found = calibrate(pd.Series([0.0, 1.0] * 15), pd.Series(np.linspace(0, 1, 30)), 0.5)
    assert [row["rows"] for row in found["table"]] == [30]


def test_months_that_fall_by_chance_are_no_break_and_a_long_slide_is():
    rng = np.random.default_rng(4)
    target = pd.Series(rng.integers(0, 2, 6_000).astype(float))
    times = pd.Series(pd.date_range("2024-01-01", periods=6_000, freq="1h", tz="UTC"))
    rows = pd.DataFrame(
        {"target": target, "prediction": target * 0.3 + rng.normal(0, 0.5, 6_000), "timestamp": times}
    )
    rule = freeze_rule(rows.assign(naive_last=rng.normal(size=6_000)), task="classification", horizon="1h")
    flat = pd.Series(0.5, index=rows.index)
    early, late = rows.iloc[:4_800].assign(fold=1), rows.iloc[4_800:]

    def told(scores):
        months = [{"part": str(number), "score": score} for number, score in enumerate(scores)]
        return regime_break(late, early, (flat.loc[early.index], flat.loc[late.index]), rule, by_month=months)

    assert told([0.621, 0.612, 0.603, 0.595]) == ""
    assert told([0.604, 0.603, 0.602, 0.601, 0.600]) == ""
    assert "fell in each of 5 months, from 0.700 to 0.540" in told([0.70, 0.66, 0.62, 0.58, 0.54])
