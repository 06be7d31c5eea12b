"""Rows that belong together are kept together, or the person is told that they were not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from omc_agent.agents.belonging import belonging_warnings, check_group, entity_column
from omc_agent.errors import UsageError


def visits(name="patient_id", people=30, each=4):
    rng = np.random.default_rng(0)
    rows = people * each
    who = np.repeat(np.arange(people), each)
    return pd.DataFrame({name: who, "mark": rng.normal(size=rows), "ill": rng.integers(0, 2, rows)})


@pytest.mark.parametrize("name", ["patient_id", "customerId", "USER", "store no", "accounts"])
def test_a_column_that_names_an_entity_with_several_rows_is_seen(name):
    assert entity_column(visits(name), "ill") == name
    (note,) = belonging_warnings(visits(name), "ill", None, {})
    assert note["code"] == "split_groups"
    assert "4.0 on average" in note["text"]
    assert note["text"].endswith(f"give --group {name}.")
    assert belonging_warnings(visits(name), "ill", name, {"group": name}) == []


@pytest.mark.parametrize(
    "frame",
    [visits("mass"), visits("idle"), visits(people=5, each=20), visits(people=120, each=1), visits("storey")],
    ids=["no entity", "a word with id in it", "a category", "a row each", "another word"],
)
def test_what_is_no_entity_with_several_rows_is_not_told(frame):
    assert entity_column(frame, "ill") is None


def test_the_target_is_no_entity():
    assert entity_column(visits("customer").rename(columns={"ill": "x"}), "customer") is None


def test_repeats_are_counted_and_said():
    (note,) = belonging_warnings(visits("mass"), "ill", None, {"repeated": 1200})
    assert (note["code"], note["text"][:22]) == ("repeated_rows", "1,200 rows repeat anot")


def test_rows_in_time_are_cut_in_time_whatever_their_group():
    assert belonging_warnings(visits(), "ill", None, {"time": "timestamp"}) == []
    (note,) = belonging_warnings(visits(), "ill", "patient_id", {"time": "timestamp"})
    assert "cut in time" in note["text"]


def test_a_group_that_is_not_there_is_one_sentence():
    check_group(visits(), None)
    check_group(visits(), "patient_id")
    with pytest.raises(UsageError, match="'who' is not there") as refused:
        check_group(visits(), "who")
    assert refused.value.code == "usage.value"
