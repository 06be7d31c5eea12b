"""Every recommendation follows from a number and cites it; limits follow from how the result was judged."""

from __future__ import annotations

import pytest

from omc_agent.tools.advice import generate_recommendations
from omc_agent.tools.caveats import limits_of

BRIEF = {"task": "classification", "coins": ["BTC"], "target": "direction", "horizon": "PT1H",
         "start": "2024-07-23T00:00:00+00:00", "end": "2024-09-01T00:00:00+00:00"}  # fmt: skip
TABLE = {"task": "classification", "coins": [], "target": "sold", "table": "houses"}


def verdict(call="no_edge", reason="ruled_out", **more):
    made = {"call": call, "reason": reason, "metric": "roc_auc", "score": 0.514, "reference": "constant",
            "reference_score": 0.5, "low": -0.02, "high": 0.02, "alpha": 0.025, "delta": 0.05, "blocks": 90,
            "smallest_edge": 0.06, "claimed": 0.541, "trials": 7, "opened": 1, "beats": {}}  # fmt: skip
    return made | more


def beside(difference, low, high):
    row = {"name": "logistic_regression", "kind": "simple", "score": 0.5, "difference": difference}
    return {"simple": "logistic_regression", "beside": [row | {"low": low, "high": high}]}


WIDE = "wide_interval: the holdout has 100 rows; 144 rows would find an edge of 0.05 four times in five"


@pytest.mark.parametrize(
    ("brief", "made", "details", "words"),
    [
        (BRIEF, verdict("inconclusive", WIDE, low=-0.034, high=0.046), {},
         "the interval is ±0.040. By that noise these 40 days find an edge of 0.060 four times in five; 58 days"),
        (TABLE, verdict("inconclusive", WIDE, low=-0.034, high=0.046), {}, "±0.040; the holdout has 100 rows"),
        (BRIEF, verdict(), {}, "they differ from a constant by +0.014 (-0.020 to +0.020)"),
        (BRIEF, verdict(), {}, "7 settings gave no more"),
        (BRIEF, verdict(), {}, "0.541 was claimed and fell to 0.514 on the sealed rows, more than noise explains"),
        (BRIEF, verdict(high=0.06), {}, "which noise alone may explain"),
        (BRIEF, verdict(), beside(0.006, -0.003, 0.015), "within noise of the choice (+0.006, -0.003 to +0.015)"),
        (BRIEF, verdict(), beside(-0.02, -0.03, -0.01), "is the better one (the choice is ahead by -0.020"),
        (BRIEF, verdict("edge", "edge", low=0.01),
         {"costs": {"gross": 3.1, "net": -16.9, "cost": 20.0}}, "+3.1 bp on the sealed rows, which does not pay"),
        (BRIEF, verdict(), {"calibration": {"error": 0.07, "brier": 0.26, "base_brier": 0.25}}, "miss by 0.070"),
        (TABLE, verdict("edge", "edge", low=0.01), {}, "Use it on rows like these"),
    ],
)  # fmt: skip
def test_a_recommendation_cites_its_number(brief, made, details, words):
    assert words in " ".join(generate_recommendations(brief, [], made, [], details))


@pytest.mark.parametrize(
    ("made", "details", "words"),
    [
        (verdict(claimed=0.515), {}, "was claimed"),
        (verdict(), beside(0.03, 0.01, 0.05), "within noise of the choice"),
        (verdict(), {"calibration": {"error": 0.01, "brier": 0.24, "base_brier": 0.25}}, "miss by"),
        (verdict(None, "leak"), {}, "claimed"),
        (
            verdict(),
            {
                "calibration": {
                    "error": 0.083,
                    "brier": 0.029,
                    "base_brier": 0.032,
                    "table": [{"predicted": 0.883, "seen": 0.967, "rows": 30}],
                }
            },
            "miss by",
        ),
    ],
)
def test_what_does_not_follow_is_not_said(made, details, words):
    assert words not in " ".join(generate_recommendations(BRIEF, [], made, [], details))


def test_what_failed_is_named_with_its_reason():
    lost = {"name": "xgboost", "model": "xgboost", "metric": "roc_auc", "score": None, "failed": "Out of memory."}
    assert "XGBoost, which could not be scored: Out of memory." in generate_recommendations(BRIEF, [lost], None)[0]


def test_limits_follow_from_how_it_was_judged():
    said = " ".join(limits_of(BRIEF, verdict(opened=3), scored="4,608 rows", refit=True))
    for words in ("No edge was shown (+0.014, -0.020 to +0.020)", "below 0.060 of ROC-AUC", "opened 3 times",
                  "for BTC, this horizon and these sealed rows (4,608 rows)", "refitted"):  # fmt: skip
        assert words in said
    table = " ".join(limits_of(TABLE, verdict("edge", "edge", metric="log_loss_skill", low=0.01, high=0.03)))
    assert "Markets" not in table
    assert "No edge" not in table
    assert "known to 0.010 of log-loss skill either way" in table
    assert "need not cause it" in table
    assert "no sealed row was scored" in limits_of(BRIEF, verdict(None, "leak", low=None))[0]


def test_a_fault_of_the_data_is_named_with_its_count_and_what_mends_it():
    gaps = {"code": "gaps", "text": "BTC: 12 gaps, 31 bars missing."}
    odd = {"code": "bar_open", "text": "Decided at the open.", "cell": 3}
    told = {"code": "series", "text": "Taken for a series."}
    assert generate_recommendations(BRIEF, [], None, [gaps, odd, told]) == [
        "Import the missing bars, or take a span without them: BTC: 12 gaps, 31 bars missing.",
        "Look at bar open (cell 3): Decided at the open.",
    ]
