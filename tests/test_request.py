"""Requests, decisions, and what a person may change."""

from __future__ import annotations

import pytest

from omc_agent.brief import Brief
from omc_agent.config import AgentSettings
from omc_agent.errors import UsageError
from omc_agent.overrides import KEYS, ORDER, checked, earliest_stage, params_for, parse_overrides, split_by_home
from omc_agent.request import ClarificationRequest, ClarificationResponse, Decision, Request, words_of


def test_an_approval_of_code_is_of_the_code_and_of_nothing_else():
    one = Request(gate="code", stage="data_analysis", question="Run?", code="bars.head()")
    same = one.model_copy(update={"question": "Shall this run?"})
    other = one.model_copy(update={"code": "bars.tail()"})
    assert one.sha256() == same.sha256() != other.sha256()


def test_elsewhere_it_is_of_all_that_is_shown():
    one = Request(gate="scope", stage="planning", question="Go on?", plan=[{"stage": "data_retrieval"}])
    assert one.sha256() != one.model_copy(update={"plan": []}).sha256()


def test_answers_of_a_clarification_are_read_by_field():
    assert ClarificationResponse(value={"coins": "ETH"}).answers == {"coins": "ETH"}
    assert ClarificationResponse(value="ETH").answers == {}
    assert ClarificationRequest().gate == "clarification"


@pytest.mark.parametrize(
    ("decision", "words"),
    [
        (Decision(), "approved"),
        (Decision(rest=True), "approved, for the rest of the run"),
        (Decision(type="reject"), "rejected"),
        (Decision(type="edit", code="x"), "changed the code and approved"),
        (Decision(type="edit", value={"models": ["ridge", "lasso"]}), "changed models=ridge,lasso"),
        (Decision(value={"coins": "ETH"}), "coins: ETH"),
        (Decision(value="ridge"), "ridge"),
    ],
)
def test_a_decision_is_said_in_words(decision, words):
    assert words_of(decision) == words


@pytest.mark.parametrize(
    ("word", "key", "value"),
    [
        ("model=random_forest", "models", ["random_forest"]),
        ("coins=eth,ltc", "coins", ["ETH", "LTC"]),
        ("horizon=4h", "horizon", "PT4H"),
        ("horizon=pt30m", "horizon", "PT30M"),
        ("lags=1,2", "lags", [1, 2]),
        ("drop=Ret_1", "drop", ["Ret_1"]),
        ("threshold=-0.02", "threshold", -0.02),
        ("ridge.alpha=0.1..10", "ridge.alpha", [0.1, 10]),
        ("xgboost.booster=dart", "xgboost.booster", "dart"),
    ],
)
def test_a_word_becomes_a_value(word, key, value):
    assert parse_overrides([word]) == {key: value}
    assert checked({key: value}) == {key: value}


@pytest.mark.parametrize("word", ["models", "colour=red", "models=perceptron", "trials=many", "ridge.alpha=3..1",
                                  "horizon=soon", "metric=luck"])  # fmt: skip
def test_what_is_not_known_is_refused_with_what_is(word):
    with pytest.raises(UsageError) as refused:
        parse_overrides([word])
    assert refused.value.code == "usage.override"
    assert "Known:" in refused.value.have


def test_the_earliest_stage_decides():
    assert earliest_stage({"trials": 3, "coins": ["BTC"]}) == "planning"
    assert earliest_stage({"ridge.alpha": 1, "choice": "x"}) == "model_training"


def test_every_key_has_a_stage_and_a_home_that_takes_it():
    for name, key in KEYS.items():
        assert key.stage in ORDER
        home = {"brief": Brief.model_fields, "settings": AgentSettings.class_trait_names(config=True)}.get(key.home)
        assert home is None or name in home


def test_changes_go_to_their_homes_and_parameters_to_their_model():
    brief, settings, stage = split_by_home({"models": ["ridge"], "trials": 2, "lags": [1], "ridge.alpha": 2})
    assert (brief, settings, stage) == ({"models": ["ridge"]}, {"trials": 2}, {"lags": [1], "ridge.alpha": 2})
    assert params_for(stage, "ridge") == ({"alpha": 2}, {})
    assert params_for({"ridge.alpha": [1, 5]}, "ridge") == ({}, {"alpha": ["int", 1, 5]})
    assert params_for(stage, "lasso") == ({}, {})
