from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from omc_agent.brief import Brief
from omc_agent.errors import DataError
from omc_agent.tools.rule import freeze_rule, trials_lift
from omc_agent.tools.verdict import Verdict, call_verdict, explain

FIELDS = ["call", "reason", "metric", "score", "reference", "reference_score", "low", "high", "alpha", "delta"]
FIELDS += ["block", "blocks", "smallest_edge", "claimed", "claimed_deflated", "trials", "opened", "beats"]


def scored(seed: int, bars: int = 4000, skill: float = 0.0, coins: int = 1, start: int = 0) -> pd.DataFrame:
    """Rows whose labels overlap for twelve bars; `skill` is how much the prediction knows of the next hour."""
    rng = np.random.default_rng(seed)
    parts = []
    for coin in range(coins):
        price = np.cumsum(rng.standard_t(5, size=bars + 24) * 0.001)
        change, past = price[24:] - price[12:-12], price[12:-12] - price[:-24]
        blur = np.convolve(rng.normal(size=bars + 23), np.ones(24) / np.sqrt(24), "valid")
        signal = skill * change / change.std() + blur
        times = pd.date_range("2024-01-01", periods=start + bars, freq="5min", tz="UTC", unit="us")[start:]
        parts.append(
            pd.DataFrame(
                {
                    "timestamp": times,
                    "coin": f"C{coin}",
                    "target": (change > 0).astype(float),
                    "change": change,
                    "prediction": 1 / (1 + np.exp(-(0.1 + 0.7 * skill) * signal)),
                    "naive_last": past,
                    "naive_day": rng.permutation(past),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def judge(sealed: pd.DataFrame, development: pd.DataFrame, **changes) -> Verdict:
    arguments = {"task": "classification", "horizon": "1h", "claimed": None, "trials": 1} | changes
    return call_verdict(sealed, development, **arguments)


@pytest.fixture(scope="module")
def development() -> pd.DataFrame:
    return scored(1, 6000, skill=1.0)


@pytest.fixture(scope="module")
def sealed() -> pd.DataFrame:
    return scored(2, 4000, skill=1.0, start=6000)


def test_fields_are_those_of_the_contract(sealed, development):
    verdict = judge(sealed, development)
    assert list(Verdict.model_fields) == FIELDS
    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict
    with pytest.raises(ValidationError):
        verdict.call = "no_edge"


def test_a_planted_edge_is_found(sealed, development):
    verdict = judge(sealed, development)
    assert verdict.call == "edge"
    assert (verdict.metric, verdict.reference, verdict.reference_score) == ("roc_auc", "constant", 0.5)
    assert 0 < verdict.low < verdict.score - verdict.reference_score < verdict.high
    assert verdict.blocks >= 20
    assert verdict.block >= 60
    assert verdict.beats == {"constant": True, "last": True, "reversal": True, "seasonal": True}


def test_random_walks_are_rarely_called_an_edge():
    calls = [judge(scored(s, 4000), scored(s + 500, 3000)).call for s in range(40)]
    assert calls.count("edge") <= 3


def test_a_long_null_is_called_no_edge():
    verdict = judge(scored(11, 20_000), scored(12, 6000))
    assert verdict.call == "no_edge"
    assert verdict.reason == "ruled_out"


def test_a_is_the_interval_above_zero(development):
    weak = scored(2, 4000)
    verdict = judge(weak, development)
    assert verdict.low < 0
    assert verdict.call != "edge"


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


@pytest.mark.parametrize(("changes", "reason"), [({"leak": True}, "leak"), ({"replay_ok": False}, "replay")])
def test_e_a_leak_or_another_replay_is_no_verdict(sealed, development, changes, reason):
    verdict = judge(sealed, development, **changes)
    assert (verdict.call, verdict.reason, verdict.score, verdict.low) == (None, reason, None, None)


def test_f_too_few_blocks_are_never_conclusive(sealed, development):
    short = sealed.head(1100)
    verdict = judge(short, development)
    assert verdict.blocks < 20
    assert verdict.call == "inconclusive"
    assert verdict.reason.startswith("too_few_blocks")
    assert f"{20 * verdict.block:,} bars" in verdict.reason
    _, sentence = explain(verdict)
    assert "days" in sentence
    # Nor is an edge ruled out with so few.
    assert judge(scored(9, 1100), development).call == "inconclusive"


def test_each_opening_raises_the_bar(sealed, development):
    verdicts = [judge(sealed, development, opened=k) for k in (1, 2, 3)]
    assert [v.alpha for v in verdicts] == pytest.approx([0.025, 0.025 / 3, 0.025 / 9])
    assert verdicts[0].low > verdicts[1].low > verdicts[2].low
    assert "opened 3 times" in explain(verdicts[2])[1]


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


def test_a_rule_without_a_model_takes_the_edge_away(sealed, development):
    """A model that only repeats a naive rule is no edge, however far above a coin."""
    known = {
        name: frame.assign(naive_last=frame["prediction"])
        for name, frame in (("dev", development), ("sealed", sealed))
    }
    verdict = judge(known["sealed"], known["dev"])
    assert verdict.reference == "last"
    assert verdict.score > 0.6
    assert verdict.call == "no_edge"
    assert "needs no model" in explain(verdict)[1]


def test_coins_are_averaged_by_time(development):
    panel = scored(21, 4000, skill=1.0, coins=3)
    copied = pd.concat([panel[panel["coin"] == "C0"].assign(coin=f"D{n}") for n in range(3)])
    one = judge(panel[panel["coin"] == "C0"], development)
    three = judge(copied, development)
    # Three copies of a coin are no more evidence than one.
    assert three.low == pytest.approx(one.low)
    assert three.blocks == one.blocks
    assert judge(panel, development).high - judge(panel, development).low < one.high - one.low


def test_order_and_index_of_rows_do_not_matter(sealed, development):
    shuffled = sealed.sample(frac=1, random_state=0).reset_index(drop=True)
    assert judge(shuffled, development).low == pytest.approx(judge(sealed, development).low)


def test_rows_without_label_or_prediction_do_not_count(sealed, development):
    holes = pd.concat([sealed, sealed.tail(12).assign(target=np.nan)], ignore_index=True)
    assert judge(holes, development).score == judge(sealed, development).score


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


def test_no_development_label_is_an_error(sealed, development):
    with pytest.raises(DataError) as caught:
        judge(sealed, development.assign(target=np.nan))
    assert caught.value.code == "data.too_few_rows"


def test_simple_model_is_compared_in_a_second_line(sealed, development):
    better = sealed.assign(simple=sealed["change"])
    verdict = judge(better, development)
    assert verdict.call == "edge"
    assert verdict.beats["simple_model"] is False
    assert "simple" in explain(verdict)[1]
    assert judge(sealed.assign(simple=0.5), development).beats["simple_model"] is True


def as_regression(rows: pd.DataFrame, skill: float) -> pd.DataFrame:
    noise = np.random.default_rng(len(rows)).normal(size=len(rows)) * rows["change"].std()
    return rows.assign(target=rows["change"], prediction=skill * rows["change"] + 0.05 * noise)


def test_regression_is_judged_by_skill_over_the_reference(sealed, development):
    verdict = judge(as_regression(sealed, 0.2), as_regression(development, 0.2), task="regression", claimed=9.0)
    assert (verdict.call, verdict.metric, verdict.delta) == ("edge", "mae_skill", 0.02)
    rows = as_regression(sealed, 0.2)
    constant = development["change"].median()
    ratio = (rows["target"] - rows["prediction"]).abs().mean() / (rows["target"] - constant).abs().mean()
    assert verdict.score == pytest.approx(1 - ratio)
    assert verdict.reference_score == 0.0
    assert 0.1 < verdict.claimed < 0.3
    assert "absolute error" in explain(verdict)[1]


def test_regression_without_skill_is_no_edge(sealed, development):
    verdict = judge(as_regression(sealed, 0.0), as_regression(development, 0.0), task="regression")
    assert verdict.call == "no_edge"


def test_a_price_is_judged_against_the_last_price():
    def prices(rows):
        level = 100 + rows["change"].cumsum()
        return rows.assign(target=level + rows["change"], naive_last=level, naive_day=level, prediction=level)

    verdict = judge(prices(scored(2, 4000)), prices(scored(1, 6000)), task="regression")
    assert verdict.reference == "last"
    assert verdict.score == 0.0
    assert verdict.call == "no_edge"


def test_a_table_is_judged_by_rows_against_the_constant():
    rng = np.random.default_rng(0)

    def rows(n, skill):
        y = (rng.random(n) < 0.4).astype(float)
        return pd.DataFrame({"target": y, "prediction": np.clip(0.4 + skill * (y - 0.4), 0, 1)}) + np.stack(
            [np.zeros(n), 1e-6 * rng.random(n)], axis=1
        )

    verdict = judge(rows(200, 0.3), rows(500, 0.3), horizon=None)
    assert (verdict.call, verdict.reference, verdict.block, verdict.blocks) == ("edge", "constant", 1, 200)
    assert list(verdict.beats) == ["constant"]


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


def test_claims_are_deflated_in_the_verdict(sealed, development):
    others = [development.assign(prediction=development["prediction"].shift(n).fillna(0.5)) for n in range(4)]
    verdict = judge(sealed, development, claimed=0.77, trials=4, oof_trials=others)
    assert verdict.claimed == 0.77
    assert 0.65 < verdict.claimed_deflated < 0.77
    assert "4 trials" in explain(verdict)[1]
    regression = [as_regression(other, 0.2) for other in others]
    assert judge(
        as_regression(sealed, 0.2), regression[0], task="regression", trials=4, oof_trials=regression
    ).claimed_deflated


def test_the_verdict_is_the_same_twice(sealed, development):
    assert judge(sealed, development) == judge(sealed, development)
    assert judge(sealed, development, seed=1).low != judge(sealed, development).low


@settings(max_examples=12, deadline=None)
@given(skill=st.sampled_from([0.0, 0.2, 1.0]), bars=st.integers(200, 3000), seed=st.integers(0, 50))
def test_every_call_follows_from_its_own_numbers(skill, bars, seed):
    verdict = judge(scored(seed, bars, skill), scored(seed + 99, 2000, skill))
    if verdict.call == "edge":
        assert verdict.low > 0
        assert all(verdict.beats.values())
    if verdict.call in ("edge", "no_edge"):
        assert verdict.blocks >= 20
    headline, sentence = explain(verdict, Brief())
    assert headline in ("Edge found", "No edge found", "Inconclusive")
    assert sentence.endswith(".")
    assert "nan" not in sentence


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
