"""Shuffled folds are refused on bars, with the reason; what else a goal says is read as if they were not in it."""

from __future__ import annotations

import pytest
from goals import CUSTOMERS, MARKET

from omc_agent.llm.grammar import read_goal

GOAL = "Predict whether BTC rises over the next hour with random forest and logistic regression"


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (", shuffled 5-fold cross-validation", "shuffled 5-fold cross-validation"),
        (" using random k-fold CV", "random k-fold CV"),
        (" and 10-fold cross validation", "10-fold cross validation"),
        (" with a random train/test split", "random train/test split"),
        (", k-fold", "k-fold"),
        (". Shuffle the rows", "Shuffle the rows"),
        (", stratified folds please", "stratified folds"),
    ],
)
def test_shuffled_folds_of_bars_are_refused_with_the_reason(words, named):
    plain, asked = read_goal(GOAL, MARKET), read_goal(GOAL + words, MARKET)
    (note,) = [note for note in asked.notes if note not in plain.notes]
    assert note.startswith(f"{named} is refused on bars: labels of neighbouring bars overlap")
    assert "walk-forward" in note
    same = {"unread", "assumed"}
    assert asked.brief.model_dump(exclude=same) == plain.brief.model_dump(exclude=same)
    assert set(asked.brief.unread) > set(plain.brief.unread)


@pytest.mark.parametrize(
    "words",
    ["", " without shuffling", ", no random split", ", 5-fold walk-forward", " with random search", ", 10-fold up"],
)
def test_what_is_no_wish_for_shuffled_folds_is_not_refused(words):
    assert not [note for note in read_goal(GOAL + words, MARKET).notes if "refused" in note]


def test_rows_without_time_are_shuffled_anyway():
    reading = read_goal("Predict churn with 5-fold cross-validation", CUSTOMERS)
    assert not [note for note in reading.notes if "refused" in note]
    assert reading.brief.unread == []
