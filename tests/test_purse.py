"""The budget: what counts, when it is asked for, what an answer buys, and that it never turns in a circle."""

from __future__ import annotations

import pytest

from omc_agent.errors import RunStopped
from omc_agent.purse import Purse, grants
from omc_agent.request import Decision, Request


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
    ("budget", "max_tokens", "used", "reached"),
    [
        (0.0, 0, spent(10**9, 10**6), []),
        (1.0, 0, spent(10**9, 0.99), []),
        (1.0, 0, spent(0, 1.0), ["usd"]),
        (0.0, 100, spent(49, 10**6), []),
        (0.0, 100, spent(50), ["tokens"]),
        (1.0, 100, spent(500, 0.5), ["tokens"]),
        (1.0, 100, spent(5, 1.5), ["usd"]),
        (1.0, 100, spent(500, 1.5), ["usd", "tokens"]),
    ],
    ids=["no limit", "below", "at the limit", "tokens below", "tokens at the limit", "tokens hold beside dollars",
         "dollars hold beside tokens", "both"],
)  # fmt: skip
async def test_each_limit_that_is_given_holds(budget, max_tokens, used, reached):
    purse, ask = Purse(budget, max_tokens, used), Answers(Decision())
    assert purse.reached() == reached
    await purse.afford(ask, "run", "planning", "k")
    assert [list(request.limits) for request, _ in ask.asked] == [reached] * bool(reached)
    assert purse.reached() == []


@pytest.mark.parametrize(
    ("budget", "max_tokens", "used", "default", "words"),
    [
        (1.0, 0, spent(usd=1.0), "2", ("to $2.00", "$1.00 of $1.00")),
        (1.0, 0, spent(usd=7.5), "8.5", ("to $8.50", "$7.50 of $1.00")),
        (0.0, 1000, spent(500), "2000", ("to 2,000 tokens", "1,000 of 1,000 tokens")),
        (1.0, 1000, spent(500, 1.0), "2", ("and the limit of tokens to 2,000 tokens", "$1.00 of $1.00; 1,000 of")),
    ],
)
async def test_the_question_says_what_was_used_and_what_yes_buys(budget, max_tokens, used, default, words):
    purse, ask = Purse(budget, max_tokens, used), Answers(Decision())
    await purse.afford(ask, "run", "model_training", "task")
    ((request, key),) = ask.asked
    assert (request.gate, request.stage, request.default) == ("budget", "model_training", default)
    assert key.startswith("task:")
    assert words[0] in request.effect
    assert words[1] in request.context
    assert next(iter(purse.limits.values())) == float(default)
    assert purse.reached() == []


@pytest.mark.parametrize("value", [3.0, "3", {"usd": 3.0}])
async def test_an_amount_is_the_new_limit_and_the_next_call_is_paid_for(value):
    used = spent(usd=1.0)
    purse, ask = Purse(1.0, 0, used), Answers(Decision(value=value))
    await purse.afford(ask, "run", "planning", "a")
    assert purse.limits == {"usd": 3.0}
    used["usd"] = 2.9
    await purse.afford(ask, "run", "planning", "b")
    assert len(ask.asked) == 1
    used["usd"] = 3.0
    assert purse.reached() == ["usd"]


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


async def test_the_flag_that_is_named_is_that_of_the_limit():
    with pytest.raises(RunStopped) as stopped:
        await Purse(0.0, 10, spent(5)).afford(Answers(Decision(type="reject")), "r", "planning", "k")
    assert "--max-tokens N" in stopped.value.try_
    assert "10 of 10 tokens" in stopped.value.given


async def test_the_limit_of_the_day_is_asked_for_like_another_and_no_is_said_as_such():
    purse, ask = Purse(0.0, 0, spent(), daily=5.0), Answers(Decision(type="reject"))
    purse.today = 5.0
    with pytest.raises(RunStopped) as stopped:
        await purse.afford(ask, "r", "planning", "k")
    assert stopped.value.code == "run.daily"
    assert "--daily-budget N" in stopped.value.try_
    assert "tomorrow" in stopped.value.try_
    assert "all runs of this store" in ask.asked[0][0].context


async def test_what_costs_nothing_is_held_back_by_tokens_only():
    purse, ask = Purse(1.0, 0, spent(10**6, 2.0), daily=1.0), Answers(Decision(type="reject"))
    purse.today = 2.0
    await purse.afford(ask, "r", "planning", "k", free=True)
    assert ask.asked == []
    with pytest.raises(RunStopped):
        await Purse(0.0, 10, spent(9)).afford(ask, "r", "planning", "k", free=True)


async def test_an_old_answer_that_a_step_gets_again_buys_nothing():
    """A step that is entered again gets the answers to its earlier questions first; each is bound to its question."""
    old = Purse(1.0, 0, spent(usd=1.0))._request("planning", ["usd"]).sha256()
    purse = Purse(2.0, 0, spent(usd=2.1))  # that answer made the limit 2
    fresh = purse._request("planning", ["usd"]).sha256()
    ask = Answers(Decision(sha256=old), Decision(value=9, sha256=fresh))
    await purse.afford(ask, "r", "planning", "k")
    assert purse.limits == {"usd": 9.0}
    assert len(ask.asked) == 2


def row(decision, limits, day="2026-05-01", gate="budget"):
    payload = Request(gate=gate, stage="planning", question="Go on?", limits=limits).model_dump()
    return {"gate": gate, "decision": decision, "payload": payload, "decided_at": f"{day} 10:00:00"}


USD, TOKENS, DAY = ({name: {"limit": 1.0, "next": 2.0}} for name in ("usd", "tokens", "day"))


def test_what_was_granted_before_holds_after_a_restart():
    rows = [
        row({"type": "approve", "value": 5.0}, USD),
        row({"type": "approve"}, USD),
        row({"type": "reject"}, USD),
        row({}, USD),
        row({"type": "approve", "value": 9.0}, TOKENS, gate="scope"),
    ]
    assert grants(rows) == {"usd": 5.0}
    assert Purse(1.0, 0, spent(usd=4.0), grants(rows)).reached() == []


def test_an_amount_is_for_the_first_limit_and_the_others_are_doubled():
    assert grants([row({"type": "approve", "value": 7.0}, {**USD, **TOKENS})]) == {"usd": 7.0, "tokens": 2.0}


@pytest.mark.parametrize(("today", "granted"), [("2026-05-01", {"day": 8.0}), ("2026-05-02", {})])
def test_what_was_granted_for_a_day_is_for_that_day(today, granted):
    assert grants([row({"type": "approve", "value": 8.0}, DAY)], today) == granted


@pytest.mark.parametrize("limit", ["budget", "max_tokens"])
def test_a_grant_raises_no_limit_that_is_not_there(limit):
    assert Purse(0.0, 0, spent(), {"usd": 5.0, "tokens": 5.0}).limits == {}
