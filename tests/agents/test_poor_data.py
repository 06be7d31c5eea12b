"""Poor but usable data is put to the person once, with what is better."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from test_agent_nodes import BRIEF, walk
from worlds import MARKET

from omc_agent.agents.poor_data import poor_data_question
from omc_agent.brief import Brief
from omc_agent.config import Source


def bars(coin="BTC", count=6_000, without=slice(0, 0), start="2024-06-03"):
    times = pd.date_range(start, periods=count, freq="5min", tz="UTC")
    close = 100 + np.random.default_rng(0).normal(size=count).cumsum() / 10
    frame = pd.DataFrame({"coin": coin, "timestamp": times, "close": close})
    return frame.drop(frame.index[without]).reset_index(drop=True)


def asked(frame, **fields):
    fields = {"coins": list(frame["coin"].unique()), "start": "2024-06-03T00:00:00+00:00", **fields}
    return poor_data_question(frame, Brief(**fields).model_dump(), MARKET)


def test_good_bars_and_a_few_lost_ones_ask_nothing():
    assert asked(bars()) is None
    assert asked(bars(without=slice(100, 400))) is None


def test_a_large_gap_offers_the_longer_side():
    question = asked(bars(without=slice(1_000, 2_500)))
    assert question["field"] == "start"
    assert question["options"] == ["2024-06-03T00:00:00+00:00", "2024-06-11T16:20:00+00:00"]
    assert question["default"] == question["options"][0]
    assert "25 % of its bars missing" in question["context"]
    assert "holds 3,500 bars" in question["context"]
    question = asked(bars(without=slice(4_000, 5_500)), end="2024-06-24T00:00:00+00:00")
    assert (question["field"], question["options"][1]) == ("end", "2024-06-16T21:20:00+00:00")


def test_a_gap_between_parts_that_are_too_short_is_no_reason_to_cut_there():
    frame = bars(count=38_000, without=slice(10_000, 28_000), start="2024-05-04")
    first = {"start": "2024-05-04T00:00:00+00:00"}
    assert asked(frame, **first)["field"] == "start"
    assert asked(frame, horizon="P1D", **first) is None


def test_one_poor_coin_among_good_ones_may_be_left_out():
    both = pd.concat([bars("BTC", without=slice(1_000, 2_500)), bars("ETH")], ignore_index=True)
    question = asked(both)
    assert (question["field"], question["options"], question["default"]) == ("coins", ["BTC, ETH", "ETH"], "BTC, ETH")
    assert "BTC 25 %" in question["context"]


def test_few_bars_offer_an_earlier_start_where_the_table_has_one():
    question = asked(bars(count=1_500))
    assert question["field"] == "start"
    assert question["options"] == ["2024-06-03T00:00:00+00:00", "2024-05-04T00:00:00+00:00"]
    assert "1,500 bars a coin; 1,000 are needed" in question["context"]
    assert poor_data_question(bars(count=1_500), Brief(coins=["BTC"]).model_dump(), {}) is None


def test_an_exploration_and_a_table_are_not_asked():
    assert asked(bars(without=slice(1_000, 2_500)), task="analysis") is None
    assert poor_data_question(pd.DataFrame({"x": [1]}), Brief().model_dump(), {}) is None


@pytest.mark.parametrize(("visits", "questions"), [(0, 1), (1, 1), (2, 0), (3, 0)])
async def test_retrieval_leaves_the_question_once(visits, questions):
    state = {"goal": "g", "brief": {**BRIEF, "end": None}, "visits": {"clarification": visits}}
    source = Source(frames={"mine": bars(without=slice(1_000, 2_500))})
    left, _ = await walk("data_retrieval", state, source=source)
    assert len(left.get("questions", [])) == questions
    assert left["trouble"] is None


async def test_good_rows_leave_no_question():
    state = {"goal": "g", "brief": {**BRIEF, "end": None}}
    left, _ = await walk("data_retrieval", state, source=Source(frames={"mine": bars()}))
    assert "questions" not in left
