"""The threshold of a goal."""

from __future__ import annotations

import pytest

from omc_agent.llm.draft import Draft
from omc_agent.llm.grammar import read_goal
from omc_agent.llm.threshold_reader import given_threshold, read_threshold
from omc_agent.llm.words import Words
from tests.llm.goals import MARKET


def draft(goal: str) -> Draft:
    return Draft(Words(goal), MARKET, True)


@pytest.mark.parametrize(
    ("goal", "threshold"),
    [
        ("rises by 2%", 0.02),
        ("falls by at least 3 percent", -0.03),
        ("a 250 bps drop", -0.025),
        ("a return above 1%", 0.01),
        ("a return below 1%", -0.01),
        ("moves -2%", -0.02),
        ("will double within a year", 1.0),
        ("doubles overnight", 1.0),
        ("double?", 1.0),
        ("double its price", 1.0),
        ("will halve by tomorrow", -0.5),
        ("halves", -0.5),
    ],
)
def test_a_change_is_a_signed_fraction(goal: str, threshold: float) -> None:
    now = draft(goal)
    assert read_threshold(now) == threshold
    assert now.questions == []
    assert now.notes[-1].startswith(f"A threshold of {100 * threshold:+g} % counts as reached")


@pytest.mark.parametrize(
    "goal",
    [
        "95% confidence",
        "falls by 150%",
        "rises by 0%",
        "after a double top",
        "using double exponential smoothing",
        "double-check it",
        "the two halves of 2024",
        "after the halving",
        "using double the data",
    ],
)
def test_what_is_no_threshold(goal: str) -> None:
    assert read_threshold(draft(goal)) is None


def test_the_first_change_named_is_taken_and_the_next_said_to_be_left_out() -> None:
    now = draft("doubles or halves")
    assert (read_threshold(now), now.words.left()) == (1.0, ["halves"])
    assert now.notes[-1] == "halves was not read as a threshold."
    now = draft("rises 2% or doubles")
    assert (read_threshold(now), now.words.left()) == (0.02, ["doubles"])


def test_a_move_that_says_no_way_is_asked() -> None:
    now = draft("moves by 2%")
    assert read_threshold(now) == 0.02
    assert (now.questions[0].options, now.assumed) == (["0.02", "-0.02"], ["threshold"])


def test_a_threshold_given_beside_the_goal_defaults_to_one_percent() -> None:
    now = draft("BTC")
    assert given_threshold(now, "threshold", None) == 0.01
    assert now.assumed == ["threshold"]
    assert given_threshold(now, "threshold", 0.5) == 0.5
    assert given_threshold(now, "price", None) is None


def test_a_goal_that_asks_whether_a_coin_doubles_is_about_a_threshold() -> None:
    brief = read_goal("Will bitcoin double within a week?", MARKET).brief
    assert (brief.task, brief.target, brief.threshold, brief.horizon) == ("classification", "threshold", 1.0, "P7D")
    assert (brief.coins, brief.unread) == (["BTC"], [])
