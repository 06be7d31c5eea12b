"""Models learn tables with words and gaps, and a slip is told in three parts."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic import direction, table

from omc_agent.errors import AgentError, UsageError
from omc_agent.tools.modeling import (
    CLASSIFIERS,
    cross_validate_model,
    predict,
    train_classification_model,
    train_regression_model,
)


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda f: cross_validate_model(f, "deep_thought"), "usage.value"),
        (lambda f: cross_validate_model(f, "linear"), "usage.value"),
        (lambda f: cross_validate_model(f, metric="mae"), "usage.value"),
        (lambda f: train_classification_model(f, params={"no_such": 1}), "usage.value"),
        (lambda f: train_classification_model(f, "xgboost", params={"no_such": 1}), "usage.value"),
        (lambda f: train_classification_model(f.head(20)), "data.too_few_rows"),
        (lambda f: train_classification_model(f.assign(target=1.0)), "data.constant"),
        (lambda f: train_classification_model(f.assign(target=np.arange(len(f)) / 7)), "usage.value"),
        (lambda f: train_regression_model(f.assign(target=2.5)), "data.constant"),
        (lambda f: cross_validate_model(f.assign(target=np.nan)), "data.too_few_rows"),
        (lambda f: cross_validate_model(f.drop(columns="target")), "data.no_target"),
        (lambda f: predict(train_classification_model(f), f.drop(columns="edge")), "data.unreadable"),
    ],
)
def test_slips_are_told_in_three_parts(call, code):
    with pytest.raises(AgentError) as caught:
        call(direction(bars=300))
    assert caught.value.code == code
    assert caught.value.given
    assert caught.value.have
    assert caught.value.try_


def test_unknown_model_lists_what_there_is():
    with pytest.raises(UsageError, match="logistic_regression"):
        train_classification_model(direction(bars=300), "svm")


@pytest.mark.parametrize("model", CLASSIFIERS)
def test_tables_with_words_and_gaps_are_learned(model):
    frame = table(rows=400)
    score, oof = cross_validate_model(frame, model)
    assert score["score"] > 0.7
    assert sorted(oof.index) == sorted(frame.index)
    fitted = train_classification_model(frame, model)
    strange = frame.head(5).assign(city="Narvik", size=np.nan)
    assert predict(fitted, strange).notna().all()
