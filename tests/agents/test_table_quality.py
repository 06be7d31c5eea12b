"""A target that cannot be learned is told in one line, before anything is trained."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from omc_agent.agents.table_quality import table_reading
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
