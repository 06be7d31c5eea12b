"""Answers of a person make a brief whose fields fit each other."""

from __future__ import annotations

import pytest

from omc_agent.agents.answers import answered
from omc_agent.brief import Brief
from omc_agent.errors import UsageError
from omc_agent.llm.grammar import read_goal
from tests.llm.goals import MARKET
from tests.llm.test_questions import ASKED

BASE = Brief(coins=["BTC"], start="2024-06-03T00:00:00+00:00", models=["xgboost", "logistic_regression"])


@pytest.mark.parametrize(
    ("answers", "fields"),
    [
        ({"coins": "eth, ltc"}, {"coins": ["ETH", "LTC"]}),
        ({"target": "price"}, {"target": "price", "task": "regression", "metric": "mae", "models": ["xgboost"]}),
        ({"task": "regression"}, {"target": "return", "task": "regression"}),
        ({"target": "volatility", "task": "regression"}, {"target": "volatility", "task": "regression"}),
        ({"target": "volatility"}, {"target": "volatility", "task": "classification", "metric": "roc_auc"}),
        ({"threshold": "-0.02"}, {"target": "threshold", "threshold": -0.02}),
        ({"target": "threshold"}, {"target": "threshold", "threshold": 0.01}),
        ({"horizon": "4h"}, {"horizon": "PT4H"}),
        ({"start": "2024-07-01"}, {"start": "2024-07-01T00:00:00+00:00"}),
        ({"task": "analysis"}, {"task": "analysis", "target": "direction"}),
        ({"nothing": "x", "trials": "3"}, BASE.model_dump()),
    ],
)
def test_an_answer_brings_what_it_needs(answers, fields):
    made = answered(BASE.model_dump(), answers)
    assert {name: made[name] for name in fields} == fields


@pytest.mark.parametrize("answers", [{"start": "soon"}, {"horizon": "long"}, {"metric": "luck"}, {"threshold": "up"}])
def test_what_a_field_cannot_take_is_refused_in_words(answers):
    with pytest.raises(UsageError):
        answered(BASE.model_dump(), answers)


@pytest.mark.parametrize("goal", ASKED)
def test_every_option_of_every_question_is_an_answer(goal):
    reading = read_goal(goal, MARKET)
    for question in reading.questions:
        for option in question.options:
            made = Brief.model_validate(answered(reading.brief.model_dump(), {question.field: option}))
            assert question.field not in made.assumed
        same = answered(reading.brief.model_dump(), {question.field: question.default})
        assert {**same, "assumed": []} == {**reading.brief.model_dump(), "assumed": []}
