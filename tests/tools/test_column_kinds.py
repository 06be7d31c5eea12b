"""Columns are what every value in them says; what names rows or never changes teaches nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omc_agent.tools.column_kinds import as_numbers, as_times, column_notes, read_columns, task_of_column
from omc_agent.tools.cross_validation import cross_validate_model
from omc_agent.tools.fitting import predict
from omc_agent.tools.model_files import load_model, save_model
from omc_agent.tools.modeling import train_classification_model
from omc_agent.tools.table_features import prepare_table


@pytest.mark.parametrize(
    ("values", "numbers"),
    [
        (["1,234", "5", None], [1234.0, 5.0, np.nan]),
        (["12 %", "7.5%"], [12.0, 7.5]),
        (["$3.50", "-$2"], [3.5, -2.0]),
        (["$3.50", "€2"], [3.5, 2.0]),
        (["1e3", " 2 ", "?"], [1000.0, 2.0, np.nan]),
        (["01234", "12345"], None),
        (["0.5", "0"], [0.5, 0.0]),
        (["12", "twelve"], None),
        (["?", "?", "1"], None),
        ([1.0, np.inf], [1.0, np.nan]),
    ],
)
def test_numbers_in_text(values, numbers):
    found = as_numbers(pd.Series(values))
    if numbers is None:
        assert found is None
    else:
        np.testing.assert_array_equal(found.to_numpy(), numbers)


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=20))
def test_every_float_that_is_printed_is_read_again(values):
    found = as_numbers(pd.Series([repr(value) for value in values]))
    assert found is not None
    assert found.tolist() == values


def test_dates_in_text():
    assert as_times(pd.Series(["2024-02-29", None])).iloc[0] == pd.Timestamp("2024-02-29", tz="UTC")
    assert as_times(pd.Series(["2024-02-29", "soon"])) is None
    assert as_times(pd.Series([1, 2])) is None


@pytest.mark.parametrize(
    ("values", "task", "is_assumed"),
    [
        (["a", "b", "c"], "classification", False),
        ([True, False], "classification", False),
        ([3, 7] * 5, "classification", False),
        ([0, 1, 2] * 50, "classification", True),
        ([3, 4, 5] * 50, "classification", True),
        (list(range(10)) * 15, "classification", True),
        (list(range(1, 11)) * 15, "regression", False),
        ([0.5, 1.0, 1.5] * 50, "regression", False),
        ([0, 1, 2, 3], "regression", False),
        (list(range(100)), "regression", False),
        (["1.5", "2.5", "3.5"], "regression", False),
    ],
)
def test_the_target_says_what_it_asks_for(values, task, is_assumed):
    found, assumed = task_of_column(pd.Series(values, name="y"))
    assert (found, bool(assumed)) == (task, is_assumed)


def table(rows: int = 120, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    good = rng.integers(0, 2, rows)
    words = [f"delivery number {n} was {'a delight' if g else 'broken again'}" for n, g in enumerate(good)]
    return pd.DataFrame(
        {
            "order_id": rng.permutation(rows) + 1000,
            "code": [f"X{n}" for n in range(rows)],
            "empty": np.nan,
            "same": "a",
            "price": [f"${p:,.2f}" for p in rng.uniform(1, 5000, rows)],
            "size": np.where(np.arange(rows) == 5, np.inf, rng.normal(size=rows)),
            "when": pd.date_range("2024-01-01", periods=rows, freq="1D").strftime("%Y-%m-%d"),
            "town": rng.choice(list("abc"), rows),
            "review": words,
            "good": np.where(good, "yes", "no"),
        }
    )


def test_columns_are_read_and_left_out():
    rows = table()
    kinds = read_columns(rows, "good")
    assert kinds == {
        "order_id": "name",
        "code": "name",
        "empty": "empty",
        "same": "constant",
        "price": "number",
        "when": "time",
        "review": "text",
    }
    made = prepare_table(rows, "good")
    assert list(made.columns) == [
        "price",
        "size",
        "when",
        "when_month",
        "when_weekday",
        "town",
        "review",
        "target",
    ]
    assert np.isnan(made["size"].iloc[5])
    assert made["when_weekday"].iloc[0] == 0.0
    notes = column_notes(rows, kinds, "good")
    assert [note["column"] for note in notes] == ["order_id", "code", "empty", "same", "size"]
    assert notes[-1]["text"] == "size: 1 infinite values are taken for missing."


def test_later_rows_are_read_as_development_was():
    rows = table()
    kinds = read_columns(rows, "good")
    later = rows.head(3).drop(columns="good").assign(price=["$1", "unknown", None], same=["a", "b", "c"])
    made = prepare_table(later, "good", classes=["no", "yes"], task="classification", kinds=kinds)
    assert made["price"].isna().tolist() == [False, True, True]
    assert "same" not in made
    assert made["target"].isna().all()
    pd.testing.assert_frame_equal(
        prepare_table(rows, "good").head(3), prepare_table(rows.head(3), "good", classes=["no", "yes"], kinds=kinds)
    )


def test_a_model_of_mixed_columns_learns_from_text_and_survives_its_file(tmp_path):
    made = prepare_table(table(), "good")
    score, _ = cross_validate_model(made, "logistic_regression", n_splits=3)
    assert score["low"] > 0.9  # the review tells
    model = train_classification_model(made)
    sha = save_model(model, tmp_path / "model.skops")
    again = load_model(tmp_path / "model.skops", sha)
    pd.testing.assert_series_equal(predict(again, made), predict(model, made))
