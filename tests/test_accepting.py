"""The rule that tunes or accepts: each branch with its reason."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omc_agent.accepting import SEARCHED, next_step


def candidate(model, score, half=0.02, **more):
    low, high = (None, None) if half is None else (score - half, score + half)
    made = {"name": model, "model": model, "metric": "roc_auc", "score": score, "low": low, "high": high}
    return made | {"rows": 4000, "trials": 1, "baseline": False} | more


LINE, TREE, RULE = (
    candidate("logistic_regression", 0.53),
    candidate("xgboost", 0.525),
    candidate("reversal", 0.51, baseline=True),
)


def test_a_tree_within_noise_is_searched_once_more():
    step = next_step([RULE, LINE, TREE], 1)
    assert (step.next, step.model) == ("tune", "xgboost")
    assert "within noise of the best" in step.why


@pytest.mark.parametrize(
    ("candidates", "rounds", "wanted", "next_", "model", "words"),
    [
        ([RULE, LINE, TREE], 0, (), "select", None, "No search is left"),
        ([RULE, candidate("linear", 0.5)], 1, (), "select", None, "Nothing is left"),
        ([RULE, {**TREE, "trials": 8}], 1, (), "select", None, "Nothing is left"),
        ([RULE, {**TREE, "rows": 120}], 1, (), "select", None, "120 scored rows cannot tell"),
        ([{**RULE, "score": 0.60}, LINE, TREE], 1, (), "select", None, "naive rule reversal (ROC-AUC 0.6)"),
        ([RULE, LINE, {**TREE, "score": 0.49}], 1, (), "tune", "logistic_regression", "behind by more than noise"),
        ([RULE, candidate("linear", 0.6), {**TREE, "score": 0.49}], 1, (), "select", None, "not what is missing"),
        ([RULE, LINE], 1, (), "tune", "logistic_regression", "No boosted tree was scored"),
        ([RULE, LINE, TREE], 1, ("logistic_regression",), "tune", "logistic_regression", "A person gave ranges"),
        ([RULE, {**LINE, "yardstick": True}, TREE], 1, (), "tune", "xgboost", "is the best so far"),
    ],
)
def test_each_branch_has_its_reason(candidates, rounds, wanted, next_, model, words):
    step = next_step(candidates, rounds, wanted)
    assert (step.next, step.model) == (next_, model)
    assert words in step.why


@pytest.mark.parametrize("metric", ["mae", "brier", "log_loss"])
def test_lower_is_better_for_errors(metric):
    tree, line = candidate("xgboost", 0.30, metric=metric), candidate("ridge", 0.20, metric=metric)
    rule = candidate("constant", 0.10, metric=metric, baseline=True)
    assert next_step([tree, line], 1).model == "ridge"
    assert next_step([tree, line, rule], 1).next == "select"


@given(
    scores=st.lists(st.floats(0.3, 0.7), min_size=1, max_size=6),
    models=st.lists(st.sampled_from([*SEARCHED, "linear"]), min_size=6, max_size=6),
    rounds=st.integers(0, 2),
)
def test_it_always_decides_with_a_reason_and_tunes_only_what_was_scored(scores, models, rounds):
    made = [candidate(model, score) for model, score in zip(models, scores, strict=False)]
    step = next_step(made, rounds)
    assert step.why.endswith(".")
    assert (step.model is not None) == (step.next == "tune")
    assert step.model is None or (rounds and step.model in {each["model"] for each in made})
