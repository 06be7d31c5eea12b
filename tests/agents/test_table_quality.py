"""A target that cannot be learned is told in one line, before anything is trained."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from omc_agent.agents.table_quality import check_target, table_reading, target_notes
from omc_agent.errors import DataError

ROWS = pd.DataFrame({"x": np.arange(100) % 7, "y": ["a", "b", "c", "a"] * 25})


def reading(rows: pd.DataFrame, task: str = "classification") -> dict:
    return table_reading(rows, {"target": "y", "task": task}, {}, 5)


def test_classes_and_kinds_are_settled_once():
    assert reading(ROWS) == {"classes": ["a", "b", "c"], "kinds": {}}
    assert reading(ROWS.assign(y=np.arange(100) / 3), "regression")["classes"] is None


@pytest.mark.parametrize(
    ("rows", "task", "code", "words"),
    [
        (ROWS.assign(y="a"), "classification", "data.constant", "never changes"),
        (ROWS.assign(y=np.nan), "regression", "data.constant", "no value at all"),
        (ROWS.assign(y=[f"n{n}" for n in range(100)]), "classification", "data.no_target", "100 different values"),
        (ROWS.assign(y=["a"] * 97 + ["b"] * 3), "classification", "data.too_few_rows", "'b' of 'y' has 3 rows"),
        (ROWS, "regression", "data.no_target", "values such as 'a'"),
        (ROWS.assign(x=1), "classification", "data.constant", "No column beside the target"),
        (ROWS.assign(x=np.nan), "classification", "data.constant", "No column beside the target"),
        (ROWS.assign(x=np.inf), "classification", "data.constant", "No column beside the target"),
    ],
)
def test_what_cannot_be_learned_is_a_sentence(rows, task, code, words):
    with pytest.raises(DataError, match=words) as caught:
        reading(rows, task)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("target", "task", "words"),
    [
        (np.arange(100), "regression", "another whole number in each of 100 rows"),
        (np.sort(np.random.default_rng(0).choice(125, 100, replace=False)), "regression", "in each of 100 rows"),
        (np.full(100, np.inf), "regression", "no value at all"),
    ],
)
def test_a_target_that_counts_rows_or_never_is_finite_is_a_sentence(target, task, words):
    with pytest.raises(DataError, match=words):
        reading(ROWS.assign(y=target), task)


def test_whole_numbers_that_differ_are_a_target_all_the_same():
    prices = np.random.default_rng(1).permutation(100)
    assert reading(ROWS.assign(y=prices), "regression")["classes"] is None


def test_a_target_that_is_not_there_or_no_value_is_a_sentence():
    brief = {"target": "y", "task": "classification"}
    check_target(ROWS, brief, {})
    with pytest.raises(DataError, match=r"'y' is not there\. Columns: x"):
        check_target(ROWS[["x"]], brief, {})
    with pytest.raises(DataError, match=r"'y' is not there\. Columns: there is none"):
        check_target(pd.DataFrame(), brief, {})
    with pytest.raises(DataError, match="'y' holds values of the type list"):
        check_target(ROWS[["x"]], brief, {"y": "list"})
    check_target(ROWS[["x"]], {"target": "y", "task": "analysis"}, {})


def test_a_rare_class_and_missing_targets_are_told():
    brief = {"target": "y", "task": "classification"}
    rare = ROWS.assign(y=["good"] * 94 + ["bad"] * 6)
    (note,) = target_notes(rare, ["bad", "good"], brief)
    assert (note["code"], note["column"]) == ("imbalance", "y")
    assert "'bad' of y is rare: 6 %" in note["text"]
    assert "right in 94 %" in note["text"]
    assert "PR-AUC, which is 0.06 (the base rate)" in note["text"]
    assert target_notes(ROWS.assign(y=["good"] * 90 + ["bad"] * 10), ["bad", "good"], brief) == []
    assert target_notes(ROWS, ["a", "b", "c"], brief) == []
    many = target_notes(ROWS.assign(y=["a"] * 57 + ["b"] * 40 + ["c"] * 3), ["a", "b", "c"], brief)
    assert "PR-AUC" not in many[0]["text"]
    endless = ROWS.assign(y=[np.inf, np.nan, *range(98)])
    assert "missing or infinite in 2 of 100 rows" in target_notes(endless, None, brief)[0]["text"]
