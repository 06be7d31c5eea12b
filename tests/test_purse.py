"""The budget: what counts, when it is asked for, what an answer buys, and that it never turns in a circle."""

from __future__ import annotations

import pytest

from omc_agent.errors import RunStopped
from omc_agent.purse import Purse, grants
from omc_agent.request import Decision


def spent(tokens=0, usd=0.0):
    return {"tokens_in": tokens, "tokens_out": tokens, "usd": usd, "calls": 1}


class Answers:
    """Asks nobody: gives one answer after the other, the last again and again."""

    def __init__(self, *decisions):
        self.decisions, self.asked = list(decisions), []

    async def __call__(self, request, key):
        self.asked.append((request, key))
        return self.decisions.pop(0) if len(self.decisions) > 1 else self.decisions[0]


@pytest.mark.parametrize(
    ("budget", "max_tokens", "used", "empty"),
    [
        (0.0, 0, spent(10**9, 10**6), False),
        (1.0, 0, spent(10**9, 0.99), False),
        (1.0, 0, spent(0, 1.0), True),
        (0.0, 100, spent(49, 10**6), False),
        (0.0, 100, spent(50), True),
        (1.0, 100, spent(500, 0.5), False),
    ],
    ids=["no limit", "below", "at the limit", "tokens below", "tokens at the limit", "dollars go before tokens"],
)
async def test_a_purse_is_empty_at_its_limit(budget, max_tokens, used, empty):
    purse, ask = Purse(budget, max_tokens, used), Answers(Decision(type="reject"))
    assert purse.is_empty() is empty
    if not empty:
        await purse.afford(ask, "run", "planning", "k")
        assert ask.asked == []


@pytest.mark.parametrize(
    ("budget", "max_tokens", "used", "default", "words"),
    [
        (1.0, 0, spent(usd=1.0), "2", ("US dollars", "$1.00 of $1.00")),
        (1.0, 0, spent(usd=7.5), "8.5", ("US dollars", "$7.50 of $1.00")),
        (0.0, 1000, spent(500), "2000", ("tokens", "1,000 of 1,000 tokens")),
    ],
)
async def test_the_question_says_what_was_used_and_what_yes_buys(budget, max_tokens, used, default, words):
    purse, ask = Purse(budget, max_tokens, used), Answers(Decision())
    await purse.afford(ask, "run", "model_training", "task")
    ((request, key),) = ask.asked
    assert (request.gate, request.stage, request.default, key) == ("budget", "model_training", default, "task")
    assert words[0] in request.effect
    assert words[1] in request.context
    assert purse.limit == float(default)
    assert not purse.is_empty()


@pytest.mark.parametrize("value", [3.0, "3"])
async def test_an_amount_is_the_new_limit_and_the_next_call_is_paid_for(value):
    used = spent(usd=1.0)
    purse, ask = Purse(1.0, 0, used), Answers(Decision(value=value))
    await purse.afford(ask, "run", "planning", "a")
    assert purse.limit == 3.0
    used["usd"] = 2.9
    await purse.afford(ask, "run", "planning", "b")
    assert len(ask.asked) == 1
    used["usd"] = 3.0
    assert purse.is_empty()


@pytest.mark.parametrize(
    "decision", [Decision(type="reject", why="enough"), Decision(value=0.5), Decision(value="1")],
    ids=["no", "a limit below what was used", "the limit as it was"],
)  # fmt: skip
async def test_no_or_too_little_stops_the_run_and_says_how_to_go_on(decision):
    purse, ask = Purse(1.0, 0, spent(usd=1.0)), Answers(decision)
    with pytest.raises(RunStopped) as stopped:
        await purse.afford(ask, "r7", "planning", "k")
    assert stopped.value.code == "run.rejected"
    assert "%agent resume r7 --budget N" in stopped.value.try_
    assert len(ask.asked) == 1, "the same question again would get the same answer"


async def test_tokens_are_raised_by_their_own_flag():
    with pytest.raises(RunStopped, match="--max-tokens N"):
        await Purse(0.0, 10, spent(5)).afford(Answers(Decision(type="reject")), "r", "planning", "k")


def row(gate="budget", decision=None, default="2"):
    return {"gate": gate, "decision": decision or {}, "payload": {"default": default}}


def test_what_was_granted_before_holds_after_a_restart_of_the_process():
    rows = [
        row(decision={"type": "approve", "value": 5.0}),
        row(decision={"type": "approve"}),
        row(decision={"type": "reject"}),
        row("code", {"type": "approve", "value": 99}),
    ]
    assert grants(rows) == [5.0, 2.0]
    assert Purse(1.0, 0, spent(usd=4.0), grants(rows)).limit == 5.0
    assert not Purse(1.0, 0, spent(usd=4.0), grants(rows)).is_empty()
