"""Which simple model a choice has to beat: one simpler than itself, the better one on development rows."""

from __future__ import annotations

import pytest

from omc_agent.graph.scoring import simple_rival


def candidate(model, score, **more):
    return {
        "name": model,
        "model": model,
        "params": {},
        "score": score,
        "metric": "roc_auc",
        "baseline": False,
    } | more


LINE, TREES, FOREST = (
    candidate("logistic_regression", 0.55),
    candidate("gradient_boosting", 0.56),
    candidate("xgboost", 0.57),
)


def rival(choice, *candidates, task="classification"):
    return simple_rival({"choice": choice, "candidates": {each["name"]: each for each in candidates}}, task)


@pytest.mark.parametrize(
    ("choice", "task", "expected"),
    [
        (LINE, "classification", ""),
        (LINE | {"params": {"C": 0.1}}, "classification", "logistic_regression"),
        (candidate("lasso", 0.1), "regression", "ridge"),
        (candidate("ridge", 0.1), "regression", ""),
        (TREES, "classification", "logistic_regression"),
        (candidate("gradient_boosting", 0.1), "regression", "ridge"),
    ],
)
def test_a_simple_choice_is_measured_against_what_is_simpler_and_never_against_itself(choice, task, expected):
    assert rival(choice, LINE, TREES, FOREST, choice, task=task) == expected


def test_a_complex_choice_meets_the_simple_model_that_did_better_on_development_rows():
    assert rival(FOREST, LINE, TREES, FOREST) == "gradient_boosting"
    assert rival(FOREST, LINE | {"score": 0.58}, TREES, FOREST) == "logistic_regression"
    assert rival(TREES | {"params": {"max_depth": 2}}, LINE, TREES) == "gradient_boosting"


def test_of_errors_the_smaller_one_did_better():
    line, trees, choice = (candidate(name, score, metric="mae") for name, score in
                           (("ridge", 1.0), ("gradient_boosting", 2.0), ("xgboost", 0.9)))  # fmt: skip
    assert rival(choice, line, trees, choice, task="regression") == "ridge"
    assert rival(choice, line | {"score": 3.0}, trees, choice, task="regression") == "gradient_boosting"


def test_what_was_no_candidate_or_is_tuned_has_no_say():
    assert rival(FOREST, TREES, FOREST) == "logistic_regression"
    tuned = TREES | {"name": "gradient_boosting_tuned", "params": {"max_depth": 2}, "score": 0.9}
    assert rival(FOREST, LINE, tuned, FOREST) == "logistic_regression"
    rule = LINE | {"name": "rule", "score": 0.9, "baseline": True}
    assert rival(FOREST, rule, LINE, TREES, FOREST) == "gradient_boosting"
