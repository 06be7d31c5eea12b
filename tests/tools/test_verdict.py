"""A planted edge is found, none is called where none is, and every call follows from its own numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judging import as_regression, judge, scored
from pydantic import ValidationError

from omc_agent.brief import Brief
from omc_agent.errors import DataError
from omc_agent.tools.verdict import Verdict, explain
from omc_agent.tools.verdict_words import say_more

FIELDS = [
    "call",
    "reason",
    "metric",
    "score",
    "reference",
    "reference_score",
    "low",
    "high",
    "alpha",
    "delta",
    "block",
    "blocks",
    "smallest_edge",
    "claimed",
    "claimed_deflated",
    "trials",
    "opened",
    "beats",
]


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


def test_a_choice_that_is_the_simple_model_is_not_measured_against_itself(sealed, development):
    verdict = judge(sealed.assign(simple=sealed["prediction"]), development)
    assert "simple_model" not in verdict.beats
    assert "simple" not in explain(verdict)[1]


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


def test_claims_are_deflated_in_the_verdict(sealed, development):
    others = [development.assign(prediction=development["prediction"].shift(n).fillna(0.5)) for n in range(4)]
    verdict = judge(sealed, development, claimed=0.77, trials=4, oof_trials=others)
    assert verdict.claimed == 0.77
    assert 0.65 < verdict.claimed_deflated < 0.77
    assert "4 trials" in say_more(verdict)[0]
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
