"""Whatever a person's frame holds, what comes out can be written to a file and read by a model, or is told."""

from __future__ import annotations

import datetime
import decimal
import uuid

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omc_agent.errors import DataError, UsageError
from omc_agent.tools.plain_frame import LEFT_OUT, plain_frame

ROWS = pd.DataFrame({"x": [1.0, 2.0], "word": ["a", "b"]})
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.binary(),
    st.decimals(allow_nan=False),
    st.dates(),
    st.times(),
    st.timedeltas(min_value=datetime.timedelta(-1000), max_value=datetime.timedelta(1000)),
    st.complex_numbers(),
    st.uuids(),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
)


def test_a_plain_frame_is_the_same_object():
    assert plain_frame(ROWS) is ROWS


@given(st.lists(VALUES, min_size=2, max_size=6))
def test_any_values_can_be_written_or_are_told(values):
    column = pd.Series(values, dtype=object)
    made = plain_frame(ROWS.reindex(range(len(values))).assign(thing=column))
    if "thing" in made:
        assert len(pa.Table.from_pandas(made)) == len(values)
        assert made["thing"].isna().tolist() == column.isna().tolist()
        made["thing"].nunique()
    else:
        assert list(made.attrs[LEFT_OUT]) == ["thing"]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ([1, "a"], ["1", "a"]),
        ([True, 2.5], [1.0, 2.5]),
        ([1, 2.5], [1.0, 2.5]),
        ([10**30, 1], [1e30, 1.0]),
        ([10**400, decimal.Decimal("1.5")], [np.inf, 1.5]),
        (pd.period_range("2024-01", periods=2, freq="M"), [pd.Timestamp("2024-01-01"), pd.Timestamp("2024-02-01")]),
        (pd.to_timedelta([1, 2], "h"), [3600.0, 7200.0]),
        (pd.cut(pd.Series([1, 9]), [0, 5, 10]), ["(0, 5]", "(5, 10]"]),
        (pd.Series([1.0, 0.0], dtype=pd.SparseDtype("float64", 0.0)), [1.0, 0.0]),
        (np.array([1.5, 2.5], dtype=np.float16), [1.5, 2.5]),
        ([uuid.UUID(int=1), uuid.UUID(int=2)], [str(uuid.UUID(int=1)), str(uuid.UUID(int=2))]),
        ([datetime.time(1), datetime.time(2)], ["01:00:00", "02:00:00"]),
        ([decimal.Decimal("1.5"), 2.5], [1.5, 2.5]),
    ],
)
def test_odd_columns_become_plain(column, expected):
    assert plain_frame(ROWS.assign(odd=column))["odd"].tolist() == expected


@pytest.mark.parametrize(
    ("column", "kind"),
    [([[1], [2]], "list"), ([{"a": 1}, None], "dict"), ([b"\xff", b"a"], "bytes"), ([1j, 2j], "complex"),
     ([np.zeros(2), np.ones(2)], "ndarray"), ([1, {2}], "set")],
)  # fmt: skip
def test_what_no_model_can_read_is_left_out_and_told(column, kind):
    made = plain_frame(ROWS.assign(odd=pd.Series(column)))
    assert list(made) == ["x", "word"]
    assert made.attrs[LEFT_OUT] == {"odd": kind}


def test_names_become_text_of_their_own():
    frame = pd.DataFrame([[1, 2, 3]], columns=pd.Index([0, ("a", 1), "b"], dtype=object))
    assert list(plain_frame(frame)) == ["0", "a_1", "b"]
    with pytest.raises(DataError, match="More than one column is called 'x'"):
        plain_frame(pd.DataFrame([[1, 2]], columns=["x", "x"]))
    with pytest.raises(DataError, match="More than one column is called '1'"):
        plain_frame(pd.DataFrame([[1, 2]], columns=[1, "1"]))


def test_what_is_no_frame_is_refused():
    with pytest.raises(UsageError, match="The data was a list"):
        plain_frame([1, 2])
