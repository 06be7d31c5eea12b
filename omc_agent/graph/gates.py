"""Who answers a gate: a person, the policy of the run, or the stated default.

A question that only a person can answer becomes LangGraph's `interrupt`: the graph stops with its checkpoint
written, and whoever drives the run writes the question down before anyone is asked.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Any

from langgraph.types import interrupt

from omc_agent.config import Gates
from omc_agent.policy import answer_of, waits
from omc_agent.request import CLARIFICATION, Decision, Request

# Gates that have a safe default: the recommendation, or the default that was stated.
SAFE = frozenset({CLARIFICATION, "selection", "features", "models"})

Settle = Callable[[str, Request, Decision, str], Awaitable[Decision]]
Ask = Callable[[Request, str], Awaitable[Decision]]


async def _walled() -> bool:
    return True


def make_ask(
    gates: Gates,
    settle: Settle,
    *,
    walled: Callable[[], Awaitable[bool]] = _walled,
    asked: Collection[tuple[str, str, str]] = (),
) -> Ask:
    """The `ask` of a run.

    Parameters
    ----------
    gates : Gates
        The policy, as it was when the run began.
    settle : callable
        ``await settle(key, request, decision, by)`` writes down what a policy answered; returns what holds, which
        is the earlier answer when the same question was settled before.
    walled : callable
        ``await walled()``: whether generated code is held by a wall. Where it is not, no policy runs it unasked.
    asked : collection of (gate, stage, sha256)
        What a person was asked before this process took the run up. It is asked again, so that the answer is heard:
        a policy or a tier that has changed since must not run what was rejected.
    """

    async def ask(request: Request, key: str) -> Decision:
        held = request.gate != "code" or await walled()
        answered = _by_policy(gates, request, held=held)
        if answered is None or (request.gate, request.stage, request.sha256()) in asked:
            payload = {"request": request.model_dump(), "sha256": request.sha256(), "held": held}
            return Decision.model_validate(interrupt(payload))
        return await settle(key, request, *answered)

    return ask


def _by_policy(gates: Gates, request: Request, *, held: bool) -> tuple[Decision, str] | None:
    """The answer and whose it is; None when a person must."""
    if waits(gates.answers, request):
        return None
    from_file = answer_of(gates.answers, request)
    if not held and not gates.unsafe_local and (from_file is None or from_file.type != "reject"):
        return None
    if from_file is not None:
        return from_file, "policy file"
    if request.gate == "budget":
        return None
    if gates.approve == "never":
        return default_of(request), "policy: --approve never"
    if request.gate in SAFE and not gates.interactive:
        return default_of(request), "default"
    return None


def default_of(request: Request) -> Decision:
    """The stated default as an answer."""
    if request.gate == CLARIFICATION:
        return Decision(value={question.field: question.default for question in request.questions})
    return Decision(value=request.default)


def unanswered(request: Request, on_timeout: str, *, held: bool) -> Decision | None:
    """What holds when nobody answers; None: the run parks.

    Code that no wall holds is never approved by a clock, and money is never spent by one.
    """
    if on_timeout == "park" or (on_timeout == "approve" and (not held or request.gate == "budget")):
        return None
    if on_timeout == "reject":
        return Decision(type="reject", why="nobody answered in time")
    return default_of(request)


def opened(interrupted: Any) -> tuple[Request, str, bool]:
    """Request, hash and whether a wall holds its code, out of an interrupt's value."""
    return Request.model_validate(interrupted["request"]), str(interrupted["sha256"]), bool(interrupted["held"])
