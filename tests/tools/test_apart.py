"""Coins alone and in another order, and halves of a table."""

from __future__ import annotations

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from omc_agent.tools.apart import halves, has_coins, one_coin, other_order


@given(st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=60), st.integers(0, 3))
def test_two_halves_hold_every_row_and_each_of_them_every_class(labels, seed):
    frame = pd.DataFrame({"x": range(len(labels)), "sold": labels})
    one, other = halves(frame, "sold", seed)
    assert set(one.index) | set(other.index) == set(frame.index)
    assert set(one["sold"]) == set(other["sold"]) == set(labels)
    assert one.index.is_monotonic_increasing
    singles = int((frame["sold"].value_counts() == 1).sum())
    assert len(one) + len(other) == len(frame) + singles


def test_coins_alone_and_in_another_order_keep_their_rows():
    frame = pd.DataFrame({"coin": ["A", "B", "A", "C"], "x": range(4)}, index=[5, 6, 7, 8])
    assert has_coins(frame)
    assert one_coin(frame).index.tolist() == [8]
    assert other_order(frame).index.tolist() == [8, 6, 5, 7]
    assert not has_coins(one_coin(frame))
