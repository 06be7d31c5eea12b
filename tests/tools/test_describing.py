"""What a market holds is told quickly, wholly, and in JSON."""

from __future__ import annotations

import json

import pytest
from stored import TABLE, bars, write

from omc_agent.errors import DataError
from omc_agent.tools.data import fetch_price_data
from omc_agent.tools.describing import describe_market


@pytest.fixture
def db(tmp_path):
    return write(tmp_path / "m.db", bars(["BTC", "ETH/USDT", "doge"]))


def test_an_empty_table_is_described_and_not_fetched(tmp_path):
    url = write(tmp_path / "m.db", [])
    assert describe_market(url) == {
        "table": TABLE,
        "bar_minutes": None,
        "columns": ["coin_type", "timestamp", "last"],
        "coins": {},
        "newest": None,
        "simulated": False,
        "notes": {},
    }
    with pytest.raises(DataError):
        fetch_price_data(None, db=url)


def test_the_description_goes_to_json(db):
    assert json.loads(json.dumps(describe_market(db)))["simulated"] is False
