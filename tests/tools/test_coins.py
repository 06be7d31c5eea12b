"""Every spelling of a coin has exactly one symbol."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omc_agent.tools.coins import base_symbol, symbols


@pytest.mark.parametrize(("name", "base"), [("eth-perp", "ETH"), ("SOLUSDC", "SOL"), ("USDT", "USDT"), ("T", "T")])
def test_base_symbols(name, base):
    assert base_symbol(name) == base


@given(
    st.lists(
        st.sampled_from(["BTC", "btc", "BTC/USDT", "BTC-EUR", "ETHUSD", "eth", "FDUSD", "XRP_USDT"]), unique=True
    )
)
@settings(max_examples=50, deadline=None)
def test_every_spelling_has_exactly_one_symbol(names):
    found = symbols(names)
    assert sorted(name for spelled in found.values() for name in spelled) == sorted(names)
