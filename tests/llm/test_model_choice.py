"""Algorithms by task and size of the data, each with its reason; simple ones stand beside what a person names."""

from __future__ import annotations

import pytest

from omc_agent.brief import CLASSIFIERS, REGRESSORS, Brief
from omc_agent.llm.model_choice import DEFAULT_CLASSIFIERS, DEFAULT_REGRESSORS, SMALL_TREES, choose_models, reasons


def named(*args, **more):
    return [choice.model for choice in choose_models(*args, **more)]


def test_many_rows_are_boosted_and_few_are_not():
    assert named(Brief(), rows=20_000, columns=24) == list(DEFAULT_CLASSIFIERS)
    assert named(Brief(), rows=300, columns=24) == ["logistic_regression", "random_forest"]
    assert named(Brief(task="regression"), rows=300) == ["ridge", "random_forest"]
    assert "20,000 rows" in choose_models(Brief(), rows=20_000)[2].why
    assert "300 rows are few" in choose_models(Brief(), rows=300)[0].why


def test_a_forest_of_values_is_whole_where_rows_are_few():
    few = choose_models(Brief(task="regression"), rows=300)[1]
    assert (few.model, few.params) == ("random_forest", {})
    assert choose_models(Brief(task="regression"), rows=20_000, columns=24)[1].params == SMALL_TREES


def test_wide_tables_and_many_words_are_for_linear_models():
    assert named(Brief(), rows=1000, columns=400) == ["logistic_regression", "random_forest"]
    wide = choose_models(Brief(), rows=2000, columns=60, texts=50)
    assert [choice.model for choice in wide] == ["logistic_regression", "random_forest"]
    assert "60 columns, 50 of them words, are many for 2,000 rows" in wide[0].why


@pytest.mark.parametrize(
    ("given", "exactly", "beside"),
    [
        ({"models": ["xgboost"]}, False, ["logistic_regression", "random_forest"]),
        ({"models": ["xgboost"]}, True, ["logistic_regression"]),
        ({"models": ["random_forest"]}, False, ["logistic_regression"]),
        ({"models": ["logistic_regression"]}, False, ["random_forest"]),
        ({"models": ["logistic_regression"]}, True, []),
        ({"models": ["xgboost"], "avoid_models": ["logistic_regression"]}, False, ["random_forest"]),
        ({"models": ["xgboost"], "avoid_models": ["random_forest"]}, False, ["logistic_regression"]),
        ({"models": ["xgboost"], "task": "regression"}, False, ["ridge", "random_forest"]),
        (
            {"models": ["xgboost"], "task": "regression", "avoid_models": ["ridge"]},
            False,
            ["linear", "random_forest"],
        ),
        ({"models": ["lasso"], "task": "regression"}, False, ["random_forest"]),
    ],
)
def test_simple_models_stand_beside_what_was_named(given, exactly, beside):
    made = choose_models(Brief(**given), rows=5000, exactly=exactly)
    assert [choice.model for choice in made if choice.yardstick] == beside
    assert [choice.model for choice in made if not choice.yardstick] == given["models"]
    assert all(
        choice.params == SMALL_TREES for choice in made if choice.model == "random_forest" and choice.yardstick
    )


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("rows", [None, 100, 100_000])
def test_every_choice_has_a_reason_and_fits_the_task(task, rows):
    fitting = CLASSIFIERS if task == "classification" else REGRESSORS
    made = choose_models(Brief(task=task), rows=rows)
    assert {choice.model for choice in made} <= set(fitting)
    assert all(choice.why for choice in made)
    assert reasons(made).count(":") == len(made)
    assert set(DEFAULT_REGRESSORS) <= set(REGRESSORS)
