"""What a goal is about: its task and its target."""

from __future__ import annotations

import pytest

from omc_agent.llm.draft import Draft
from omc_agent.llm.target_reader import read_cues, read_target, settle_task
from omc_agent.llm.words import Words
from tests.llm.goals import CUSTOMERS, MARKET


def draft(goal: str) -> Draft:
    return Draft(Words(goal), MARKET, True)


@pytest.mark.parametrize(
    ("goal", "cues"),
    [
        ("Explore it", {"explores"}),
        ("Predict it", {"predicts"}),
        ("Explore it, then predict it", {"predicts"}),
        ("Compare them", {"explores"}),
        ("Predict whether it rises", {"predicts", "asks_class"}),
        ("Will it rise", {"asks_class"}),
        ("How much will it rise", {"asks_number"}),
        ("What is it worth", {"asks_what"}),
    ],
)
def test_cues_say_what_is_to_be_done(goal: str, cues: set[str]) -> None:
    assert {name for name, said in vars(read_cues(draft(goal), has_models=False)).items() if said} == cues


@pytest.mark.parametrize(
    ("goal", "task", "target"),
    [
        ("Predict whether it rises", "classification", "direction"),
        ("Predict the return", "regression", "return"),
        ("Predict whether the return is positive", "classification", "direction"),
        ("How much will it rise", "regression", "return"),
        ("Predict the price", "regression", "price"),
        ("Predict the volatility", "classification", "volatility"),
        ("Predict the level of volatility", "regression", "volatility"),
        ("Explore the volatility", "analysis", "volatility"),
        ("Explore", "analysis", "direction"),
        ("Predict", "classification", "direction"),
        ("Predict the direction using past volatility", "classification", "direction"),
    ],
)
def test_task_and_target_follow_from_each_other(goal: str, task: str, target: str) -> None:
    now = draft(goal)
    cues = read_cues(now, has_models=False)
    assert settle_task(now, cues, None, read_target(now, cues, None), [], []) == (task, target)


def test_metrics_and_algorithms_for_numbers_ask_for_a_number() -> None:
    now = draft("Predict")
    cues = read_cues(now, has_models=False)
    assert settle_task(now, cues, None, None, ["rmse"], []) == ("regression", "return")
    assert settle_task(now, cues, None, None, [], ["ridge"]) == ("regression", "return")
    assert settle_task(now, cues, None, None, [], ["ridge", "xgboost"])[0] == "classification"


def test_a_second_target_of_a_list_is_left_out() -> None:
    now = draft("Predict the volatility, price or return")
    assert read_target(now, read_cues(now, has_models=False), None) == "volatility"
    assert now.words.left() == ["price", "return"]


def test_a_column_that_is_missing_is_asked_for() -> None:
    now = Draft(Words("Predict chrun"), CUSTOMERS, True)
    assert settle_task(now, read_cues(now, has_models=False), None, None, [], []) == ("classification", "churn")
    assert [question.field for question in now.questions] == ["target", "task"]
    assert now.questions[0].options[0] == "churn"
