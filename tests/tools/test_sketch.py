"""Rows that were seen before are known again in another frame, whatever its name, order and length."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omc_agent.tools.sketch import SIZE, hash_rows, share_rows, sketch_rows


def drawn(rows, seed, timed=False):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"size": rng.normal(size=rows), "kind": rng.choice(["a", "b", None], rows)})
    frame["target"] = rng.integers(0, 2, rows)
    if timed:
        frame["timestamp"] = pd.date_range("2024-01-01", periods=rows, freq="1h", tz="UTC")
    return frame


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(20, 9_000),
    length=st.floats(0.05, 1.0),
    overlap=st.floats(0.06, 1.0),
    timed=st.booleans(),
    seed=st.integers(0, 999),
)
def test_any_overlap_above_five_per_cent_is_found_and_disjoint_rows_are_not(rows, length, overlap, timed, seed):
    whole = drawn(2 * rows, seed, timed)
    one = whole.iloc[:rows]
    more = max(int(rows * length), 1)
    shared = int(np.ceil(overlap * rows))
    other = whole.iloc[rows - shared : rows - shared + max(more, shared)].sample(frac=1.0, random_state=seed)
    assert share_rows(sketch_rows(one), sketch_rows(other))
    assert share_rows(sketch_rows(other), sketch_rows(one))
    assert not share_rows(sketch_rows(one), sketch_rows(whole.iloc[rows : rows + more]))


@pytest.mark.parametrize("shared", [0, 2_600])
def test_of_large_frames_a_common_sample_is_compared(shared):
    whole = drawn(100_000, 1)
    one, other = sketch_rows(whole.iloc[:50_000]), sketch_rows(whole.iloc[50_000 - shared :])
    assert len(one) < 12 * SIZE
    assert share_rows(one, other) is bool(shared)


def test_names_types_and_index_of_the_same_rows_do_not_count():
    rows = drawn(200, 2, timed=True)
    other = rows.rename(columns={"size": "weight"}).set_index(np.arange(200)[::-1])
    other["target"] = other["target"].astype("float64")
    other["timestamp"] = other["timestamp"].dt.tz_convert("Europe/Paris").astype("datetime64[ms, Europe/Paris]")
    assert hash_rows(rows).tolist() == hash_rows(other).tolist()
    assert len(set(hash_rows(rows).tolist())) == 200
    assert not share_rows(sketch_rows(rows), sketch_rows(rows.assign(size=rows["size"] + 1e-6)))


def test_a_frame_without_rows_shares_none():
    assert not share_rows(sketch_rows(drawn(0, 0)), sketch_rows(drawn(5, 0)))
