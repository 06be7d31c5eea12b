"""A generic table becomes a features frame, its classes coded in one order."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from omc_agent.errors import DataError
from omc_agent.tools.table_features import prepare_table


def test_a_table_with_two_classes_is_coded_in_sorted_order():
    frame = pd.DataFrame({"bought": ["yes", "no", None, "yes"], "age": [3, 4, 5, 6], "town": list("abca")})
    made = prepare_table(frame, "bought")
    assert list(made.columns) == ["age", "town", "target"]
    assert made["target"].tolist()[:2] == [1.0, 0.0]
    assert np.isnan(made["target"].iloc[2])
    assert made.attrs["classes"] == ["no", "yes"]
    part = prepare_table(frame.head(1), "bought", classes=["no", "yes"])
    assert part["target"].tolist() == [1.0]


@pytest.mark.parametrize(
    ("values", "coded", "classes"),
    [
        ([True, False], [1.0, 0.0], [False, True]),
        ([2, 1, 1], [1.0, 0.0, 0.0], [1.0, 2.0]),
        (list("cab"), [2.0, 0.0, 1.0], ["a", "b", "c"]),
        ([1.5, 2.5, 3.5], [1.5, 2.5, 3.5], None),
        ([1, 2, 3], [1.0, 2.0, 3.0], None),
    ],
)
def test_targets_of_every_kind(values, coded, classes):
    made = prepare_table(pd.DataFrame({"y": values, "x": 1}), "y")
    assert made["target"].tolist() == coded
    assert made.attrs["classes"] == classes


def test_a_table_with_time_is_sorted_and_keeps_its_labels():
    frame = pd.DataFrame(
        {"day": ["2024-01-03", "2024-01-01", "2024-01-02"], "y": [1.0, None, 3.0], "flag": [True, False, True]}
    )
    made = prepare_table(frame, "y", time="day")
    assert made.index.tolist() == [1, 2, 0]
    assert list(made.columns) == ["timestamp", "label_end", "flag", "target"]
    assert str(made["timestamp"].dtype) == "datetime64[us, UTC]"
    assert made["label_end"].isna().tolist() == [True, False, False]
    assert made["flag"].tolist() == [0.0, 1.0, 1.0]


def test_a_table_without_its_target_or_time_says_what_there_is():
    frame = pd.DataFrame({"x": [1], "when": ["soon"]})
    for bad, code in [(("y",), "data.no_target"), (("x", "day"), "data.no_time"), (("x", "when"), "data.no_time")]:
        with pytest.raises(DataError) as caught:
            prepare_table(frame, *bad)
        assert caught.value.code == code
    with pytest.raises(DataError) as caught:
        prepare_table(pd.DataFrame({"y": [1], "target": [2]}), "y")
    assert caught.value.code == "data.no_target"
